"""The simulated cloud's feed: who waits is told when something happens, and time goes on for it."""

from __future__ import annotations

import asyncio

import pytest

from immutable.backend import Capabilities, Gone, InstanceState
from immutable.memory import Cloud, MemoryBackend
from immutable.simulation.spans import Spans
from immutable.simulation.twin import Twin, built
from immutable.testing import LoopClock, run
from tests.support.world import NAME, world


async def told(w, cursor):
    """Wait for a change; returns when it was told."""
    await w.backend.changed(NAME, cursor)
    return asyncio.get_running_loop().time()


async def cursor(w):
    return (await w.backend.observe(NAME)).cursor


def test_what_is_due_happens_though_nobody_looks():
    async def main():
        async with world(2, tells=True) as w:
            since, name = await cursor(w), w.members()[0]
            waiting = asyncio.ensure_future(told(w, since))
            w.at(50, lambda: w.cloud.set_state(w.truth, name, InstanceState.UNREADY))
            await asyncio.sleep(10)
            w.at(20, lambda: w.cloud.kill(NAME, name))  # Sooner than what was due so far.
            assert await waiting == pytest.approx(30, abs=0.01)

    run(main())


def test_groups_are_told_of_however_they_were_changed():
    async def main():
        async with world(2, tells=True) as w:
            for change in (
                lambda: w.cloud.change(NAME, 1, minimum=1),
                lambda: w.cloud.resize(NAME, 1, 3),
                lambda: w.cloud.protect(NAME, w.members()[0]),
            ):
                waiting = asyncio.ensure_future(told(w, await cursor(w)))
                await asyncio.sleep(1)
                assert not waiting.done()
                change()
                await asyncio.wait_for(waiting, 0.01)

    run(main())


def test_who_waits_for_a_fleet_that_is_deleted_is_told_so():
    async def main():
        async with world(0, tells=True) as w:
            waiting = asyncio.ensure_future(told(w, await cursor(w)))
            await asyncio.sleep(1)
            await w.backend.delete_fleet(NAME)
            with pytest.raises(Gone, match=NAME):
                await waiting

    run(main())


def test_cursors_are_of_instances_alone_where_nobody_is_told():
    async def main():
        async with world(2) as w:
            since = await cursor(w)
            w.cloud.change(NAME, 1, minimum=1)
            assert await cursor(w) == since
            assert not w.backend.capabilities.changes

    run(main())


def test_the_twin_of_a_fleet_whose_changes_are_told_tells_them_too():
    async def main():
        async with world(2) as w:
            state = await w.backend.observe(NAME)
            for changes in (False, True):
                twin = Twin(state, Capabilities(changes=changes), Spans.usual(Capabilities()))
                backend = built(twin, Cloud(LoopClock(state.at)))
                assert isinstance(backend, MemoryBackend)
                assert backend.cloud.feed.on is changes

    run(main())
