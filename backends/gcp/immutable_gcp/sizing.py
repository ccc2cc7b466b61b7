"""Sizes: growing a group, and lowering it to the members that it has."""

from __future__ import annotations

from immutable.backend import Conflict, Context, Invalid, Transient
from immutable_gcp.hands import Hands
from immutable_gcp.reading import Described, exists, is_leaving, live
from immutable_gcp.scaling import bounds

__all__ = ["grow", "maximum_of", "settle"]


async def maximum_of(hands: Hands, group: Described) -> int | None:
    """Return the most members that a group may have; None for any number."""
    scaler = (await hands.eyes.scalers()).get(group.name)
    return group.marks.maximum if scaler is None else bounds(scaler)[1]


async def grow(
    hands: Hands, fleet: str, revision: int, size: int, expected: int, ctx: Context
) -> int:
    """Raise the size of a group; see the contract, section 8.

    ``resize`` is absolute, takes no fingerprint, and can lower too: so the size is read right
    before, and the request is sent only if it raises.
    """
    most = await maximum_of(hands, await hands.owned(fleet, revision, ctx))
    group = await hands.owned(fleet, revision, ctx)
    if group.size >= size:
        return group.size
    if most is not None and size > most:
        raise Invalid(
            f"{group.name} can't have {size} members: its maximum is {most}; raise it first"
        )
    if group.size != expected:
        raise Conflict(f"{group.name} has size {group.size}, not {expected}")
    await hands.manage("resize", group, size=size)
    return size


# Size 5, members a b c with a VM, d e without: d and e are deleted by name, the size falls to 3.
async def settle(hands: Hands, fleet: str, revision: int, ctx: Context) -> int:
    """Lower the size of a group to its live members, and end none of them."""
    group = await hands.owned(fleet, revision, ctx)
    members = await hands.eyes.members(group)
    missing = [m for m in members if not exists(m) and not is_leaving(m)]
    if not missing:
        if group.size > live(members):
            raise Transient(f"{group.name} doesn't list all of its {group.size} members yet")
        return group.size
    group = await hands.owned(fleet, revision, ctx)
    resource = {
        "instances": [member["instance"] for member in missing],
        "skip_instances_on_validation_error": True,
    }
    await hands.manage("delete_instances", group, **delete_field(hands, resource))
    return (await hands.owned(fleet, revision, ctx)).size


def delete_field(hands: Hands, resource: dict[str, object]) -> dict[str, object]:
    """Return the field of ``deleteInstances``, which is named after the kind of group."""
    kind = "region_" if hands.calls.place.regional else ""
    return {f"{kind}instance_group_managers_delete_instances_request_resource": resource}
