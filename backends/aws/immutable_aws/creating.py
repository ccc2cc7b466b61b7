"""Making the empty group of a new revision."""

from __future__ import annotations

from collections.abc import Sequence

from immutable.backend import (
    Conflict,
    Context,
    Gone,
    Invalid,
    Origin,
    Pool,
    Revision,
    Transient,
    to_json,
)
from immutable.toolkit.owning import check_holder, check_number, held, taken
from immutable.toolkit.packing import pack
from immutable_aws.calls import Answer, Calls
from immutable_aws.copying import (
    group_request,
    hook_requests,
    pruned,
    rerooted,
    saved_at_birth,
    template_data,
    template_of,
    their_suspended,
)
from immutable_aws.hands import Hands
from immutable_aws.holding import keep_still
from immutable_aws.images import describe_images
from immutable_aws.looking import WHOLE, rules_of
from immutable_aws.marks import (
    FLEET,
    REVISION,
    ROLLOUT,
    Marks,
    Rule,
    last_tag,
    tags_of,
)
from immutable_aws.names import group_name, token
from immutable_aws.reading import Described, size_of
from immutable_aws.routing import (
    dividing,
    join_rules,
    make_target_group,
    own_target_group,
    serving_target_group,
)

__all__ = [
    "create_revision",
    "find_template",
    "make_template",
    "pattern_of",
    "read_template",
    "watch_alike",
]

_MOST_TAGS = 45


def pattern_of(groups: Sequence[Described]) -> Described:
    """Return the group that serves the fleet: the largest; of equals the oldest."""
    return max(groups, key=lambda group: (size_of(group), -group.marks.revision))


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
    template = await _template(hands, fleet, revision, pattern, ctx)
    targets: Sequence[str] = pattern.target_groups
    rules: tuple[Rule, ...] = rules_of(groups) if len(groups) > 1 else ()
    if pool is Pool.OWN:
        targets, rules = await _own_pool(hands, fleet, revision.number, pattern, ctx)
    marks = Marks(
        fleet, revision.number, ctx.rollout, ctx.plan, Origin.OURS, pool=pool, rules=rules
    )
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
    fleet, marks = group.marks.fleet, group.marks
    if marks.rollout != ctx.rollout:
        raise Conflict(
            f"{group.name} belongs to rollout {marks.rollout}", owner=marks.rollout or None
        )
    check_holder(marks.hold, group.name, ctx, hands.calls.now())
    await keep_still(hands, fleet, marks.revision, ctx)
    theirs = their_suspended(pattern)
    there = {each["ProcessName"] for each in group.group.get("SuspendedProcesses", ())}
    if set(theirs) - there and size_of(group) == 0:
        await hands.scale("SuspendProcesses", group, ScalingProcesses=theirs)
    await watch_alike(hands, group, pattern)


async def watch_alike(hands: Hands, group: Described, pattern: Described) -> None:
    """Let a group be measured, and its changes be told, as the pattern's are.

    Done when a group is made, and made sure of when it is released: a creation whose answers were
    lost is not always repeated.
    """
    wanted = [each["Metric"] for each in pattern.group.get("EnabledMetrics", ())]
    has = {each["Metric"] for each in group.group.get("EnabledMetrics", ())}
    if set(wanted) - has:
        await hands.scale("EnableMetricsCollection", group, Metrics=wanted, Granularity="1Minute")
    await _notify_alike(hands, group, pattern)


async def _notify_alike(hands: Hands, group: Described, pattern: Described) -> None:
    """Send notifications of a group's launches and terminations where the pattern's go."""
    found = await hands.calls.pages(
        "autoscaling",
        "DescribeNotificationConfigurations",
        "NotificationConfigurations",
        AutoScalingGroupNames=sorted({pattern.name, group.name}),
    )
    kinds: dict[str, dict[str, set[str]]] = {}
    for each in found:
        topics = kinds.setdefault(each["AutoScalingGroupName"], {})
        topics.setdefault(each["TopicARN"], set()).add(each["NotificationType"])
    for topic, wanted in kinds.get(pattern.name, {}).items():
        if wanted - kinds.get(group.name, {}).get(topic, set()):
            await hands.scale(
                "PutNotificationConfiguration",
                group,
                TopicARN=topic,
                NotificationTypes=sorted(wanted),
            )


