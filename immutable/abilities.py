"""What a backend may be able to do beyond the contract, and where figures come from: protocols.

Authors import them from `immutable.backend`.
"""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

from immutable.model import Image, Reading, Revision

__all__ = [
    "MetricSource",
    "SupportsAdopt",
    "SupportsCreate",
    "SupportsImages",
    "SupportsTraffic",
    "SupportsWithdrawal",
]


@runtime_checkable
class SupportsCreate(Protocol):
    """A backend that can make and delete fleets."""

    async def create_fleet(self, fleet: str, revision: Revision) -> None:
        """Make an empty fleet of one group, of *revision*.

        Raises:
            Conflict: There is one of that name.
            Invalid: The template makes no sense; says which part.
        """
        ...

    async def delete_fleet(self, fleet: str) -> None:
        """Remove a fleet whose groups are empty, with everything that was made for it.

        Raises:
            Conflict: It has members.
            Gone: No such fleet.
        """
        ...


@runtime_checkable
class SupportsImages(Protocol):
    """A backend that keeps images itself."""

    async def build_image(self, source: str) -> Image:
        """Make an image of what *source* names, or return the one that is equal to it.

        Raises:
            Invalid: The source makes no sense; says which part.
        """
        ...

    async def images(self) -> tuple[Image, ...]:
        """Return the images that are kept, sorted by name and version."""
        ...


@runtime_checkable
class SupportsTraffic(Protocol):
    """A backend that counts what goes through its fleets (``traffic_stats``)."""

    async def traffic(self, fleet: str) -> Reading:
        """Return the counters of every revision.

        Raises:
            Gone: No such fleet.
        """
        ...


class MetricSource(Protocol):
    """Where an analysis reads traffic from, found by entry point in ``immutable.metrics``.

    A class may state ``contract``, the version of the contract of backends that it was written
    for; one that doesn't is taken for one of this version.
    """

    @classmethod
    def from_address(cls, address: str) -> Self:
        """Return a source for what follows its name and a colon; connects to nothing.

        Raises:
            InvalidValue: The address makes no sense.
        """
        ...

    async def read(self, fleet: str, revisions: tuple[int, ...]) -> Reading:
        """Return the counters of *revisions* of a fleet. Any exception is an ERROR of the gate."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class SupportsAdopt(Protocol):
    """A backend that can take over a group that was there before."""

    async def adopt_fleet(self, fleet: str, *, delete_when_replaced: bool) -> None:
        """Take the group named *fleet* as revision 1 of a fleet of that name, untouched but tagged.

        Args:
            fleet: The group's name.
            delete_when_replaced: Whether a later rollout may delete it, once empty.

        Raises:
            Gone: There is no such group.
            Invalid: It can't be managed; says why and the way out.
        """
        ...


@runtime_checkable
class SupportsWithdrawal(Protocol):
    """A backend whose cloud can mark an image as one that is not to be used any more.

    Instances that run are never touched. Both methods may be called again and again.
    """

    async def withdraw_image(self, artifact: str, *, launchable: bool) -> bool:
        """Take an image out of use, and return whether that changed anything.

        What is withdrawn further than asked for stays so: a launch that somebody has forbidden is
        not allowed again.

        Args:
            artifact: The identifier that instances are launched by.
            launchable: True marks it as deprecated: who asks for the newest image doesn't get it,
                and groups that have it go on launching it, so that they heal. False forbids every
                launch, those of groups that have it too: a member of theirs that dies is not
                replaced.

        Raises:
            Gone: There is no such image.
            Invalid: It can't be withdrawn so; says why and the way out.
            Denied: It is somebody else's, or the caller is not permitted to.
            Throttled: Not now.
            Transient: It may have been done, or may yet be.
        """
        ...

    async def restore_image(self, artifact: str) -> bool:
        """Let an image be used as before it was withdrawn; return whether that changed anything.

        Args:
            artifact: The identifier that instances are launched by.

        Raises:
            Gone: There is no such image.
            Invalid: The cloud doesn't take it back; says why and the way out.
            Denied: It is somebody else's, or the caller is not permitted to.
            Throttled: Not now.
            Transient: It may have been done, or may yet be.
        """
        ...
