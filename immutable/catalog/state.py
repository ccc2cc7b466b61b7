"""The catalog as it is at one moment, and what can be asked of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from attrs import field, frozen

from immutable.errors import InvalidValue, Problem
from immutable.model.catalog import GlassBroken, PlanOffered
from immutable.model.image import artifact_parts

__all__ = [
    "Assignment",
    "Catalog",
    "FleetPolicy",
    "Revocation",
    "Version",
    "channel_name",
    "is_channel",
]

_CHANNEL = re.compile(r"([A-Za-z0-9][A-Za-z0-9._+-]*)@([A-Za-z0-9][A-Za-z0-9._+-]*)")


def is_channel(words: str) -> bool:
    """Whether words mean a channel, be there one of that name or not."""
    return _CHANNEL.fullmatch(words) is not None


def channel_name(channel: str) -> str:
    """Return the name of the image that a channel is of: ``web`` of ``web@production``.

    Raises:
        InvalidValue: It is no channel.
    """
    match = _CHANNEL.fullmatch(channel)
    if match is None:
        raise InvalidValue("channel", channel, "not a channel", "write NAME@CHANNEL")
    return match[1]


@frozen
class Version:
    """An image in the catalog.

    Attributes:
        digest: Its manifest's digest.
        name: The image's name.
        version: Its version.
        parent: Digest of the image that it was built on; empty for none.
        artifacts: The addresses of what it became, one for a backend and region.
        added_at: When it was added, in seconds since 1970.
    """

    digest: str
    name: str
    version: str
    parent: str = ""
    artifacts: tuple[str, ...] = ()
    added_at: float = 0.0

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"

    def places(self, backend: str) -> Iterator[tuple[str, str]]:
        """Yield the regions of a backend that it was made for, and what is launched in each."""
        for address in self.artifacts:
            scheme, region, identifier = artifact_parts(address)
            if scheme == backend:
                yield region, identifier

    def artifact(self, backend: str, location: str) -> str:
        """Return what is launched of it in a fleet's place.

        Args:
            backend: The backend's name, such as ``aws``.
            location: Where the fleet is, as its address says. What was made for one region only
                is it, for a location need not be a region's name; the backend knows if it isn't.

        Raises:
            InvalidValue: It was not made for that backend, or for several regions of it and none
                is the location.
        """
        there = dict(self.places(backend))
        if len(there) == 1:
            return next(iter(there.values()))
        if location in there:
            return there[location]
        place, known = f"{backend}://{location}", ", ".join(self.artifacts)
        way_out = f"build it for that place too; there are {known}"
        raise InvalidValue("image", str(self), f"there is none of it at {place}", way_out)


@frozen
class Revocation:
    """An image is not to be launched any more, nor is what was built on it.

    Attributes:
        digest: The image that was revoked: the one asked about, or one that it was built on.
        at: From when on, in seconds since 1970.
        reason: Why.
        actor: Who did it, as claimed.
    """

    digest: str
    at: float
    reason: str
    actor: str = ""


@frozen
class Assignment:
    """A channel was pointed at a version.

    Attributes:
        channel: The channel.
        number: 1, 2, 3 … within the channel.
        digest: The version's digest.
        at: When, in seconds since 1970.
        back: Whether it went back to where it came from.
        actor: Who did it, as claimed.
        reason: Why, in the actor's words.
    """

    channel: str
    number: int
    digest: str
    at: float = 0.0
    back: bool = False
    actor: str = ""
    reason: str = ""


@frozen
class FleetPolicy:
    """The admission policy that a fleet carries.

    Attributes:
        fleet: The fleet's address.
        policy: The policy, as the text of its file (`immutable.admission.Policy.load`).
        at: Since when, in seconds since 1970.
        actor: Who set it, as claimed.
        reason: Why, in the actor's words.
    """

    fleet: str
    policy: str
    at: float = 0.0
    actor: str = ""
    reason: str = ""


@frozen
class Catalog:
    """All that the catalog knows at one moment, but the manifests.

    Attributes:
        versions: The images, by digest; the oldest first.
        revocations: What was revoked itself, by digest.
        channels: Where each channel has pointed, the oldest first; by the channel's name.
        policies: The policy that each fleet carries, by the fleet's address.
        bypasses: When each fleet's policy was bypassed last, by the fleet's address.
        retired: Which images were retired, and when, in seconds since 1970; by digest.
        followers: What each fleet follows and how, as text (`immutable.following.Following.load`),
            by the fleet's address.
        offers: The plan that each fleet that follows was offered last, by the fleet's address.
    """

    versions: Mapping[str, Version] = field(factory=dict)
    revocations: Mapping[str, Revocation] = field(factory=dict)
    channels: Mapping[str, tuple[Assignment, ...]] = field(factory=dict)
    policies: Mapping[str, FleetPolicy] = field(factory=dict)
    bypasses: Mapping[str, GlassBroken] = field(factory=dict)
    retired: Mapping[str, float] = field(factory=dict)
    followers: Mapping[str, str] = field(factory=dict)
    offers: Mapping[str, PlanOffered] = field(factory=dict)

    def knows(self, digest: str) -> bool:
        """Whether an image is in the catalog, or one that was built on it."""
        return digest in self.versions or any(v.parent == digest for v in self.versions.values())

    def find(self, reference: str) -> Version:
        """Return the version that a reference means.

        Args:
            reference: ``web:1.4.2``, ``web@production``, or ``sha256:`` and the digest.

        Raises:
            InvalidValue: There is none; says what there is.
        """
        if "@" in reference:
            channel_name(reference)
            current = self.current(reference)
            if current is None:
                there = ", ".join(sorted(self.channels)) or "none"
                way_out = f"assign a version to it first; there are: {there}"
                raise InvalidValue("channel", reference, "no such channel", way_out)
            return self.versions[current.digest]
        for each in self.versions.values():
            if reference in (each.digest, str(each)):
                return each
        way_out = "add it with `immutable image add`"
        raise InvalidValue("image", reference, "not in the catalog", way_out)

    def launched_as(self, backend: str, artifact: str) -> tuple[Version, ...]:
        """Return the versions that have become an artifact, in any region of a backend.

        Args:
            backend: The backend's name, such as ``aws``.
            artifact: The identifier that instances are launched by.
        """
        return tuple(
            version for version in self.versions.values()
            if artifact in dict(version.places(backend)).values()
        )  # fmt: skip

    # -- lineage -------------------------------------------------------------------------------

    def lineage(self, digest: str) -> tuple[str, ...]:
        """Return the digest of an image, of what it was built on, and so on, as far as known."""
        found: list[str] = []
        while digest and digest not in found:
            found.append(digest)
            version = self.versions.get(digest)
            digest = version.parent if version is not None else ""
        return tuple(found)

    def descendants(self, digest: str) -> tuple[Version, ...]:
        """Return all versions that were built on an image, directly or not, the oldest first."""
        return tuple(
            version for version in self.versions.values()
            if digest in self.lineage(version.digest)[1:]
        )  # fmt: skip

    def revocation(self, digest: str, now: float) -> Revocation | None:
        """Return why an image is revoked: by its own revocation or one of what it was built on.

        Args:
            digest: The image's digest.
            now: The time that it is asked for; a revocation that is to come does not hold yet.
        """
        found = [each for each in self._revocations(digest) if each.at <= now]
        return min(found, key=lambda each: each.at, default=None)

    def to_come(self, digest: str, now: float) -> Revocation | None:
        """Return the first revocation of an image, its own or inherited, that does not hold yet."""
        found = [each for each in self._revocations(digest) if each.at > now]
        return min(found, key=lambda each: each.at, default=None)

    def against(self, backend: str, artifact: str, now: float) -> tuple[Problem, ...]:
        """Return why an identifier must not be launched: it is of what was revoked, or retired.

        Args:
            backend: The backend's name, such as ``aws``.
            artifact: The identifier that they are launched by.
            now: The time.
        """
        problems = []
        for version in self.launched_as(backend, artifact):
            if (found := self.revocation(version.digest, now)) is not None:
                what = f"{version} is revoked: {found.reason}"
                way_out = f"take another version, or restore {found.digest} if that was wrong"
                problems.append(Problem(what, way_out))
            elif version.digest in self.retired:
                way_out = f"restore it, if it is needed: immutable image restore {version}"
                problems.append(Problem(f"{version} is retired", way_out))
        return tuple(problems)

    def _revocations(self, digest: str) -> Iterator[Revocation]:
        return (self.revocations[d] for d in self.lineage(digest) if d in self.revocations)

    # -- policies ------------------------------------------------------------------------------

    def bypass(self, fleet: str, now: float) -> GlassBroken | None:
        """Return why a fleet's policy keeps nothing back now; None if it does."""
        last = self.bypasses.get(fleet)
        return last if last is not None and now < last.until else None

    # -- channels ------------------------------------------------------------------------------

    def current(self, channel: str) -> Assignment | None:
        """Return what a channel points at; None where there is no such channel."""
        return self.channels[channel][-1] if self.channels.get(channel) else None

    def way_back(self, channel: str) -> tuple[Assignment, ...]:
        """Return where a channel came from, the nearest first: what rolling back goes through.

        Each assignment puts a version on a pile, and going back takes versions off it: who goes
        back twice comes to the version before the last, and not to where he began.
        """
        pile: list[Assignment] = []
        for each in self.channels.get(channel, ()):
            while each.back and pile and pile[-1].digest != each.digest:
                pile.pop()
            if not (each.back and pile):
                pile.append(each)
        return tuple(reversed(pile[:-1]))

    def pointing(self, digest: str) -> tuple[str, ...]:
        """Return the channels that point at an image, or at one that was built on it."""
        return tuple(
            channel for channel in sorted(self.channels)
            if (current := self.current(channel)) is not None
            and digest in self.lineage(current.digest)
        )  # fmt: skip
