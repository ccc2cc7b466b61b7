"""The slots of one fleet on disk: directories that outlive instances, and who may write to them.

Below a fleet's directory each slot is a directory, and in it each volume one with two entries: its
``identity``, and its ``data``, which instances see. The lock on a slot is ``flock`` on the slot's
own directory. It belongs to an open file, not to a process: whoever is given that open file holds
the lock, so it ends when the last of an instance's processes has ended, whoever is there to see it.

Everything here blocks; callers on an event loop use a thread.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import frozen

from immutable.backend import Conflict, Gone, Invalid, Transient, Volume
from immutable_local.disk import remove_tree, reporting, sync_folder, temporary, write_atomically

__all__ = ["Grip", "Mount", "Volumes"]

_SNAPSHOTS = ".snapshots"
_SAVED = ".saved"
_RESTORING = ".restoring"
_COPY, _OLD = ".copy", ".old"


@frozen
class Mount:
    """One volume of an instance.

    Attributes:
        name: Its name.
        source: Its directory on this machine.
        path: Where the instance sees it, where instances have a root of their own.
    """

    name: str
    source: Path
    path: str


class Grip:
    """A slot that is about to be given to an instance; nobody else gets it meanwhile.

    Args:
        slot: Its name; empty for an instance of a fleet without volumes.
        mounts: Its volumes.
        descriptor: The open file that the lock belongs to; -1 for none.
    """

    def __init__(
        self, slot: str = "", mounts: tuple[Mount, ...] = (), descriptor: int = -1
    ) -> None:
        self.slot = slot
        self.mounts = mounts
        self.descriptor = descriptor

    def close(self) -> None:
        """Let go of the slot; an instance that was given the open file keeps it."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class Volumes:
    """The slots of one fleet.

    Args:
        folder: The fleet's directory of volumes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    # -- what there is -------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """Return the slots that there are, in the order of their numbers."""
        if not self._folder.is_dir():
            return ()
        found = [each.name for each in self._folder.iterdir() if each.name.isdigit()]
        return tuple(sorted(found, key=int))

    def identities(self, slot: str) -> dict[str, str]:
        """Return the identity of each volume of a slot that is there, by its name.

        It is what was drawn when the volume was made, and the number of the directory that holds
        the data: one that was put in its place is another volume.
        """
        there = {}
        for file in sorted((self._folder / slot).glob("*/identity")):
            data = file.parent / "data"
            if data.is_dir():
                drawn = file.read_text(encoding="utf-8").strip()
                there[file.parent.name] = f"{drawn}.{data.stat().st_ino}"
        return there

    def saved(self, slot: str) -> str:
        """Return the newest snapshot, if nobody has had the slot since; else an empty text."""
        mark = self._folder / slot / _SAVED
        path = mark.read_text(encoding="utf-8").strip() if mark.exists() else ""
        return path if path and Path(path).is_dir() else ""

    # -- making and removing -------------------------------------------------------------------

    def make(self, slot: str, volumes: Iterable[Volume]) -> None:
        """Make a slot with empty volumes, wholly or not at all; one that is there is left alone."""
        place = self._folder / slot
        if place.exists():
            return
        with reporting(f"making slot {slot} in {self._folder}"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = temporary(self._folder, "draft")
            draft.mkdir(mode=0o700)
            for volume in volumes:
                (draft / volume.name / "data").mkdir(parents=True)
                identity = f"vol-{secrets.token_hex(6)}\n"
                write_atomically(draft / volume.name / "identity", identity.encode())
            draft.rename(place)
            sync_folder(self._folder)

    def remove(self, slot: str) -> None:
        """Remove a slot with its volumes and snapshots.

        Raises:
            Gone: There is none.
            Conflict: Something still has it.
        """
        if slot not in self.names():
            raise Gone(f"there is no slot {slot} in {self._folder}")
        with self._locked(slot), reporting(f"removing slot {slot} in {self._folder}"):
            doomed = temporary(self._folder, "draft")
            (self._folder / slot).rename(doomed)
            remove_tree(doomed)

    # -- who may write -------------------------------------------------------------------------

    def take(self, slots: Iterable[str], volumes: tuple[Volume, ...]) -> Grip:
        """Return a grip on the first of *slots* that nobody has; what was saved of it is old then.

        Raises:
            Invalid: One is not there, or a volume of it isn't.
            Transient: Something still has each of them.
        """
        busy = []
        for slot in slots:
            descriptor = self._lock(slot)
            if descriptor is None:
                busy.append(slot)
                continue
            grip = Grip(slot, (), descriptor)
            try:
                grip.mounts = self._mounts(slot, volumes)
            except BaseException:
                grip.close()  # Else nobody could have it when it is whole again.
                raise
            with reporting(f"taking slot {slot}"):
                (self._folder / slot / _SAVED).unlink(missing_ok=True)
            return grip
        named = f": processes that have ended hold on to {', '.join(busy)}" if busy else ""
        raise Transient(f"no slot in {self._folder} is free{named}")

    def _mounts(self, slot: str, volumes: tuple[Volume, ...]) -> tuple[Mount, ...]:
        if (self._folder / slot / _RESTORING).exists():
            where = self._folder / slot
            raise Invalid(f"a restore of slot {slot} in {where} was cut off: repeat it")
        there = self.identities(slot)
        missing = [each.name for each in volumes if each.name not in there]
        if missing:
            where = self._folder / slot
            raise Invalid(f"volume {missing[0]} of slot {slot} isn't in {where}: put it back")
        return tuple(
            Mount(each.name, self._folder / slot / each.name / "data", each.path)
            for each in volumes
        )

    def _lock(self, slot: str) -> int | None:
        """Return an open file with the lock on a slot; None while something else has it."""
        place = self._folder / slot
        if not place.is_dir():
            raise Invalid(f"slot {slot} isn't in {self._folder}: put it back")
        with reporting(f"locking slot {slot}"):
            descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
        return descriptor

    def _locked(self, slot: str) -> Grip:
        descriptor = self._lock(slot)
        if descriptor is None:
            raise Conflict(f"something still has slot {slot} in {self._folder}")
        return Grip(slot, (), descriptor)

    # -- snapshots -----------------------------------------------------------------------------

    def save(self, slot: str) -> str:
        """Copy the volumes of a slot that nobody has, by reference where the disk can.

        Returns:
            The directory with the copies, one for each volume.

        Raises:
            Conflict: Something has the slot.
            BackendError: The copy could not be made.
        """
        with self._locked(slot), reporting(f"saving slot {slot}"):
            return self._save(slot)

    def _save(self, slot: str) -> str:
        """Copy the volumes of a slot whose lock we have, if they aren't saved as they are."""
        if not (there := self.saved(slot)):
            home = self._folder / slot / _SNAPSHOTS
            home.mkdir(mode=0o700, exist_ok=True)
            for left in home.glob(".draft-*"):  # Whoever made it was killed.
                remove_tree(left)
            draft = temporary(home, "draft")
            draft.mkdir(mode=0o700)
            for name in self.identities(slot):
                _copy(self._folder / slot / name / "data", draft / name)
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")  # By name is by age.
            place = home / f"{stamp}-{secrets.token_hex(2)}"
            draft.rename(place)
            there = str(place)
            write_atomically(self._folder / slot / _SAVED, f"{there}\n".encode())
        return there

    def snapshots(self, slot: str) -> tuple[str, ...]:
        """Return the snapshots of a slot, the newest first.

        Raises:
            Gone: There is no such slot.
        """
        if slot not in self.names():
            raise Gone(f"there is no slot {slot} in {self._folder}")
        found = (self._folder / slot / _SNAPSHOTS).glob("[!.]*")
        return tuple(str(each) for each in sorted(found, reverse=True))

    def restore(self, slot: str, snapshot: str) -> None:
        """Bring the volumes of a slot that nobody has back to a snapshot; what was there is saved.

        The copies are made first. Then a mark is written, under which nobody gets the slot, and
        they are put in place one by one; whoever comes after a crash does all of it again.

        Raises:
            Conflict: Something has the slot.
            Gone: There is no such slot or snapshot.
            Invalid: It is one of other volumes.
            BackendError: A copy could not be made.
        """
        there = self.snapshots(slot)
        source = next((each for each in there if snapshot in (each, Path(each).name)), None)
        if source is None:
            known = ", ".join(Path(each).name for each in there) or "none"
            raise Gone(f"slot {slot} in {self._folder} has no snapshot {snapshot}; known: {known}")
        place = self._folder / slot
        with self._locked(slot), reporting(f"restoring slot {slot}"):
            homes = sorted(each.parent for each in place.glob("*/identity"))
            names, held = (
                [each.name for each in homes],
                sorted(e.name for e in Path(source).iterdir()),
            )
            if names != held:
                what = f"snapshot {source} is of {', '.join(held)}, slot {slot} has"
                raise Invalid(f"{what} {', '.join(names)}")
            if not (place / _RESTORING).exists():
                self._save(slot)
            self._put_back(place, homes, Path(source))

    def _put_back(self, place: Path, homes: list[Path], source: Path) -> None:
        for home in homes:
            for left in home.glob(".*"):  # Whoever made it was killed.
                remove_tree(left)
            _copy(source / home.name, home / _COPY)
        write_atomically(place / _RESTORING, f"{source}\n".encode())
        (place / _SAVED).unlink(missing_ok=True)
        for home in homes:
            if (home / "data").exists():
                (home / "data").rename(home / _OLD)
            (home / _COPY).rename(home / "data")
            sync_folder(home)
        write_atomically(place / _SAVED, f"{source}\n".encode())
        (place / _RESTORING).unlink()
        for home in homes:
            if (home / _OLD).exists():
                remove_tree(home / _OLD)


def _copy(source: Path, target: Path) -> None:
    words = ["cp", "--archive", "--reflink=auto", "--", str(source), str(target)]
    done = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 - ours.
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Transient(f"{source} can't be copied: {said[-1] if said else 'cp failed'}")
