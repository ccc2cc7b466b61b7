"""What the catalog of images writes down: every change of it, in the order of their making."""

from __future__ import annotations

from attrs import frozen

__all__ = [
    "CatalogOpened",
    "CatalogRecord",
    "ChannelAssigned",
    "Followed",
    "GlassBroken",
    "PlanApproved",
    "PlanOffered",
    "PolicySet",
    "Restored",
    "Retired",
    "Revoked",
    "VersionAdded",
    "Withdrawn",
]


@frozen
class CatalogOpened:
    """The catalog of this journal begins: the record with number 0 of it."""


@frozen
class VersionAdded:
    """An image is in the catalog from here on, or has other signatures.

    Attributes:
        digest: Its manifest's digest.
        name: The image's name.
        version: Its version.
        parent: Digest of the image that it was built on; empty for none.
        artifacts: The addresses of what it became, such as ``aws://eu-west-1/ami-0abc123``.
        manifest: Its manifest, as the text of its file.
        signed: What was signed of it, as the text of that file; empty for nothing.
        actor: Who added it, as claimed.
    """

    digest: str
    name: str
    version: str
    parent: str
    artifacts: tuple[str, ...]
    manifest: str
    signed: str = ""
    actor: str = ""


@frozen
class ChannelAssigned:
    """A channel points at another version.

    Attributes:
        channel: The channel, such as ``web@production``.
        digest: The version that it points at from here on.
        before: The one that it pointed at; empty for a new channel.
        back: Whether it went back to where it came from.
        actor: Who did it, as claimed.
        reason: Why, in the actor's words.
    """

    channel: str
    digest: str
    before: str = ""
    back: bool = False
    actor: str = ""
    reason: str = ""


@frozen
class Revoked:
    """An image, and all that were built on it, are not to be launched any more.

    Attributes:
        digest: The image's digest.
        at: From when on, in seconds since 1970; may be to come.
        reason: Why, in the actor's words.
        forced: Whether although a channel pointed at it, or at one that was built on it.
        actor: Who did it, as claimed.
    """

    digest: str
    at: float
    reason: str
    forced: bool = False
    actor: str = ""


@frozen
class Restored:
    """A revocation, or that it was retired, does not hold any more.

    Attributes:
        digest: The digest of the image that was revoked, or retired.
        reason: Why, in the actor's words.
        actor: Who did it, as claimed.
    """

    digest: str
    reason: str
    actor: str = ""


@frozen
class Retired:
    """An image that nobody needs is not to be launched any more; what was built on it may be.

    Attributes:
        digest: The image's digest.
        reason: Why, in the actor's words.
        actor: Who did it, as claimed.
    """

    digest: str
    reason: str = ""
    actor: str = ""


@frozen
class Withdrawn:
    """An artifact of an image has another state in its cloud.

    Attributes:
        artifact: Its address, such as ``aws://eu-west-1/ami-0abc123``.
        state: ``deprecated``, ``disabled`` (nothing is launched from it), or ``available`` again.
        actor: Who did it, as claimed.
    """

    artifact: str
    state: str
    actor: str = ""


@frozen
class PolicySet:
    """A fleet carries another admission policy from here on.

    Attributes:
        fleet: The fleet's address.
        policy: The policy, as the text of its file (`immutable.admission.Policy.load`); empty for
            none any more.
        actor: Who did it, as claimed.
        reason: Why, in the actor's words.
    """

    fleet: str
    policy: str
    actor: str = ""
    reason: str = ""


@frozen
class Followed:
    """A fleet follows a channel from here on.

    Attributes:
        fleet: The fleet's address.
        following: What it follows and how, as text (`immutable.following.Following.load`); empty
            for nothing any more.
        actor: Who did it, as claimed.
        reason: Why, in the actor's words.
    """

    fleet: str
    following: str
    actor: str = ""
    reason: str = ""


@frozen
class PlanOffered:
    """A channel that a fleet follows has moved, and there is a plan to go there.

    Attributes:
        fleet: The fleet's address.
        channel: The channel.
        number: The number of the channel's assignment.
        plan: The plan, as the text of its file (`immutable.load_plan`).
    """

    fleet: str
    channel: str
    number: int
    plan: str


@frozen
class GlassBroken:
    """For a while, a fleet's admission policy is asked and written down, and keeps nothing back.

    Attributes:
        fleet: The fleet's address.
        until: Until when, in seconds since 1970.
        reason: Why, in the actor's words.
        actor: Who did it, as claimed.
    """

    fleet: str
    until: float
    reason: str
    actor: str = ""

    def __str__(self) -> str:
        return f"bypassed by {self.actor or 'somebody'}: {self.reason}"


@frozen
class PlanApproved:
    """Signatures under a plan were handed in; whether they count, a policy says.

    Attributes:
        plan: The plan's digest.
        signed: What was signed, as the text of its file (`immutable.trust.load_bundle`).
        actor: Who handed it in, as claimed.
    """

    plan: str
    signed: str
    actor: str = ""


CatalogRecord = (
    VersionAdded
    | ChannelAssigned
    | Revoked
    | Restored
    | Retired
    | Withdrawn
    | PolicySet
    | GlassBroken
    | PlanApproved
    | Followed
    | PlanOffered
)
"""One change of the catalog."""
