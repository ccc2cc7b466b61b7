"""Processes: started, found again by anybody, ended whole, and never mistaken for another."""

import asyncio
import errno
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import evolve

from immutable.backend import CapacityShortage, Denied, Invalid, Transient
from immutable_local import pids, processes
from immutable_local.holds import Handle, Stamp
from immutable_local.launches import Isolation, environment
from immutable_local.processes import Identity, adopt, free_port, identify, scan, spawn

GRACEFUL = """
trap 'echo bye; exit 0' TERM
trap 'echo interrupted; exit 5' INT
echo ready
while :; do sleep 0.01; done
"""
STUBBORN = """
trap '' TERM
sleep 61 &
echo ready
while :; do sleep 0.01; done
"""


@pytest.fixture
def start(launch, isolation, request):
    """Return a coroutine that starts an instance, with every isolation in turn."""

    async def spawned(image, instance="web-1", **options):
        return await spawn(launch(image, instance, **options), isolation, bwrap=_bwrap(request))

    return spawned


def _bwrap(request) -> Path | None:
    isolated = request.getfixturevalue("isolation") is Isolation.BUBBLEWRAP
    return request.getfixturevalue("bwrap") if isolated else None


@pytest.fixture(autouse=True)
def may_block(blockbuster):
    """Let the functions below look at the machine from within a coroutine."""
    looking = {"marked", "tokens", "state_of", "stamp_of", "children_of", "hold_of", "intact"}
    for function in blockbuster.functions.values():
        function.can_block_in(__file__, looking)


def other_process(*words: str, **options) -> subprocess.Popen:
    return subprocess.Popen(words, **options)


def children_of(pid: int) -> tuple[int, ...]:
    return pids.children(pid)


def stamp_of(pid: int) -> Stamp:
    return Stamp.of(pid)


def hold_of(stamp: Stamp) -> Handle:
    return Handle.of(stamp)


def marked(process) -> list[int]:
    return [
        pid
        for pid in pids.everyone()
        if pids.variables(pid).get("IMMUTABLE_STATE") == process.identity.state
    ]


def tokens(process) -> list[tuple[bytes, str | None]]:
    """The arguments of an instance's processes, and a variable of each."""
    return [
        (Path(f"/proc/{pid}/cmdline").read_bytes(), pids.variables(pid).get("TOKEN"))
        for pid in marked(process)
    ]


def intact(store, image) -> bool:
    return store.verify(image.digest) == ()


def log_of(launched) -> str:
    return launched.log.read_text() if launched.log.exists() else ""


async def end(process) -> int | None:
    await process.kill()
    return await process.wait_dead()


def descriptors() -> set[str]:
    """What this process holds of others: their pidfds, and its ends of pipes to them.

    Not the sockets and files of everybody else here: what an earlier test dropped may be closed
    at any time.
    """
    gc.collect()
    found = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(FileNotFoundError):
            found[name] = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
    ours = ("anon_inode:[pidfd]", "pipe:")
    return {f"{name} {target}" for name, target in found.items() if target.startswith(ours)}


async def released(before: set[str]) -> None:
    """Wait until nothing is held that wasn't held before."""
    deadline = time.monotonic() + 60
    while not descriptors() <= before and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert descriptors() <= before


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


# -- starting --------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_instance_is_detached_and_its_output_is_appended_to_the_log(
    make_image, launch, start, until
):
    image = make_image(
        'echo "id $IMMUTABLE_ID"; echo problem >&2; cat; ls /proc/self/fd; exec sleep 60'
    )
    described = launch(image)
    described.log.parent.mkdir()
    described.log.write_text("from before\n")
    readable, writable = os.pipe()
    os.set_inheritable(writable, True)
    os.write(writable, b"from our input")
    input_before = os.dup(0)
    os.dup2(readable, 0)
    process = await start(image)
    try:
        os.dup2(input_before, 0)
        app = process.identity.app.pid
        await until(lambda: len(log_of(described).splitlines()) >= 7)

        assert log_of(described).split() == [
            *("from", "before", "id", "web-1", "problem", "0", "1", "2", "3"),
        ]
        assert process.alive
        assert process.exit_code is None
        assert os.getsid(app) != os.getsid(0)
        assert os.getpgid(process.identity.started.pid) != os.getpgid(0)
        assert described.log.stat().st_mode & 0o077 == 0o044, "made before by this test"
    finally:
        for descriptor in (readable, writable, input_before):
            os.close(descriptor)
        assert await end(process) == 128 + signal.SIGKILL
    assert not process.alive


