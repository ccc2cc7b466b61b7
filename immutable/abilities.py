"""What a backend may be able to do beyond the contract, and where figures come from: protocols.

Authors import them from `immutable.backend`.
"""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

from immutable.model import Context, Image, Reading, Revision, Slot, Volume
from immutable.model.drift import Inspection

__all__ = [
    "MetricSource",
    "SupportsAdopt",
    "SupportsChanges",
    "SupportsCreate",
    "SupportsDrift",
    "SupportsImages",
    "SupportsRestore",
    "SupportsTraffic",
    "SupportsVolumes",
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


@runtime_checkable
class SupportsVolumes(Protocol):
    """A backend whose fleets can have volumes that outlive their instances (``volumes``).

    A stateful fleet has as many slots as it ever had members. Which of the free ones a member gets
    that starts is the backend's to choose; that nobody else can write to its volumes from before
    the member starts until it is gone is the backend's to see to.
    """

    async def create_stateful_fleet(
        self, fleet: str, revision: Revision, volumes: tuple[Volume, ...]
    ) -> None:
        """Make an empty fleet of one group, of *revision*, each of whose slots has *volumes*.

        Slots of an earlier fleet of that name, which `kept_slots` tells of, are its slots.

        Raises:
            Conflict: There is one of that name, or its kept slots have other volumes.
            Invalid: The template or a volume makes no sense; says which part.
        """
        ...

    async def snapshot(self, fleet: str, slot: str, ctx: Context) -> str:
        """Save the volumes of a slot that nobody holds; until that is done nobody gets it.

        Repeated while nobody has had the slot since: the same snapshot.

        Returns:
            The snapshot's identity; empty while it is being taken, which ``Slot.saving`` tells.

        Raises:
            Conflict: Somebody holds the slot, or the fleet is held by another rollout.
            Gone: There is no such fleet or slot.
            Invalid: The backend takes no snapshots.
            CapacityShortage: There is no room for it.
        """
        ...

    async def kept_slots(self, fleet: str) -> tuple[Slot, ...]:
        """Return the slots that there are for a fleet of that name, also when it is deleted."""
        ...

    async def remove_slots(self, fleet: str, names: tuple[str, ...]) -> None:
        """Remove slots with their volumes and snapshots, for good.

        Raises:
            Conflict: There is a fleet that has them.
            Gone: There is no such slot.
        """
        ...


@runtime_checkable
class SupportsRestore(Protocol):
    """A backend that can bring a slot's volumes back to what a snapshot holds."""

    async def slot_snapshots(self, fleet: str, slot: str) -> tuple[str, ...]:
        """Return the snapshots of a slot that can be restored, the newest first.

        Raises:
            Gone: There is no such slot.
        """
        ...

    async def restore_slot(self, fleet: str, slot: str, snapshot: str) -> None:
        """Bring all volumes of a slot that nobody has back to a snapshot; what was there is saved.

        Repeated after a crash: completed. Until then nobody gets the slot.

        Raises:
            Conflict: Somebody has the slot, or a rollout holds the fleet.
            Gone: There is no such slot or snapshot; says which there are.
            Invalid: The snapshot is of other volumes.
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


@runtime_checkable
class SupportsChanges(Protocol):
    """A backend that can be told of changes (``changes``): whoever watches need not poll.

    What is told is a hint: looks say what has become of a fleet, and are made without hints too.
    Of such a backend every look has a ``cursor``, also one that tells everything.
    """

    async def changed(self, fleet: str, since: int) -> None:
        """Return once a look would tell anything else than the one that *since* is the cursor of.

        That is at once when it would already, and when the cursor is not known, or not any more. It
        may return although nothing has changed. It may be cancelled at any moment, and costs next
        to nothing while it waits.

        Args:
            fleet: The fleet.
            since: The cursor of a look.

        Raises:
            Gone: No such fleet.
            Denied: Changes must not be heard.
            Throttled: Not now.
            Transient: Nobody tells of changes at the moment.
        """
        ...


@runtime_checkable
class SupportsDrift(Protocol):
    """A backend that can see whether instances are still what they were launched as."""

    async def inspect(self, fleet: str) -> Inspection:
        """Look at every member of a fleet, and at what looks like one. Changes nothing.

        Members are compared with what their group's revision says, not with each other. What should
        have been seen and could not be is in ``unknown``: it is never left out, and never taken for
        equal. Calls grow with pages, not with instances. Age and revision are left to the core.

        Raises:
            Gone: No such fleet.
            Denied: Something that is to be looked at must not be.
            Throttled: Not now.
            Transient: A page is missing.
        """
        ...
