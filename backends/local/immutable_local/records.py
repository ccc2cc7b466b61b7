"""What a fleet's supervisor must know after it was killed, and how it is written down.

The fleet's own record says what is wanted: groups, sizes, holds, and who is leaving. Each instance
has a record of what it is: its process and its port. Order: intent, spawn, record; so a process
that was started and not written down is found by its marks, and one that was written down and not
started is simply missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from attrs import field, frozen

from immutable.backend import (
    FrozenMap,
    Gone,
    Group,
    Instance,
    InstanceState,
    Volume,
    from_json,
    to_json,
)
from immutable_local.disk import reporting, write_atomically

__all__ = ["FleetRecord", "InstanceRecord", "load", "save"]

T = TypeVar("T")


@frozen
class FleetRecord:
    """What is wanted of a fleet.

    Attributes:
        name: Its name.
        port: Where its load balancer listens.
        balancer: Which load balancer it has: ``haproxy`` or ``builtin``.
        isolation: What keeps its instances from changing what they run from.
        boot: Names the time since the machine was started; its instances are of that time.
        groups: Its groups.
        last_revision: The highest revision number given out.
        leaving: When those who leave are ended at the latest, by instance, in the wall clock's
            seconds. In the same file as the sizes, since both change together or not at all.
        notices: What happened that somebody should know.
        volumes: What each of its slots has; empty for a fleet without state.
        slots: The names of the slots that were made so far.
    """

    name: str
    port: int
    balancer: str
    isolation: str
    boot: str
    groups: tuple[Group, ...]
    last_revision: int
    leaving: FrozenMap[str, float] = field(factory=FrozenMap)
    notices: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()
    slots: tuple[str, ...] = ()

    def group(self, number: int) -> Group | None:
        """Return the group of a revision."""
        return next((group for group in self.groups if group.number == number), None)

    @property
    def weights(self) -> dict[int, float]:
        """The percentage of each group, by revision; empty while all share one pool."""
        return {group.number: group.weight for group in self.groups if group.weight is not None}


@frozen
class InstanceRecord:
    """What an instance is.

    Attributes:
        id: Its identifier.
        revision: The number of its revision.
        port: Where it listens, on 127.0.0.1.
        state: Where it is in its life; that it leaves is in the fleet's record.
        launched_at: When it was launched.
        ready_since: Since when it serves without a break.
        identity: Its process; None until it was started.
        slot: The slot that it has, of a stateful fleet.
    """

    id: str
    revision: int
    port: int
    state: InstanceState
    launched_at: float
    ready_since: float | None = None
    identity: dict[str, Any] | None = None
    slot: str = ""

    def seen(self, *, leaving: bool) -> Instance:
        """Return it as an observer sees it."""
        return Instance(
            id=self.id,
            revision=self.revision,
            state=InstanceState.DRAINING if leaving else self.state,
            launched_at=self.launched_at,
            ready_since=None if leaving else self.ready_since,
            address=f"127.0.0.1:{self.port}",
            slot=self.slot,
        )


def save(path: Path, record: FleetRecord | InstanceRecord) -> None:
    """Write a record down so that it survives a crash. Blocks.

    Raises:
        CapacityShortage: The disk is full.
        BackendError: It can't be written.
    """
    text = json.dumps(to_json(record), ensure_ascii=False, indent=1)
    with reporting(f"writing {path}"):
        write_atomically(path, text.encode() + b"\n", mode=0o600)


def load(path: Path, kind: type[T]) -> T:
    """Read a record. Blocks.

    Raises:
        InvalidValue: It is no such record.
        Gone: It isn't there any more.
        BackendError: It can't be read.
    """
    with reporting(f"reading {path}"):
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise Gone(f"{path} isn't there") from error
    record: T = from_json(kind, json.loads(text))
    return record