@pytest.mark.asyncio
async def test_a_log_is_made_for_its_owner_only(make_image, launch, start):
    image = make_image("exit 0")

    await (await start(image)).wait_dead()

    assert launch(image).log.stat().st_mode & 0o777 == 0o600


@pytest.mark.asyncio
async def test_nobody_sees_the_environment_in_the_arguments(make_image, start):
    process = await start(make_image(), environment={"TOKEN": "not-for-everybody"})
    try:
        assert "not-for-everybody" in [token for _, token in tokens(process)]
        assert not any(b"not-for-everybody" in arguments for arguments, _ in tokens(process))
    finally:
        await end(process)


@pytest.mark.asyncio
async def test_an_instance_is_told_what_it_must_know_and_nothing_of_its_controller(
    make_image, launch, start, monkeypatch
):
    monkeypatch.setenv("SECRET_OF_THE_CONTROLLER", "x")
    image = make_image("exec env", environment={"A": "image", "B": "image"})

    process = await start(image, environment={"B": "launch"})
    await process.wait_dead()

    described = launch(image, environment={"B": "launch"})
    told = dict(line.split("=", 1) for line in log_of(described).splitlines())
    for added_by_the_shell in ("PWD", "OLDPWD", "SHLVL", "_"):
        told.pop(added_by_the_shell, None)
    assert told == environment(described)


SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["IMMUTABLE_ID"].encode())
address = os.environ["HOST"], int(os.environ["PORT"])
import helper
http.server.HTTPServer(address, Handler).serve_forever()
"""


@pytest.mark.asyncio
async def test_an_instance_serves_on_its_port_and_leaves_its_image_intact(
    store, make_image, start, until
):
    files = {"server.py": SERVER, "helper.py": ""}
    image = make_image(files=files, command=["python3", "-S", "server.py"])
    port = free_port(())
    process = await start(image, port=port)
    try:
        answer = await until(lambda: ask(port))
        assert answer.endswith(b"\r\n\r\nweb-1")
        assert intact(store, image), "not even bytecode is written"
    finally:
        await end(process)
    with pytest.raises(CapacityShortage):
        free_port((), port, port)  # It closed the connection, which the kernel remembers.


def ask(port: int) -> bytes:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(4096), b""))
    return b""


@pytest.mark.asyncio
@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
async def test_the_exit_code_is_known_also_of_a_program_that_ends_at_once(
    make_image, start, script, code
):
    image = make_image(script)
    several = await asyncio.gather(*(start(image, f"web-{n}") for n in range(10)))

    assert await asyncio.gather(*(each.wait_dead() for each in several)) == [code] * 10
    process = several[0]
    assert process.exit_code == code
    assert not process.alive
    await process.terminate()
    await process.kill()


@pytest.mark.asyncio
async def test_the_exit_code_is_known_also_when_the_sandbox_reports_it_late(
    make_image, launch, bwrap
):
    image = make_image("sleep 0.1; exit 7")
    process = await spawn(launch(image), Isolation.BUBBLEWRAP, bwrap=bwrap)
    os.kill(process.identity.init.pid, signal.SIGSTOP)
    ending = asyncio.ensure_future(process.wait_dead())
    await asyncio.sleep(0.3)
    assert not process.alive

    os.kill(process.identity.init.pid, signal.SIGCONT)

    assert await ending == 7


@pytest.mark.asyncio
async def test_a_program_that_cannot_be_run_is_refused(make_image, store, launch, start):
    image = make_image(command=["./app.sh"], unpacked=False)
    with pytest.raises(Invalid, match=r"the tree of web:1.0 .* isn't there; unpack it first"):
        await start(image)
    await asyncio.to_thread(store.unpack, image.digest)
    with pytest.raises(Invalid, match=r"can't be started: .*Permission denied; correct"):
        await start(image)
    image = make_image(folder="other", command=["no-such-program"])
    with pytest.raises(Invalid, match=r"can't be started: .*no-such-program.*; correct its com"):
        await start(image)
    described = launch(image)
    with pytest.raises(Invalid, match=r"starting web-1: File exists .*check the path"):
        await start(image, log=described.log / "below-a-file")


@pytest.mark.asyncio
async def test_a_sandbox_that_does_not_come_up_is_an_error_and_leaves_nothing(
    make_image, launch, tmp_path, monkeypatch
):
    program = tmp_path / "bwrap"

    async def started(script: str):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return await spawn(launch(make_image_once), Isolation.BUBBLEWRAP, bwrap=program)

    make_image_once = make_image()
    with pytest.raises(Invalid, match="bwrap: Can't find source path /x: No such file or dir"):
        await started('echo "bwrap: Can\'t find source path /x: No such file or directory"; exit 1')
    with pytest.raises(CapacityShortage, match="No space left on device"):
        await started(
            "echo 'bwrap: Creating new namespace failed: No space left on device'; exit 1"
        )
    before = descriptors()
    monkeypatch.setattr(processes, "_PATIENCE", 0.2)
    with pytest.raises(Transient, match=r"web-1 didn't start within 0.2 s; try again"):
        await started("exec sleep 60")
    assert await scan(tmp_path / "state") == []
    assert descriptors() <= before


@pytest.mark.asyncio
async def test_a_start_that_is_cancelled_leaves_nothing(make_image, start, launch, isolation):
    image = make_image(STUBBORN)
    for delay in (0, 0.001, 0.005, 0.01, 0.02, 0.04):
        starting = asyncio.ensure_future(start(image))
        await asyncio.sleep(delay)
        if starting.done():
            await end(await starting)
            continue
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        # One that was killed while it executed a program may take a moment to die.
        deadline = time.monotonic() + 60
        while await scan(launch(image).state) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert await scan(launch(image).state) == []


@pytest.mark.asyncio
async def test_a_start_that_fails_at_its_end_leaves_nothing(
    make_image, start, tmp_path, monkeypatch
):
    def without_descriptors(stamp):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Handle, "of", without_descriptors)

    with pytest.raises(CapacityShortage, match=r"starting web-1: Too many open files; raise the"):
        await start(make_image(STUBBORN))

    deadline = time.monotonic() + 60
    while await scan(tmp_path / "state") and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert await scan(tmp_path / "state") == []


@pytest.mark.asyncio
async def test_many_starts_leak_neither_descriptors_nor_zombies(make_image, start):
    image = make_image()
    await end(await start(image))
    before, family = descriptors(), children_of(os.getpid())
    for batch in range(10):
        started = await asyncio.gather(*(start(image, f"web-{batch}-{n}") for n in range(5)))
        assert len(descriptors()) - len(before) <= 5, "one for each that lives"
        for process in started:
            await process.kill()
            await process.wait_dead()
    del started, process

    assert descriptors() <= before
    # Children of other tests may have ended meanwhile.
    assert set(children_of(os.getpid())) <= set(family)


@pytest.mark.asyncio
async def test_what_was_dropped_lives_on_and_is_reaped_when_it_ends(make_image, start, launch):
    before = descriptors()
    image = make_image()
    process = await start(image)
    identity = process.identity
    del process
    await released(before)

    again = await adopt(Identity.from_dict(json.loads(json.dumps(identity.to_dict()))))
    assert again.alive
    assert await end(again) == 128 + signal.SIGKILL

    process = await start(image, "web-2")
    pid = process.identity.started.pid
    await process.kill()
    del process
    gc.collect()
    deadline = time.monotonic() + 60
    while pid in children_of(os.getpid()) and time.monotonic() < deadline:
        await scan(launch(image).state)
    assert pid not in children_of(os.getpid())


# -- ending ----------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("stop_signal", "word", "code"), [("SIGTERM", "bye", 0), ("SIGINT", "interrupted", 5)]
)
async def test_terminate_sends_the_stop_signal_to_the_application(
    make_image, launch, start, until, stop_signal, word, code
):
    image = make_image(GRACEFUL, stop_signal=stop_signal)
    process = await start(image)
    await until(lambda: "ready" in log_of(launch(image)))

    await process.terminate()

    assert await process.wait_dead() == code
    assert log_of(launch(image)).split() == ["ready", word]


@pytest.mark.asyncio
async def test_a_program_without_a_handler_is_ended_by_terminate(make_image, start):
    process = await start(make_image("exec sleep 60"))

    await process.terminate()

    assert await process.wait_dead() == 128 + signal.SIGTERM


@pytest.mark.asyncio
async def test_kill_ends_all_of_an_instance_that_ignores_everything_else(
    make_image, launch, start, until
):
    image = make_image(STUBBORN)
    process = await start(image)
    await until(lambda: "ready" in log_of(launch(image)))
    await process.terminate()
    await asyncio.sleep(0.05)
    assert process.alive
    assert len(marked(process)) >= 2

    await process.kill()

    await until(lambda: marked(process) == [])
    assert await process.wait_dead() == 128 + signal.SIGKILL


@pytest.mark.asyncio
@pytest.mark.parametrize("escape", ["", "setsid "])
async def test_a_sandbox_dies_whole_even_of_those_who_left_the_session(
    make_image, launch, bwrap, until, escape
):
    image = make_image(f"{escape}sleep 61 & echo ready; exec sleep 62")
    process = await spawn(launch(image), Isolation.BUBBLEWRAP, bwrap=bwrap)
    await until(lambda: "ready" in log_of(launch(image)))

    await end(process)

    assert marked(process) == []


@pytest.mark.asyncio
async def test_what_an_application_leaves_behind_is_ended_with_it(make_image, start):
    process = await start(make_image("sleep 61 & exit 3"))

    assert await process.wait_dead() == 3

    assert marked(process) == []


@pytest.mark.asyncio
async def test_several_may_wait_and_one_may_give_up(make_image, start):
    process = await start(make_image())
    before = descriptors()
    waiting = [asyncio.ensure_future(process.wait_dead()) for _ in range(3)]
    await asyncio.sleep(0.02)
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    assert not waiting[1].done()

    await process.kill()

    assert await asyncio.gather(*waiting[1:]) == [137, 137]
    assert descriptors() <= before


@pytest.mark.asyncio
async def test_a_sandbox_whose_monitor_was_killed_is_alive_and_can_be_ended(
    make_image, launch, bwrap, until
):
    image = make_image(GRACEFUL)
    process = await spawn(launch(image), Isolation.BUBBLEWRAP, bwrap=bwrap)
    await until(lambda: "ready" in log_of(launch(image)))
    os.kill(process.identity.started.pid, signal.SIGTERM)
    await until(lambda: process.exit_code is not None)

    assert process.alive
    again = await adopt(process.identity)
    assert again.alive
    ((name, pid),) = await scan(launch(image).state)
    assert (name, pid) == ("web-1", process.identity.init.pid)
    found = await identify(launch(image).state, pid)
    assert (found.app, found.init) == (process.identity.app, process.identity.init)

    await again.terminate()
    await again.wait_dead()
    assert "bye" in log_of(launch(image))
    assert marked(process) == []


# -- finding again ---------------------------------------------------------------------------------

CONTROLLER = """
import asyncio, json, sys
from pathlib import Path
from immutable_local.images import ImageStore
from immutable_local.processes import spawn
from immutable_local.launches import Isolation, Launch
root, reference, instance, isolation, bwrap = sys.argv[1:]
async def main():
    image = ImageStore(Path(root) / "images").resolve(reference)
    launch = Launch(instance=instance, fleet="shop", revision=3, image=image, port=27001,
                    state=Path(root) / "state", log=Path(root) / "logs" / f"{instance}.log")
    print("starting", flush=True)
    process = await spawn(launch, Isolation(isolation), bwrap=Path(bwrap) if bwrap else None)
    print(json.dumps(process.identity.to_dict()), flush=True)
