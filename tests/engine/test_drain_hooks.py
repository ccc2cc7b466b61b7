"""Drain hooks: called before anything drains, waited for, and heeded as far as was asked for."""

from __future__ import annotations

import asyncio
import logging

import pytest
from attrs import evolve

from immutable import InvalidValue, RolledBack, Status
from immutable.backend import Conflict, InstanceState
from immutable.hooks import OnFailure, hooked
from immutable.memory import Behaviour, Fault
from immutable.model.records import Done, Intended, Outcome
from immutable.testing import run
from tests.support.world import LIMITS, world

READY = InstanceState.READY


def states_of(w, ids):
    return [w.truth.servers[name].seen.state for name in ids]


def test_it_is_called_before_each_retirement_with_who_is_to_go_and_nobody_drains_before_its_end():
    async def main():
        called = []

        async def before(draining):
            assert set(states_of(w, draining.instances)) == {READY}
            await asyncio.sleep(7)
            assert set(states_of(w, draining.instances)) == {READY}
            called.append(draining)

        with hooked(before_drain=before):
            async with world(3) as w:
                old = w.members(revision=1)
                result = await w.fleet.replace("v2", limits=LIMITS)
                kept = await w.journal.events(result.rollout)
        assert [name for each in called for name in each.instances] == old
        assert {each.rollout for each in called} == {result.rollout}
        assert {each.fleet for each in called} == {"memory://web"}
        assert {each.revision for each in called} == {1}
        # After a hook that took its time, who may go is decided anew; the hook isn't asked again.
        retired = [e.record for e in kept if isinstance(e.record, Intended)]
        retired = [r for r in retired if type(r.action).__name__ == "Retire"]
        assert [r.action.ids for r in retired[::2]] == [each.instances for each in called]
        assert [r.action.ids for r in retired[1::2]] == [each.instances for each in called]
        ends = {e.record.token: e.record.outcome for e in kept if isinstance(e.record, Done)}
        assert {ends[r.token] for r in retired[::2]} == {Outcome.CONFLICT}
        assert {ends[r.token] for r in retired[1::2]} == {Outcome.DONE}
        assert w.backend.breaches == []

    run(main())


def test_a_plain_function_does_as_well_and_several_are_called():
    async def main():
        first, second = [], []
        with hooked(before_drain=first.append), hooked(before_drain=second.append):
            async with world(2) as w:
                await w.fleet.replace("v2", limits=LIMITS)
        assert len(first) == len(second) == 2

    run(main())


async def fails(_):
    raise ValueError("hunter2")


async def hangs(_):
    await asyncio.sleep(10_000)


@pytest.mark.parametrize(("hook", "said"), [(fails, "failed: ValueError"), (hangs, "longer than")])
def test_a_failure_is_logged_by_its_class_and_the_rollout_goes_on(hook, said, caplog):
    async def main():
        with hooked(before_drain=hook, deadline=20):
            async with world(2) as w:
                return await w.fleet.replace("v2", limits=LIMITS)

    with caplog.at_level(logging.WARNING):
        result = run(main())
    assert result.status is Status.SUCCEEDED
    assert said in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(("hook", "said"), [(fails, "failed: ValueError"), (hangs, "longer than")])
def test_a_failure_that_has_to_be_heeded_turns_the_rollout_and_nobody_has_drained(hook, said):
    async def main():
        with hooked(before_drain=hook, deadline=20, on_failure="turn"):
            async with world(3) as w:
                old = w.members(revision=1)
                with pytest.raises(RolledBack, match=said) as caught:
                    await w.fleet.replace("v2", limits=LIMITS)
                kept = await w.journal.events(caught.value.result.rollout)
                assert w.members(InstanceState.READY, revision=1) == old
                assert w.sizes() == {1: 3}
        refused = [e.record for e in kept if isinstance(e.record, Done)]
        refused = [record for record in refused if record.outcome is Outcome.REFUSED]
        assert len(refused) == 1
        assert "hunter2" not in str(kept)

    run(main())


