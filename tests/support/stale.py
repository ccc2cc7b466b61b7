"""A controller that is stopped for longer than its lease lasts, as by SIGSTOP, and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from attrs import frozen

from tests.support.contending import BEATEN
from tests.support.crashes import PATIENCE, SCENARIOS, Picture, judge, live, stage
from tests.support.matrix import undisturbed
from tests.support.mortal import Life, Moment, Witness
from tests.support.steady import run_steadily


@frozen
class Stop:
    """Where a controller is stopped, and for how long.

    Attributes:
        scenario: The number of the scenario.
        call: The number of the call.
        moment: Right before it is made, or before its answer is looked at.
        seconds: For how long.
    """

    scenario: int
    call: int
    moment: Moment
    seconds: float


def stops(scenario: int) -> list[Stop]:
    """Return every place at which a controller that has a lease can be stopped.

    When it goes on, a successor is at work, or has long come to the end. What was on its way to the
    cloud arrives within the time that a cloud allows for that.
    """
    calls: Sequence[str] = undisturbed(scenario).lives[0]
    found = []
    for call in range(calls.index("journal.begin") + 1, len(calls)):
        found += [Stop(scenario, call, Moment.AFTER, seconds) for seconds in (25.0, 3_000.0)]
        found.append(Stop(scenario, call, Moment.BEFORE, 25.0))
    return found


async def outlast(stop: Stop) -> tuple[str, ...]:
    """Let a controller be stopped, and another one take over; return what was wrong."""
    scenario = SCENARIOS[stop.scenario]
    async with stage(scenario) as w:
        before, witness = Picture.of(w), Witness()

        def seconds(number: int, moment: Moment) -> float:
            return stop.seconds if (number, moment) == (stop.call, stop.moment) else 0.0

        stale, next_one = Life(witness, stops=seconds), Life(witness)
        first = asyncio.ensure_future(live(w, scenario, stale))
        async with asyncio.timeout(PATIENCE):
            while not (stale.stopped or first.done()):
                await asyncio.sleep(0.25)
            await asyncio.sleep(w.journal.ttl)
            await asyncio.gather(live(w, scenario, next_one), return_exceptions=True)
            (end,) = await asyncio.gather(first, return_exceptions=True)
        faults = [*witness.faults, *await judge(w, scenario, before)]
        if stale.accepted or stale.retired:
            faults.append(f"stale: {stale.accepted} writes accepted, {stale.retired} retirements")
        if isinstance(end, BaseException) and not isinstance(end, BEATEN):
            faults.append(f"stale: {end!r}")
        return tuple(f"{stop}: {fault}" for fault in faults)


def stopped(stop: Stop) -> tuple[str, ...]:
    """Let that happen, in a process in which nothing minds blocking."""
    return run_steadily(outlast(stop))
