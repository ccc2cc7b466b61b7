"""Images: galleries with their versions, managed images, the marketplace.

"Store and share images in an Azure Compute Gallery"
(https://learn.microsoft.com/azure/virtual-machines/shared-image-galleries): versions are replicated to
regions, `latest` leaves out those that are excluded from it. An image that is not in the region is
`GalleryImageNotFound` (https://learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/error-code-and-message-for-azure-compute-gallery).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from . import ids
from .calls import Answer, Call, answers
from .errors import ArmError, NotEmulated, invalid
from .operations import accepted, stamp
from .store import Resource

if TYPE_CHECKING:
    from .world import World

GALLERY = "Microsoft.Compute/galleries"
VERSION = "Microsoft.Compute/galleries/images/versions"
KINDS = {
    "galleries": GALLERY,
    "gallery_images": "Microsoft.Compute/galleries/images",
    "gallery_image_versions": VERSION,
    "images": "Microsoft.Compute/images",
}

Offer = tuple[str, str, str]


class Images:
    """What can be launched."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.market: dict[Offer, list[str]] = {
            ("Canonical", "ubuntu-24_04-lts", "server"): ["24.04.202501010", "24.04.202503010"]
        }

    def launchable(self, profile: dict[str, Any]) -> None:
        """Refuse a profile whose image can't be launched here.

        Raises:
            ArmError: 404 or 400, at once.
        """
        reference = (profile.get("storageProfile") or {}).get("imageReference")
        if reference is None:
            return
        if "communityGalleryImageId" in reference or "sharedGalleryImageId" in reference:
            raise NotEmulated("images of community and shared galleries")
        if path := reference.get("id"):
            self._ours(path)
            secured = (profile.get("securityProfile") or {}).get("securityType", "")
            if secured == "TrustedLaunch" and ids.kind_of(path).lower().endswith("compute/images"):
                said = (
                    "Managed Images are not supported for virtual machines with security type "
                    "TrustedLaunch."
                )
                raise ArmError("BadRequest", said, 400)
        elif self._offered(reference) is None:
            words = [reference.get(each, "") for each in ("publisher", "offer", "sku", "version")]
            said = f"The platform image '{':'.join(words)}' is not available. Verify that all fields in the storage profile are correct."  # fmt: skip
            raise ArmError("PlatformImageNotFound", said, 404, target="imageReference")

    def _ours(self, path: str) -> None:
        found = self._resolved(path)
        gone = found is None or found.state != "Succeeded"
        if gone or (found.kind == VERSION and self.world.location not in self.regions(found)):
            said = (
                f"The gallery image {path} is not available in {self.world.location} region. "
                "Please contact image owner to replicate to this region, or change your requested "
                "region."
            )
            raise ArmError("GalleryImageNotFound", said, 404, target="imageReference")

    def _resolved(self, path: str) -> Resource | None:
        """A version; of an image definition the latest one that is not excluded."""
        kind = ids.kind_of(path).lower()
        if kind != KINDS["gallery_images"].lower():
            return self.world.store.find(path)
        versions = [
            each
            for each in self.world.store.of(VERSION)
            if ids.key(each.id).startswith(f"{ids.key(path)}/versions/")
            and not each.properties.get("publishingProfile", {}).get("excludeFromLatest")
        ]
        return max(versions, key=lambda each: _number(each.name), default=None)

    def regions(self, version: Resource) -> list[str]:
        """Where a version is."""
        targets = version.properties.get("publishingProfile", {}).get("targetRegions") or []
        named = [_plain(each["name"]) for each in targets] or [_plain(version.doc["location"])]
        if version.state != "Succeeded":
            return []
        return named

    def _offered(self, reference: dict[str, Any]) -> str | None:
        offer = (
            reference.get("publisher", ""),
            reference.get("offer", ""),
            reference.get("sku", ""),
        )
        versions = self.market.get(offer, [])
        wanted = reference.get("version", "")
        if wanted == "latest":
            return max(versions, key=_number, default=None)
        return wanted if wanted in versions else None

    def exact(self, profile: dict[str, Any]) -> str | None:
        """The version that `latest` meant."""
        reference = (profile.get("storageProfile") or {}).get("imageReference") or {}
        if "id" in reference:
            found = self._resolved(reference["id"])
            return found.name if found is not None and found.kind == VERSION else None
        return self._offered(reference)


def _plain(region: str) -> str:
    return region.lower().replace(" ", "")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def told(world: World, found: Resource, *, replication: bool = False) -> dict[str, Any]:
    """An image, a gallery, a version."""
    said = copy.deepcopy(found.doc)
    said |= {"name": found.name, "id": found.id, "type": found.kind}
    said.setdefault("properties", {})["provisioningState"] = found.state
    if replication:
        regions = world.images.regions(found)
        done = found.state == "Succeeded"
        targets = found.properties.get("publishingProfile", {}).get("targetRegions") or []
        said["properties"]["replicationStatus"] = {
            "aggregatedState": "Completed" if done else "InProgress",
            "summary": [
                {"region": each["name"], "state": "Completed" if _plain(each["name"]) in regions else "Replicating",
                 "progress": 100 if done else 0, "details": ""}
                for each in targets
            ],
        }  # fmt: skip
    return said


