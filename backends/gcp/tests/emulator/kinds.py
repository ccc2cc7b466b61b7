"""What all resources have in common: get, list, aggregated list, deletion."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import frozen

from .calls import METHODS, Call
from .errors import NotEmulated, in_use, not_ready, stale
from .names import ROOT, Scope, checked
from .paging import page
from .store import Resource

if TYPE_CHECKING:
    from .world import World

Show = Callable[["World", Resource], dict[str, Any]]


@frozen
class Kind:
    """A collection.

    Args:
        name: `backendServices`.
        label: as errors call one: `backend_service`.
        services: the services whose methods it has; each is of one scope.
        show: what a resource looks like.
        users: paths of resources that use one, for which it can't be deleted.
        print: the field that carries the fingerprint, if it has one.
        scopes: where there can be some, as aggregated lists tell them.
    """

    name: str
    label: str
    services: tuple[str, ...]
    show: Show
    users: Callable[[World, Resource], list[str]] = lambda _world, _resource: []
    print: str | None = None
    scopes: tuple[str, ...] = ("global", "regions")

    @property
    def single(self) -> str:
        """One, as `kind` says it: `backendService`."""
        return self.name[:-3] + "y" if self.name.endswith("ies") else self.name.rstrip("s") \
            if not self.name.endswith(("sses", "xies")) else self.name[:-2]  # fmt: skip


KINDS: dict[str, Kind] = {}

USUAL = ("get", "list", "aggregatedList", "delete")
"""Methods that nearly every collection has."""


def base(world: World, resource: Resource) -> dict[str, Any]:
    """What every resource says about itself."""
    kind = KINDS[resource.kind]
    said = {
        "kind": f"compute#{kind.single}",
        "id": str(resource.id),
        "creationTimestamp": world.stamp(resource.created),
        "name": resource.name,
        "selfLink": resource.link,
    }
    if resource.scope.name:
        here = f"{ROOT}projects/{resource.project}/{resource.scope.path}"
        said[resource.scope.kind[:-1]] = here
    if kind.print:
        said[kind.print] = resource.fingerprint
    return resource.data | said


def show(world: World, resource: Resource) -> dict[str, Any]:
    """A resource as it is answered."""
    return KINDS[resource.kind].show(world, resource)


def register(kind: Kind, *methods: str) -> None:
    """Answer the usual methods of a collection; `methods` as they are called."""
    KINDS[kind.name] = kind
    usual = {
        "get": _getter(kind),
        "list": _lister(kind),
        "aggregatedList": _aggregate(kind),
        "delete": _deleter(kind),
    }
    for service in kind.services:
        for method in methods:
            # Google aggregates over regions and zones: services of one region, or none, do not.
            if method != "aggregatedList" or not service.startswith(("region", "global")):
                METHODS[f"{service}.{method}"] = usual[method]


def _getter(kind: Kind) -> Callable[[World, Call], Any]:
    def get(world: World, call: Call) -> Any:
        return kind.show(world, world.store.get(kind.name, call.scope, call.target))

    return get


def _lister(kind: Kind) -> Callable[[World, Call], Any]:
    def listed(world: World, call: Call) -> Any:
        found = world.store.listed(kind.name, call.scope, world.laws.lag)
        name = f"compute#{_plain(call.service)}List"
        return page(call, [kind.show(world, r) for r in found], name)

    return listed


def _plain(service: str) -> str:
    return service.removesuffix("s") if not service.endswith("xies") else service[:-3] + "y"


def _aggregate(kind: Kind) -> Callable[[World, Call], Any]:
    def aggregated(world: World, call: Call) -> Any:
        """Every scope, those without results with a warning, as recorded."""
        found = page(
            call,
            [kind.show(world, r) for r in world.store.listed(kind.name, None, world.laws.lag)],
            f"compute#{kind.single}AggregatedList",
        )
        scopes = [Scope(), Scope("regions", world.region)]
        scopes += [Scope("zones", zone) for zone in world.zones]
        items: dict[str, Any] = {}
        for scope in [each for each in scopes if each.kind in kind.scopes]:
            mark = f"/{scope.path}/{kind.name}/"
            here = [item for item in found["items"] if mark in item["selfLink"]]
            items[scope.path] = {kind.name: here} if here else {"warning": _nothing(scope)}
        return found | {"items": items}

    return aggregated


def _nothing(scope: Scope) -> dict[str, Any]:
    return {
        "code": "NO_RESULTS_ON_PAGE",
        "message": f"There are no results for scope '{scope.path}' on this page.",
        "data": [{"key": "scope", "value": scope.path}],
    }


def _found_in(value: Any, wanted: str) -> bool:
    """Whether a link stands anywhere in a body."""
    if isinstance(value, dict):
        return any(_found_in(each, wanted) for each in value.values())
    if isinstance(value, list):
        return any(_found_in(each, wanted) for each in value)
    return bool(value == wanted)


def users_among(*kinds: str) -> Callable[[World, Resource], list[str]]:
    """Paths of resources of these kinds that name a resource."""

    def users(world: World, resource: Resource) -> list[str]:
        return [
            u.path for k in kinds for u in world.store.of(k) if _found_in(u.data, resource.link)
        ]

    return users


def free(world: World, resource: Resource) -> None:
    """See that nobody uses it and nobody is at work on it.

    Raises:
        GoogleError: 400 `resourceInUseByAnotherResource` or `resourceNotReady`.
    """
    kind = KINDS[resource.kind]
    if users := kind.users(world, resource):
        raise in_use(kind.label, resource.path, users[0])
    idle(resource)


def idle(resource: Resource) -> None:
    """See that no operation is at work on it.

    Raises:
        GoogleError: 400 `resourceNotReady`, as recorded.
    """
    if resource.busy:
        raise not_ready(resource.path)


def _deleter(kind: Kind) -> Callable[[World, Call], Any]:
    def delete(world: World, call: Call) -> Any:
        resource = world.store.get(kind.name, call.scope, call.target)
        free(world, resource)
        return world.operations.begin(call, resource, lambda: world.store.drop(resource))

    return delete


def inserted(
    world: World,
    call: Call,
    kind: str,
    data: dict[str, Any],
    then: Callable[[Resource], None] | None = None,
) -> Any:
    """Take a name and begin the operation after which the resource is there."""
    resource = world.store.make(kind, call.scope, checked(data), data)

    def effect() -> None:
        if then is not None:
            then(resource)
        resource.ready = True

    return world.operations.begin(call, resource, effect)


def guarded(resource: Resource, data: dict[str, Any], field: str, must: bool) -> None:
    """Hold the fingerprint of a change against the resource's.

    It is compared with the newest change that was *accepted*: of two with the same fingerprint
    only the first one gets through, although what is shown is still the old.

    Raises:
        GoogleError: 412 `conditionNotMet`: it is another one, or there has to be one.
    """
    given = data.get(field)
    if (given is None and must) or (given is not None and given != resource.mark(resource.claimed)):
        raise stale()


def changed(
    world: World,
    call: Call,
    resource: Resource,
    change: Callable[[], None],
    seconds: float | None = None,
) -> Any:
    """Begin the operation after which a resource is another one, fingerprint included."""
    resource.claimed += 1
    generation = resource.claimed

    def effect() -> None:
        change()
        resource.shown = max(resource.shown, generation)

    return world.operations.begin(call, resource, effect, seconds=seconds)


def rewritten(
    world: World, call: Call, kind: str, form: Callable[[World, dict[str, Any]], dict[str, Any]]
) -> Any:
    """A patch or an update of a resource that has a fingerprint and takes one change at a time.

    Args:
        form: checks what it would be and gives it its full form.
    """
    resource = world.store.get(kind, call.scope, call.target)
    guarded(resource, call.body, "fingerprint", must=True)
    idle(resource)
    patch = call.name.endswith(".patch")
    data = form(world, merged(resource.data, call.body) if patch else dict(call.body))

    def change() -> None:
        resource.data = data

    return changed(world, call, resource, change)


def merged(data: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A JSON merge patch (RFC 7396): null deletes, objects are merged, lists replaced."""
    result = dict(data)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = merged({}, value) if isinstance(value, dict) else value
    return result


def unsupported(call: Call, *fields: str) -> None:
    """Refuse loudly what is stored by nobody here.

    Raises:
        NotEmulated: one of the fields is there.
    """
    for field in fields:
        if call.body.get(field):
            raise NotEmulated(f"{field} in {call.name}")
