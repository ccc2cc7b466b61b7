"""Making fleets, deleting them, and taking over sets that were there before."""

from __future__ import annotations

from immutable.backend import Conflict, Gone, Image, Invalid, Origin, Revision
from immutable.toolkit.marks import origin_text
from immutable.toolkit.owning import check_adoptable
from immutable_azure.copying import image_reference, user_data_of, what_of
from immutable_azure.creating import put_new
from immutable_azure.hands import Hands
from immutable_azure.images import is_exact
from immutable_azure.marks import MOST_TAGS, ORIGIN, Marks, first_tags, owners_tags
from immutable_azure.names import set_name
from immutable_azure.ownpools import drop_pool
from immutable_azure.reading import Described
from immutable_azure.removing import delete_set, is_empty
from immutable_azure.template import FleetTemplate

__all__ = ["LEAST_ROOM", "adopt_fleet", "create_fleet", "delete_fleet", "image_of", "unmanageable"]

LEAST_ROOM = 15
"""Tags that a rollout of some hundred servers needs on a set, at most."""


async def create_fleet(hands: Hands, fleet: str, revision: Revision) -> None:
    """Make an empty fleet: a scale set, as its settings say.

    Raises:
        Conflict: There is one of that name, or a scale set that has ours' name.
        Invalid: The settings make no sense.
    """
    template = FleetTemplate.of(revision.template)
    if fleet in await hands.eyes.fleets():
        raise Conflict(f"there is a fleet {fleet} already")
    name = set_name(fleet, revision.number)
    body = template.model(name)
    profile = body["properties"]["virtualMachineProfile"]
    profile["storageProfile"]["imageReference"] = image_reference(revision.image.artifact)
    data = user_data_of(revision, "")
    if data:
        profile["userData"] = data
    body["sku"]["capacity"] = 0
    marks = Marks(fleet, revision.number, maximum=template.maximum, what=what_of(revision))
    body["tags"] |= first_tags(marks)
    await put_new(hands, name, body)


async def delete_fleet(hands: Hands, fleet: str) -> None:
    """Remove a fleet whose sets are empty.

    An adopted set is deleted only if it was adopted so; else our marks are taken off.
    """
    groups = [
        await hands.eyes.whole(fleet, each.marks.revision)
        for each in await hands.eyes.groups(fleet)
    ]
    for group in groups:
        if not is_empty(group):
            raise Conflict(f"{group.name} has members; scale the fleet to 0 first")
    for group in groups:
        if not group.marks.deletable:
            await hands.tag(group, owners_tags(group.tags))
        else:
            await delete_set(hands, await drop_pool(hands, group))


async def adopt_fleet(hands: Hands, name: str, delete_when_replaced: bool) -> None:
    """Take a scale set as revision 1 of a fleet of its name; its tags are all that changes.

    Raises:
        Gone: There is no such set.
        Invalid: There is a fleet of that name already, or it can't be managed; says why and the way
            out.
    """
    group = await hands.eyes.named(name)
    marks = group.marks if group is not None else Marks()
    fleets = () if marks.fleet else await hands.eyes.fleets()
    check_adoptable(name, "scale set", marks.fleet, marks.origin, fleets)
    if group is None:
        raise Gone(f"no scale set {name} in resource group {hands.calls.place.group}")
    if marks.fleet:
        # It is one already: what becomes of it is all that changes, not what it holds.
        if marks.deletable != delete_when_replaced:
            origin = origin_text(Origin.ADOPTED, delete_when_replaced)
            await hands.tag(group, {**group.tags, ORIGIN: origin})
        return
    reasons = unmanageable(group)
    if reasons:
        raise Invalid(f"scale set {name} can't be adopted: {'; '.join(reasons)}")
    revision = Revision(1, Image.of_artifact("azure", image_of(group)))
    adopted = Marks(
        name, 1, origin=Origin.ADOPTED, deletable=delete_when_replaced, what=what_of(revision)
    )
    await hands.tag(group, {**owners_tags(group.tags), **first_tags(adopted)})


def image_of(group: Described) -> str:
    """Return the image that a set's model names: a long name, or publisher:offer:sku:version."""
    reference = (group.profile.get("storageProfile") or {}).get("imageReference") or {}
    if reference.get("id"):
        return str(reference["id"])
    words = [str(reference.get(name, "")) for name in ("publisher", "offer", "sku", "version")]
    return ":".join(words) if all(words) else ""


def unmanageable(group: Described) -> list[str]:
    """Return why a set can't be managed, each with the way out; empty when it can."""
    reasons: list[str] = []
    image = image_of(group)
    if not group.profile:
        reasons.append("it has no model that members are started from: give it one")
    elif not is_exact(image):
        reasons.append(
            f"its model starts whatever {image or 'its image'} means at the time:"
            " let it name one exact version"
        )
    mode = str((group.properties.get("upgradePolicy") or {}).get("mode", "Manual"))
    if mode.lower() != "manual":
        reasons.append(
            f"its upgrade policy is {mode}, so Azure replaces members by itself:"
            " az vmss update --set upgradePolicy.mode=Manual"
        )
    mixed = (group.group.get("sku") or {}).get("name", "")
    if str(mixed).lower() == "mix":
        reasons.append("it mixes sizes of machines, so its size is no count of equal servers")
    if len(owners_tags(group.tags)) + LEAST_ROOM > MOST_TAGS:
        reasons.append(
            f"it has {len(group.tags)} tags of {MOST_TAGS}, and {LEAST_ROOM} more are needed:"
            " remove some"
        )
    return reasons
