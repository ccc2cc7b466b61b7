"""A rollout whose journal is gone is found by the marks on its groups, and ends whole."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from attrs import evolve

from immutable import (
    BlueGreen,
    Canary,
    Fleet,
    NothingToRecover,
    PlanRefused,
    RolledBack,
    Rolling,
    Status,
    digest,
    open_journal,
)
from immutable.backend import Conflict, Group
from immutable.errors import LeaseLost, OrphanedRollout
from immutable.gates import Health
from immutable.memory import Behaviour, Fault, fixed
from immutable.memory.faults import When
from immutable.testing import run
from tests.support.world import LIMITS, NAME, URL, World, revision, whole, world

WIDE = evolve(LIMITS, max_surge="100%")
WAYS = {
    "rolling": (Rolling(), LIMITS),
    "blue_green": (BlueGreen(bake=100, keep_stable=300), WIDE),
    "canary": (Canary(stages=("10%", "50%"), bake=60, gates=(Health(),)), WIDE),
    "canary_by_instances": (Canary(stages=("25%", "50%"), bake=60, gates=(Health(),)), LIMITS),
}
SCALED = Group(revision(), 0, minimum=3, settings={"policy": "cpu 50 %"})


@asynccontextmanager
async def elsewhere(w: World):
    """The same fleet, from a place that has another journal."""
    book = await open_journal(":memory:", clock=w.clock)
    try:
        async with Fleet.connect(URL, backend=w.backend, journal=book, clock=w.clock) as fleet:
            yield fleet
    finally:
        await book.close()


async def dies(w: World, plan, seconds: float):
    """Let a controller carry out *plan* for a while, then vanish with its journal."""
    task = asyncio.ensure_future(w.fleet.apply(plan).end())
    await asyncio.wait({task}, timeout=seconds)
    over = task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return over


@asynccontextmanager
async def abandoned(way: str, seconds: float, *, image: str = "v2", stale: float = 0.0):
    """A fleet of four that a rollout has left in the middle."""
    strategy, limits = WAYS[way]
    async with world(4, group=SCALED, stale=stale) as w:
        weighted = way != "canary_by_instances"
        w.backend.capabilities = evolve(w.backend.capabilities, weighted_traffic=weighted)
        w.cloud.behaviours["bad"] = Behaviour(ready=False)
        before = w.truth.groups[1].shown
        w.backend.begin(limits, 4)
        plan = await w.fleet.plan(image, strategy, limits=limits)
        over = await dies(w, plan, seconds)
        async with elsewhere(w) as other:
            yield w, other, plan, before, over


def nothing_held(w: World) -> None:
    assert [group.shown.hold for group in w.truth.groups.values()] == [None]


MOMENTS = [0.5, 3, 21, 26, 33, 60, 97, 130, 171, 230, 300, 420]


@pytest.mark.parametrize("stale", [0.0, 3.0])
@pytest.mark.parametrize("way", WAYS)
def test_with_its_plan_a_rollout_is_carried_on_without_its_journal(way, stale):
    async def main(seconds):
        async with abandoned(way, seconds, stale=stale) as (w, other, plan, before, over):
            try:
                result = await other.recover(plan=plan)
                assert (result.status, result.wanted) == (Status.SUCCEEDED, 4)
            except NothingToRecover:
                over = True
            whole(w, Status.SUCCEEDED, before, plan, 4)
            nothing_held(w)
            assert dict(w.truth.groups[2].shown.settings) == {"policy": "cpu 50 %"}
            assert w.truth.groups[2].shown.minimum == 3
            assert w.backend.breaches == []
            return not over

    assert sum(run(main(seconds)) for seconds in MOMENTS) >= 6


@pytest.mark.parametrize("stale", [0.0, 3.0])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_fleet_returns_to_stable_without_a_journal(way, known, stale):
    async def main(seconds):
        async with abandoned(way, seconds, stale=stale) as (w, other, plan, before, over):
            limits = WAYS[way][1]
            back = other.recover(to_stable=True, plan=plan if known else None, limits=limits)
            try:
                result = await back.end()
            except NothingToRecover:
                whole(w, Status.SUCCEEDED, before, plan, 4)
                return False
            except Conflict as error:
                # It only keeps stable any more: r2 is the fleet.
                assert "past its point of no return: use rollback" in str(error)
                assert w.truth.groups[1].shown.weight == 0
                return False
            alone = not known and result.stable == result.candidate
            assert result.status is (Status.SUCCEEDED if alone else Status.ROLLED_BACK)
            whole(w, Status.ROLLED_BACK, before, plan, 4)
            nothing_held(w)
            assert w.backend.breaches == []
            return True

    assert sum(run(main(seconds)) for seconds in MOMENTS) >= 5


@pytest.mark.parametrize("to_stable", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_a_rollout_that_was_on_its_way_back_ends_whole_too(known, to_stable):
    async def main(seconds):
        async with abandoned("rolling", seconds, image="bad") as (w, other, plan, before, over):
            assert over == (seconds > 900)
            ways = {"to_stable": to_stable, "limits": LIMITS, "plan": plan if known else None}
            if over:
                with pytest.raises(NothingToRecover):
                    await other.recover(**ways)
            elif known or to_stable:
                status = (await other.recover(**ways).end()).status
                assert status in (Status.ROLLED_BACK, Status.SUCCEEDED)
            else:
                with pytest.raises(OrphanedRollout):
                    await other.recover()
                return
            whole(w, Status.ROLLED_BACK, before, plan, 4)
            nothing_held(w)
            assert w.backend.breaches == []

    for seconds in (1, 30, 150, 183, 185, 190, 1_000):
        run(main(seconds))
