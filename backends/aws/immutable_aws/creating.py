"""Making the empty group of a new revision."""

from __future__ import annotations

from collections.abc import Sequence

from immutable.backend import Conflict, Context, Origin, Pool, Revision, Transient
from immutable.toolkit.owning import check_holder, check_maker, check_number, held, taken
from immutable_aws.copying import group_request, hook_requests, saved_at_birth, their_suspended
from immutable_aws.hands import Hands
from immutable_aws.holding import keep_still
from immutable_aws.launchtemplates import template_like
from immutable_aws.looking import rules_of
from immutable_aws.marks import Marks, Rule, last_tag
from immutable_aws.monitoring import watch_alike
from immutable_aws.names import group_name
from immutable_aws.reading import Described, pattern_of, size_of
from immutable_aws.routing import dividing, join_rules
from immutable_aws.targets import make_target_group, own_target_group, serving_target_group

__all__ = ["create_revision"]


async def create_revision(
    hands: Hands, fleet: str, revision: Revision, pool: Pool, until: float, ctx: Context
) -> None:
    """Make the empty group of a revision; see the contract, section 7.

    The number is marked first. Then template, target group and rules, which nobody sees. The group
    comes last, with everything on it: its name is what only one creator gets.
    """
    groups = await hands.eyes.groups(fleet)
    there = next((each for each in groups if each.marks.revision == revision.number), None)
    if there is not None:
        await _finish(hands, there, pattern_of(groups), ctx)
        return
    pattern = pattern_of(groups)
    check_holder(pattern.marks.hold, pattern.name, ctx, hands.calls.now())
    check_number(fleet, [each.marks.last for each in groups], revision.number, ctx)
    if pattern.marks.last != (revision.number, ctx.rollout):
        await hands.tag(pattern, last_tag(revision.number, ctx.rollout))
    template = await template_like(hands, fleet, revision, pattern, ctx)
    targets: Sequence[str] = pattern.target_groups
    rules: tuple[Rule, ...] = rules_of(groups) if len(groups) > 1 else ()
    if pool is Pool.OWN:
        targets, rules = await _own_pool(hands, fleet, revision.number, pattern, ctx)
    marks = Marks(
        fleet, revision.number, ctx.rollout, ctx.plan, Origin.OURS, pool=pool, rules=rules,
        volumes=pattern.marks.volumes, slots=pattern.marks.slots,
    )  # fmt: skip
    hooks = await hands.calls.ask(
        "autoscaling",
        "DescribeLifecycleHooks",
        about=pattern.name,
        AutoScalingGroupName=pattern.name,
    )
    name = group_name(fleet, revision.number)
    request = group_request(
        pattern,
        name,
        template,
        marks.birth(held(None, ctx, until, 0), saved_at_birth(pattern)),
        hook_requests(hooks.get("LifecycleHooks", ())),
        targets,
    )
    await hands.owned(fleet, pattern.marks.revision, ctx)
    try:
        await hands.change("autoscaling", "CreateAutoScalingGroup", fleet, about=name, **request)
    except Conflict as error:
        raise await _taken(hands, fleet, name, error) from error
    made = await hands.eyes.named(name)
    if made is None:
        raise Transient(f"{name} was made and can't be seen yet")
    hands.eyes.born(made, revision)
    await _finish(hands, made, pattern, ctx)


async def _taken(hands: Hands, fleet: str, name: str, error: Conflict) -> Conflict | Transient:
    """Say whose group has a name that was to be ours."""
    there = await hands.eyes.named(name)
    if there is None:
        return Transient(f"{name} can't be made nor seen: {error}")
    owner = there.marks.rollout if there.marks.fleet == fleet else ""
    return taken(f"a group {name}", owner)


async def _finish(hands: Hands, group: Described, pattern: Described, ctx: Context) -> None:
    """Complete a group that is there, if it is this rollout's.

    Raises:
        Conflict: It isn't.
    """
    marks = group.marks
    check_maker(marks.rollout, group.name, ctx)
    check_holder(marks.hold, group.name, ctx, hands.calls.now())
    await keep_still(hands, group, ctx)
    theirs = their_suspended(pattern)
    there = {each["ProcessName"] for each in group.group.get("SuspendedProcesses", ())}
    if set(theirs) - there and size_of(group) == 0:
        await hands.scale("SuspendProcesses", group, ScalingProcesses=theirs)
    await watch_alike(hands, group, pattern)


async def _own_pool(
    hands: Hands, fleet: str, number: int, pattern: Described, ctx: Context
) -> tuple[Sequence[str], tuple[Rule, ...]]:
    """Make a pool for one revision, at weight 0; returns its target group and the rules."""
    serving = await serving_target_group(hands.calls, pattern)
    begun = await own_target_group(hands.calls, fleet, number, ctx)
    rules = await dividing(hands.calls, serving, begun)
    arn = await make_target_group(hands, fleet, number, serving, ctx)
    await hands.owned(fleet, pattern.marks.revision, ctx)
    await join_rules(hands, fleet, rules, str(serving["TargetGroupArn"]), arn)
    return [arn], tuple(rule for rule, _ in rules)
