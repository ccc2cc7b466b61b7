"""Slots on disk: who may write to one, for how long, and what is kept of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from immutable.backend import Conflict, Gone, Invalid, Transient, Volume
from immutable_local import pids, processes, volumes
from immutable_local.disk import remove_tree
from immutable_local.launches import Isolation
from immutable_local.volumes import Volumes

TWO = (Volume("data", "/data"), Volume("wal-log", "/var/log/wal"))


@pytest.fixture
def slots(tmp_path):
    """Two slots with two volumes each."""
    made = Volumes(tmp_path / "volumes" / "db")
    for name in ("0", "1"):
        made.make(name, TWO)
    return made


def place(tmp_path, slot="0", volume="data"):
    return tmp_path / "volumes" / "db" / slot / volume / "data"


# -- what there is ---------------------------------------------------------------------------------


def test_a_slot_is_made_once_with_identities_of_its_own(slots):
    before = slots.identities("0")
    slots.make("0", TWO)
    assert slots.identities("0") == before
    assert set(before) == {"data", "wal-log"}
    assert len({*before.values(), *slots.identities("1").values()}) == 4
    for name in ("10", "2"):
        slots.make(name, TWO)
    assert slots.names() == ("0", "1", "2", "10")


def test_a_directory_that_was_put_in_a_volume_s_place_is_another_volume(slots, tmp_path):
    before = slots.identities("0")
    place(tmp_path).rename(tmp_path / "aside")
    assert set(slots.identities("0")) == {"wal-log"}
    place(tmp_path).mkdir()
    assert slots.identities("0")["data"] != before["data"]
    place(tmp_path).rmdir()
    (tmp_path / "aside").rename(place(tmp_path))
    assert slots.identities("0") == before


def test_nothing_is_given_out_that_is_not_whole(slots, tmp_path):
    shutil.rmtree(place(tmp_path, volume="wal-log"))
    with pytest.raises(Invalid, match=r"volume wal-log of slot 0 isn't in .*/db/0: put it back"):
        slots.take(["0"], TWO)
    with pytest.raises(Invalid, match="slot 7 isn't in"):
        slots.take(["7"], TWO)
    with slots.take(["1"], TWO) as grip:
        assert grip.slot == "1"


# -- who may write ---------------------------------------------------------------------------------


def test_a_slot_has_one_grip_at_a_time(slots):
    first = slots.take(["0", "1"], TWO)
    with slots.take(["0", "1"], TWO) as second:
        assert (first.slot, second.slot) == ("0", "1")
        with pytest.raises(Transient, match="hold on to 0, 1"):
            slots.take(["0", "1"], TWO)
    first.close()
    slots.take(["0"], TWO).close()


async def take(slots, *names):
    return await asyncio.to_thread(slots.take, names, TWO)


async def is_free(slots) -> bool:
    try:
        (await take(slots, "0")).close()
    except Transient:
        return False
    return True


async def start(slots, launch, image, isolation, bwrap):
    """Start an instance in slot 0, and let go of the slot ourselves."""
    with await take(slots, "0") as grip:
        described = launch(image, slot="0", mounts=grip.mounts, lock=grip.descriptor)
        return await processes.spawn(described, isolation, bwrap=bwrap)


async def until(condition):
    """Wait for something that happens by itself."""
    end = time.monotonic() + 60
    while not (found := await condition()):
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.005)
    return found


def _sleeping(but):
    found = []
    for pid in pids.everyone():
        with suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if command.startswith(b"sleep") and pids.variables(pid).get("IMMUTABLE_SLOT") == "0":
                found.append(pid)
    return [pid for pid in found if pid != but]


async def sleeping(but=0):
    """The processes with a slot that sleep."""
    return await asyncio.to_thread(_sleeping, but)


@pytest.mark.asyncio
async def test_whoever_an_instance_left_behind_keeps_its_slot(
    slots, make_image, launch, isolation, bwrap
):
    # What it starts leaves its session, and the instance itself ends.
    image = await asyncio.to_thread(make_image, "setsid sleep 60 & exec sleep 60")
    process = await start(slots, launch, image, isolation, bwrap)
    assert not await is_free(slots)
    app = process.identity.app.pid
    (rest,) = await until(lambda: sleeping(but=app))
    if isolation is Isolation.BUBBLEWRAP:
        # Nobody is there to see its end: the first process of its namespace goes on.
        os.kill(process.identity.started.pid, signal.SIGKILL)
    os.kill(app, signal.SIGKILL)
    await until(lambda: asyncio.to_thread(lambda: not process.alive))
    assert await asyncio.to_thread(pids.started, rest) is not None
    assert not await is_free(slots)
    os.kill(rest, signal.SIGKILL)
    await until(lambda: is_free(slots))
    assert await sleeping() == []


@pytest.mark.asyncio
async def test_who_closes_everything_it_was_given_keeps_its_slot_in_a_sandbox(
    slots, make_image, launch, bwrap
):
    # Not in sh: it can't name a descriptor above 9, and which it gets depends on what we have open.
    closing = "import os; os.closerange(3, 65536); os.execvp('sleep', ['sleep', '60'])"
    command = ["python3", "-I", "-S", "-c", closing]
    image = await asyncio.to_thread(make_image, "", command=command)
    process = await start(slots, launch, image, Isolation.BUBBLEWRAP, bwrap)
    (app,) = await until(sleeping)
    open_files = await asyncio.to_thread(os.listdir, f"/proc/{app}/fd")
    assert set(open_files) <= {"0", "1", "2"}
    assert not await is_free(slots)
    await process.kill()
    await process.wait_dead()
    assert await is_free(slots)


@pytest.mark.asyncio
async def test_an_instance_writes_where_it_was_told(
    slots, make_image, launch, isolation, bwrap, tmp_path
):
    script = (
        'echo "$IMMUTABLE_SLOT" >"$IMMUTABLE_VOLUME_DATA/slot"\n'
        'echo "$IMMUTABLE_VOLUME_WAL_LOG" >"$IMMUTABLE_VOLUME_WAL_LOG/where"\n'
    )
    image = await asyncio.to_thread(make_image, script)
    process = await start(slots, launch, image, isolation, bwrap)
    assert await process.wait_dead() == 0
    assert (place(tmp_path) / "slot").read_text() == "0\n"
    where = (place(tmp_path, volume="wal-log") / "where").read_text().strip()
    own_root = isolation is Isolation.BUBBLEWRAP
    assert where == ("/var/log/wal" if own_root else str(place(tmp_path, volume="wal-log")))


# -- snapshots and removing ------------------------------------------------------------------------


def test_a_snapshot_is_a_copy_of_all_volumes_and_is_taken_once_as_long_as_nothing_changes(
    slots, tmp_path
):
    (place(tmp_path) / "deep").mkdir()
    (place(tmp_path) / "deep" / "file").write_text("before")
    saved = slots.save("0")
    (place(tmp_path) / "deep" / "file").write_text("after")
    assert slots.save("0") == slots.saved("0") == saved
    assert (tmp_path / saved / "data" / "deep" / "file").read_text() == "before"
    assert sorted(each.name for each in Path(saved).iterdir()) == ["data", "wal-log"]
    slots.take(["0"], TWO).close()  # Somebody may have written since.
    assert slots.saved("0") == ""
    assert slots.save("0") != saved
    assert len(slots.identities("0")) == 2


def test_a_slot_that_somebody_has_is_neither_saved_nor_removed(slots):
    with slots.take(["0"], TWO):
        for doing in (slots.save, slots.remove):
            with pytest.raises(Conflict, match="something still has slot 0"):
                doing("0")
    slots.remove("0")
    assert slots.names() == ("1",)
    with pytest.raises(Gone):
        slots.remove("0")


def test_what_a_killed_copy_has_left_is_removed_by_the_next_one_and_never_a_snapshot(
    slots, tmp_path
):
    home = tmp_path / "volumes" / "db" / "0" / ".snapshots"
    (home / ".draft-1" / "data").mkdir(parents=True)
    saved = slots.save("0")
    assert [str(each) for each in home.iterdir()] == [saved]


def test_a_copy_that_does_not_succeed_is_no_snapshot(slots, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "cp").write_text("#!/bin/sh\necho disk full >&2\nexit 1\n")
    (tmp_path / "cp").chmod(0o755)
    with pytest.raises(Transient, match="disk full"):
        slots.save("0")
    assert slots.saved("0") == ""


def test_volumes_whose_write_bits_are_missing_can_be_removed(slots, tmp_path):
    (place(tmp_path) / "shut").mkdir(mode=0o500)
    slots.remove("0")
    remove_tree(tmp_path / "volumes")
    assert not (tmp_path / "volumes").exists()


# -- going back to one -----------------------------------------------------------------------------


class _Killed(BaseException):
    """The process was killed here."""


def _killed_at(monkeypatch, step: int):
    """Let the process die at the so-manieth thing that changes the disk."""
    left = [step]

    def counted(real):
        def call(*args, **named):
            if not left[0]:
                raise _Killed
            left[0] -= 1
            return real(*args, **named)

        return call

    for name in ("_copy", "write_atomically", "remove_tree"):
        monkeypatch.setattr(volumes, name, counted(getattr(volumes, name)))
    for name in ("rename", "unlink"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))


def contents(tmp_path):
    names = [volume.name for volume in TWO]
    return [(place(tmp_path, volume=name) / "note").read_text() for name in names]


def write(tmp_path, text):
    for volume in TWO:
        (place(tmp_path, volume=volume.name) / "note").write_text(text)


def test_who_was_refused_a_slot_lets_go_of_it(slots, tmp_path):
    aside = tmp_path / "aside"
    place(tmp_path).rename(aside)
    with pytest.raises(Invalid, match="put it back") as refused:
        slots.take(["0"], TWO)
    assert refused.value.__traceback__ is not None  # What holds the frame holds no lock.
    aside.rename(place(tmp_path))
    slots.take(["0"], TWO).close()


def test_a_restore_brings_all_volumes_back_and_keeps_what_was_there(slots, tmp_path):
    write(tmp_path, "first")
    first = slots.save("0")
    slots.take(["0"], TWO).close()
    write(tmp_path, "second")
    slots.restore("0", first)
    assert contents(tmp_path) == ["first", "first"]
    assert slots.saved("0") == first
    second, _ = slots.snapshots("0")
    slots.restore("0", Path(second).name)
    assert contents(tmp_path) == ["second", "second"]
    assert len(slots.snapshots("0")) == 2
    slots.take(["0"], TWO).close()


def test_a_restore_of_what_is_held_not_there_or_of_others_is_refused(slots, tmp_path):
    saved = slots.save("0")
    with slots.take(["0"], TWO), pytest.raises(Conflict, match="something still has slot 0"):
        slots.restore("0", saved)
    with pytest.raises(Gone, match=f"no snapshot 2020; known: {Path(saved).name}"):
        slots.restore("0", "2020")
    with pytest.raises(Gone, match="no slot 7"):
        slots.restore("7", saved)
    shutil.rmtree(Path(saved) / "data")
    with pytest.raises(Invalid, match="is of wal-log, slot 0 has data, wal-log"):
        slots.restore("0", saved)


def test_a_restore_that_is_killed_leaves_the_slot_whole_or_to_nobody(slots, tmp_path):
    write(tmp_path, "first")
    first, ends = slots.save("0"), []
    for step in range(40):
        slots.take(["0"], TWO).close()
        write(tmp_path, "second")
        with pytest.MonkeyPatch.context() as patch, suppress(_Killed):
            _killed_at(patch, step)
            slots.restore("0", first)
            ends.append(step)
        if (place(tmp_path).parents[1] / ".restoring").exists():
            with pytest.raises(Invalid, match="was cut off: repeat it"):
                slots.take(["0"], TWO)
        else:
            slots.take(["0"], TWO).close()
            assert len(set(contents(tmp_path))) == 1, f"half of each, killed at step {step}"
        slots.restore("0", first)
        assert contents(tmp_path) == ["first", "first"]
        assert not list(place(tmp_path).parent.glob(".*"))
        if ends:
            break
    assert ends, "it never came to its end"
    assert ends[0] > 10, "the steps weren't counted"