asyncio.run(main())
"""


@pytest.fixture
def controller(tmp_path, isolation, request):
    """Return a function that starts another controller, which starts an instance."""

    def run(image, instance="web-1") -> subprocess.Popen:
        bwrap = str(_bwrap(request) or "")
        return subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-c", CONTROLLER),
                *(str(tmp_path), image.digest, instance, str(isolation), bwrap),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.mark.asyncio
async def test_an_instance_outlives_its_controller_and_the_next_one_adopts_and_ends_it(
    make_image, launch, controller, until
):
    image = make_image(GRACEFUL)
    said, complaints = controller(image).communicate(timeout=45)
    assert complaints == "", "its pipes are closed: nothing of it was inherited"
    identity = Identity.from_dict(json.loads(said.splitlines()[-1]))

    process = await adopt(identity)

    assert process.alive
    assert process.identity == identity
    await until(lambda: "ready" in log_of(launch(image)))
    await process.terminate()
    assert await process.wait_dead() is None, "only who started it learns how it ended"
    assert not process.alive
    assert "bye" in log_of(launch(image))
    assert await adopt(identity) is None


@pytest.mark.asyncio
async def test_an_instance_that_crashed_unseen_is_not_adopted_and_its_rest_is_ended(
    make_image, controller, until
):
    image = make_image("sleep 61 & read forever < /tmp/fifo-that-is-not-there; exec sleep 62")
    said, _ = controller(image).communicate(timeout=45)
    identity = Identity.from_dict(json.loads(said.splitlines()[-1]))
    process = await adopt(identity)
    await until(lambda: len(marked(process)) >= 2)
    os.kill(identity.app.pid, signal.SIGKILL)
    await until(lambda: not process.alive)
    assert marked(process) != []

    assert await adopt(identity) is None

    await until(lambda: marked(process) == [])


@pytest.mark.asyncio
async def test_a_number_that_was_given_to_another_process_is_left_alone(make_image, start):
    process = await start(make_image())
    real = process.identity
    other = other_process("sleep", "60", start_new_session=True)
    try:
        stolen = Stamp(other.pid, stamp_of(other.pid).ticks - 1)
        stamps = {"started": stolen, "app": stolen, "init": real.init and stolen}
        reused = evolve(real, **stamps)

        assert await adopt(reused) is None
        await processes.Process(reused, None, None).kill()

        await asyncio.sleep(0.05)
        assert other.poll() is None
        assert process.alive
        assert await adopt(evolve(real, boot="another")) is None
        assert process.alive
    finally:
        other.kill()
        other.wait()
        await end(process)


@pytest.mark.asyncio
async def test_a_group_that_was_given_to_others_is_left_alone(make_image, launch):
    """The leader is gone, and a process that isn't ours is in a group of its number."""
    process = await spawn(launch(make_image()), Isolation.NONE)
    script = "sleep 60 > /dev/null & echo $!"
    other = other_process("/bin/sh", "-c", script, stdout=-1, start_new_session=True)
    left = int(other.stdout.readline())
    other.wait()
    other.stdout.close()
    assert os.getpgid(left) == other.pid
    gone = Stamp(other.pid, 1)
    try:
        assert await adopt(evolve(process.identity, started=gone, app=gone)) is None
        await asyncio.sleep(0.05)
        assert state_of(left) in "SR"
    finally:
        os.kill(left, signal.SIGKILL)
        await end(process)


