"""Making fleets, deleting them, and taking over groups that were there before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from immutable.backend import Conflict, Gone, Image, Invalid, Origin, Revision, to_json
from immutable.toolkit.owning import check_adoptable
from immutable_gcp import marks as marking
from immutable_gcp.calls import Answer, Calls
from immutable_gcp.copying import boot_image, group_body, template_properties
from immutable_gcp.creating import make_template
from immutable_gcp.hands import Hands
from immutable_gcp.images import describe, image_of, parse
from immutable_gcp.marks import Marks
from immutable_gcp.names import group_name
from immutable_gcp.pools import service_call
from immutable_gcp.reading import Described
from immutable_gcp.removing import check_empty, delete_group
from immutable_gcp.template import FleetTemplate

__all__ = ["adopt_fleet", "create_fleet", "delete_fleet", "unmanageable"]


async def create_fleet(hands: Hands, fleet: str, revision: Revision) -> None:
    """Make an empty fleet: a template and a group, as its settings say, in its backend service.

    Raises:
        Conflict: There is one of that name, or a group or template that has ours' name.
        Invalid: The settings make no sense.
    """
    template = FleetTemplate.of(revision.template)
    place = hands.calls.place
    if not place.regional and (template.zones or template.spread):
        raise Invalid(
            f"zones and spread are for regional fleets: gcp://{place.project}/REGION/NAME"
        )
    if fleet in await hands.eyes.fleets():
        raise Conflict(f"there is a fleet {fleet} already")
    service = await _service(hands, template.backend_service)
    given = template.properties(revision.image.artifact)
    properties = template_properties(given, fleet, revision)
    link = await make_template(hands, fleet, revision, properties, "", {})
    name = group_name(fleet, revision.number)
    marks = Marks(fleet, revision.number, maximum=template.maximum, last=(revision.number, ""))
    body = group_body(
        template.group(place.regional, place.project), name, link, marking.described("", marks)
    )
    try:
        await hands.change(
            hands.eyes.managers,
            "insert",
            about=name,
            instance_group_manager_resource=body,
            **place.where,
        )
    except Conflict as error:
        # A repetition after a lost answer: it goes on below, if it is what it was to be.
        there = await hands.eyes.named(name)
        if there is None or there.marks != marks:
            raise Conflict(f"there is a group {name} already, and it isn't ours") from error
    group = await hands.eyes.group(fleet, revision.number)
    if service is not None:
        backends = [*service.get("backends", ()), {"group": group.instance_group}]
        resource = {"fingerprint": service["fingerprint"], "backends": backends}
        await hands.serve("patch", service, backend_service_resource=resource)


async def _service(hands: Hands, given: str) -> Answer | None:
    if not given:
        return None
    link = given if "/" in given else f"global/backendServices/{given}"
    kind, _ = service_call(link)
    try:
        return await hands.eyes.pools.read_service(link)
    except Gone as error:
        raise Invalid(f"there is no backend service {given} ({kind})") from error


async def delete_fleet(hands: Hands, fleet: str) -> None:
    """Remove a fleet whose groups are empty, with what was made for it.

    An adopted group is deleted only if it was adopted so; else our marks are taken off.
    """
    groups = await hands.eyes.groups(fleet)
    for group in groups:
        await check_empty(hands, group)
    for group in groups:
        if not group.marks.deletable:
            await hands.patch(group, Marks())
        else:
            await delete_group(hands, group, None)


async def adopt_fleet(hands: Hands, name: str, delete_when_replaced: bool) -> None:
    """Take a group as revision 1 of a fleet of its name; its description is all that changes.

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
        raise Gone(f"no managed instance group {name} in {hands.calls.place.location}")
    if marks.fleet:
        if marks.deletable != delete_when_replaced:
            await hands.patch(group, evolve(marks, deletable=delete_when_replaced))
        return
    reasons = unmanageable(group.group)
    image = None
    if group.template:
        template = await hands.eyes.template(group.template)
        source = boot_image(template["properties"])
        reasons += _image_reasons(source)
        image = await _image(hands.calls, source)
    if reasons or image is None:
        raise Invalid(f"group {name} can't be adopted: {'; '.join(reasons)}")
    adopted = Marks(
        name,
        1,
        origin=Origin.ADOPTED,
        deletable=delete_when_replaced,
        last=(1, ""),
        image=to_json(Revision(1, image)),
    )
    await hands.patch(group, adopted)


def _image_reasons(source: str) -> list[str]:
    parsed = parse(source, "")
    if parsed is None:
        return ["its template makes the boot disk of no image: use one that does"]
    if parsed[1]:
        return [f"its template starts whatever the family {parsed[2]} means: let it name an image"]
    return []


async def _image(calls: Calls, source: str) -> Image:
    parsed = parse(source, calls.place.project)
    if parsed is None:
        return Image.of_artifact("gcp", source or "none")
    try:
        return image_of(await describe(calls, parsed))
    except Gone:
        return Image.of_artifact("gcp", source)


def unmanageable(group: Mapping[str, Any]) -> list[str]:
    """Return why a group can't be managed, each with the way out; empty when it can.

    Args:
        group: Its description.
    """
    reasons: list[str] = []
    described = Described.of(group)
    if not described.template:
        reasons.append("it has several versions at once: finish or undo its update first")
    policy = group.get("update_policy", {})
    if policy.get("type_", "OPPORTUNISTIC") != "OPPORTUNISTIC":
        reasons.append(
            "its update policy replaces members by itself: set it to OPPORTUNISTIC (gcloud compute"
            " instance-groups managed update NAME --update-policy-type=opportunistic)"
        )
    stateful = group.get("status", {}).get("stateful", {})
    if group.get("stateful_policy") or stateful.get("has_stateful_config"):
        reasons.append(
            "it is stateful: disks and addresses belong to members that a rollout would end; remove"
            " the stateful policy and per-instance configs, or leave this group alone"
        )
    if group.get("target_suspended_size") or group.get("target_stopped_size"):
        reasons.append("it has standby members, suspended or stopped: set their numbers to 0")
    if str(group.get("name", "")).startswith("gke-"):
        reasons.append("it belongs to a GKE node pool, which replaces its members itself")
    return reasons
