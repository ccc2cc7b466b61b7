"""Checks from end to end: the real engine replaces a small fleet, and goes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import evolve

from immutable.backend import FleetState, InstanceState, Limits
from immutable.errors import ImmutableError
from immutable.fleet import Fleet
from immutable.model import Result, RolledBack, Status
from immutable.rollout import Rollout
from immutable.strategies import BlueGreen
from immutable.testing.accessors import Mishap
from immutable.testing.check import check
from immutable.testing.checks.fleets import connected
from immutable.testing.recorder import Recorder
from immutable.testing.stage import Stage

READY = InstanceState.READY
_BOUNDS = ("T1", "T2", "G1", "V4")


def _limits(s: Stage) -> Limits:
    return Limits(
        max_surge=1,
        max_unavailable=0,
        min_ready=0,
        boot_timeout=s.patience,
        drain_timeout=s.author.drain_timeout,
    )


@asynccontextmanager
async def _watched(s: Stage, limits: Limits) -> AsyncIterator[tuple[Fleet, FleetState]]:
    """Get hold of the fleet, and hold every look at it against the limits meanwhile."""
    before = await s.look()
    recorder = Recorder.of(limits, before)
    async with connected(s) as fleet:
        every = s.author.poll or s.backend.capabilities.poll
        async with recorder.watching(s.backend, s.fleet, every):
            yield fleet, before
    s.must(recorder.looks, "nobody looked")
    s.must(not recorder.breaches, f"the bounds were broken: {'; '.join(recorder.breaches[:3])}")


@asynccontextmanager
async def _begun(rollout: Rollout) -> AsyncIterator[asyncio.Task[Result]]:
    """Let a rollout run beside the block; whatever happens there, it is over afterwards."""

    async def run() -> Result:
        return await rollout

    task = asyncio.create_task(run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _half_way(s: Stage, task: asyncio.Task[Result]) -> FleetState:
    """Wait for a READY member of the new revision, or for a rollout that is over before."""
    return await s.until(
        lambda state: any(i.state is READY for i in state.members(2)) or task.done(),
        "a READY member of the new revision",
    )


async def _whole(s: Stage, before: FleetState, size: int) -> None:
    """Fail unless the fleet is one group of another revision, all READY, held by nobody."""
    state = await s.look()
    s.same(len(state.groups), 1, "the number of groups after the replacement")
    group = state.groups[0]
    s.must(group.number > before.groups[0].number, f"the fleet is on r{group.number} still")
    told = (group.size, group.hold, group.weight)
    s.same(told, (size, None, None), "size, hold and weight after the replacement")
    members = await s.ready(size, group.number)
    await s.spared({each.id for each in members}, group.number)


@check("T1", "G1", "D3", "H7", size=3, uses=("url",))
async def a_fleet_is_replaced(s: Stage) -> None:
    """A rolling replacement ends whole on the new image, and stays inside its bounds."""
    limits = _limits(s)
    async with _watched(s, limits) as (fleet, before):
        result = await fleet.replace(s.author.images[1], limits=limits)
    s.same(result.status, Status.SUCCEEDED, "how the rollout ended")
    await _whole(s, before, 3)


@check("D3", "H7", "T1", "H10", size=3, uses=("url",))
async def a_replacement_goes_back(s: Stage) -> None:
    """One that is aborted half way ends whole as it was, settings included."""
    limits = _limits(s)
    async with _watched(s, limits) as (fleet, before):
        rollout = fleet.replace(s.author.images[1], limits=limits)
        async with _begun(rollout) as running:
            await _half_way(s, running)
            await rollout.abort()
            try:
                result = await running
            except RolledBack as back:
                result = back.result
        s.same(result.status, Status.ROLLED_BACK, "how a rollout that was aborted ended")
    state = await s.look()
    after = tuple(evolve(group, trouble=None, lapsed=None) for group in state.groups)
    s.same(after, before.groups, "the groups after going back")
    members = await s.ready(3)
    await s.spared({each.id for each in members})


@check("W2", "R7", "D6", size=2, needs=("weighted_traffic",), uses=("url",))
async def a_fleet_is_switched(s: Stage) -> None:
    """A blue/green replacement is switched at once, and ends without weights."""
    limits = evolve(_limits(s), max_surge="100%")
    strategy = BlueGreen(bake=0, keep_stable=0)
    async with _watched(s, limits) as (fleet, before):
        result = await fleet.replace(s.author.images[1], strategy, limits=limits)
    s.same(result.status, Status.SUCCEEDED, "how the rollout ended")
    await _whole(s, before, 2)


@check("E11", "X2", "O4", size=3, uses=("mishap", "url"))
async def a_replacement_survives_mishaps(s: Stage) -> None:
    """Calls that are throttled, or whose answers are lost, cost time and nothing else."""
    for call in ("hold", "create_revision", "grow", "retire"):
        await s.author.mishap(call, Mishap.THROTTLED)
        await s.author.mishap(call, Mishap.LOST)
    limits = _limits(s)
    async with _watched(s, limits) as (fleet, before):
        result = await fleet.replace(s.author.images[1], limits=limits)
    s.same(result.status, Status.SUCCEEDED, "how the rollout ended")
    await _whole(s, before, 3)


@check("P7", "V6", size=3, uses=("raw_kill", "url"))
async def a_replacement_survives_a_death(s: Stage) -> None:
    """A candidate that dies on the way is replaced."""
    limits = _limits(s)
    async with connected(s) as fleet:
        before = await s.look()
        async with _begun(fleet.replace(s.author.images[1], limits=limits)) as running:
            state = await _half_way(s, running)
            victim = next((i.id for i in state.members(2) if i.state is READY), None)
            if victim is not None:
                await s.author.raw_kill(s.fleet, victim)
            result = await running
    s.same(result.status, Status.SUCCEEDED, "how the rollout ended")
    await _whole(s, before, 3)


@check("R1", "K5", "K6", size=2, uses=("url",))
async def of_two_rollouts_one_goes_on(s: Stage) -> None:
    """Two controllers without a common journal begin at once: one ends whole, the other stops."""
    limits, before = _limits(s), await s.look()
    async with connected(s) as one, connected(s) as two:
        rollouts = [fleet.replace(s.author.images[1], limits=limits) for fleet in (one, two)]
        async with _begun(rollouts[0]) as first, _begun(rollouts[1]) as second:
            ends = await asyncio.gather(first, second, return_exceptions=True)
    done = [end for end in ends if isinstance(end, Result)]
    for end in ends:
        s.must(isinstance(end, Result | ImmutableError), f"a rollout ended with {end!r}")
    s.same(len(done), 1, f"how many of two rollouts succeeded ({ends})")
    await _whole(s, before, 2)
