"""An instance while it runs: what is known of its processes, and how it is ended.

With bubblewrap an instance consists of

* the monitor, which is what we start, waits for the rest and ends as the application ended. To
  signal it is useless: it would die alone;
* the first process of a pid namespace, with which all others in it die at once. It ignores
  whatever else is sent to it;
* the application, its first child, which is asked to end.

Without isolation all three are one process, the leader of a group.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar, Self

from attrs import asdict, frozen

from immutable.errors import Invalid
from immutable_local import pids
from immutable_local.disk import reporting
from immutable_local.holds import Handle, Stamp

__all__ = ["Child", "Identity", "Process"]

_LINGERING = 1.0
"""Seconds that the monitor may live on after its application, to report how that ended."""


@frozen
class Identity:
    """What must be written down of an instance's processes to find them again.

    Attributes:
        instance: The instance's identifier.
        state: The mark of its controller.
        stop_signal: The name of the signal that asks it to end.
        boot: Names the time between two boots within which the stamps mean something.
        started: What we started.
        app: What the signal is sent to; None when it ended before it was seen.
        init: The first process of its namespace; None without isolation.
    """

    instance: str
    state: str
    stop_signal: str
    boot: str
    started: Stamp
    app: Stamp | None
    init: Stamp | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return what `to_dict` was made from.

        Raises:
            Invalid: It wasn't made by `to_dict`.
        """
        try:
            stamps = {name: data[name] and Stamp(**data[name]) for name in ("app", "init")}
            return cls(**{**data, **stamps, "started": Stamp(**data["started"])})
        except (KeyError, TypeError) as error:
            raise Invalid(f"{dict(data)!r} identifies no process; remove the record") from error


class Child:
    """A process that we started and must reap, at the latest when somebody starts another."""

    _dropped: ClassVar[set[int]] = set()

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None
        self._reaped = False

    @classmethod
    def again(cls, pid: int) -> Self | None:
        """Return a child that was dropped."""
        if pid not in cls._dropped:
            return None
        cls._dropped.discard(pid)
        return cls(pid)

    @classmethod
    def reap_dropped(cls) -> None:
        """Reap those who ended after they were dropped."""
        for _ in range(len(cls._dropped)):
            with suppress(KeyError):
                cls(cls._dropped.pop()).poll()

    @property
    def ended(self) -> bool:
        """Whether it has ended; it is reaped then."""
        self.poll()
        return self._reaped

    def poll(self) -> int | None:
        """Return how it ended, as a shell says it: 128 and the number for a signal."""
        if not self._reaped:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._reaped = True
                return None
            if pid:
                self._reaped = True
                code = os.waitstatus_to_exitcode(status)
                self.code = code if code >= 0 else 128 - code
        return self.code

    def __del__(self) -> None:
        if not self._reaped:
            self._dropped.add(self.pid)


class Process:
    """A running instance; got from `spawn` or `adopt`.

    It lives on when this object, the event loop or the whole controller is gone. The object holds
    one file descriptor until the instance has ended or the object is dropped. It is for one event
    loop, as everything of asyncio.

    Attributes:
        identity: What to write down to find it again.
    """

    def __init__(self, identity: Identity, app: Handle | None, child: Child | None) -> None:
        self.identity = identity
        self._app = app
        self._child = child

    @property
    def alive(self) -> bool:
        """Whether the application runs. One that ended and wasn't reaped doesn't."""
        if self._app is not None and self._app.ended:
            self._app.close()
            self._app = None
        if self._app is None and self._child is not None:
            self._child.poll()
        return self._app is not None

    @property
    def exit_code(self) -> int | None:
        """How it ended, 128 and the signal's number for a signal.

        None while it runs, and for good when another process than this one started it.
        """
        return self._child.poll() if self._child is not None else None

    async def wait_dead(self) -> int | None:
        """Return when the application has ended and nothing that it started is left.

        What it left behind is killed.

        Returns:
            The exit code, as `exit_code`.
        """
        with reporting(f"waiting for {self.identity.instance}"):
            if self._app is not None:
                await self._app.wait()
            monitor = await asyncio.to_thread(Handle.of, self.identity.started)
            if monitor is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(monitor.wait(), _LINGERING)
            while rest := await asyncio.to_thread(self.slay):
                for each in rest:
                    await each.wait()
            if monitor is not None:
                await monitor.wait()
                monitor.close()
        return None if self.alive else self.exit_code

    async def terminate(self) -> None:
        """Send the application its stop signal. One that ended gets none.

        Raises:
            Denied: It belongs to another user.
        """
        if self._app is not None:
            with reporting(f"ending {self.identity.instance}"):
                self._app.send(signal.Signals[self.identity.stop_signal])

    async def kill(self) -> None:
        """Kill all its processes at once, and what an application that ended has left behind.

        Returns without waiting for their end: `wait_dead` does. Without isolation a process that
        left the group of its parent escapes.

        Raises:
            Denied: They belong to another user.
        """
        with reporting(f"killing {self.identity.instance}"):
            await asyncio.to_thread(self.slay)

    def slay(self) -> list[Handle]:
        """Kill what there is, as `kill`; return a hold on all of it. Blocks; for any thread."""
        leader = self.identity.started.pid
        if self.identity.init is not None:
            doomed = [Handle.of(self.identity.init)]
        elif (app := Handle.of(self.identity.app)) and not app.ended:
            doomed = [app]
            if pids.group(leader) == leader:
                with suppress(ProcessLookupError):
                    os.killpg(leader, signal.SIGKILL)
        else:
            doomed = [_held_if_left(pid, self.identity) for pid in pids.everyone()]
        held = [each for each in doomed if each is not None and not each.ended]
        for each in held:
            each.send(signal.SIGKILL)
        return held


def _held_if_left(pid: int, identity: Identity) -> Handle | None:
    """Return a hold on a process that an ended leader has left in its group."""
    if pids.group(pid) != identity.started.pid:
        return None
    handle = Handle.of(Stamp.of(pid))
    seen = pids.variables(pid)
    ours = (seen.get("IMMUTABLE_ID"), seen.get("IMMUTABLE_STATE"))
    return handle if ours == (identity.instance, identity.state) else None
