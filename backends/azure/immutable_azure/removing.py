"""Taking an empty scale set out of a fleet, for good."""

from __future__ import annotations

from immutable.backend import Conflict, Context, Gone
from immutable.toolkit.owning import check_remover
from immutable_azure.calls import SETS
from immutable_azure.hands import Hands
from immutable_azure.holding import restore
from immutable_azure.marks import RETIRED, owners_tags
from immutable_azure.ownpools import drop_pool
from immutable_azure.reading import Described, is_husk, size_of
from immutable_azure.switching import send_to_others

__all__ = ["delete_revision", "delete_set", "is_empty"]


def is_empty(group: Described) -> bool:
    """Return whether nobody is in a set, and nobody is to come."""
    return not size_of(group) and all(is_husk(each) for each in group.members)


async def delete_revision(hands: Hands, fleet: str, revision: int, ctx: Context) -> None:
    """Remove an empty set; see the contract, section 11.

    Azure would delete members along with their set, so the set is looked at right before.
    """
    group = await hands.owned(fleet, revision, ctx)
    if not is_empty(group):
        raise Conflict(f"{group.name} has members")
    check_remover(group.marks.hold, group.marks.rollout, group.name, ctx)
    await send_to_others(hands, group, ctx)
    if not group.marks.deletable:
        await _retire_set(hands, group, ctx)
        return
    group = await hands.owned(fleet, revision, ctx)
    if not is_empty(group):
        raise Conflict(f"{group.name} has members")
    await delete_set(hands, await drop_pool(hands, group))


async def delete_set(hands: Hands, group: Described) -> None:
    """Delete an empty set, and the autoscale setting that would look for it in vain."""
    setting = await hands.setting(group)
    if setting is not None:
        await hands.drop_setting(setting["name"])
    try:
        await hands.begin(
            f"{SETS}.begin_delete",
            hands.calls.place.group,
            group.name,
            about=group.name,
            headers={"If-Match": group.etag},
        )
    except Gone:
        return


async def _retire_set(hands: Hands, group: Described, ctx: Context) -> None:
    """Leave an adopted set at size 0, as it was otherwise, and no longer of the fleet."""
    fleet, number = group.marks.fleet, group.marks.revision
    await restore(hands, fleet, number, ctx, minimum=0)
    group = await hands.owned(fleet, number, ctx)
    # In one request: the fleet's mark and the hold end together.
    tags = {**owners_tags(group.tags), RETIRED: f"{fleet}/{ctx.rollout}"}
    await hands.tag(group, tags)