@pytest.mark.asyncio
async def test_a_zombie_is_dead(make_image, start):
    """Here it is nobody's: its parent doesn't reap, as PID 1 may not at once."""
    script = "import os, time\nif os.fork() == 0: os._exit(0)\ntime.sleep(60)"
    negligent = other_process(sys.executable, "-c", script)
    process = await start(make_image())
    try:
        deadline = time.monotonic() + 60
        zombies: list[int] = []
        while not zombies and time.monotonic() < deadline:
            zombies = [pid for pid in children_of(negligent.pid) if state_of(pid) == "Z"]
        zombie = stamp_of(zombies[0])
        handle = hold_of(zombie)
        assert handle.ended
        await handle.wait()
        handle.close()
        assert await adopt(evolve(process.identity, started=zombie, app=zombie, init=None)) is None
    finally:
        negligent.kill()
        negligent.wait()
        await end(process)


def test_an_identity_can_be_written_down(tmp_path):
    full = Identity("web-1", "/state", "SIGINT", "boot", Stamp(1, 2), Stamp(3, 4), Stamp(5, 6))
    least = Identity("web-1", "/state", "SIGINT", "boot", Stamp(1, 2), None)

    for identity in (full, least):
        assert Identity.from_dict(json.loads(json.dumps(identity.to_dict()))) == identity
    for wrong in ({}, {**full.to_dict(), "more": 1}, {**full.to_dict(), "app": {"pid": 1}}):
        with pytest.raises(Invalid, match="identifies no process; remove the record"):
            Identity.from_dict(wrong)


@pytest.mark.asyncio
async def test_scan_misses_nobody_who_is_just_becoming_another_program(tmp_path):
    """In the midst of ``execve`` the kernel shows no environment."""
    program = tmp_path / "again"
    program.write_text('#!/bin/sh\nsleep 0.005\nexec "$0"\n')
    program.chmod(0o755)
    marks = {"IMMUTABLE_STATE": str(tmp_path), "IMMUTABLE_ID": "web-1"}
    again = await asyncio.create_subprocess_exec(program, env={**os.environ, **marks})
    try:
        for _ in range(100):
            assert ("web-1", again.pid) in await scan(tmp_path)
    finally:
        again.kill()
        await again.wait()


