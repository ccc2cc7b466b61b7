"""What the supervisor needs of a load balancer, whichever program does the work.

The balancer is a process of its own that outlives the supervisor: a new supervisor finds it by
its control socket and its pidfile, proves that it is the right one, and goes on with it. What is
common to all of them, from finding to ending, is here; how one is configured and driven is in the
class below.
"""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from immutable.backend import Conflict, Transient
from immutable.errors import InvalidValue
from immutable_local.balancing.detached import Program
from immutable_local.balancing.members import Member, Settings, Traffic

__all__ = ["DEFAULT", "Balancer"]

_LONGEST_SOCKET: Final = 95
_PATIENCE: Final = 10.0
_STEP: Final = 0.02
DEFAULT: Final = Settings()
"""The patience of a balancer that nobody said anything about."""


class Balancer(ABC):
    """A load balancer in a detached process, and the driver of it in this one.

    One fleet has one balancer and one driver at a time; the fleet's lock sees to that.

    Args:
        state: The directory of its configuration, pidfile and log. Made when absent.
        runtime: The directory of its control socket, a short path. Made when absent.
        port: The port of the front end, where clients connect.
        host: The IP address of the front end.
        settings: How patient it is. A process that already runs keeps its own.

    Attributes:
        name: Which program does the work: ``"haproxy"`` or ``"builtin"``.
        host: The IP address of the front end.
        port: The port of the front end.
        settings: How patient it is.

    Raises:
        InvalidValue: The control socket's path would be longer than a Unix socket's can be.
    """

    name: ClassVar[str]

    def __init__(
        self,
        state: Path,
        runtime: Path,
        port: int,
        *,
        host: str = "127.0.0.1",
        settings: Settings = DEFAULT,
    ) -> None:
        # Validated as a member is: an address and a port.
        front = Member("front", host, port, 0)
        self.host = front.host
        self.port = front.port
        self.settings = settings
        self._netloc = front.netloc
        self._state = state.absolute()
        self._socket = runtime.absolute() / "lb.sock"
        # 107 bytes fit into a Unix address; HAProxy binds under a name that is 12 bytes longer
        # (".4194304.tmp") and renames it: 107 - 12 = 95.
        if len(os.fsencode(self._socket)) > _LONGEST_SOCKET:
            reason = f"its socket's path would be longer than {_LONGEST_SOCKET} bytes"
            raise InvalidValue("runtime", str(runtime), reason, "choose a shorter directory")
        self._lock = asyncio.Lock()

    # -- what each program does in its own way -------------------------------------------------

    @abstractmethod
    async def apply(self, members: Mapping[str, Member]) -> None:
        """Make *members* the whole membership, in place and without a reload.

        From its return on, a member that drains, has weight 0 or is not named gets no new
        request, on whatever connection it arrives. Requests in flight on a member that drains
        go on; those on a member that is no longer named are cut, so drain it first. A member
        that wasn't there before gets requests at once: add those that were probed.

        A change from one set of members to another takes effect in one write. Repeated with the
        same members: no change.

        Args:
            members: By their ids.

        Raises:
            InvalidValue: A key is not its member's id.
            Transient: The process doesn't answer: `start` it, then apply again.
        """

    @abstractmethod
    async def traffic(self) -> Mapping[str, Traffic]:
        """Return what went through to each present member, by its id, since it was added.

        Raises:
            Transient: The process doesn't answer.
        """

    @abstractmethod
    async def revisions(self) -> Mapping[int, Traffic]:
        """Return the same by revision number, with the members that are gone.

        Raises:
            Transient: The process doesn't answer.
        """

    @abstractmethod
    async def _pid(self) -> int | None:
        """Return the process id that the control socket tells, None when nobody answers."""

    @abstractmethod
    async def _program(self) -> Program:
        """Return the program that does the work.

        Raises:
            Invalid: It isn't there.
        """

    @abstractmethod
    def _files(self) -> Mapping[Path, str]:
        """Return the configuration files, by path, and their text."""

    @abstractmethod
    async def _attached(self, pid: int) -> None:
        """Follow the process *pid* from here on, if there is something to follow."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the process, which goes on; this driver holds nothing afterwards."""

    # -- the life of the process ---------------------------------------------------------------

    async def start(self) -> None:
        """Adopt the process if it runs, start one otherwise; returns when it accepts connections.

        A process that was adopted still has its members. One that was started has none, and
        answers with 503 until `apply`.

        Raises:
            Conflict: Another process listens on the port.
            Invalid: The program isn't there or refuses to start.
            Transient: It started and doesn't answer.
        """
        async with self._lock:
            pid = await self._adopt()
            if pid is None:
                pid = await self._launch()
            await self._attached(pid)

    async def alive(self) -> bool:
        """Whether the process runs and answers."""
        pid = await self._pid()
        return pid is not None and await (await self._program()).runs_as(pid)

    async def stop(self) -> None:
        """End the process, started or adopted, with every connection; remove its files.

        Raises:
            Transient: It does not end.
        """
        await self.close()
        async with self._lock:
            program = await self._program()
            pid = await self._pid()
            if pid is None or not await program.runs_as(pid):
                pid = await program.recorded()
            if pid is not None:
                await program.end(pid)
            await program.clear(self._socket, *self._files())

    async def _adopt(self) -> int | None:
        program = await self._program()
        pid = await self._pid()
        if pid is not None and await program.runs_as(pid):
            if await program.recorded() != pid:
                await program.record(pid)
            return pid
        pid = await program.recorded()
        if pid is None or await self._answers(pid):
            return pid
        # Ours, and it hangs: no configuration could be brought to it.
        await program.end(pid, grace=0.5)
        return None

    async def _launch(self) -> int:
        program = await self._program()
        await asyncio.to_thread(self._socket.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
        try:
            await program.launch(self._files(), self._netloc)
        except Conflict:
            # A driver that was killed while it started the process leaves it on the port before
            # it can be found.
            pid = await self._adopt()
            if pid is None:
                raise
            return pid
        pid = await program.recorded()
        if pid is None or not await self._answers(pid):
            raise Transient(f"{self.name} on {self._netloc} started and does not answer")
        return pid

    async def _answers(self, pid: int) -> bool:
        """Wait until the control socket is that of *pid*, at most 10 s."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        while await self._pid() != pid:
            if loop.time() >= until or not await (await self._program()).runs_as(pid):
                return False
            await asyncio.sleep(_STEP)
        return True