def test_on_the_way_back_it_is_called_and_nothing_stops_for_it():
    async def main():
        called = []

        async def before(draining):
            called.append(draining.revision)
            raise ValueError

        with hooked(before_drain=before, on_failure=OnFailure.TURN):
            async with world(4) as w:
                w.cloud.behaviours["bad"] = Behaviour(ready=False)
                with pytest.raises(RolledBack):
                    await w.fleet.replace("bad", limits=LIMITS)
                assert w.sizes() == {1: 4}
        assert 2 in called

    run(main())


def test_it_is_asked_once_for_each_by_one_controller_also_when_the_cloud_refuses():
    async def main():
        called = []
        with hooked(before_drain=called.append):
            async with world(2) as w:
                w.cloud.faults.add(Fault("retire", lambda: Conflict("busy"), times=1))
                await w.fleet.replace("v2", limits=LIMITS)
                assert w.cloud.calls["retire"] == 3
        names = [name for each in called for name in each.instances]
        assert len(names) == len(set(names)) == 2

    run(main())


@pytest.mark.parametrize("seed", range(5))
def test_what_dies_while_a_hook_takes_its_time_is_counted_before_anybody_goes(seed):
    """Held against the cloud at the time of each retirement, not of when a hook was asked."""

    async def main():
        lowest = []

        async def before(draining):
            if len(lowest) == 0:
                lowest.append(None)
                victim = next(n for n in w.members(READY) if n not in draining.instances)
                w.at(35, lambda: w.kill(victim))
            await asyncio.sleep(40)

        limits = evolve(LIMITS, max_surge=1 + seed % 2)
        with hooked(before_drain=before, deadline=50):
            async with world(4, seed=seed) as w:
                w.backend.begin(limits, 4)
                retire = w.backend.retire

                async def held(fleet, revision, ids, **named):
                    w.cloud.advance()
                    ready = len(w.members(READY))
                    going = sum(state is READY for state in states_of(w, ids))
                    lowest.append(ready - going)
                    return await retire(fleet, revision, ids, **named)

                w.backend.retire = held
                result = await w.fleet.replace("v2", limits=limits)
        assert result.status is Status.SUCCEEDED
        # The one that died may be missing for itself; nobody is taken on top of it.
        assert min(each for each in lowest if each is not None) >= 4
        assert w.backend.breaches == []

    run(main())


def test_a_successor_asks_again_for_those_whom_a_crash_has_left():
    async def main():
        first, second = [], []

        async def never(draining):
            first.append(draining)
            await asyncio.sleep(50)

        async with world(2) as w:
            with hooked(before_drain=never, deadline=60):
                async with w.other_process() as fleet:
                    running = asyncio.ensure_future(fleet.replace("v2", limits=LIMITS).end())
                    while not first:
                        await asyncio.sleep(1)
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
            with hooked(before_drain=second.append):
                async with w.other_process() as fleet:
                    result = await fleet.recover()
            assert result.status is Status.SUCCEEDED
            assert w.sizes() == {2: 2}
            told = {name for each in [*first, *second] for name in each.instances}
            assert len(told) == 2

    run(main())


def test_what_is_done_after_the_hook_still_holds_the_fence():
    """A hook that takes long is no way round the lease: it is looked at right before the call."""

    async def main():
        begun = asyncio.Event()

        async def slow(draining):
            begun.set()
            await asyncio.sleep(55)

        async with world(3, journal=":memory:") as w:
            limits = evolve(LIMITS, progress_deadline=600)
            with hooked(before_drain=slow, deadline=60):
                async with w.other_process() as fleet:
                    result = await fleet.replace("v2", limits=limits)
            assert begun.is_set()
            assert result.status is Status.SUCCEEDED
            assert w.backend.breaches == []

    run(main())


@pytest.mark.parametrize("seconds", [0, -1, 61, float("nan")])
def test_a_deadline_that_makes_no_sense_is_refused(seconds):
    with (
        pytest.raises(InvalidValue, match="60 at most"),
        hooked(before_drain=fails, deadline=seconds),
    ):
        pass


def test_a_policy_that_does_not_exist_is_refused():
    with (
        pytest.raises(ValueError, match="explode"),
        hooked(before_drain=fails, on_failure="explode"),
    ):
        pass
