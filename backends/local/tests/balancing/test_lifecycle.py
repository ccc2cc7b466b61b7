"""Balancers outlive their drivers, are found again, come back, and never harm a stranger."""

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backends.local.tests.balancing.conftest import NewBalancer, NewSites, marked
from backends.local.tests.balancing.support import Visitor, free_port, get, until
from immutable.backend import Conflict, Invalid, Transient
from immutable.errors import InvalidValue
from immutable_local.balancing import Balancer, BuiltinBalancer

pytestmark = pytest.mark.asyncio


async def pid_of(balancer: Balancer) -> int:
    pid = await balancer._pid()
    assert pid is not None
    return pid


async def kill(balancer: Balancer) -> None:
    os.kill(await pid_of(balancer), signal.SIGKILL)

    async def dead() -> bool:
        return not await balancer.alive()

    await until(dead)


def pidfile(balancer: Balancer) -> Path:
    [found] = balancer._state.glob("*.pid")
    return found


@contextmanager
def stranger(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of our business, with arguments of our choice."""
    program = [sys.executable, "-c", "import time; time.sleep(60)", *arguments]
    with subprocess.Popen(program) as process:
        try:
            yield process
            assert process.poll() is None, "the stranger was harmed"
        finally:
            process.kill()


# -- start and stop -------------------------------------------------------------------------------


async def test_when_start_returns_it_accepts_connections(drivers: NewBalancer) -> None:
    balancer = drivers()
    assert not await balancer.alive()
    await balancer.start()
    assert await balancer.alive()
    assert (await get(balancer)).status == 503


async def test_start_is_idempotent(drivers: NewBalancer) -> None:
    balancer = drivers()
    await balancer.start()
    pid = await pid_of(balancer)
    for _ in range(3):
        await balancer.start()
    assert await pid_of(balancer) == pid


async def test_starts_at_the_same_time_start_one_process(drivers: NewBalancer) -> None:
    balancer = drivers()
    await asyncio.gather(*(balancer.start() for _ in range(5)))
    assert len(marked(str(balancer._state))) == 1


def descriptors() -> set[str]:
    gc.collect()  # What an earlier test dropped is let go now, not in between.
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


async def test_stop_leaves_no_process_no_file_and_no_descriptor(
    drivers: NewBalancer, sites: NewSites, runtime: Path
) -> None:
    members = {site.name: site.member for site in await sites("a", "b")}
    balancer = drivers()
    # What the first use of a loop's threads and selectors opens is no leak.
    await balancer.start()
    await balancer.stop()
    before = descriptors()
    await balancer.start()
    await balancer.apply(members)
    await balancer.traffic()
    await balancer.stop()
    assert descriptors() <= before
    assert marked(str(balancer._state)) == []
    assert list(balancer._state.iterdir()) == []
    assert list((runtime / "fleet").iterdir()) == []
    assert not await balancer.alive()


async def test_stop_of_what_never_ran_does_nothing(drivers: NewBalancer) -> None:
    balancer = drivers()
    await balancer.stop()
    await balancer.stop()


async def test_what_is_asked_of_a_balancer_that_does_not_run_is_transient(
    drivers: NewBalancer,
) -> None:
    balancer = drivers()
    for ask in (balancer.apply({}), balancer.traffic(), balancer.revisions()):
        with pytest.raises(Transient, match="does not answer"):
            await ask


# -- it dies --------------------------------------------------------------------------------------


async def test_after_a_kill_start_brings_it_back_and_apply_its_members(
    fresh: Balancer, sites: NewSites
) -> None:
    members = {site.name: site.member for site in await sites("a", "b")}
    await fresh.apply(members)
    before = await pid_of(fresh)
    await kill(fresh)
    with pytest.raises(Transient):
        await fresh.apply(members)
    await fresh.start()
    assert await pid_of(fresh) != before
    assert (await get(fresh)).status == 503
    await fresh.apply(members)
    async with Visitor.to(fresh) as visitor:
        assert {(await visitor.get()).text for _ in range(4)} == {"a", "b"}
    seen = await fresh.traffic()
    assert sum(traffic.requests for traffic in seen.values()) == 4

    async def counted() -> bool:
        return (await fresh.revisions())[1].latency.total == 4

    await until(counted)


async def test_a_process_that_hangs_is_replaced(
    fresh: Balancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[type(fresh).__module__], "_ANSWER", 0.1)
    monkeypatch.setattr("immutable_local.balancing.base._PATIENCE", 0.2)
    before = await pid_of(fresh)
    os.kill(before, signal.SIGSTOP)
    assert not await fresh.alive()
    await fresh.start()
    assert await fresh.alive()
    assert await pid_of(fresh) != before


# -- its driver dies ------------------------------------------------------------------------------

DRIVER = """
import asyncio, sys, json
from pathlib import Path
from immutable_local import balancing
from immutable_local.balancing import Member

async def main(kind, state, runtime, port, members):
    balancer = getattr(balancing, kind)(Path(state), Path(runtime), int(port))
    await balancer.start()
    await balancer.apply({m["id"]: Member(**m) for m in json.loads(members)})
    print("applied", flush=True)
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_new_driver_adopts_the_process_of_one_that_was_killed(
    drivers: NewBalancer, sites: NewSites, runtime: Path
) -> None:
    a, b = await sites("a", "b")
    balancer = drivers()
    members = (
        f'[{{"id": "{site.name}", "host": "127.0.0.1", "port": {site.port}, "revision": 7}}]'
        for site in (a,)
    )
    old = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        DRIVER,
        type(balancer).__name__,
        str(balancer._state),
        str(runtime / "fleet"),
        str(balancer.port),
        *members,
        stdout=asyncio.subprocess.PIPE,
    )
    assert old.stdout is not None
    assert await old.stdout.readline() == b"applied\n"
    async with Visitor.to(balancer) as visitor:
        assert (await visitor.get()).text == "a"
        pid = await pid_of(balancer)
        old.kill()
        await old.wait()
        assert (await visitor.get()).text == "a"
        await balancer.start()
        assert await pid_of(balancer) == pid
        seen = await balancer.traffic()
        assert {name: (s.revision, s.requests) for name, s in seen.items()} == {"a": (7, 2)}
        assert (await visitor.get()).text == "a"
        await balancer.apply({"b": b.member})
        assert (await visitor.get()).text == "b"


