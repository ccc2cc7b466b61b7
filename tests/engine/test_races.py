"""Controllers that share no journal meet at the fleet: one goes on, the others name it and end."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from random import Random

import pytest
from attrs import evolve, frozen

import tests.support.world as support
from immutable import (
    BlueGreen,
    Canary,
    Fleet,
    PlanRefused,
    PlanStale,
    RolledBack,
    Rolling,
    open_journal,
)
from immutable.backend import Group, Hold
from immutable.gates import Health
from immutable.model import Result
from immutable.testing import run
from tests.support.world import LIMITS, URL, WatchedBackend, World, revision, world

STRATEGIES = (Rolling(), BlueGreen(bake=30), Canary(("50%",), bake=30, gates=(Health(),)))
CALLS = ("observe", "hold", "create_revision", "grow", "retire", "route", "delete_revision")
WIDE = evolve(LIMITS, max_surge="100%")
SCALED = Group(revision(), 0, minimum=2, settings={"policy": "busy"})


class SlowBackend(WatchedBackend):
    """Every call takes its time before it takes effect, and after: all orders happen."""

    random = Random()

    async def pause(self):
        await asyncio.sleep(self.random.choice((0, 0, 0.01, 0.3, 2.5)) * self.random.random())


def _slowly(name):
    async def call(self, *args, **kwargs):
        await self.pause()
        answer = await getattr(WatchedBackend, name)(self, *args, **kwargs)
        await self.pause()
        return answer

    return call


for each in CALLS:
    setattr(SlowBackend, each, _slowly(each))


class LastWriterBackend(SlowBackend):
    """A cloud whose marks have no compare-and-set: of two who see none, the later one wins."""

    async def hold(self, fleet, revision, until, ctx):
        group = self._call("hold", lambda: self._owned(fleet, revision, ctx))
        await self.pause()
        rival = group.shown.hold
        if rival is not None and rival.rollout != ctx.rollout:
            group.shown = evolve(group.shown, hold=None, minimum=rival.minimum)
        hold = Hold(ctx.rollout, ctx.fence, until, ctx.plan)
        self._take(lambda: self.cloud.own(group, hold))
        await self.pause()


@frozen
class Race:
    """What came of one: how each ended, in the order of their images, v2, v3 …"""

    ends: tuple[Result | Exception, ...]

    @property
    def won(self) -> list[str]:
        return [f"v{n}" for n, end in enumerate(self.ends, 2) if isinstance(end, Result)]


async def race(seed: int) -> tuple[Race, World]:
    random = SlowBackend.random = Random(seed)
    rivals, gap = random.choice((2, 2, 3)), random.choice((0, 0.5, 5))
    async with AsyncExitStack() as stack:
        w = await stack.enter_async_context(
            world(4, group=SCALED, stale=random.choice((0.0, 0.0, 3.0)), seed=seed)
        )
        w.backend.begin(WIDE, 4)

        async def rival(number: int) -> Result:
            await asyncio.sleep(gap * random.random())
            book = await open_journal(":memory:", clock=w.clock)
            stack.push_async_callback(book.close)
            way = random.choice(STRATEGIES)
            async with Fleet.connect(URL, backend=w.backend, journal=book, clock=w.clock) as fleet:
                return await fleet.replace(f"v{number}", way, limits=WIDE)

        async with asyncio.timeout(50_000):
            racing = [rival(number) for number in range(2, 2 + rivals)]
            ends = await asyncio.gather(*racing, return_exceptions=True)
        await asyncio.sleep(60)
        await w.fleet.state()
        return Race(tuple(ends)), w


def check(ended: Race, w: World) -> None:
    """Assert that the fleet is whole, and that who lost says to whom."""
    assert w.backend.breaches == []
    (group,) = w.truth.groups.values()
    shown = group.shown
    image = shown.revision.image.artifact
    assert (shown.size, shown.minimum, shown.hold) == (4, 2, None)
    assert dict(shown.settings) == {"policy": "busy"}
    assert image in (ended.won or ["v1"])
    rollouts = {end.rollout for end in ended.ends if isinstance(end, Result)}
    for end in ended.ends:
        if isinstance(end, RolledBack):
            assert "rollout" in end.result.reason, end
            # Of three the second may be told of the third, which loses too.
            named = [each for each in rollouts if each in end.result.reason]
            assert named or len(ended.ends) > 2, end
        elif not isinstance(end, Result):
            assert isinstance(end, (PlanRefused, PlanStale)), end


@pytest.mark.parametrize("backend", [SlowBackend, LastWriterBackend])
def test_of_controllers_that_start_at_once_one_wins_and_the_others_say_who(monkeypatch, backend):
    # Where marks are overwritten, the name of the group is the lock.
    monkeypatch.setattr(support, "WatchedBackend", backend)
    for seed in range(150):
        ended, w = run(race(seed))
        check(ended, w)
        assert ended.won, f"seed {seed}: {ended}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", [SlowBackend, LastWriterBackend])
def test_the_same_over_many_more_races(monkeypatch, kind):
    monkeypatch.setattr(support, "WatchedBackend", kind)
    for seed in range(1_000, 4_000 if os.environ.get("EXPLORE") else 1_600):
        ended, w = run(race(seed))
        check(ended, w)
        assert ended.won, f"seed {seed}: {ended}"
