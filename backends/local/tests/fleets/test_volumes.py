"""Fleets with volumes, of real processes: who has a slot, what is kept, what nothing loses."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import sqlite3
from contextlib import asynccontextmanager, closing, suppress
from itertools import count
from pathlib import Path

import pytest

from immutable import Fleet, InvalidValue, Limits, NothingToRecover, Status, open_journal
from immutable.backend import Conflict, Context, Gone, Invalid, Volume
from immutable.volumes import Stateful
from immutable_local import LocalBackend

from .conftest import ROOT, port_of, wait_until
from .test_crashes import command, ended

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(300)]

CONTEXT = Context("nobody", "", 1, "t", 60.0)
DATA = (Volume("data", "/data"),)
LIMITS = Limits(0, 1, min_ready=0.2, boot_timeout=60, drain_timeout=60)
WORDS = (
    *("--max-surge", "0", "--max-unavailable", "1", "--min-ready", "0.2"),
    *("--boot-timeout", "60", "--drain-timeout", "60"),
)


def image(home, version: str, **environment: str) -> str:
    """Lay out a version of the service with data."""
    place = home.folder / f"ledger-{version}"
    if not place.exists():
        place.mkdir()
        shutil.copy(ROOT / "examples" / "ledger" / "app.py", place)
        recipe = (ROOT / "examples" / "ledger" / "immutable.toml").read_text()
        settings = "".join(f'{name} = "{value}"\n' for name, value in environment.items())
        recipe = recipe.replace('version = "1"', f'version = "{version}"')
        (place / "immutable.toml").write_text(f"{recipe}\n[environment]\n{settings}")
    return str(place)


@asynccontextmanager
async def ledger(home, size=2, *, volumes=DATA, **template):
    """A stateful fleet that is made and removed again; its volumes stay."""
    journal = await open_journal(home.journal)
    backend = LocalBackend(home.places)
    try:
        async with Fleet.create(
            "local://ledger", image(home, "1"), size, volumes=volumes, limits=LIMITS,
            template=template, backend=backend, journal=journal,
        ) as made:  # fmt: skip
            try:
                yield made
            finally:
                with suppress(NothingToRecover):
                    await made.recover().end()
                await made.delete()
    finally:
        await journal.close()


def place(home, slot: str) -> Path:
    """Where a slot's one volume is."""
    return home.places.fleet("ledger").volumes / slot / "data" / "data"


def entries(home, slot: str) -> set[str]:
    """What the database of a slot has."""
    with closing(sqlite3.connect(place(home, slot) / "ledger.db")) as database:
        return {text for (text,) in database.execute("SELECT text FROM entries")}


def kept_to_themselves(home) -> bool:
    """Whether no process has ever found another one at its volume."""
    return not list(home.places.fleet("ledger").volumes.rglob("two-writers"))


