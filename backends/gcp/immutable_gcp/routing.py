"""Weighted traffic: a backend service for each revision, divided by URL maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from immutable.backend import (
    Conflict,
    Context,
    FleetState,
    Gone,
    Invalid,
    Transient,
)
from immutable.toolkit.owning import check_holder, taken
from immutable.toolkit.weights import check_table, without
from immutable_gcp import marks as marking
from immutable_gcp.calls import Answer
from immutable_gcp.hands import Hands
from immutable_gcp.marks import Marks
from immutable_gcp.names import group_name
from immutable_gcp.pools import Pools, service_call
from immutable_gcp.reading import Described
from immutable_gcp.tables import WHOLE, others, path_of, shares, table_of, with_table

__all__ = [
    "dividing",
    "join_maps",
    "leave_maps",
    "make_service",
    "members_of",
    "own_services",
    "route",
    "serving_service",
    "without_outputs",
]

_EXACT = 1e-6
_SCHEMES = ("EXTERNAL_MANAGED", "INTERNAL_MANAGED", "INTERNAL_SELF_MANAGED")
_OUTPUTS = (
    "id",
    "kind",
    "creation_timestamp",
    "self_link",
    "region",
    "fingerprint",
    "used_by",
)
_POLICIES = ("security_policy", "edge_security_policy")
"""They are attached by requests of their own."""


def without_outputs(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a backend service was made with."""
    return {name: value for name, value in service.items() if name not in _OUTPUTS}


def members_of(service: Mapping[str, Any]) -> list[str]:
    """Return the paths of the instance groups that a backend service sends requests to."""
    return [path_of(each["group"]) for each in service.get("backends", ())]


async def serving_service(pools: Pools, group: Described) -> Answer:
    """Return the one backend service by which a group can be given a share of the traffic.

    Raises:
        Invalid: There isn't one; says why and the way out.
    """
    out = "use traffic=instances: shares of instances instead of weights"
    (services,) = (await pools.of([group.instance_group], anew=True)).values()
    if len(services) != 1:
        raise Invalid(
            f"{group.name} is in {len(services)} backend services, weights need one; {out}"
        )
    (service,) = services
    scheme = service.get("load_balancing_scheme", "EXTERNAL")
    if scheme not in _SCHEMES:
        raise Invalid(
            f"backend service {service['name']} is of scheme {scheme}, which has no weights; {out}"
        )
    affinity = service.get("session_affinity", "NONE")
    if affinity != "NONE":
        raise Invalid(
            f"backend service {service['name']} has session affinity {affinity}, which weights"
            f" don't keep; {out}"
        )
    policies = [name for name in _POLICIES if service.get(name)]
    if policies:
        raise Invalid(
            f"backend service {service['name']} has a {policies[0].replace('_', ' ')}, which a new"
            f" service would not have; {out}"
        )
    return service


async def dividing(pools: Pools, service: Answer, own: str | None = None) -> list[Answer]:
    """Return the URL maps by which a fleet's traffic can be divided.

    Args:
        pools: Load balancing.
        service: What serves.
        own: The link of the service that an attempt which was cut off has begun to add.

    Raises:
        Invalid: There are none, or one divides it with something else already.
    """
    links = [service["self_link"], *([own] if own else [])]
    found = await pools.maps([service["self_link"]])
    if not found:
        raise Invalid(
            f"no URL map leads to backend service {service['name']}, so nothing can divide its"
            " traffic; use traffic=instances: shares of instances instead of weights"
        )
    for url_map in found:
        if others(url_map, links):
            raise Invalid(
                f"URL map {url_map['name']} divides the traffic of {service['name']} with others"
                " already; let it lead to one backend service"
            )
    return sorted(found, key=lambda each: str(each["self_link"]))


async def make_service(
    hands: Hands, fleet: str, revision: int, serving: Answer, group: Described, ctx: Context
) -> Answer:
    """Make the backend service of one revision like the one that serves; returns it.

    Raises:
        Conflict: There is one of its name, of another rollout or of nobody.
    """
    name = group_name(fleet, revision)
    kind, where = service_call(serving["self_link"])
    marks = Marks(fleet, revision, ctx.rollout)
    first: Mapping[str, Any] = next(iter(serving.get("backends", ())), {})
    resource = {
        **without_outputs(serving),
        "name": name,
        "description": marking.described("", marks),
        "backends": [{**first, "group": group.instance_group}],
    }
    try:
        await hands.change(kind, "insert", about=name, backend_service_resource=resource, **where)
    except Conflict as error:
        made = await _named(hands, kind, name, where)
        theirs = marking.read(str(made.get("description", "")))
        if (theirs.fleet, theirs.rollout) == (fleet, ctx.rollout):
            return made
        owner = theirs.rollout if theirs.fleet == fleet else ""
        raise taken(f"a backend service {name}", owner) from error
    hands.eyes.pools.forget()
    return await _named(hands, kind, name, where)