async def test_latencies_survive_a_change_of_drivers(drivers: NewBalancer, sites: NewSites) -> None:
    [a] = await sites("a")
    first = drivers()
    await first.start()
    await first.apply({"a": a.member})
    for _ in range(10):
        await get(first)
    await first.close()
    second = drivers()
    await second.start()

    async def all_there() -> bool:
        return (await second.traffic())["a"].latency.total == 10

    await until(all_there)


async def test_a_lost_pidfile_is_written_again(drivers: NewBalancer) -> None:
    first = drivers()
    await first.start()
    pid = await pid_of(first)
    pidfile(first).unlink()
    second = drivers()
    await second.start()
    assert await pid_of(second) == pid
    assert pidfile(second).read_text() == f"{pid}\n"


async def test_without_socket_and_pidfile_the_port_tells(drivers: NewBalancer) -> None:
    """Whoever deletes both has to end the process: nothing proves any more that it is ours."""
    balancer = drivers()
    await balancer.start()
    pid = await pid_of(balancer)
    path = pidfile(balancer)
    path.unlink()
    balancer._socket.rename(balancer._socket.with_suffix(".gone"))
    with pytest.raises(Conflict, match=str(balancer.port)):
        await balancer.start()
    balancer._socket.with_suffix(".gone").rename(balancer._socket)
    await balancer.start()
    assert await pid_of(balancer) == pid


# -- strangers ------------------------------------------------------------------------------------


async def test_a_stale_pidfile_of_a_stranger_harms_nobody(drivers: NewBalancer) -> None:
    balancer = drivers()
    await balancer.start()
    path = pidfile(balancer)
    await kill(balancer)
    with stranger() as process:
        path.write_text(f"{process.pid}\n")
        await balancer.start()
        assert await pid_of(balancer) != process.pid
        path.write_text(f"{process.pid}\n")
        await balancer.start()
        await balancer.stop()
        path.write_text(f"{process.pid}\n")
        await balancer.stop()