# -- templates -------------------------------------------------------------------------------------


async def read_template(calls: Calls, group: Described) -> Answer:
    """Return the version of the launch template that a group starts its members from.

    Raises:
        Invalid: It has none.
    """
    template = template_of(group.group)
    if template is None:
        raise Invalid(
            f"{group.name} starts its members from a launch configuration, which AWS has given up;"
            " copy it to a launch template (EC2 console, Launch configurations, Copy to launch"
            " template) and let the group use version 1 of that"
        )
    answer = await calls.ask(
        "ec2",
        "DescribeLaunchTemplateVersions",
        about=template.name or template.id,
        Versions=[template.version],
        **template.reference,
    )
    (version,) = answer["LaunchTemplateVersions"]
    return dict(version)


async def _template(
    hands: Hands, fleet: str, revision: Revision, pattern: Described, ctx: Context
) -> str:
    """Make a revision's launch template after the pattern's; returns its identifier."""
    version = await read_template(hands.calls, pattern)
    shape = await hands.calls.shape("ec2", "RequestLaunchTemplateData")
    data = pruned(version["LaunchTemplateData"], shape)
    old, new = data.get("ImageId", ""), revision.image.artifact
    images = await describe_images(hands.calls, [each for each in (old, new) if each])
    if new not in images:
        raise Invalid(f"image {new} is not there (any more)")
    old_root = images.get(old, {}).get("RootDeviceName", "")
    data = rerooted(data, old_root, images[new].get("RootDeviceName", ""))
    return await make_template(hands, fleet, revision, data, ctx.rollout, ctx.token)


async def make_template(
    hands: Hands, fleet: str, revision: Revision, data: Answer, rollout: str, call: str
) -> str:
    """Make the launch template of a revision, version 1 for ever; returns its identifier.

    The whole revision is kept in its tags: members never need them, and they can't be cut off.

    Args:
        hands: How things are made.
        fleet: The fleet.
        revision: The revision.
        data: The pattern's data, as a request may hold it.
        rollout: Whose it is; empty for nobody's.
        call: The token of the call.

    Raises:
        Conflict: There is one of its name, of another rollout or of nobody.
        Invalid: The revision's settings are too long.
    """
    name = group_name(fleet, revision.number)
    identity = {FLEET: fleet, REVISION: str(revision.number)}
    whole = pack(WHOLE, to_json(revision))
    if len(whole) > _MOST_TAGS:
        raise Invalid(
            f"the settings of r{revision.number} are too long to be kept in the tags of a launch"
            " template; keep long values elsewhere and pass where they are"
        )
    tags = {**identity, ROLLOUT: rollout, **whole}
    try:
        answer = await hands.change(
            "ec2",
            "CreateLaunchTemplate",
            fleet,
            about=name,
            ClientToken=token(call, "template", name),
            LaunchTemplateName=name,
            LaunchTemplateData=template_data(data, revision, identity),
            TagSpecifications=[
                {
                    "ResourceType": "launch-template",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
    except Conflict as error:
        found = await find_template(hands.calls, name)
        if found is None:
            raise Transient(f"{name} can't be made nor seen: {error}") from error
        owner = tags_of(found).get(ROLLOUT)
        if owner == rollout and tags_of(found).get(FLEET) == fleet:
            return str(found["LaunchTemplateId"])
        raise taken(f"a launch template {name}", owner) from error
    return str(answer["LaunchTemplate"]["LaunchTemplateId"])


async def find_template(calls: Calls, name: str) -> Answer | None:
    """Return the launch template of a name, if there is one."""
    try:
        answer = await calls.ask(
            "ec2", "DescribeLaunchTemplates", about=name, LaunchTemplateNames=[name]
        )
    except Gone:
        return None
    return dict(answer["LaunchTemplates"][0]) if answer["LaunchTemplates"] else None


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