async def _named(hands: Hands, kind: str, name: str, where: Mapping[str, Any]) -> Answer:
    try:
        return await hands.calls.ask(kind, "get", about=name, backend_service=name, **where)
    except Gone as error:
        raise Transient(f"backend service {name} can't be seen yet") from error


async def join_maps(
    hands: Hands, maps: Sequence[Answer], serving: str, own: str, services: Sequence[str]
) -> None:
    """Add a service to every table of the fleet at weight 0.

    Args:
        hands: How things are changed.
        maps: The URL maps that lead to what serves.
        serving: The link of what serves.
        own: The link of what is added.
        services: The links of all services of the fleet before.
    """
    for url_map in maps:
        table = table_of(url_map, [serving])
        if path_of(own) in table:
            continue
        if len(table) == 1:
            table = dict.fromkeys(table, WHOLE)
        links = [*services, own]
        await hands.write_map(
            with_table(url_map, links, _linked({**table, path_of(own): 0}, links))
        )


def _linked(table: Mapping[str, int], links: Sequence[str]) -> dict[str, int]:
    """Return a table by whole links."""
    known = {path_of(link): link for link in links}
    return {known.get(path, path): weight for path, weight in table.items()}


async def leave_maps(hands: Hands, services: Mapping[int, Sequence[str]], revision: int) -> None:
    """Take a group's own services out of the fleet's tables; who is left alone gets everything.

    Args:
        hands: How things are changed.
        services: The links of the services of each group, by revision number.
        revision: Whose to take out.
    """
    rest = {link for number, each in services.items() if number != revision for link in each}
    alone = [link for link in services.get(revision, ()) if link not in rest]
    if not alone or not rest:
        return
    links = [*rest, *alone]
    for url_map in await hands.eyes.pools.maps(alone):
        table = table_of(url_map, alone)
        left = without(table, {path_of(link) for link in alone})
        if not left:
            continue  # It leads there and nowhere else: that is somebody's own doing.
        await hands.write_map(with_table(url_map, links, _linked(left, links)))


# -- route -----------------------------------------------------------------------------------------


async def route(
    hands: Hands, fleet: str, weights: Mapping[int, float], state: FleetState, ctx: Context
) -> None:
    """Set the whole table; see the contract, section 12.

    Args:
        hands: How things are changed.
        fleet: The fleet.
        weights: Percentages by revision number.
        state: The fleet as it was just seen.
        ctx: On whose behalf.
    """
    groups = await hands.eyes.groups(fleet)
    for group in groups:
        check_holder(group.marks.hold, group.name, ctx, hands.calls.now())
    check_table(state, weights)
    if len(groups) == 1 or all(
        abs((each.weight or 0.0) - weights[each.number]) <= _EXACT for each in state.groups
    ):
        return
    if any(each.weight is None for each in state.groups):
        raise Invalid(f"the groups of {fleet} share one pool: they can't have weights")
    pools = await hands.eyes.pools.of([group.instance_group for group in groups], anew=True)
    services = own_services(groups, pools)
    if missing := [number for number, share in weights.items() if share and number not in services]:
        raise Invalid(f"fleet {fleet}: r{missing[0]} has no backend service of its own")
    table = shares({n: share for n, share in weights.items() if n in services}, services)
    maps = await hands.eyes.pools.maps(services.values())
    for url_map in sorted(maps, key=lambda each: str(each["self_link"])):
        if len(table_of(url_map, services.values())) < 2:
            continue  # It leads to one of them alone: no table of ours.
        for group in groups:
            await hands.owned(fleet, group.marks.revision, ctx)
        await hands.write_map(with_table(url_map, list(services.values()), table))


def own_services(
    groups: Sequence[Described], pools: Mapping[str, Sequence[Answer]]
) -> dict[int, str]:
    """Return the link of the service that is each group's alone, or was its first, by revision."""
    found: dict[int, str] = {}
    for group in sorted(groups, key=lambda each: each.marks.revision):
        for service in pools[group.instance_group]:
            if service["self_link"] not in found.values():
                found.setdefault(group.marks.revision, service["self_link"])
    return found
