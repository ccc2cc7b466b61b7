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