@pytest.mark.asyncio
async def test_scan_finds_what_was_never_written_down_and_nothing_else(
    make_image, start, launch, tmp_path
):
    image = make_image("sleep 61 & exec sleep 62")
    processes_ = [await start(image, name) for name in ("web-2", "web-1")]
    other = await start(image, "web-3", state=tmp_path / "state-of-another")
    try:
        found = await scan(launch(image).state)

        assert found == [
            ("web-1", processes_[1].identity.started.pid),
            ("web-2", processes_[0].identity.started.pid),
        ]
        assert await scan(tmp_path) == []
        for (name, pid), process in zip(found, reversed(processes_), strict=True):
            identity = await identify(launch(image).state, pid)
            assert identity == process.identity
            assert identity.instance == name
            assert await identify(tmp_path / "state-of-another", pid) is None
        assert await identify(launch(image).state, os.getpid()) is None
        assert await identify(launch(image).state, 2**22 + 1) is None
    finally:
        for process in (*processes_, other):
            await end(process)
    assert await scan(launch(image).state) == []


@pytest.mark.asyncio
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
async def test_scan_leaves_the_processes_of_other_users_alone(tmp_path, until):
    variables = {"IMMUTABLE_STATE": str(tmp_path / "state"), "IMMUTABLE_ID": "web-1"}
    other = other_process("/bin/sleep", "60", env=variables, user=12345)
    try:
        await asyncio.sleep(0.1)
        assert await scan(tmp_path / "state") == []
    finally:
        other.kill()
        other.wait()


@pytest.mark.asyncio
@pytest.mark.skipif(os.geteuid() == 0, reason="root may signal everybody")
async def test_a_process_of_another_user_is_denied(tmp_path, make_image, launch):
    """Process 1 is root's, here and everywhere."""
    process = await spawn(launch(make_image()), Isolation.NONE)
    first = stamp_of(1)
    foreign = processes.Process(
        evolve(process.identity, started=first, app=first), hold_of(first), None
    )
    with pytest.raises(Denied, match="ending web-1: Operation not permitted"):
        await foreign.terminate()
    await end(process)


@pytest.mark.asyncio
async def test_whenever_a_controller_is_killed_what_it_started_is_found_and_ended(
    make_image, controller, launch
):
    image = make_image(STUBBORN)
    state = launch(image).state
    found_any = 0
    for delay in (0, 0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.03, 0.06):
        dying = controller(image)
        dying.stdout.readline()
        await asyncio.sleep(delay)
        dying.kill()
        dying.communicate()
        deadline = time.monotonic() + 60
        quiet = 0
        while quiet < 3 and time.monotonic() < deadline:
            found = await scan(state)
            quiet = 0 if found else quiet + 1
            for _, pid in found:
                identity = await identify(state, pid)
                process = identity and await adopt(identity)
                if process:
                    found_any += 1
                    await end(process)
            await asyncio.sleep(0.02)
        assert await scan(state) == []
    assert found_any > 0


# -- ports -----------------------------------------------------------------------------------------


def four_free_ports() -> int:
    """Return the first of four neighbours that nobody uses, away from where others look."""
    while True:
        low = free_port((), 26000, 26900)
        with suppress(CapacityShortage):
            for port in range(low, low + 4):
                free_port((), port, port)
            return low


@pytest.mark.parametrize("address", ["127.0.0.1", ""])
def test_a_port_is_free_when_it_can_be_bound_and_was_not_given_out(address):
    low = four_free_ports()
    with socket.socket() as listener:
        listener.bind((address, low))
        listener.listen()
        high = low + 3
        assert {free_port((), low, high) for _ in range(40)} <= {low + 1, low + 2, high}
        assert free_port({low + 1, high}, low, high) == low + 2
        message = rf"no free port from {low} to {low + 1}; end what listens there, or"
        with pytest.raises(CapacityShortage, match=message):
            free_port([low + 1], low, low + 1)
    assert free_port((), low, low) == low


def test_the_ports_given_out_vary_and_lie_below_the_ephemeral_range():
    given = {free_port(()) for _ in range(50)}

    assert len(given) > 10
    assert all(27000 <= port <= 27900 for port in given)
    with pytest.raises(CapacityShortage, match="no free port from 5 to 4"):
        free_port((), 5, 4)


@pytest.mark.asyncio
async def test_looking_for_a_port_does_not_block_the_event_loop():
    assert free_port(())
