"""The slots of a fleet as its supervisor deals with them: who gets which, what is saved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from itertools import count, islice
from pathlib import Path

from immutable.backend import Conflict, Gone, Slot
from immutable_local.records import FleetRecord
from immutable_local.volumes import Grip, Volumes

__all__ = ["Slots"]

_PATIENCE = 5.0
"""Seconds for which somebody who asks for a snapshot waits; one that takes longer goes on."""


class Slots:
    """The slots of one fleet.

    Args:
        folder: Where its volumes are.
        tell: Called when something has changed that an observer sees.
    """

    def __init__(self, folder: Path, tell: Callable[[], None]) -> None:
        self._store = Volumes(folder)
        self._tell = tell
        self._saving: dict[str, asyncio.Task[str]] = {}

    async def make(self, record: FleetRecord, wanted: int) -> tuple[str, ...]:
        """Return the names of the slots that a fleet of *wanted* members needs; makes new ones.

        One that was made before and isn't there is not made again: its data is lost, and an empty
        volume in its place would hide that.

        Raises:
            BackendError: They can't be made.
        """
        if not record.volumes or len(record.slots) >= wanted:
            return record.slots
        unused = (str(number) for number in count() if str(number) not in record.slots)
        new = tuple(islice(unused, wanted - len(record.slots)))
        for name in new:
            await asyncio.to_thread(self._store.make, name, record.volumes)
        return record.slots + new

    async def take(self, record: FleetRecord, held: Collection[str]) -> Grip:
        """Return a grip on a slot that nobody holds, or on none for a fleet without volumes.

        Args:
            record: The fleet.
            held: The slots of all instances that are there.

        Raises:
            Transient: None is free.
            Invalid: One is not whole.
        """
        if not record.volumes:
            return Grip()
        free = [name for name in record.slots if name not in held and not self._is_saved(name)]
        return await asyncio.to_thread(self._store.take, free, record.volumes)

    async def seen(self, record: FleetRecord, holders: Mapping[str, str]) -> tuple[Slot, ...]:
        """Return the slots as an observer sees them; *holders* are instances, by slot."""
        return await asyncio.to_thread(self._seen, record.slots, dict(holders))

    def _seen(self, names: tuple[str, ...], holders: dict[str, str]) -> tuple[Slot, ...]:
        return tuple(
            Slot(
                name,
                self._store.identities(name),
                holder=holders.get(name, ""),
                saved="" if name in holders else self._store.saved(name),
                saving=self._is_saved(name),
            )
            for name in names
        )

    def _is_saved(self, name: str) -> bool:
        """Whether a slot is being saved now."""
        return name in self._saving and not self._saving[name].done()

    async def save(self, record: FleetRecord, name: str, holders: Mapping[str, str]) -> str:
        """Return the snapshot of a slot as it is; empty while it is being taken.

        Raises:
            Gone: There is no such slot.
            Conflict: Somebody has it.
            BackendError: It could not be saved.
        """
        if name not in record.slots:
            raise Gone(f"fleet {record.name} has no slot {name}")
        if name in holders:
            raise Conflict(f"slot {name} of {record.name} is held by {holders[name]}")
        saving = self._saving.get(name)
        if saving is None:
            saving = asyncio.ensure_future(asyncio.to_thread(self._store.save, name))
            self._saving[name] = saving
            self._tell()
            saving.add_done_callback(lambda _: self._tell())
        await asyncio.wait({saving}, timeout=_PATIENCE)
        if not saving.done():
            return ""
        self._saving.pop(name, None)
        return saving.result()
