"""What can be asked for, read from the installed clients: verbs, paths, API versions, bodies.

Every request builder of a client is called once with made-up values: what it answers is the path,
the verb, the API version and the names of the query. Nothing is typed in that a client carries.
"""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from attrs import define, field, frozen

from .schema import SIMPLE, Node, is_shaped, resolved, shape

PINNED = {
    "azure-mgmt-compute": "39.0.0",
    "azure-mgmt-network": "33.1.0",
    "azure-mgmt-monitor": "7.0.0",
}

HOLE = re.compile(r"zz(\w+?)zz")


@frozen
class Route:
    """One operation: `compute:virtual_machine_scale_sets.update`."""

    name: str
    method: str
    pattern: re.Pattern[str]
    versions: frozenset[str]
    query: frozenset[str]
    body: Node | None
    answer: Node | None = None


@define
class Routes:
    """All operations, found by verb and path."""

    by_verb: dict[str, list[Route]] = field(factory=dict)
    seen: dict[tuple[str, str], list[Route]] = field(factory=dict)

    def add(self, route: Route) -> None:
        """One more."""
        self.by_verb.setdefault(route.method, []).append(route)

    def find(self, method: str, path: str) -> list[Route]:
        """Those that a request may mean; several differ in their API version."""
        if (found := self.seen.get((method, path))) is None:
            found = [r for r in self.by_verb.get(method, []) if r.pattern.fullmatch(path)]
            self.seen[method, path] = found
        return found

    def __iter__(self) -> Iterator[Route]:
        return (route for routes in self.by_verb.values() for route in routes)


def check() -> None:
    """See that the clients are the versions that were read.

    Raises:
        RuntimeError: they are not; says which are wanted.
    """
    found = {name: version(name) for name in PINNED}
    if found != PINNED:
        raise RuntimeError(f"this emulator was written for {PINNED}; here are {found}")


def load() -> Routes:
    """All routes of the three clients, and the few that none of them carries.

    Raises:
        RuntimeError: a client has other names inside than when this was written.
    """
    routes = Routes()
    for service in ("compute", "network"):
        for route in _generated(service):
            routes.add(route)
    for group in ("autoscale_settings", "metrics"):
        module = import_module(f"azure.mgmt.monitor.operations._{group}_operations")
        operations = next(v for k, v in vars(module).items() if k.endswith("Operations"))
        for name, build in _builders(module):
            routes.add(_route(f"monitor:{group}.{name}", build, operations, name))
    for route in _others():
        routes.add(route)
    _look_at(routes)
    return routes


def _look_at(routes: Routes) -> None:
    """Names that the handlers go by."""
    there = {route.name for route in routes}
    wanted = {
        "compute:virtual_machine_scale_sets.create_or_update",
        "compute:virtual_machine_scale_sets.delete_instances",
        "compute:virtual_machine_scale_set_vms.list",
        "compute:virtual_machines.instance_view",
        "network:load_balancer_backend_address_pools.create_or_update",
        "monitor:autoscale_settings.create_or_update",
    }
    if missing := wanted - there:
        raise RuntimeError(f"the clients name no {sorted(missing)}")


def _builders(module: Any) -> list[tuple[str, Callable[..., Any]]]:
    return [
        (name.removeprefix("build_").removesuffix("_request"), value)
        for name, value in vars(module).items()
        if name.startswith("build_") and name.endswith("_request")
    ]


def _generated(service: str) -> Iterator[Route]:
    """Of a client whose operations are in one module."""
    import_module(f"azure.mgmt.{service}.types")
    module = import_module(f"azure.mgmt.{service}.operations._operations")
    package = import_module(f"azure.mgmt.{service}")
    kind = {"compute": "ComputeManagementClient", "network": "NetworkManagementClient"}[service]
    client = getattr(package, kind)(_Nobody(), "zzsubscription_idzz")
    groups = {
        k: type(v) for k, v in vars(client).items() if type(v).__name__.endswith("Operations")
    }
    client.close()
    for name, build in _builders(module):
        fits = [group for group in groups if name.startswith(f"{group}_")]
        group = max(fits, key=len, default="")
        operation = name.removeprefix(f"{group}_")
        yield _route(f"{service}:{group}.{operation}", build, groups.get(group), operation)


class _Nobody:
    """A credential that is never asked."""

    def get_token(self, *scopes: str, **_: Any) -> Any:
        raise AssertionError("nothing is sent")


