"""A bake that has been good for long is looked at less often, until something is amiss."""

from __future__ import annotations

import asyncio

import pytest

from immutable import BlueGreen, Limits, RolledBack, Status
from immutable.model import Bake, Health
from immutable.testing import run
from tests.support.world import NAME, world

LIMITS = Limits(max_surge="100%", min_ready=5, boot_timeout=60, drain_timeout=30)


def test_a_long_bake_costs_few_looks():
    async def main():
        async with world(4) as w:
            end = await w.fleet.replace("v2", BlueGreen(bake=3600), limits=LIMITS)
            assert end.status is Status.SUCCEEDED
            return w.cloud.calls["observe"]

    # An hour at 15 s is 240; at 5 s it were 720.
    assert run(main()) < 340


def test_a_failure_in_a_calm_bake_is_noticed_within_a_look_and_confirmed_at_the_quick_pace():
    async def main():
        async with world(4) as w:
            w.cloud.heals = False
            noticed = {}

            def all_sick():
                noticed["at"] = w.clock.now()
                fleet = w.cloud.fleets[NAME]
                for name in w.members(revision=2):
                    w.cloud.set_state(fleet, name, "unready")

            w.at(1800, all_sick)
            gates = (Health(dwell=3),)
            try:
                await w.fleet.replace("v2", BlueGreen(bake=3600, gates=gates), limits=LIMITS)
            except RolledBack:
                events = await w.journal.events((await w.fleet.history())[-1].rollout)
                turned = next(e.at for e in events if type(e.record).__name__ == "Turned")
                return turned - noticed["at"]
            raise AssertionError("it went on with a sick candidate")

    # 15 s until it is seen, then two more looks 2 to 5 s apart.
    assert run(main()) <= 15 + 2 * 5 + 2


# -- the end of a bake -----------------------------------------------------------------------------


BAKING = 3
"""The step of `BlueGreen` after its switch."""


async def baking(rollout):
    """Wait until the bake after a switch has begun."""
    await asyncio.sleep(5)
    while (await rollout.ledger()).step < BAKING:
        await asyncio.sleep(0.5)
    assert isinstance((await rollout.plan()).steps[BAKING], Bake)


def sick(w, state):
    """Let all servers of the candidate but one be in a state."""
    for name in w.members(revision=2)[:3]:
        w.cloud.set_state(w.cloud.fleets[NAME], name, state)


@pytest.mark.parametrize(("before", "long"), [(3, 3), (6, 4)])
def test_a_blink_at_the_end_of_a_bake_is_no_answer_and_waits_for_the_next_looks(before, long):
    async def main():
        async with world(4) as w:
            w.cloud.heals = False
            rollout = w.fleet.replace("v2", BlueGreen(bake=100), limits=LIMITS)
            end = asyncio.ensure_future(rollout.end())
            await baking(rollout)
            await asyncio.sleep(100 - before)
            sick(w, "unready")
            await asyncio.sleep(long)
            sick(w, "ready")
            await asyncio.wait({end}, timeout=600)
            return (await rollout.status()).status

    assert run(main()) is Status.SUCCEEDED


def test_a_candidate_that_is_never_the_same_for_long_is_told_as_inconclusive():
    async def main():
        async with world(4) as w:
            w.cloud.heals = False
            rollout = w.fleet.replace("v2", BlueGreen(bake=10), limits=LIMITS)
            end = asyncio.ensure_future(rollout.end())
            await baking(rollout)
            seen, states = 0, ["ready", "unready"]
            while not (ledger := await rollout.ledger()).paused and not end.done():
                if (now := w.cloud.calls["observe"]) != seen:
                    seen, states = now, states[::-1]
                    sick(w, states[0])
                await asyncio.sleep(0.1)
            end.cancel()
            return ledger.paused

    assert "says inconclusive" in run(main())
