"""Whether instances are what was started: their image's tree, their processes, what marks them.

All of it is read, from disk and ``/proc``; the supervisor isn't asked, and nothing is touched. Any
missing piece is unknown.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache
from typing import Self

from attrs import frozen

from immutable.backend import (
    BackendError,
    DriftCode,
    DriftReason,
    Gone,
    Group,
    Inspected,
    Inspection,
    Stray,
)
from immutable_local import guest, pids, processes
from immutable_local.holds import Stamp
from immutable_local.identities import Identity
from immutable_local.images import ImageStore, LocalImage
from immutable_local.places import FleetPlaces
from immutable_local.records import FleetRecord, InstanceRecord, load

__all__ = ["inspection"]

_NAMED = 5
_CHECKED = (DriftCode.FILES, DriftCode.CONFIG, DriftCode.PROCESS, DriftCode.TAINTED)
_UNSEEN = (
    "what processes do in memory",
    "files outside of the image's tree, and what was changed there and changed back",
    "another command line than the image's, once a program has replaced its own",
)


def inspection(places: FleetPlaces, images: ImageStore) -> Inspection:
    """Look at every instance of a fleet. Blocks; reads every file of its images once.

    Raises:
        Gone: There is no such fleet.
        BackendError: Its records can't be read.
    """
    at = time.time()
    fleet = load(places.record, FleetRecord)

    packed = cache(lambda digest: _Packed.of(images, digest))
    running = _running(places)
    records = list(_records(places))
    seen = []
    for record in records:
        group = fleet.group(record.revision)
        if group is not None:
            image = packed(group.revision.image.digest)
            facts = [*_files(image), *_process(record, group, image), *_taint(places, record)]
            reasons = tuple(each for each in facts if isinstance(each, DriftReason))
            unknown = tuple(each for each in facts if isinstance(each, str))
            seen.append(Inspected(record.id, reasons, unknown))
    strays = tuple(_strays(running, {record.id for record in records}))
    return Inspection(at, tuple(seen), strays, _CHECKED, _UNSEEN)


def _records(places: FleetPlaces) -> Iterator[InstanceRecord]:
    for file in sorted(places.instances.glob("*.json")):
        try:
            yield load(file, InstanceRecord)
        except Gone:
            continue  # It has ended meanwhile.


@frozen
class _Packed:
    """An image as it was packed, and what its tree has become; or why nobody can tell."""

    digest: str
    image: LocalImage | None = None
    changed: tuple[str, ...] = ()
    trouble: str = ""

    @classmethod
    def of(cls, images: ImageStore, digest: str) -> Self:
        """Read an image, and every file of its tree."""
        try:
            return cls(digest, images.resolve(digest), images.verify(digest))
        except BackendError as error:
            return cls(digest, trouble=error.message)


# Two of ten files were changed: "app.py, VERSION". Of forty, five are named.
def _files(packed: _Packed) -> Iterator[DriftReason | str]:
    if packed.trouble:
        yield f"its image: {packed.trouble}"
    elif changed := packed.changed:
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        found = f"changed: {', '.join(changed[:_NAMED])}{more}"
        yield DriftReason(DriftCode.FILES, packed.digest, found)


def _process(record: InstanceRecord, group: Group, packed: _Packed) -> Iterator[DriftReason | str]:
    if record.identity is None:
        yield "its process, which is being started"
        return
    app = Identity.from_dict(record.identity).app
    if app is None or Stamp.of(app.pid) != app:
        yield "its process, which has ended"
        return
    given = pids.variables(app.pid)
    words = pids.command(app.pid)
    if Stamp.of(app.pid) != app or not given or not words:
        yield "the environment and the command line of its process"
        return
    if (image := packed.image) is None:
        return
    wanted = {**image.environment, **group.revision.config.environment}
    wanted |= {"IMMUTABLE_ID": record.id, "PORT": str(record.port)}
    others = sorted(name for name, value in wanted.items() if given.get(name) != value)
    if others:
        found = f"others: {', '.join(others)}"
        yield DriftReason(DriftCode.CONFIG, "the environment that was given", found)
    if not _runs(words, guest.program(image)):
        yield "whether it is the image's program that runs: the command line is another"


# A script is run by its interpreter: ("./app.py", "-v") becomes ("python3", "./app.py", "-v"). One
# that is found on the PATH is named in full.
def _runs(words: tuple[str, ...], command: tuple[str, ...]) -> bool:
    tail = words[-len(command) :]
    return len(tail) == len(command) and (
        tail[1:] == command[1:] and tail[0].rpartition("/")[2] == command[0].rpartition("/")[2]
    )


def _taint(places: FleetPlaces, record: InstanceRecord) -> Iterator[DriftReason | str]:
    mark = places.tainted / record.id
    try:
        touched = mark.exists()
    except OSError as error:
        yield f"whether it is marked as touched: {error.strerror}"
        return
    if touched:
        yield DriftReason(DriftCode.TAINTED, "", f"marked by {mark}")


def _running(places: FleetPlaces) -> list[tuple[str, int, Stamp]]:
    """Return what runs with the fleet's mark, before its records are read."""
    stamps = ((name, pid, Stamp.of(pid)) for name, pid in processes.running(places.state))
    return [(name, pid, stamp) for name, pid, stamp in stamps if stamp is not None]


def _strays(running: list[tuple[str, int, Stamp]], known: set[str]) -> Iterator[Stray]:
    """Yield what runs with the fleet's mark still, and is in no record."""
    for name, pid, stamp in running:
        if name not in known and Stamp.of(pid) == stamp:
            yield Stray(name, f"process {pid} runs with the fleet's mark and is in no record")