async def test_a_stranger_that_names_our_files_is_not_ours(drivers: NewBalancer) -> None:
    """An editor with the configuration open, whose process id the pidfile happens to have."""
    balancer = drivers()
    await balancer.start()
    path = pidfile(balancer)
    [configuration] = balancer._files()
    await kill(balancer)
    with stranger("-f", str(configuration)) as process:
        path.write_text(f"{process.pid}\n")
        await balancer.start()
        assert await pid_of(balancer) != process.pid
        await balancer.stop()


async def test_nonsense_in_the_pidfile_is_no_process(drivers: NewBalancer) -> None:
    balancer = drivers()
    await balancer.start()
    path = pidfile(balancer)
    await kill(balancer)
    for text in ("", "-1", "0", "1", "many", "99999999"):
        path.write_text(text)
        assert await (await balancer._program()).recorded() is None
    await balancer.start()
    assert await balancer.alive()


async def test_a_port_in_use_is_named(drivers: NewBalancer) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        balancer = drivers(port=port)
        with pytest.raises(Conflict, match=rf"127\.0\.0\.1:{port} is in use by another process"):
            await balancer.start()
        assert not await balancer.alive()
        assert marked(str(balancer._state)) == []
    await balancer.start()
    assert await balancer.alive()


async def test_two_fleets_do_not_share_a_port(drivers: NewBalancer) -> None:
    """HAProxy would let them, and each would get half of the connections."""
    first, second = drivers("one"), drivers("two")
    assert first.port == second.port
    await first.start()
    with pytest.raises(Conflict, match=str(first.port)):
        await second.start()
    assert await first.alive()


async def test_two_fleets_on_two_ports_do_not_meet(drivers: NewBalancer, sites: NewSites) -> None:
    a, b = await sites("a", "b")
    first, second = drivers("one"), drivers("two", port=free_port())
    for balancer, site in ((first, a), (second, b)):
        await balancer.start()
        await balancer.apply({site.name: site.member})
    await first.stop()
    assert (await get(second)).text == "b"


# -- what can't work ------------------------------------------------------------------------------


async def test_a_runtime_directory_with_a_long_path_is_refused(
    kind: type[Balancer], tmp_path: Path
) -> None:
    with pytest.raises(InvalidValue, match="longer than 95 bytes"):
        kind(tmp_path, tmp_path / ("x" * 90), 20_000)


async def test_a_directory_name_with_blanks_and_quotes_is_a_name_like_any_other(
    drivers: NewBalancer,
) -> None:
    balancer = drivers("it's a \\ place")
    await balancer.start()
    assert await balancer.alive()


async def test_a_program_that_is_not_there_is_said(
    drivers: NewBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMMUTABLE_HAPROXY", "/nowhere/haproxy")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Invalid, match=r"/nowhere/.* can't be started"):
        await drivers().start()


async def test_a_program_that_fails_says_why(
    drivers: NewBalancer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "fails"
    script.write_text("#!/bin/sh\necho 'out of magic' >&2\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setenv("IMMUTABLE_HAPROXY", str(script))
    monkeypatch.setattr(sys, "executable", str(script))
    balancer = drivers()
    with pytest.raises(Invalid, match="out of magic"):
        await balancer.start()


async def test_the_control_socket_is_ours_alone(balancer: Balancer) -> None:
    assert balancer._socket.stat().st_mode & 0o077 == 0


async def test_the_builtin_proxy_says_what_it_does_not_understand(
    balancer: Balancer,
) -> None:
    if not isinstance(balancer, BuiltinBalancer):
        return
    for line in (b"[]\n", b'{"do": "dance"}\n', b"nonsense\n", b'{"do": "apply"}\n'):
        reader, writer = await asyncio.open_unix_connection(balancer._socket)
        writer.write(line)
        assert b'"error"' in await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert await balancer.alive()
