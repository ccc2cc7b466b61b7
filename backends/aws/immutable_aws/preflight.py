"""Everything that would stop a plan, found before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from immutable.backend import Invalid, Plan, Problem
from immutable.toolkit.requests import together
from immutable.toolkit.weights import needs_weights
from immutable_aws.adopting import unmanageable
from immutable_aws.balancing import Own, balancing_problems
from immutable_aws.calls import Answer, Calls
from immutable_aws.copying import their_suspended
from immutable_aws.hands import Hands
from immutable_aws.images import describe_images
from immutable_aws.launchdata import template_of
from immutable_aws.launchtemplates import find_template, read_template
from immutable_aws.marks import ROLLOUT, tags_of
from immutable_aws.names import group_name, target_group_name
from immutable_aws.permitted import dry_run, permission_problems
from immutable_aws.reading import STANDBY, Described, pattern_of
from immutable_aws.retiring import drain_delay
from immutable_aws.room import address_problems, quota_problems
from immutable_aws.routing import check_undivided, find_rules
from immutable_aws.slotting import slot_problems
from immutable_aws.targets import (
    describe_target_group,
    find_target_group,
    target_group_tags,
    weighable,
)

__all__ = ["instance_types_of", "preflight"]

_NEEDED = ("Launch", "Terminate", "AddToLoadBalancer", "HealthCheck")


async def preflight(hands: Hands, fleet: str, plan: Plan) -> tuple[Problem, ...]:
    """Return all problems at once, each with the way out; changes nothing.

    A plan whose candidate is there already launches from stable's group alone; it is looked at as
    any other.
    """
    groups = await hands.eyes.groups(fleet)
    group = next((g for g in groups if g.marks.revision == plan.stable.number), pattern_of(groups))
    weighted = needs_weights(plan)
    try:
        version = await read_template(hands.calls, group)
    except Invalid as error:
        return (Problem(str(error), "see there"),)
    data = version["LaunchTemplateData"]
    types = await _types(hands.calls, group, data)
    ids = (plan.candidate.image.artifact, plan.stable.image.artifact)
    images = await describe_images(hands.calls, [each for each in ids if each.startswith("ami-")])
    more = max(0, plan.bounds.ceiling - plan.bounds.wanted)
    found = await together(
        _group_problems(hands, group, plan),
        _target_problems(hands, fleet, groups, group, plan),
        _name_problems(hands, fleet, plan, weighted=weighted),
        quota_problems(hands.calls, types, more),
        _subnet_problems(hands.calls, group, more),
        _permissions(hands.calls, group, data, ids[0], there=ids[0] in images, weighted=weighted),
        slot_problems(hands.calls, groups, group, data),
    )
    told = (_template_problems(group, version), _image_problems(ids, images, types), *found)
    return tuple(problem for part in told for problem in part)


def instance_types_of(group: Described, data: Mapping[str, Any]) -> list[str]:
    """Return the types that a group launches, in order of preference."""
    mixed = group.group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    overrides = [each.get("InstanceType") for each in mixed.get("Overrides", ())]
    return [kind for kind in (*overrides, data.get("InstanceType")) if kind]


async def _types(calls: Calls, group: Described, data: Mapping[str, Any]) -> dict[str, Answer]:
    names = list(dict.fromkeys(instance_types_of(group, data)))
    if not names:
        return {}
    found = await calls.pages(
        "ec2",
        "DescribeInstanceTypes",
        "InstanceTypes",
        Filters=[{"Name": "instance-type", "Values": names}],
    )
    by_name = {each["InstanceType"]: each for each in found}
    return {name: by_name[name] for name in names if name in by_name}


# -- images ----------------------------------------------------------------------------------------


def _image_problems(
    ids: tuple[str, str], images: Mapping[str, Answer], types: Mapping[str, Answer]
) -> list[Problem]:
    problems: list[Problem] = []
    for ami, whose, out in (
        (ids[0], "the image", "name one that is there"),
        (ids[1], "the image of the way back", "restore it, or there is none"),
    ):
        described = images.get(ami)
        if described is None:
            problems.append(
                Problem(f"{whose} {ami} is not there, or not shared with this account", out)
            )
        elif described.get("State", "available") != "available":
            problems.append(Problem(f"{whose} {ami} is {described['State']}", out))
        elif whose == "the image":
            problems += _architecture_problems(described, types)
    return list(dict.fromkeys(problems))


def _architecture_problems(image: Mapping[str, Any], types: Mapping[str, Answer]) -> list[Problem]:
    wanted = image.get("Architecture")
    return [
        Problem(
            f"image {image['ImageId']} is for {wanted}, instance type {kind} is for"
            f" {', '.join(supported)}",
            "name an image of that architecture",
        )
        for kind, described in types.items()
        if (supported := described.get("ProcessorInfo", {}).get("SupportedArchitectures"))
        and wanted not in supported
    ]


# -- the group -------------------------------------------------------------------------------------


def _template_problems(group: Described, version: Answer) -> list[Problem]:
    """Return whether the group still starts what its revision says."""
    template = template_of(group.group)
    image = group.marks.image
    if template is None or image is None or not template.floats:
        return []
    ami, known = version["LaunchTemplateData"].get("ImageId"), image["image"]["artifact"]
    if ami == known:
        return []
    return [
        Problem(
            f"{group.name} uses version {template.version} of its launch template, which means"
            f" another image by now: {ami}, not {known}",
            "let the group use the number of the version that it was adopted with",
        )
    ]


async def _group_problems(hands: Hands, group: Described, plan: Plan) -> list[Problem]:
    problems = [Problem(f"{group.name}: {reason}", "see there") for reason in unmanageable(group)]
    most = int(group.group["MaxSize"])
    if plan.bounds.wanted > most:
        problems.append(
            Problem(
                f"{plan.bounds.wanted} servers are wanted, the maximum of {group.name} is {most}",
                "raise the maximum",
            )
        )
    stopped = sorted(set(their_suspended(group)) & set(_NEEDED))
    if stopped:
        problems.append(
            Problem(f"{group.name} has suspended {', '.join(stopped)}", "resume these processes")
        )
    aside = [m["InstanceId"] for m in group.members if m["LifecycleState"] == STANDBY]
    if aside:
        problems.append(
            Problem(
                f"members of {group.name} are in standby: {', '.join(aside)}",
                "return them to service, or detach them",
            )
        )
    protects = group.group.get("DeletionProtection", "none") != "none"
    if protects and group.marks.deletable:
        problems.append(Problem(f"{group.name} is protected from deletion", "lift that protection"))
    return problems + await _refresh_problems(hands.calls, group)


async def _refresh_problems(calls: Calls, group: Described) -> list[Problem]:
    answer = await calls.ask(
        "autoscaling",
        "DescribeInstanceRefreshes",
        about=group.name,
        AutoScalingGroupName=group.name,
        MaxRecords=1,
    )
    over = ("Successful", "Failed", "Cancelled", "RollbackFailed", "RollbackSuccessful")
    return [
        Problem(
            f"an instance refresh of {group.name} is under way ({each['Status']})",
            "cancel it, or wait for its end",
        )
        for each in answer.get("InstanceRefreshes", ())
        if each["Status"] not in over
    ]


# -- traffic ---------------------------------------------------------------------------------------


async def _target_problems(
    hands: Hands, fleet: str, groups: Sequence[Described], group: Described, plan: Plan
) -> list[Problem]:
    calls = hands.calls
    described = await together(*(describe_target_group(calls, arn) for arn in group.target_groups))
    rules = await together(*(find_rules(calls, each) for each in described))
    parts = await together(
        *(
            _pool_problems(calls, each, plan, served=bool(found))
            for each, found in zip(described, rules, strict=True)
        )
    )
    problems = [problem for part in parts for problem in part]
    own: Own | None = None
    if needs_weights(plan):
        own = Own(target_group_name(fleet, plan.candidate.number))
        try:
            serving = weighable(group, described)
            own = evolve(own, rules=tuple(rule for _, rule in rules[0]))
            check_undivided(rules[0], serving)
        except Invalid as error:
            problems.append(
                Problem(f"weights: {error}", "connect with ?traffic=instances, or see there")
            )
    return problems + await balancing_problems(calls, groups, group, plan, own)


async def _pool_problems(
    calls: Calls, described: Answer, plan: Plan, *, served: bool
) -> list[Problem]:
    name = described["TargetGroupName"]
    delay = await drain_delay(calls, described["TargetGroupArn"])
    problems: list[Problem] = []
    if delay < plan.limits.drain_timeout:
        problems.append(
            Problem(
                f"target group {name} cuts requests off after {delay:g} s of draining, the plan"
                f" allows {plan.limits.drain_timeout:g} s",
                f"set drain_timeout to {delay:g} s, or raise the deregistration delay",
            )
        )
    if not served:
        problems.append(
            Problem(
                f"no listener forwards to target group {name}: its members can't become healthy",
                "add a listener, or a rule",
            )
        )
    return problems


async def _name_problems(hands: Hands, fleet: str, plan: Plan, *, weighted: bool) -> list[Problem]:
    """Return which names that will be needed are taken."""
    if plan.kept or plan.candidate.number == plan.stable.number:
        return []
    name = group_name(fleet, plan.candidate.number)
    taken: list[str] = []
    there = await hands.eyes.named(name)
    if there is not None and not there.marks.rollout:
        taken.append(f"Auto Scaling group {name}")
    template = await find_template(hands.calls, name)
    if template is not None and not tags_of(template).get(ROLLOUT):
        taken.append(f"launch template {name}")
    if weighted and await _has_target_group(hands.calls, fleet, plan.candidate.number):
        taken.append(f"target group {target_group_name(fleet, plan.candidate.number)}")
    return [
        Problem(f"there is a {each} already, and it isn't ours", "rename or remove it")
        for each in taken
    ]


async def _has_target_group(calls: Calls, fleet: str, number: int) -> bool:
    found = await find_target_group(calls, target_group_name(fleet, number))
    if found is None:
        return False
    return ROLLOUT not in await target_group_tags(calls, str(found["TargetGroupArn"]))


# -- room and permissions --------------------------------------------------------------------------


def _subnet_ids(group: Described) -> list[str]:
    return [each for each in str(group.group.get("VPCZoneIdentifier", "")).split(",") if each]


async def _subnet_problems(calls: Calls, group: Described, more: int) -> list[Problem]:
    ids = _subnet_ids(group)
    if not ids or more <= 0:
        return []
    subnets = await calls.pages("ec2", "DescribeSubnets", "Subnets", SubnetIds=ids)
    return address_problems(group, subnets, more)


async def _permissions(
    calls: Calls,
    group: Described,
    data: Mapping[str, Any],
    ami: str,
    *,
    there: bool,
    weighted: bool,
) -> list[Problem]:
    """Return what is not permitted: asked by dry runs where there are some, else by simulation."""
    name = group.name
    subnets, types = _subnet_ids(group), instance_types_of(group, data)
    dry = [
        dry_run(
            calls,
            "CreateLaunchTemplate",
            name,
            LaunchTemplateName=f"{name}-dry-run",
            LaunchTemplateData={"ImageId": ami},
        )
    ]
    if there:
        launch = {"ImageId": ami, "MinCount": 1, "MaxCount": 1}
        launch |= {"InstanceType": types[0]} if types else {}
        launch |= {"SubnetId": subnets[0]} if subnets else {}
        dry.append(dry_run(calls, "RunInstances", name, **launch))
    if group.members:
        ids = [group.members[0]["InstanceId"]]
        dry.append(dry_run(calls, "TerminateInstances", name, InstanceIds=ids))
    found = [problem for problem in await together(*dry) if problem is not None]
    features = ["look", "replace", *(["weights"] * weighted)]
    features += ["volumes"] * bool(group.marks.volumes)
    return found + await permission_problems(calls, features)
