"""Images: what a name or a family means, pinned to the number of an image, which never changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from immutable.backend import Gone, Image, ImageState, Invalid
from immutable_gcp.calls import Answer, Calls

__all__ = ["Reference", "describe", "image_of", "parse", "resolve", "unusable"]

_FORM = re.compile(
    r"(?:(?:https?://[^/]+/(?:compute/v1/)?)?(?:projects/(?P<project>[^/]+)/)?global/images/)?"
    r"(?P<family>family/)?(?P<name>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)"
)
_NAMED = 5

Reference = tuple[str, bool, str]
"""Project, whether it is a family, and the name or number."""


# "family/web": (ours, True, "web"); "projects/p/global/images/7": ("p", False, "7").
def parse(text: str, project: str) -> Reference | None:
    """Return what an image's reference names; None when it is none.

    Args:
        text: A name, a number, a link of either, or ``family/NAME`` alone or in a link.
        project: Where plain names are looked for.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    return found["project"] or project, found["family"] is not None, found["name"]


async def resolve(calls: Calls, text: str) -> Image:
    """Return the image that a reference means, pinned by its number.

    Raises:
        Invalid: There is none, or none that VMs can be made of; says what is there.
    """
    parsed = parse(text, calls.place.project)
    if parsed is None:
        raise Invalid(f"{text} names no image: write NAME, family/NAME, or a link of either")
    try:
        described = await describe(calls, parsed)
    except Gone as error:
        project, family, _ = parsed
        kind = "no family with an image that isn't deprecated" if family else "no image"
        there = await _there(calls, project)
        raise Invalid(f"{kind} {text} in project {project}; {there}") from error
    if why := unusable(described):
        raise Invalid(f"image {text}: {why}")
    return image_of(described)


async def describe(calls: Calls, reference: Reference) -> Answer:
    """Return the description of an image.

    Raises:
        Gone: There is none.
    """
    project, family, name = reference
    if family:
        return await calls.ask(
            "images", "get_from_family", about=name, project=project, family=name
        )
    return await calls.ask("images", "get", about=name, project=project, image=name)


def unusable(described: Mapping[str, Any]) -> str:
    """Return why no VM can be made of an image; empty when one can."""
    state = described.get("deprecated", {}).get("state", "")
    if state in ("OBSOLETE", "DELETED"):
        return f"it is {state}: make it DEPRECATED or ACTIVE again, or name another one"
    status = described.get("status", "READY")
    return "" if status == "READY" else f"it is {status}: wait for it, or name another one"


def image_of(described: Mapping[str, Any]) -> Image:
    """Return an image by its description: its number is its identity, its name can come back."""
    project = parse_project(str(described["self_link"]))
    artifact = f"projects/{project}/global/images/{described['id']}"
    image = Image.of_artifact("gcp", artifact, name=str(described.get("name", "")))
    old = described.get("deprecated", {}).get("state", "") == "DEPRECATED"
    return evolve(image, state=ImageState.DEPRECATED if old else ImageState.AVAILABLE)


def parse_project(link: str) -> str:
    """Return the project of a link."""
    parts = link.split("/")
    return parts[parts.index("projects") + 1]


async def _there(calls: Calls, project: str) -> str:
    """Say what could be named: the newest images of a project."""
    found = await calls.listed("images", project=project)
    usable = [each for each in found if not unusable(each)]
    newest = sorted(usable, key=lambda e: str(e.get("creation_timestamp")), reverse=True)[:_NAMED]
    names = ", ".join(str(each["name"]) for each in newest)
    return f"the newest there are: {names}" if names else "there are none"
