"""Taking an empty group out of a fleet, for good."""

from __future__ import annotations

from collections.abc import Sequence

from immutable.backend import Conflict, Context, Gone, Origin
from immutable.toolkit.owning import check_holder, check_remover
from immutable.toolkit.packing import packed_keys
from immutable_aws.hands import Hands
from immutable_aws.holding import restore
from immutable_aws.launchtemplates import find_template
from immutable_aws.marks import FLEET, RETIRED, ROLLOUT, RULES, fleet_keys, tags_of
from immutable_aws.names import group_name
from immutable_aws.reading import Described, size_of
from immutable_aws.routing import find_rules, give_up, leave_rules
from immutable_aws.targets import describe_target_group, own_target_group, remove_target_groups

__all__ = ["delete_group", "delete_revision", "delete_template"]


async def delete_revision(hands: Hands, fleet: str, revision: int, ctx: Context) -> None:
    """Remove an empty group; see the contract, section 11.

    First its target group leaves the load balancer's rules, then the group goes, then what was made
    for it. AWS refuses to delete a group with members, so looking and deleting can't be parted.
    """
    groups = await hands.eyes.groups(fleet)
    group = next((each for each in groups if each.marks.revision == revision), None)
    if group is None:
        await _remove_rest(hands, fleet, revision, ctx)
        raise Gone(f"fleet {fleet} has no group of r{revision}")
    check_holder(group.marks.hold, group.name, ctx, hands.calls.now())
    if size_of(group) or group.members:
        raise Conflict(f"{group.name} has members")
    check_remover(group.marks.hold, group.marks.rollout, group.name, ctx)
    asked = await leave_rules(hands, groups, group, ctx)
    if not group.marks.deletable:
        if asked:
            group = await hands.owned(fleet, revision, ctx)
        await _retire_group(hands, group, ctx)
    else:
        await delete_group(hands, groups, group, ctx)
    left = [each for each in groups if each.name != group.name]
    if len(left) == 1 and left[0].marks.rules:
        await hands.untag(left[0], packed_keys(RULES, left[0].tags))


async def delete_group(
    hands: Hands, groups: Sequence[Described], group: Described, ctx: Context | None
) -> None:
    """Delete an empty group, and what was made for it.

    Args:
        hands: How things are changed.
        groups: All groups of the fleet.
        group: The one to delete.
        ctx: On whose behalf; None when a fleet is deleted as a whole.
    """
    fleet, number = group.marks.fleet, group.marks.revision
    if ctx is not None:
        await hands.owned(fleet, number, ctx)
    await hands.scale("DeleteAutoScalingGroup", group, ForceDelete=False)
    others = {arn for each in groups if each.name != group.name for arn in each.target_groups}
    alone = [arn for arn in group.target_groups if arn not in others]
    await remove_target_groups(hands, fleet, alone)
    if group.marks.origin is Origin.OURS:
        await delete_template(hands, fleet, group_name(fleet, number), group.marks.rollout)


async def delete_template(hands: Hands, fleet: str, name: str, rollout: str) -> None:
    """Delete the launch template of a name, if it was made for this fleet by this rollout."""
    found = await find_template(hands.calls, name)
    if found is None:
        return
    tags = tags_of(found)
    if tags.get(FLEET) == fleet and tags.get(ROLLOUT, "") == rollout:
        await hands.change(
            "ec2",
            "DeleteLaunchTemplate",
            fleet,
            about=name,
            LaunchTemplateId=found["LaunchTemplateId"],
        )


async def _remove_rest(hands: Hands, fleet: str, revision: int, ctx: Context) -> None:
    """Remove what a creation or a deletion that was cut off has left, if it is this rollout's."""
    await delete_template(hands, fleet, group_name(fleet, revision), ctx.rollout)
    try:
        arn = await own_target_group(hands.calls, fleet, revision, ctx)
    except Conflict:
        return
    if arn is not None:
        await _leave_by_name(hands, fleet, arn)
        await remove_target_groups(hands, fleet, [arn])


async def _leave_by_name(hands: Hands, fleet: str, arn: str) -> None:
    """Take a target group out of the rules that a creation had begun to change."""
    target_group = await describe_target_group(hands.calls, arn)
    for rule, described in await find_rules(hands.calls, target_group):
        await give_up(hands, fleet, rule, described["Actions"], arn)


async def _retire_group(hands: Hands, group: Described, ctx: Context) -> None:
    """Leave an adopted group, as just read, at size 0, as it was otherwise, and not the fleet's."""
    fleet, number = group.marks.fleet, group.marks.revision
    await restore(hands, group, ctx, least=0)
    group = await hands.owned(fleet, number, ctx)
    await hands.tag(group, {RETIRED: f"{fleet}/{ctx.rollout}"})
    # In one request: the fleet's mark and the hold end together.
    await hands.untag(group, fleet_keys(group.tags))
