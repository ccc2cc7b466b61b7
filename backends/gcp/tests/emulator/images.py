"""Images: made, found by name, id or family, deprecated.

"Image families" and "Deprecate an image"
(https://cloud.google.com/compute/docs/images/image-families-best-practices,
https://cloud.google.com/compute/docs/images/deprecate-custom): a family gives its newest image
that is not deprecated. DEPRECATED ones can be used, with a warning in the operation; OBSOLETE and
DELETED ones can't, for new VMs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .calls import Call, answers
from .errors import GoogleError, invalid, not_found
from .kinds import Kind, base, changed, guarded, inserted, register
from .names import FORM, ROOT, Scope, link
from .store import Resource

if TYPE_CHECKING:
    from .world import World

FIXED = {"status": "READY", "sourceType": "RAW", "diskSizeGb": "10", "archiveSizeBytes": "1024"}


def shown(world: World, image: Resource) -> dict[str, Any]:
    """An image."""
    return FIXED | base(world, image)


register(
    Kind("images", "image", ("images",), shown, print="labelFingerprint"), "get", "list", "delete"
)


@answers("images.insert")
def insert(world: World, call: Call) -> Any:
    """Make an image, of whatever: there is nothing in it."""
    return inserted(world, call, "images", {"architecture": "X86_64"} | call.body)


@answers("images.getFromFamily")
def family(world: World, call: Call) -> Any:
    """The newest of a family that is not deprecated.

    Raises:
        GoogleError: 404: there is none.
    """
    return shown(world, newest(world, call.target))


def newest(world: World, name: str) -> Resource:
    """The newest image of a family.

    Raises:
        GoogleError: 404.
    """
    fit = [i for i in world.store.of("images") if i.data.get("family") == name and state(i) == ""]
    if not fit:
        raise not_found(f"projects/{world.store.project}/global/images/family/{name}")
    return max(fit, key=lambda image: image.created)


def state(image: Resource) -> str:
    """DEPRECATED, OBSOLETE, DELETED, or nothing."""
    said = str(image.data.get("deprecated", {}).get("state", ""))
    return "" if said == "ACTIVE" else said


@answers("images.deprecate")
def deprecate(world: World, call: Call) -> Any:
    """Set the deprecation state; an empty body clears it, if Google lets it.

    "If an empty request body is given, clears the deprecation status instead"
    (https://cloud.google.com/compute/docs/reference/rest/v1/images/deprecate).
    """
    image = world.store.get("images", call.scope, call.target)

    def change() -> None:
        if not world.laws.undeprecates and call.body.get("state", "ACTIVE") == "ACTIVE":
            return
        image.data.pop("deprecated", None)
        if call.body:
            image.data["deprecated"] = dict(call.body)

    return changed(world, call, image, change)


@answers("images.setLabels")
def labels(world: World, call: Call) -> Any:
    """Replace all labels; needs the current fingerprint of the labels."""
    image = world.store.get("images", call.scope, call.target)
    guarded(image, call.body, "labelFingerprint", must=True)
    return changed(
        world, call, image, lambda: image.data.update(labels=dict(call.body.get("labels", {})))
    )


def used(world: World, named: str, field: str) -> tuple[Resource, list[dict[str, Any]]]:
    """The image that a disk is made of, and the warnings that this brings.

    Raises:
        GoogleError: it is not there, or OBSOLETE or DELETED.
    """
    found = FORM.fullmatch(named)
    if found and found["name"].startswith("family/"):
        image = newest(world, found["name"].removeprefix("family/"))
    else:
        image = world.store.at(link(named, field, "images"))
    said = state(image)
    if said in {"OBSOLETE", "DELETED"}:
        why = f"The image is {said.lower()}."
        raise invalid(field, named, why)
    return image, [] if not said else [_warning(image)]


def _warning(image: Resource) -> dict[str, Any]:
    replacement = image.data["deprecated"].get("replacement", "")
    said = f"The resource '{image.path}' is deprecated."
    if replacement:
        said += f" A suggested replacement is '{replacement.removeprefix(ROOT)}'."
    return {"code": "DEPRECATED_RESOURCE_USED", "message": said}


def names(world: World, named: str | None) -> set[str]:
    """By what a fate may call the image of a link: its link's end, its name, its id."""
    if not named:
        return set()
    end = named.rpartition("/")[2]
    try:
        image = world.store.get("images", Scope(), end)
    except GoogleError:
        return {end}
    return {end, image.name, str(image.id)}