async def post(port: int, text: str, seconds: float = 5.0) -> str | None:
    """Ask for an entry to be kept, on a connection of its own; returns the slot that has it."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                head = f"POST /entries HTTP/1.1\r\nHost: ledger\r\nContent-Length: {len(text)}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n{text}".encode())
                answer = (await reader.read()).decode()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    lines = answer.splitlines()
    if not lines or " 200 " not in lines[0]:
        return None
    return next(s.partition(": ")[2] for s in lines if s.lower().startswith("immutable-slot"))


class Clients:
    """Clients that write entries, each until it is acknowledged, and remember where it was."""

    def __init__(self, port: int, number: int = 4) -> None:
        self.kept: dict[str, set[str]] = {"0": set(), "1": set()}
        self.tried_again = 0
        self._port = port
        self._over = False
        self._writing = [asyncio.ensure_future(self._write(n)) for n in range(number)]

    @property
    def total(self) -> int:
        """How many writes have been acknowledged."""
        return sum(map(len, self.kept.values()))

    async def _write(self, who: int) -> None:
        for number in count():
            text = f"{who}-{number}"
            while (slot := await post(self._port, text)) is None:
                self.tried_again += 1
                await asyncio.sleep(0.02)
            self.kept[slot].add(text)
            if self._over:
                return

    async def more(self, by: int) -> None:
        """Wait until so many more writes have been acknowledged."""
        goal = self.total + by

        async def there() -> bool:
            return self.total >= goal

        await wait_until(there, seconds=120)

    async def stop(self) -> None:
        """Let each finish what it is at."""
        self._over = True
        await asyncio.gather(*self._writing)


@pytest.mark.slow
async def test_ten_thousand_acknowledged_writes_survive_replacements_kills_and_a_bad_image(home):
    """Three images replace each other, one is bad, and everything is killed once."""
    number = 10_000
    part = number // 8
    async with ledger(home) as fleet:
        await fleet.state()
        clients = Clients(port_of(fleet))
        await clients.more(part)
        before = (await fleet.state()).slots
        # The first replacement, undisturbed.
        assert (await fleet.replace(image(home, "2"), limits=LIMITS)).status is Status.SUCCEEDED
        await clients.more(part)
        # The second one: its controller is killed in the middle, another one goes on.
        process = await command(home, "replace", "local://ledger", image(home, "3"), *WORDS)
        await wait_until(lambda: moved(fleet, 3))
        process.kill()
        assert (await ended(process))[0] == -signal.SIGKILL
        await clients.more(part)
        assert (await fleet.recover()).status is Status.SUCCEEDED
        # A bad image, and back.
        bad = Limits(0, 1, min_ready=0.2, boot_timeout=1, drain_timeout=60, max_failures=1)
        end = await fleet.replace(image(home, "bad", APP_HEALTHY="0"), limits=bad).end()
        assert end.status is Status.ROLLED_BACK
        await clients.more(part)
        # An instance is killed, then the supervisor, then both at once, while it is replaced.
        os.kill(app_of(home, fleet, (await fleet.state()).instances[0].id), signal.SIGKILL)
        await clients.more(part)
        os.kill(home.pid_of("immutable_local"), signal.SIGKILL)
        await clients.more(part)
        rollout = fleet.replace(image(home, "4"), limits=LIMITS)
        ending = asyncio.ensure_future(rollout.end())
        await wait_until(lambda: moved(fleet, 5))
        os.kill(home.pid_of("immutable_local"), signal.SIGKILL)
        os.kill(app_of(home, fleet, ""), signal.SIGKILL)
        assert (await ending).status is Status.SUCCEEDED
        await clients.more(max(part, number - clients.total))
        await clients.stop()
        after = (await fleet.state()).slots
        assert [slot.volumes for slot in after] == [slot.volumes for slot in before]
    assert clients.total >= number
    for slot, kept in clients.kept.items():
        assert len(kept) > 0
        assert kept - entries(home, slot) == set()
    assert kept_to_themselves(home)


async def moved(fleet, revision: int) -> bool:
    """Whether a revision has an instance."""
    return any(each.revision == revision for each in (await fleet.state()).instances)


def app_of(home, fleet, instance: str) -> int:
    """The process of an instance, or of any, that has the database open."""
    for pid, words in home.processes(instance).items():
        with suppress(OSError):
            fds = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
            if "app.py" in words and any(each.endswith("ledger.db") for each in fds):
                return pid
    raise AssertionError(f"nobody has the database of {fleet.name} open")


# -- what a fleet with volumes does ----------------------------------------------------------------


async def test_an_instance_has_its_slot_until_it_is_gone_and_the_next_one_finds_the_data(home):
    async with ledger(home) as fleet:
        state = await fleet.state()
        assert state.volumes == DATA
        assert [slot.name for slot in state.slots] == ["0", "1"]
        assert {slot.holder for slot in state.slots} == {each.id for each in state.instances}
        assert {each.slot for each in state.instances} == {"0", "1"}
        slot = await post(port_of(fleet), "kept")
        result = await fleet.replace(
            image(home, "2"), limits=LIMITS, stateful=Stateful(snapshot=True)
        )
        assert result.status is Status.SUCCEEDED
        after = await fleet.state()
        assert [each.volumes for each in after.slots] == [each.volumes for each in state.slots]
        assert {each.id for each in after.instances}.isdisjoint({e.id for e in state.instances})
        assert entries(home, slot) == {"kept"}
        saved = home.places.fleet("ledger").volumes / slot / ".snapshots"
        (copy,) = saved.iterdir()
        with closing(sqlite3.connect(copy / "data" / "ledger.db")) as database:
            assert database.execute("SELECT text FROM entries").fetchall() == [("kept",)]


async def test_volumes_outlive_their_fleet_and_go_to_the_next_of_its_name(home):
    backend = LocalBackend(home.places)
    async with ledger(home, 1) as fleet:
        assert await post(port_of(fleet), "first") == "0"
        before = (await fleet.state()).slots[0].volumes
        with pytest.raises(Conflict, match="delete it first"):
            await backend.remove_slots("ledger", ("0",))
    (kept,) = await backend.kept_slots("ledger")
    assert (kept.volumes, kept.holder) == (before, "")
    with pytest.raises(InvalidValue, match="has the volumes data"):
        async with ledger(home, 1, volumes=(Volume("other", "/data"),)):
            pass
    async with ledger(home, 1) as fleet:
        assert (await fleet.state()).slots[0].volumes == before
        assert await post(port_of(fleet), "second") == "0"
    assert entries(home, "0") == {"first", "second"}
    await backend.remove_slots("ledger", ("0",))
    assert await backend.kept_slots("ledger") == ()
    with pytest.raises(Gone):
        await backend.remove_slots("ledger", ("0",))


async def test_a_larger_fleet_gets_new_slots_and_a_smaller_one_keeps_them(home):
    async with ledger(home, 1) as fleet:
        before = (await fleet.state()).slots
        await fleet.scale(3, limits=LIMITS)
        grown = (await fleet.state()).slots
        assert [slot.name for slot in grown] == ["0", "1", "2"]
        assert grown[0] == before[0]
        await fleet.scale(1, limits=LIMITS)
        rest = (await fleet.state()).slots
        assert [slot.volumes for slot in rest] == [slot.volumes for slot in grown]
        assert sum(bool(slot.holder) for slot in rest) == 1


async def test_what_local_volumes_can_not_be_is_refused(home):
    with pytest.raises(Invalid, match="size '10G': local volumes are directories"):
        async with ledger(home, 1, volumes=(Volume("data", "/data", "10G"),)):
            pass


async def test_without_isolation_the_path_is_told(home):
    async with ledger(home, 1, isolation="none") as fleet:
        assert await post(port_of(fleet), "kept") == "0"
    assert entries(home, "0") == {"kept"}


async def test_a_slot_whose_lock_is_held_is_not_given_out(home):
    async with ledger(home, 1) as fleet:
        await fleet.scale(0, limits=LIMITS)
        folder = os.open(home.places.fleet("ledger").volumes / "0", os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            scaling = asyncio.ensure_future(fleet.scale(1, limits=LIMITS))

            async def told() -> bool:
                (group,) = (await fleet.state()).groups
                return group.trouble is not None and "is free" in group.trouble.message

            await wait_until(told)
            assert (await fleet.state()).instances == ()
        finally:
            os.close(folder)
        await scaling
        assert (await fleet.state()).ready == 1


async def test_a_volume_that_vanishes_stops_the_rollout_and_nothing_starts_without_it(home):
    async with ledger(home) as fleet:
        data = place(home, "1")
        rollout = fleet.replace(image(home, "2"), limits=LIMITS)
        ending = asyncio.ensure_future(rollout.end())
        await wait_until(lambda: moved(fleet, 2))
        data.rename(data.with_name("aside"))
        end = await ending
        assert end.status is Status.FAILED
        assert "slot 1's data" in end.reason
        assert "is gone" in end.reason
        assert any(line.startswith("slot 1") for line in end.left)
        data.with_name("aside").rename(data)
        await fleet.sweep()
        assert (await fleet.rollback(to=2, limits=LIMITS)).status is Status.SUCCEEDED


async def test_a_snapshot_of_a_slot_that_somebody_has_is_refused(home):
    async with ledger(home, 1) as fleet:
        with pytest.raises(Conflict, match="held by"):
            await fleet.backend.snapshot("ledger", "0", CONTEXT)
        with pytest.raises(Gone):
            await fleet.backend.snapshot("ledger", "9", CONTEXT)