def _route(name: str, build: Callable[..., Any], operations: Any, operation: str) -> Route:
    values = {p.name: _made_up(p) for p in inspect.signature(build).parameters.values()
              if p.kind is not inspect.Parameter.VAR_KEYWORD}  # fmt: skip
    try:
        request = build(**values)
    except KeyError:  # A few want to be told what they carry.
        request = build(**values, content_type="application/json")
    url = urlsplit(request.url)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    api = query.pop("api-version", "")
    method = getattr(operations, f"begin_{operation}", None) or getattr(operations, operation, None)
    return Route(
        name,
        request.method,
        _pattern(unquote(url.path)),
        frozenset({api}),
        frozenset(query),
        _body(method) if method else None,
        _answer(method) if method else None,
    )


def _made_up(parameter: inspect.Parameter) -> Any:
    words = str(parameter.annotation)
    for kind, value in (("bool", True), ("int", 1), ("datetime", None), ("MatchConditions", None)):
        if kind in words and "str" not in words:
            return value
    return [f"zz{parameter.name}zz"] if "ist[" in words else f"zz{parameter.name}zz"


def _pattern(path: str) -> re.Pattern[str]:
    """A path with holes; only that of a whole resource has slashes in it."""
    out, at = "", 0
    for hole in HOLE.finditer(path):
        out += re.escape(path[at : hole.start()])
        whole = hole.group(1) in {"resource_uri", "scope"}
        out += r"/?.+?" if whole else r"[^/]+"
        at = hole.end()
    return re.compile(out + re.escape(path[at:]), re.IGNORECASE)


def _body(method: Callable[..., Any]) -> Node | None:
    """Of the parameter that may also be given as bytes."""
    for parameter in inspect.signature(method).parameters.values():
        words = typing.get_args(parameter.annotation)
        if any("IO" in str(word) for word in words):
            shapes = [
                w for w in words if hasattr(w, "__required_keys__") or hasattr(w, "_attribute_map")
            ]
            if shapes:
                return shape(shapes[-1])
    return None


PAGED, LISTED = {"ItemPaged"}, {"list", "List"}


def _answer(method: Callable[..., Any]) -> Node | None:
    """What is told in the end; None where the client says nothing about it."""
    told = inspect.signature(method).return_annotation
    outer = getattr(typing.get_origin(told), "__name__", "")
    inner = typing.get_args(told)[0] if typing.get_args(told) else told
    module = sys.modules[method.__module__]
    if isinstance(inner, str | typing.ForwardRef):
        inner = resolved(inner, module)
    if not is_shaped(inner):
        return None
    node = shape(inner)
    if outer in LISTED:
        return Node("list", of=node)
    if outer in PAGED:
        return Node("object", f"page of {node.name}", {"value": Node("list", of=node), "nextLink": SIMPLE[str]})  # fmt: skip
    return node


def _others() -> Iterator[Route]:
    """What none of the clients carries; the API versions are those of the REST reference.

    Resource groups (https://learn.microsoft.com/rest/api/resources/resource-groups), subscriptions
    (https://learn.microsoft.com/rest/api/resources/subscriptions/get), permissions
    (https://learn.microsoft.com/rest/api/authorization/permissions), and what operations are asked
    for (https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations).
    """
    groups = frozenset({"2021-04-01", "2022-09-01", "2024-03-01", "2024-11-01", "2025-04-01"})
    rights = frozenset({"2015-07-01", "2018-07-01", "2022-04-01"})
    sub, group = "/subscriptions/[^/]+", "/subscriptions/[^/]+/resourcegroups/[^/]+"
    own = "/providers/Microsoft.Authorization/permissions"
    rows = [
        ("GET", sub, "subscriptions.get", frozenset({"2020-01-01", "2022-12-01"})),
        ("GET", f"{sub}/resourcegroups", "resource_groups.list", groups),
        ("GET", group, "resource_groups.get", groups),
        ("PUT", group, "resource_groups.create_or_update", groups),
        ("DELETE", group, "resource_groups.delete", groups),
        ("GET", f"{group}/providers/Microsoft.Authorization/permissions",
         "permissions.list_for_resource_group", rights),
        ("GET", f"{group}/providers/(?!Microsoft.Authorization).+{own}",
         "permissions.list_for_resource", rights),
        ("GET", f"{sub}/providers/Microsoft[.][^/]+/locations/[^/]+/(caps)?operations/[^/]+",
         "operations.status", frozenset()),
        ("GET", f"{sub}/operationresults/[^/]+", "operations.status", frozenset()),
    ]  # fmt: skip
    for method, path, name, versions in rows:
        pattern = re.compile(path, re.IGNORECASE)
        extra = frozenset({"monitor", "p", "c", "h", "s", "t"}) if not versions else frozenset()
        yield Route(f"resources:{name}", method, pattern, versions, extra, None)
