"""Making fleets, deleting them, and taking over groups that were there before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from immutable.backend import Conflict, Gone, Image, Invalid, Origin, Revision, to_json
from immutable.toolkit.marks import origin_text
from immutable.toolkit.owning import check_adoptable
from immutable_aws.calls import Answer, Calls
from immutable_aws.hands import Hands
from immutable_aws.images import describe_images, image_of
from immutable_aws.launchdata import template_of
from immutable_aws.launchtemplates import make_template, read_template
from immutable_aws.marks import ORIGIN, PREFIX, Marks, tag_list
from immutable_aws.names import group_name, token
from immutable_aws.reading import Described, size_of
from immutable_aws.removing import delete_group
from immutable_aws.template import FleetTemplate

__all__ = ["adopt_fleet", "create_fleet", "delete_fleet", "unmanageable"]

_LEAST_ROOM = 14
"""Tags that a rollout needs on a group, at most."""
_MOST_TAGS = 50


async def create_fleet(
    hands: Hands,
    fleet: str,
    revision: Revision,
    marks: Marks | None = None,
    hooks: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Make an empty fleet: a launch template and a group, as its settings say.

    Args:
        hands: What changes things.
        fleet: Its name.
        revision: Its one revision.
        marks: What is written on the group, where that is more than whose it is.
        hooks: The group's lifecycle hooks.

    Raises:
        Conflict: There is one of that name, or a group or template that has ours' name.
        Invalid: The settings make no sense.
    """
    template = FleetTemplate.of(revision.template)
    if fleet in await hands.eyes.fleets():
        raise Conflict(f"there is a fleet {fleet} already")
    name = group_name(fleet, revision.number)
    # A token of its own each time: one of before would answer with a template that was deleted.
    # What a lost answer has left is found by its name.
    call = token("create", fleet, f"{hands.calls.now():.3f}")
    made = await make_template(hands, fleet, revision, template.launch(), "", call)
    marks = marks or Marks(fleet, revision.number)
    request = template.group(name, made)
    if hooks:
        request["LifecycleHookSpecificationList"] = list(hooks)
    theirs = [{**tag, "PropagateAtLaunch": True} for tag in tag_list(name, template.tags)]
    await hands.change(
        "autoscaling",
        "CreateAutoScalingGroup",
        fleet,
        about=name,
        Tags=[*theirs, *tag_list(name, marks.first())],
        **request,
    )


async def delete_fleet(hands: Hands, fleet: str) -> None:
    """Remove a fleet whose groups are empty, with what was made for it.

    An adopted group is deleted only if it was adopted so; else our marks are taken off.
    """
    groups = await hands.eyes.groups(fleet)
    for group in groups:
        if size_of(group) or group.members:
            raise Conflict(f"{group.name} has members; scale the fleet to 0 first")
    for group in groups:
        if not group.marks.deletable:
            ours = [key for key in group.tags if key.startswith(PREFIX)]
            await hands.untag(group, ours)
        else:
            await delete_group(hands, groups, group, None)


async def adopt_fleet(hands: Hands, name: str, delete_when_replaced: bool) -> None:
    """Take a group as revision 1 of a fleet of its name; its tags are all that changes.

    Raises:
        Gone: There is no such group.
        Invalid: There is a fleet of that name already, or it can't be managed; says why and the way
            out.
    """
    group = await hands.eyes.named(name)
    marks = group.marks if group is not None else Marks()
    fleets = () if marks.fleet else await hands.eyes.fleets()
    check_adoptable(name, "group", marks.fleet, marks.origin, fleets)
    if group is None:
        raise Gone(f"no Auto Scaling group {name} in {hands.calls.place.region}")
    if marks.fleet and marks.deletable == delete_when_replaced:
        return
    reasons = [] if marks.fleet else unmanageable(group)
    if delete_when_replaced and group.group.get("DeletionProtection", "none") != "none":
        reasons.append("it is protected from deletion: adopt it with on_replace=keep")
    if marks.fleet:
        # It is one already: what becomes of it is all that changes, not which revision it is.
        tags = {ORIGIN: origin_text(Origin.ADOPTED, delete_when_replaced)}
    else:
        version = await read_template(hands.calls, group)
        ami = version["LaunchTemplateData"].get("ImageId", "")
        reasons += _image_reasons(group, ami)
        tags = await _first_tags(hands.calls, name, ami, delete_when_replaced)
    if reasons:
        raise Invalid(f"group {name} can't be adopted: {'; '.join(reasons)}")
    await hands.change(
        "autoscaling",
        "CreateOrUpdateTags",
        name,
        about=name,
        Tags=_not_propagated(tag_list(name, tags)),
    )


async def _first_tags(calls: Calls, name: str, ami: str, deletable: bool) -> dict[str, str]:
    image = to_json(Revision(1, await _image(calls, ami)))
    return Marks(name, 1, origin=Origin.ADOPTED, deletable=deletable, image=image).first()


def _not_propagated(tags: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    # An adopted group's members stay as they are, those that it starts later too.
    return [{**tag, "PropagateAtLaunch": False} for tag in tags]


async def _image(calls: Calls, ami: str) -> Image:
    found: dict[str, Answer] = await describe_images(calls, [ami])
    if ami in found and found[ami].get("State", "available") == "available":
        return image_of(found[ami], datetime.now(UTC))
    return Image.of_artifact("aws", ami)


def _image_reasons(group: Described, ami: str) -> list[str]:
    template = template_of(group.group)
    name = template.name or template.id if template else "its template"
    if not ami:
        return [f"launch template {name} names no image: make a version that does"]
    if not ami.startswith("ami-"):
        why = f"launch template {name} starts whatever {ami} means at the time"
        return [f"{why}: make a version that names an AMI, and let the group use it"]
    return []


def unmanageable(group: Described) -> list[str]:
    """Return why a group can't be managed, each with the way out; empty when it can."""
    found = group.group
    reasons: list[str] = []
    mixed = found.get("MixedInstancesPolicy", {})
    overrides = mixed.get("LaunchTemplate", {}).get("Overrides", ())
    if any(each.get("LaunchTemplateSpecification") for each in overrides):
        reasons.append(
            "its mixed instances policy has several launch templates, so it has no one image:"
            " use one"
        )
    weighted = any(each.get("WeightedCapacity") not in (None, "1") for each in overrides)
    if weighted or found.get("DesiredCapacityType", "units") != "units":
        reasons.append("its size is not counted in servers: remove the weights")
    if found.get("WarmPoolConfiguration"):
        reasons.append(
            "it has a warm pool, which would be refilled while it shrinks: delete that first"
        )
    if found.get("LoadBalancerNames"):
        reasons.append("it is behind a Classic Load Balancer: move it to a target group")
    kinds = {each.get("Type", "elbv2") for each in found.get("TrafficSources", ())}
    if kinds - {"elbv2"}:
        reasons.append(
            f"it gets traffic from {', '.join(sorted(kinds - {'elbv2'}))}:"
            " only target groups can be managed"
        )
    if found.get("Operator"):
        reasons.append("another service manages it")
    if len(group.tags) + _LEAST_ROOM > _MOST_TAGS:
        reasons.append(
            f"it has {len(group.tags)} tags of {_MOST_TAGS}, and {_LEAST_ROOM} more are needed:"
            " remove some"
        )
    return reasons
