"""Whatever happens to a fleet, a rollout keeps its bounds and ends in one of the honest ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

import pytest
from attrs import evolve, frozen
from hypothesis import event, given, settings
from hypothesis import strategies as st

from immutable import (
    BlueGreen,
    Canary,
    JournalError,
    Limits,
    PlanRefused,
    Result,
    Rolling,
    Rollout,
    RolloutEnded,
    Status,
)
from immutable.backend import Throttled, Transient
from immutable.gates import Health
from immutable.memory import Behaviour, Fault, Laws, fixed, lognormal
from immutable.memory.faults import When
from immutable.model import Order
from immutable.testing import run
from tests.support.world import NAME, World, whole, world


@frozen
class Script:
    """What happens during one rollout."""

    size: int
    surge: int | str
    unavailable: int | str
    boot: float
    seed: int
    stale: float = 0.0
    strategy: str = "rolling"
    orders: tuple[tuple[float, Order], ...] = ()
    bad: bool = False
    dies: bool = False
    deaths: tuple[tuple[float, int], ...] = ()
    faults: tuple[tuple[str, str, float, int], ...] = ()
    shortage: tuple[float, float] | None = None
    crashes: tuple[float, ...] = ()
    scalings: tuple[tuple[float, int], ...] = ()
    sick: int = 0


CALLS = ("observe", "grow", "retire", "hold", "create_revision", "release", "delete_revision",
         "route", "*")  # fmt: skip
ORDERS = (Order.PAUSE, Order.RESUME, Order.PROMOTE, Order.ABORT, Order.CANCEL)

seconds = st.floats(0, 2_000)
counts = st.one_of(
    st.integers(0, 12), st.sampled_from(["0%", "5%", "10%", "25%", "33%", "50%", "100%"])
)
sizes = st.one_of(st.integers(0, 12), st.integers(0, 200))


def _nonzero(script: Script) -> bool:
    zero = (0, "0%")
    return not (script.surge in zero and script.unavailable in zero)


HEALTHY = (Health(),)
STRATEGIES = {
    "rolling": Rolling(),
    "unproven": Rolling(probe=False),
    "blue/green": BlueGreen(bake=60, keep_stable=100),
    "canary": Canary(("10%", "40%"), bake=60, gates=HEALTHY),
    "judged": Canary(("25%",), bake=60),
    "stages": Canary(("20%", "60%"), bake=30, gates=HEALTHY),
}
WEIGHTED = ("blue/green", "canary", "judged")


scripts = st.builds(
    Script,
    size=sizes,
    surge=counts,
    unavailable=counts,
    boot=st.floats(1, 60),
    seed=st.integers(0, 2**16),
    stale=st.sampled_from([0.0, 0.0, 3.0, 8.0]),
    strategy=st.sampled_from(sorted(STRATEGIES)),
    orders=st.lists(st.tuples(seconds, st.sampled_from(ORDERS)), max_size=3).map(tuple),
    bad=st.sampled_from([False, False, True]),
    dies=st.sampled_from([False, False, False, True]),
    deaths=st.lists(st.tuples(seconds, st.integers(0, 1000)), max_size=6).map(tuple),
    faults=st.lists(
        st.tuples(
            st.sampled_from(CALLS),
            st.sampled_from(["throttled", "lost", "refused before", "late"]),
            st.floats(0.05, 0.4),
            st.integers(1, 12),
        ),
        max_size=4,
    ).map(tuple),
    shortage=st.none() | st.tuples(seconds, st.floats(10, 3_000)),
    crashes=st.lists(seconds, max_size=3).map(tuple),
    scalings=st.lists(st.tuples(seconds, st.integers(-3, 5)), max_size=2).map(tuple),
    sick=st.sampled_from([0, 0, 0, 1, 3]),
).filter(_nonzero)


def _arrange(w: World, script: Script) -> None:
    cloud = w.cloud
    if script.bad:
        cloud.behaviours["v2"] = Behaviour(ready=False)
    elif script.dies:
        cloud.behaviours["v2"] = Behaviour(dies_after=lognormal(60, 0.5))
    for at, which in script.deaths:
        w.at(at, lambda which=which: _kill_one(w, which))
    for call, kind, chance, times in script.faults:
        cloud.faults.add(_fault(call, kind, chance, times))
    for name in w.members()[: script.sick]:
        cloud.set_state(w.truth, name, "unready")
    if script.shortage is not None:
        begins, lasts = script.shortage
        w.at(begins, lambda: cloud.capacity.update(dict.fromkeys(cloud.zones, 0)))
        w.at(begins + lasts, cloud.capacity.clear)
    for at, by in script.scalings:
        w.at(at, lambda by=by: _scale(w, by))


def _fault(call: str, kind: str, chance: float, times: int) -> Fault:
    if kind == "throttled":
        return Fault(call, lambda: Throttled("slow down"), times=times, chance=chance)
    if kind == "refused before":
        return Fault(call, lambda: Transient("503"), times=times, chance=chance)
    when = When.AFTER if kind == "lost" or call in ("observe", "*") else When.LATE
    return Fault(call, when=when, times=times, chance=chance, delay=20.0)


def _kill_one(w: World, which: int) -> None:
    names = w.members()
    if names:
        w.cloud.kill(NAME, names[which % len(names)])


def _scale(w: World, by: int) -> None:
    """An autoscaler moves the largest group; a held one is not scaled in."""
    group = max(w.truth.groups.values(), key=lambda each: each.shown.size)
    w.cloud.resize(NAME, group.shown.number, max(0, group.shown.size + by))


async def _live_through(script: Script) -> None:
    laws = Laws(boot=lognormal(script.boot + 1, 0.6, least=1), drain=fixed(4), terminate=fixed(6))
    surge = "100%" if script.strategy in WEIGHTED else script.surge
    limits = Limits(surge, script.unavailable, min_ready=5, boot_timeout=180, drain_timeout=30)
    async with world(script.size, laws=laws, stale=script.stale, seed=script.seed) as w:
        before = w.truth.groups[1].shown
        w.truth.clients.rate, w.truth.clients.at = 20.0, w.cloud.at
        able, weighted = w.backend.capabilities, script.strategy in WEIGHTED
        w.backend.capabilities = evolve(able, weighted_traffic=weighted, traffic_stats=weighted)
        _arrange(w, script)
        w.backend.begin(limits, script.size)
        w.backend.follows_size = bool(script.scalings)
        strategy = STRATEGIES[script.strategy]
        operator = asyncio.ensure_future(_operate(w, script.orders))
        try:
            result = await _to_the_end(
                w, lambda: w.fleet.replace("v2", strategy, limits=limits), script
            )
        except (PlanRefused, Transient, Throttled):
            # It could not be planned; a rollout that has begun has an end.
            assert list(w.truth.groups) == [1]
            assert await w.journal.entries() == []
            return
        finally:
            operator.cancel()
        event(result.status.value)
        if not script.scalings:
            assert not w.backend.breaches, w.backend.breaches
            assert result.wanted == script.size
        if result.status in (Status.FAILED, Status.CANCELLED):
            assert result.left
            return
        plan = (await w.journal.entries(rollout=result.rollout))[0].plan
        # An autoscaler may move the fleet between its release and the last look.
        (size,) = w.sizes().values() if script.scalings else (result.wanted,)
        whole(w, result.status, before, plan, size)


async def _operate(w: World, orders: tuple[tuple[float, Order], ...]) -> None:
    """Give the orders, then let nothing wait for ever."""
    for at, order in sorted(orders):
        await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))
        await _order(w, order)
    while True:
        await asyncio.sleep(3_000)
        await _order(w, Order.PROMOTE)


async def _order(w: World, order: Order) -> None:
    for entry in await w.journal.entries(unfinished=True):
        with suppress(JournalError):
            await w.journal.order(entry.rollout, order, actor="operator", reason="")


async def _to_the_end(w: World, begin: Callable[[], Rollout], script: Script) -> Result:
    """Await the end, which must come, through all the crashes of controllers."""
    async with asyncio.timeout(500_000):
        return await _awaited(w, begin, script)


async def _awaited(w: World, begin: Callable[[], Rollout], script: Script) -> Result:
    running: Rollout | None = begin()
    for crash in sorted(script.crashes):
        task = asyncio.ensure_future(running._outcome())
        await asyncio.wait({task}, timeout=max(0.0, crash - asyncio.get_running_loop().time()))
        if task.done():
            running = None
            break
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        begun = await w.journal.entries(unfinished=True)
        running = w.fleet.recover() if begun else begin()
    try:
        result = await (task if running is None else running)
    except RolloutEnded as end:
        result = end.result
    return result


@pytest.mark.timeout(300)
@settings(max_examples=60)
@given(scripts)
def test_a_rollout_keeps_its_bounds_and_ends_whole_or_says_what_is_left(script):
    run(_live_through(script))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=1000 if os.environ.get("EXPLORE") else 400)
@given(scripts)
def test_the_same_over_many_more_schedules(script):
    run(_live_through(script))
