"""What the build of an image writes down, so that it is made once, by one at a time."""

from __future__ import annotations

from attrs import frozen

__all__ = ["BuildAsked", "BuildNoted", "Built"]


@frozen
class BuildAsked:
    """Somebody asked for an image: the record with number 0 of a build.

    Attributes:
        spec: The digest of the specification: what is equal for equal images.
        name: The image's name.
        version: Its version.
        builder: Which builder makes it.
        actor: On whose behalf, as claimed.
        reason: Why, in the actor's words.
        place: Where the builder works, such as ``aws://eu-west-1``; empty where nobody said.
    """

    spec: str
    name: str
    version: str
    builder: str
    actor: str = ""
    reason: str = ""
    place: str = ""


@frozen
class BuildNoted:
    """The build makes something for a while that can't be tagged with the build.

    Attributes:
        name: What it is called, so that it can be removed if the build is killed.
    """

    name: str


@frozen
class Built:
    """The image is made, and what is known about it.

    Attributes:
        manifest: Its manifest, as the text of its file (`immutable.trust.ImageManifest.dump`).
        scan: What a scan of its files for secrets came to, and what was excepted; empty in records
            from before there were scans.
    """

    manifest: str
    scan: tuple[str, ...] = ()
