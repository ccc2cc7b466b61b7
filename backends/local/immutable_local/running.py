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
from contextlib import suppress

from immutable_local import pids
from immutable_local.children import Child
from immutable_local.disk import reporting
from immutable_local.holds import Handle, Stamp
from immutable_local.identities import Identity

__all__ = ["Process"]

_LINGERING = 1.0
"""Seconds that the monitor may live on after its application, to report how that ended."""


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
