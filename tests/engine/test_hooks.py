"""What hooks are told, and that they can do no harm."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from math import isclose

import pytest
from attrs import evolve

from immutable import Canary, RolledBack
from immutable.backend import Throttled, Transient
from immutable.gates import Health
from immutable.hooks import Called, Calling, Cause, Driving, LetGo, Waited, hooked, installed
from immutable.memory import Behaviour, Fault
from immutable.model import Event
from immutable.model.records import Done, Ended, Intended
from immutable.testing import run
from tests.support.world import LIMITS, world


def of(notices, kind):
    return [each.what for each in notices if isinstance(each.what, kind)]


async def told(size=3, image="v2", before=None, **options):
    """A replacement, and all notices of it."""
    seen = []
    with hooked(on_event=seen.append):
        async with world(size) as w:
            if before is not None:
                before(w)
            options.setdefault("limits", LIMITS)
            result = (await w.fleet.replace(image, **options).end()).rollout
            return w, seen, await w.journal.events(result)


def test_every_record_is_told_once_in_order_with_the_time_at_which_it_happened():
    async def main():
        _, seen, kept = await told()
        events = of(seen, Event)
        (driving,) = of(seen, Driving)
        told_of = [*driving.events, *events]
        assert [each.seq for each in told_of] == [each.seq for each in kept]
        assert [each.record for each in told_of] == [each.record for each in kept]
        # A call's answer waits for the next record to be written with; it is told as of its coming.
        assert all(mine.at <= its.at for mine, its in zip(told_of, kept, strict=True))
        assert driving.plan.candidate.number == 2
        assert isinstance(seen[0].what, Driving)
        assert isinstance(seen[-1].what, LetGo)
        assert seen[-1].what.error == ""
        assert {each.fleet for each in seen} == {"memory://web"}

    run(main())


def test_every_attempt_of_a_call_is_told_with_the_class_of_its_error():
    async def main():
        def before(w):
            w.cloud.faults.add(Fault("grow", lambda: Throttled("busy", retry_after=3), times=2))
            w.cloud.faults.add(Fault("observe", lambda: Transient("secret text"), times=1))

        w, seen, kept = await told(before=before)
        called = of(seen, Called)
        counted = Counter(each.call.operation for each in called)
        calls = dict(w.cloud.calls)
        # The plan's own look and questions are made before a rollout begins.
        assert {name: counted[name] for name in ("grow", "retire", "route")} == {
            name: calls.get(name, 0) for name in ("grow", "retire", "route")
        }
        errors = Counter((each.call.operation, each.error) for each in called if each.error)
        assert errors[("grow", "Throttled")] == 2
        assert [each.call for each in called] == of(seen, Calling)
        done = sum(isinstance(each.record, Done) for each in kept)
        mutating = [each for each in called if each.call.operation != "observe" and not each.error]
        assert len(mutating) == done
        assert "secret text" not in str(seen)

    run(main())


def test_waits_have_a_cause_and_add_up_to_the_time_that_the_rollout_took():
    async def main():
        strategy = Canary(("50%",), bake=300, gates=(Health(),))
        limits = evolve(LIMITS, max_surge="100%")
        _, seen, kept = await told(4, strategy=strategy, limits=limits)
        waited = of(seen, Waited)
        seconds = Counter()
        for each in waited:
            seconds[each.cause] += each.seconds
        assert {Cause.BOOT, Cause.PROOF, Cause.DRAIN, Cause.BAKE} <= set(seconds)
        assert 600 <= seconds[Cause.BAKE] <= 640
        # On a virtual loop calls take no time, so that nothing is left but waits.
        assert isclose(seconds.total(), kept[-1].record.seconds, abs_tol=0.01)

    run(main())


def test_a_hook_that_raises_is_logged_without_its_text_and_passed_over(caplog):
    async def main():
        seen = []

        def fails(_):
            raise ValueError("hunter2")

        with hooked(on_event=fails), hooked(on_event=seen.append):
            async with world(2) as w:
                result = await w.fleet.replace("v2", limits=LIMITS)
        assert result.wanted == 2
        assert of(seen, Driving)

    with caplog.at_level(logging.WARNING, "immutable.hooks"):
        run(main())
    assert "ValueError" in caplog.text
    assert "hunter2" not in caplog.text


def test_who_carries_on_is_told_what_was_before_and_numbers_go_on():
    async def main():
        first, second = [], []
        async with world(4) as w:
            with hooked(on_event=first.append):
                async with w.other_process() as fleet:
                    rollout = fleet.replace("v2", limits=LIMITS)
                    running = asyncio.ensure_future(rollout.end())
                    await asyncio.sleep(60)
            await asyncio.gather(running, return_exceptions=True)
            with hooked(on_event=second.append):
                async with w.other_process() as fleet:
                    result = await fleet.recover()
            kept = await w.journal.events(result.rollout)
        assert of(first, LetGo)[0].error == "CancelledError"
        assert installed().on_event == ()
        (driving,) = of(second, Driving)
        assert driving.fence == 2
        assert len(driving.events) >= len(of(first, Event))
        together = [*driving.events, *of(second, Event)]
        assert [each.seq for each in together] == [each.seq for each in kept]
        assert isinstance(together[-1].record, Ended)

    run(main())


def test_what_turns_back_is_told_too():
    async def main():
        def before(w):
            w.cloud.behaviours["bad"] = Behaviour(ready=False)

        _, seen, kept = await told(image="bad", before=before)
        assert [e.record for e in of(seen, Event)] == [e.record for e in kept][2:]
        assert kept[-1].record.status.value == "rolled_back"
        assert any(isinstance(each.record, Intended) for each in of(seen, Event))

    run(main())


def test_who_installs_none_is_told_nothing():
    async def main():
        seen = []
        async with world(2) as w:
            with hooked(on_event=seen.append):
                pass  # The fleet was connected before, and the rollout is begun after.
            w.cloud.behaviours["bad"] = Behaviour(ready=False)
            with pytest.raises(RolledBack):
                await w.fleet.replace("bad", limits=LIMITS)
        assert seen == []

    run(main())
