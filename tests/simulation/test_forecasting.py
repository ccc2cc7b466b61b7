"""What a plan comes to: `Fleet.preview`, and what the engine tells of it on a twin of the fleet."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from immutable import BlueGreen, Canary, FleetBusy, Limits, PlanRefused, Rolling, digest
from immutable.backend import Group
from immutable.hooks import hooked
from immutable.memory import Laws, fixed
from immutable.model import Analysis, Approval, Health
from immutable.simulation.forecasting import MOST, forecast
from immutable.testing import run
from tests.support.world import revision, world

LIMITS = Limits(max_surge=3, min_ready=5, boot_timeout=120, drain_timeout=30)
DOUBLE = evolve(LIMITS, max_surge="100%")
LAWS = Laws(fixed(20), fixed(5), fixed(5))
WEIGHTED = evolve(Group(revision(), 0), weight=100.0)


def preview(*what, size=12, first=None, group=None, **how):
    """Look at a plan on a fresh fleet, after *first* was done with it."""
    how.setdefault("limits", LIMITS)

    async def main():
        async with world(size, laws=LAWS, group=group) as w:
            if first is not None:
                await first(w)
            return await w.fleet.preview(*what, **how)

    return run(main())


async def replaced(w):
    """Let the fleet have a history: twelve boots of 20 s."""
    await w.fleet.replace("v1.1", limits=LIMITS)


def test_a_preview_is_of_the_plan_that_plan_makes_and_touches_nothing():
    async def main():
        async with world(12, laws=LAWS) as w:
            before = dict(w.cloud.calls)
            made = await w.fleet.preview("v2", limits=LIMITS)
            assert made.plan == await w.fleet.plan("v2", limits=LIMITS)
            assert made.digest == digest(made.plan)
            assert (made.problems, made.rulings, made.volumes) == ((), (), ())
            assert [str(each) for each in made.changes] == ["image is v2, was v1"]
            asked = {name for name, many in w.cloud.calls.items() if many > before.get(name, 0)}
            assert asked == {"observe", "resolve", "preflight"}
            result = await w.fleet.apply(made.plan)
            assert result.status.value == "succeeded"

    run(main())


def test_what_is_forecast_is_what_then_happens_where_boots_are_known():
    async def main():
        async with world(12, laws=LAWS) as w:
            await replaced(w)
            made = await w.fleet.preview("v2", limits=LIMITS)
            calls = dict(w.cloud.calls)
            result = await w.fleet.apply(made.plan)
            after = {name: many - calls.get(name, 0) for name, many in w.cloud.calls.items()}
            return made.forecast, result, after

    found, result, calls = run(main())
    assert found.measured == 12
    assert "12 boots of 1 rollouts" in found.known
    assert found.seconds == pytest.approx(result.seconds, rel=0.1)
    assert found.seconds <= found.longest
    assert found.lowest_ready == 12
    assert [found.calls[name] for name in ("hold", "create_revision", "release")] == [1, 1, 1]
    assert found.calls["grow"] == pytest.approx(calls["grow"], abs=3)
    # Never more than three above twelve, and for most of the time some.
    assert 0.3 * 3 * found.seconds < found.extra_instance_hours * 3600 <= 3 * found.longest


def test_what_is_not_known_is_said_to_be_assumed():
    found = preview("v2", size=2).forecast
    assert found.measured == 0
    assert "too few boots are known" in found.known


def test_two_whole_groups_cost_what_two_whole_groups_cost():
    way = BlueGreen(bake=60, keep_stable=3600)
    found = preview("v2", way, limits=DOUBLE, group=WEIGHTED).forecast
    assert found.seconds > 3660
    # Twelve more for the hour and the bake; boots and the way out take minutes.
    assert 12 < found.extra_instance_hours < 12 * 4200 / 3600


def test_nobody_is_asked_and_that_is_said():
    gates = (Health(), Analysis(), Approval("ada"))
    way = Canary(stages=("50%", "100%"), bake=30, gates=gates)
    made = preview("v2", way, limits=DOUBLE, group=WEIGHTED)
    assert made.forecast is not None, made.unforeseen
    assert any("approvals" in words for words in made.forecast.assumed)
    assert any("analyses" in words for words in made.forecast.assumed)
    assert any("approval by ada" in step.gates for step in made.steps)


def test_what_stops_a_plan_is_told_beside_the_plan():
    async def withdrawn(w):
        w.cloud.withdrawn["v1"] = False

    made = preview("v2", first=withdrawn)
    assert [each.what for each in made.problems] == ["image v1 is withdrawn"]
    assert made.plan.candidate.image.artifact == "v2"
    assert made.forecast is not None


def test_a_repair_is_foreseen_too():
    async def main():
        async with world(4, laws=LAWS) as w:
            await replaced(w)
            await asyncio.sleep(1000)
            made = await w.fleet.preview(await w.fleet.plan_repair(max_age=500, limits=LIMITS))
            assert made.forecast is not None, made.unforeseen
            assert made.forecast.calls["grow"] >= 1
            assert [each.stable for each in made.steps] == [0]
            assert [each.candidate for each in made.steps] == [4]

    run(main())


def test_what_can_not_be_foreseen_says_why():
    assert preview("v1").unforeseen == "nothing is to be done"
    bounds = preview("v2").plan.bounds

    async def main():
        async with world(3, laws=LAWS) as w:
            plan = await w.fleet.plan("v2", limits=LIMITS)
            huge = evolve(plan, bounds=evolve(bounds, wanted=MOST + 1))
            able, state = w.backend.capabilities, await w.fleet.state()
            return await forecast(able, w.journal, huge, state)

    found, why = run(main())
    assert found is None
    assert "immutable rehearse" in why


def test_what_makes_no_plan_at_all_is_refused_as_ever():
    with pytest.raises(PlanRefused):
        preview("v2", BlueGreen(), limits=LIMITS)

    async def main():
        async with world(3, laws=LAWS) as w:
            rollout = w.fleet.replace("v2", Rolling(), limits=LIMITS)
            async for _ in rollout.events():
                break
            with pytest.raises(FleetBusy):
                await w.fleet.preview("v3", limits=LIMITS)
            await rollout.stop()

    run(main())


def test_hooks_hear_nothing_of_what_is_only_tried_out():
    heard = []

    async def main():
        with hooked(heard.append):
            async with world(3, laws=LAWS) as w:
                await w.fleet.preview("v2", limits=LIMITS)
                await w.fleet.rehearse("v2", limits=LIMITS, trials=1, workers=0, traffic=0)
                assert heard == []
                await w.fleet.replace("v2", limits=LIMITS)
                assert heard != []

    run(main())
