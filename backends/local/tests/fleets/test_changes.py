"""What a fleet's supervisor tells of changes, and rollouts that wait for it instead of polling."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from attrs import evolve

from immutable import Rolling, Status
from immutable.backend import Gone, InstanceState, Transient
from immutable_local import LocalBackend
from immutable_local.changes import Changes
from immutable_local.rpc import ask, serve

from .conftest import LIMITS
from .test_crashes import ended, newest, reading, replacing, whole
from .test_faults import process_of

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]

SUPERVISOR = "-m immutable_local "


def heard(backend, monkeypatch):
    """Write down, in order, looks, and waits for changes that ended with news, or failed."""
    lines, observe, changed = [], backend.observe, backend.changed

    async def look(fleet, *, since=None):
        state = await observe(fleet, since=since)
        lines.append("look")
        return state

    async def wait(fleet, since):
        try:
            await changed(fleet, since)
        except Transient:
            lines.append("broken")
            raise
        lines.append("told")

    monkeypatch.setattr(backend, "observe", look)
    monkeypatch.setattr(backend, "changed", wait)
    return lines


async def until(backend, fleet, true):
    """Look only when something has changed, until *true*; returns how often it was looked."""
    looks = 0
    while True:
        state = await backend.observe(fleet)
        looks += 1
        if true(state):
            return looks
        await backend.changed(fleet, state.cursor)


# -- the supervisor --------------------------------------------------------------------------------


async def test_whoever_looks_only_when_told_sees_a_death_and_what_heals_it(home):
    async with home.fleet(size=2) as web:
        backend, state = web.backend, await web.state()
        victim, kept = state.instances
        waits = [asyncio.ensure_future(backend.changed("web", state.cursor)) for _ in range(3)]
        os.kill(process_of(home, victim.id), signal.SIGKILL)
        await asyncio.gather(*waits)

        def healed(state):
            names = {each.id for each in state.instances}
            return state.ready == 2 and victim.id not in names and kept.id in names

        # Gone, started, written down, READY, and some that come between.
        assert await until(backend, "web", healed) <= 12


async def test_a_wait_ends_with_the_supervisor_and_the_next_one_knows_no_older_cursor(home):
    async with home.fleet(size=1) as web:
        backend, state = web.backend, await web.state()
        wait = asyncio.ensure_future(backend.changed("web", state.cursor))
        await asyncio.sleep(0.1)  # It has begun, or begins to no supervisor: the same.
        os.kill(home.pid_of(SUPERVISOR), signal.SIGKILL)
        with pytest.raises(Transient):
            await wait
        with pytest.raises(Transient):  # It starts none: that is for a look to do.
            await backend.changed("web", state.cursor)
        assert (await web.state()).cursor != state.cursor  # A look starts another one.
        await backend.changed("web", state.cursor)
        with pytest.raises(Gone, match="no fleet nowhere"):
            await backend.changed("nowhere", 0)


async def test_a_wait_whose_asker_is_gone_ends_at_once(tmp_path):
    changes, waiting = Changes(), []

    async def changed(arguments):
        waiting.append(arguments["since"])
        try:
            await changes.since(arguments["since"])
        finally:
            waiting.remove(arguments["since"])

    place = tmp_path / "socket"
    async with await serve(place, {}, {"changed": changed}):
        asking = [
            asyncio.ensure_future(ask(place, "changed", {"since": changes.cursor}, seconds=None))
            for _ in range(3)
        ]
        while len(waiting) < 3:
            await asyncio.sleep(0.01)
        asking[0].cancel()
        while len(waiting) > 2:
            await asyncio.sleep(0.01)
        changes.note()
        assert await asyncio.gather(*asking[1:]) == [None, None]
        assert waiting == []


async def test_when_a_supervisor_is_told_to_stop_nobody_waits_any_more():
    changes = Changes()
    wait = asyncio.ensure_future(changes.since(changes.cursor))
    await asyncio.sleep(0)
    changes.end()
    await wait
    await changes.since(changes.cursor)


# -- rollouts --------------------------------------------------------------------------------------


async def test_a_replacement_looks_when_it_is_told_that_something_has_happened(home, monkeypatch):
    """Servers boot for a second, in which a poll would look five times."""
    limits = evolve(LIMITS, max_surge=1)
    async with home.fleet(size=3, limits=limits) as web:
        lines = heard(web.backend, monkeypatch)
        image = home.image("2", APP_START_DELAY="1")
        result = await web.replace(image, Rolling(probe=False), limits=limits)
        assert result.status is Status.SUCCEEDED
        looks, told = lines.count("look"), lines.count("told")
        # Besides what was told: the plan's and the first looks, min_ready of each, one each 15 s,
        # and those that the engine asks for after calls of its own.
        assert looks <= told + 3 + 3 + 3 * 4 + result.seconds / 15, lines
        assert told >= 3
        assert "broken" not in lines


@pytest.mark.slow
async def test_a_supervisor_that_is_killed_is_heard_again_when_another_one_is_there(
    home, monkeypatch
):
    limits = evolve(LIMITS, max_surge=1)
    async with home.fleet(size=3, limits=limits) as web, reading(home) as journal:
        lines = heard(web.backend, monkeypatch)
        replacement = web.replace(home.image("2", APP_START_DELAY="1"), limits=limits)
        rollout = asyncio.ensure_future(replacement.end())

        async def booting():
            state = await LocalBackend(home.places).observe("web")
            return [i for i in state.members(2) if i.state is InstanceState.STARTING]

        while not await booting():
            await asyncio.sleep(0.05)
        os.kill(home.pid_of(SUPERVISOR), signal.SIGKILL)
        before = len(lines)
        assert (await rollout).status is Status.SUCCEEDED
        await whole(web, 2)
        assert (await newest(journal)).status is Status.SUCCEEDED
        assert "told" in lines[:before]
        assert "told" in lines[before:]  # By the next supervisor.


@pytest.mark.slow
async def test_who_takes_over_from_a_controller_that_was_killed_hears_for_itself(home, monkeypatch):
    async with home.fleet(size=3) as web, reading(home) as journal:
        process = await replacing(home, journal, "2", until=9)
        process.kill()
        await ended(process)
        lines = heard(web.backend, monkeypatch)
        if (await newest(journal)).status.ended:
            pytest.skip("it was quicker than this test")
        assert (await web.recover()).status is Status.SUCCEEDED
        await whole(web, 2)
        assert "told" in lines
        assert "broken" not in lines