@answers(*(f"compute:{group}.create_or_update" for group in KINDS))
def put(world: World, call: Call) -> Answer:
    """Make or change one: 201 or 200, and an operation; a version takes as long as its replication."""
    world.place(call.group)
    kind = call.name.split(":")[1].split(".")[0]
    if kind == "gallery_image_versions" and len(_number(call.path.rsplit("/", 1)[1])) != 3:
        raise invalid("The gallery image version name is not of the form Major.Minor.Patch.", "galleryImageVersionName")  # fmt: skip
    above = call.path.rsplit("/", 2)[0]
    if kind.startswith("gallery_"):
        world.store.get(above)
    before = copy.deepcopy(there.doc) if (there := world.store.find(call.path)) else None
    if kind == "gallery_image_versions" and before is not None:
        _same_source(before["properties"], call.body["properties"])
    found, new = world.store.put(call.path, call.body)
    if kind == "gallery_image_versions":
        published = before["properties"]["publishingProfile"] if before else {}
        profile = found.properties.setdefault("publishingProfile", {})
        profile.setdefault("excludeFromLatest", False)
        # Read-only: whatever is sent, it is when the version was published.
        profile["publishedDate"] = published.get("publishedDate", stamp(world))
    operation = world.operations.failing(call, call.path)
    if operation is not None:
        found.state = "Failed"
        return accepted(world, call, operation, 201 if new else 200, told(world, found))
    operation = world.operations.begin(call, call.name, "Microsoft.Compute", call.path)
    law = world.laws.replicate if kind == "gallery_image_versions" else world.laws.settle

    def done() -> None:
        found.state = "Succeeded"
        world.operations.end(operation)

    if new:
        found.state = "Creating"
    world.clock.after(world.chances.draw(law), done)
    return accepted(world, call, operation, 201 if new else 200, told(world, found))


def _same_source(before: dict[str, Any], body: dict[str, Any]) -> None:
    """Refuse another source: it is not among what can be changed, as regions, replica counts,
    `excludeFromLatest` and `endOfLifeDate` are ("List, update, and delete gallery resources",
    https://learn.microsoft.com/azure/virtual-machines/update-image-resources).

    Raises:
        ArmError: 409 `PropertyChangeNotAllowed`.
    """
    if before.get("storageProfile") != body.get("storageProfile"):
        name = "galleryImageVersion.properties.storageProfile.source"
        said = f"Changing property '{name}' is not allowed."
        raise ArmError("PropertyChangeNotAllowed", said, 409, target=name)


@answers(*(f"compute:{group}.get" for group in KINDS))
def get(world: World, call: Call) -> Answer:
    """One; with `$expand=ReplicationStatus` where a version is."""
    world.place(call.group)
    wants = call.query.get("$expand", "").lower() == "replicationstatus"
    return Answer(200, told(world, world.store.get(call.path), replication=wants))


@answers(
    "compute:galleries.list", "compute:galleries.list_by_resource_group", "compute:images.list",
    "compute:images.list_by_resource_group", "compute:gallery_images.list_by_gallery",
    "compute:gallery_image_versions.list_by_gallery_image",
)  # fmt: skip
def listed(world: World, call: Call) -> Answer:
    """All, below what the path names."""
    kind = KINDS[call.name.split(":")[1].split(".")[0]]
    above = ids.key(call.path.rsplit("/", 1)[0])
    below = f"{above}/" if "/galleries/" in above or call.group else ""
    found = [each for each in world.store.of(kind) if ids.key(each.id).startswith(below)]
    return world.page(call, [told(world, each) for each in found])


@answers(*(f"compute:{group}.delete" for group in KINDS))
def delete(world: World, call: Call) -> Answer:
    """Remove one; what is below a gallery has to go first."""
    world.place(call.group)
    if world.store.find(call.path) is None:
        return Answer(204)
    kind = call.name.split(":")[1].split(".")[0]
    if kind in {"galleries", "gallery_images"}:
        below = [key for key in world.store.all if key.startswith(f"{ids.key(call.path)}/")]
        if below:
            said = "Can not delete resource before nested resources are deleted."
            raise ArmError("CannotDeleteResource", said, 409)
    operation = world.operations.begin(call, call.name, "Microsoft.Compute", call.path)
    world.store.pop(call.path)
    world.clock.after(world.chances.draw(world.laws.settle), world.operations.end, operation)
    return accepted(world, call, operation, 202, location=True)


def _market(world: World, call: Call) -> tuple[Offer, list[str]]:
    offer = (call.of("publishers"), call.of("offers"), call.of("skus"))
    for there, versions in world.images.market.items():
        if tuple(map(str.lower, there)) == tuple(map(str.lower, offer)):
            return there, versions
    said = f"Artifact: VMImage was not found: {':'.join(offer)}."
    raise ArmError("NotFound", said, 404)


def _told_offer(world: World, call: Call, version: str) -> dict[str, Any]:
    path = call.path.split("/versions")[0]
    return {"id": f"{path}/versions/{version}", "name": version, "location": world.location}


@answers("compute:virtual_machine_images.list")
def offers(world: World, call: Call) -> Answer:
    """Versions in the marketplace; `$top` and `$orderby=name desc` find the latest. No pages."""
    _, versions = _market(world, call)
    found = sorted(versions, key=_number)
    if "desc" in call.query.get("$orderby", ""):
        found.reverse()
    if "$top" in call.query:
        found = found[: int(call.query["$top"])]
    return Answer(200, [_told_offer(world, call, each) for each in found])


@answers("compute:virtual_machine_images.get")
def offer(world: World, call: Call) -> Answer:
    """One version in the marketplace."""
    _, versions = _market(world, call)
    if call.of("versions") not in versions:
        raise ArmError("NotFound", f"Artifact: VMImage was not found: {call.path}.", 404)
    return Answer(200, _told_offer(world, call, call.of("versions")) | {"properties": {"hyperVGeneration": "V2", "architecture": "x64"}})  # fmt: skip
