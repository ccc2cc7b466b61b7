"""Images: what a reference means, pinned to one exact version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from immutable.backend import Gone, Image, ImageState, Invalid
from immutable_azure.calls import Calls
from immutable_azure.names import short

__all__ = ["is_exact", "launchable_here", "plain", "resolve"]

_LONG = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Compute/.+", re.IGNORECASE
)
_URN = re.compile(r"[^/:\s]+:[^/:\s]+:[^/:\s]+:[^/:\s]+")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_NAMED = 5


def is_exact(artifact: str) -> bool:
    """Return whether a reference means the same image for ever."""
    if artifact.startswith("/"):
        words = artifact.rstrip("/").split("/")
        kinds = [word.lower() for word in words]
        if "versions" in kinds:
            return bool(_VERSION.fullmatch(words[-1]))
        return "galleries" not in kinds and "images" in kinds
    parts = artifact.split(":")
    return len(parts) == 4 and all(parts) and parts[-1] != "latest"


def plain(region: str) -> str:
    """Return a region's name as the Resource Manager writes it: "West Europe" is westeurope."""
    return region.lower().replace(" ", "")


async def resolve(calls: Calls, reference: str) -> Image:
    """Return the image that a reference means, pinned.

    Args:
        calls: The door to Azure.
        reference: The long name of a gallery image version, of a managed image, or of a gallery
            image (its latest version that isn't excluded from that, looked up once, here);
            ``GALLERY/IMAGE/VERSION`` for one of this resource group, with ``latest`` too; or
            ``publisher:offer:sku:version`` of the marketplace, exact.

    Raises:
        Invalid: There is none, or none that can be launched; says what is there.
    """
    if _URN.fullmatch(reference):
        if not is_exact(reference):
            raise Invalid(f"{reference} means another image every day: name its exact version")
        return Image.of_artifact("azure", reference)
    path = reference
    if not _LONG.fullmatch(reference):
        words = reference.split("/")
        if len(words) not in (2, 3) or not all(words):
            raise Invalid(
                f"no image {reference!r}: write GALLERY/IMAGE/VERSION, a long name, or"
                " publisher:offer:sku:version"
            )
        place = calls.place
        gallery, image, version = [*words, "latest"][:3]
        path = (
            f"/subscriptions/{place.subscription}/resourceGroups/{place.group}/providers"
            f"/Microsoft.Compute/galleries/{gallery}/images/{image}/versions/{version}"
        )
    if not short(path, "galleries"):
        return await _managed(calls, path)
    return await _version(calls, path)


async def _managed(calls: Calls, path: str) -> Image:
    place, name = short(path, "resourceGroups"), short(path, "images")
    try:
        told = await calls.ask("compute.images.get", place, name, about=name)
    except Gone as error:
        raise Invalid(f"no managed image {name} in resource group {place}") from error
    state = told["properties"].get("provisioningState", "Succeeded")
    if state != "Succeeded":
        raise Invalid(f"image {name} is {state}; wait for it, or name another one")
    return _image(str(told["id"]), str(told["id"]), name)


async def _version(calls: Calls, path: str) -> Image:
    place, gallery, image = (
        short(path, kind) for kind in ("resourceGroups", "galleries", "images")
    )
    name = short(path, "versions") or "latest"
    if name == "latest":
        versions = await _versions(calls, place, gallery, image)
        fit = [each for each in versions if not _profile(each).get("excludeFromLatest")]
        fit = [each for each in fit if _made(each)]
        if not fit:
            raise Invalid(f"image {image} of gallery {gallery} has no version to be the latest")
        return _gallery_image(max(fit, key=lambda each: _number(each["name"])), image)
    try:
        told = await calls.ask(
            "compute.gallery_image_versions.get",
            place,
            gallery,
            image,
            name,
            about=f"{image}/{name}",
        )
    except Gone as error:
        versions = await _versions(calls, place, gallery, image)
        newest = sorted((each["name"] for each in versions), key=_number, reverse=True)[:_NAMED]
        there = f"the newest versions are {', '.join(newest)}" if newest else "it has none"
        raise Invalid(f"no image {gallery}/{image}/{name}; {there}") from error
    return _gallery_image(told, image)


async def _versions(calls: Calls, place: str, gallery: str, image: str) -> list[Any]:
    name = "compute.gallery_image_versions.list_by_gallery_image"
    try:
        return await calls.pages(name, place, gallery, image, about=image)
    except Gone as error:
        raise Invalid(f"no image {image} in gallery {gallery} of resource group {place}") from error


def _profile(told: Mapping[str, Any]) -> Mapping[str, Any]:
    return told["properties"].get("publishingProfile") or {}


def _made(told: Mapping[str, Any]) -> bool:
    return bool(told["properties"].get("provisioningState", "Succeeded") == "Succeeded")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _gallery_image(told: Mapping[str, Any], name: str) -> Image:
    if not _made(told):
        state = told["properties"].get("provisioningState")
        raise Invalid(f"version {told['name']} of {name} is {state}; wait for it, or name another")
    state = ImageState.AVAILABLE
    if _profile(told).get("excludeFromLatest"):
        state = ImageState.DEPRECATED
    found = _image(str(told["id"]), str(told["id"]), name, str(told["name"]))
    return Image(found.artifact, digest=found.digest, name=name, version=found.version, state=state)


def _image(path: str, identity: str, name: str, version: str = "") -> Image:
    """Return an image by its long name.

    Its digest is the sha256 of ``azure`` and its long name in lower case, a line each: a version
    is never made again with other contents as long as it exists.
    """
    text = f"azure\n{identity.lower()}"
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return Image(artifact=path, digest=digest, name=name, version=version)


async def launchable_here(calls: Calls, artifact: str, region: str) -> str | None:
    """Return why members can't be started from an image in a region; None when they can."""
    gallery, version = short(artifact, "galleries"), short(artifact, "versions")
    place, image = short(artifact, "resourceGroups"), short(artifact, "images")
    if not is_exact(artifact):
        return f"image {artifact} is no exact version, long name or publisher:offer:sku:version"
    if not artifact.startswith("/"):
        return None  # The marketplace tells by the creation of the set.
    try:
        if not gallery:
            await calls.ask("compute.images.get", place, image, about=image)
            return None
        told = await calls.ask(
            "compute.gallery_image_versions.get",
            place,
            gallery,
            image,
            version,
            about=f"{image}/{version}",
            expand="ReplicationStatus",
        )
    except Gone:
        return f"image {artifact} does not exist"
    if not _made(told):
        return f"image version {version} of {image} is {told['properties']['provisioningState']}"
    named = {plain(each["name"]) for each in _profile(told).get("targetRegions") or ()}
    if named and plain(region) not in named:
        return f"image version {version} of {image} is not replicated to {region}"
    status = told["properties"].get("replicationStatus") or {}
    for each in status.get("summary") or ():
        if plain(each.get("region", "")) == plain(region) and each.get("state") != "Completed":
            return f"image version {version} of {image} is still {each.get('state')} to {region}"
    return None
