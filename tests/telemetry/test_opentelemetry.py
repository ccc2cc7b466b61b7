"""Spans and metrics of rollouts, as OpenTelemetry's own SDK takes them down."""

from __future__ import annotations

import asyncio
import importlib.util
from collections import Counter
from contextlib import suppress

import pytest
from opentelemetry import trace

from immutable import Limits, RuntimeConfig
from immutable.backend import Throttled
from immutable.errors import ImmutableError
from immutable.hooks import hooked
from immutable.memory import Behaviour, Fault
from immutable.telemetry import OpenTelemetry
from immutable.testing import run
from tests.support.collected import CANARY, KINDS, ROOM, Collected, told
from tests.support.world import LIMITS, world


def seconds(span):
    return (span.end_time - span.start_time) / 1e9


def test_a_rollout_is_a_tree_of_spans():
    collected, result, _ = told(strategy=CANARY, limits=ROOM)
    (rollout,) = collected.spans("immutable.rollout")
    assert rollout.attributes["immutable.rollout.id"] == result.rollout
    assert rollout.attributes["immutable.fleet"] == "memory://web"
    assert rollout.attributes["immutable.status"] == "succeeded"
    assert rollout.parent is None
    assert seconds(rollout) == pytest.approx(result.seconds, abs=0.01)
    steps = collected.spans("immutable.step")
    assert {s.parent.span_id for s in steps} == {rollout.context.span_id}
    kinds = [s.attributes["immutable.step.kind"] for s in steps]
    assert kinds == KINDS
    assert [s.attributes["immutable.step.index"] for s in steps] == list(range(7))
    assert 300 <= seconds(steps[2]) <= 320
    # One ends where the next begins.
    assert [s.end_time for s in steps[:-1]] == [s.start_time for s in steps[1:]]
    calls = collected.spans("immutable.call")
    assert {s.parent.span_id for s in calls} <= {s.context.span_id for s in steps}
    assert {s.context.trace_id for s in calls + steps} == {rollout.context.trace_id}


def test_attempts_of_calls_are_spans_with_the_class_of_their_error():
    def before(w):
        busy = Fault("grow", lambda: Throttled("hunter2", retry_after=3), times=2)
        w.cloud.faults.add(busy)

    collected, _, calls = told(before=before)
    grows = collected.spans("immutable.call grow")
    assert len(grows) == calls["grow"]
    errors = [s.attributes.get("error.type") for s in grows]
    assert Counter(errors) == {"Throttled": 2, None: len(grows) - 2}
    assert {s.status.is_ok for s in grows if "error.type" in s.attributes} == {False}
    assert {s.attributes["immutable.revision"] for s in grows} == {2}
    (throttled,) = collected.points("immutable.call.throttled").values()
    assert throttled.value == 2
    assert "hunter2" not in collected.text()


def test_metrics_count_calls_waits_steps_verdicts_and_rollouts():
    collected, result, calls = told(4, strategy=CANARY, limits=ROOM)
    counted = Counter()
    for about, point in collected.points("immutable.call.duration").items():
        counted[dict(about)["immutable.operation"]] += point.count
    mutating = {n: c for n, c in calls.items() if n not in ("observe", "resolve", "preflight")}
    assert {n: c for n, c in counted.items() if n != "observe"} == mutating
    waits = collected.points("immutable.wait.duration")
    assert sum(p.sum for p in waits.values()) == pytest.approx(result.seconds, abs=0.01)
    steps = collected.points("immutable.step.duration")
    assert sum(p.count for p in steps.values()) == len(KINDS)
    verdicts = collected.points("immutable.gate.verdicts")
    assert [dict(about)["immutable.gate.verdict"] for about in verdicts] == ["pass"]
    ((about, point),) = collected.points("immutable.rollout.duration").items()
    assert dict(about)["immutable.status"] == "succeeded"
    assert point.sum == pytest.approx(result.seconds)
    (active,) = collected.points("immutable.rollout.active").values()
    assert active.value == 0


def test_metrics_are_told_apart_by_few_values():
    collected, result, _ = told()
    found = str(collected.reader.get_metrics_data())
    assert result.rollout not in found
    assert "memory://web" not in found


def test_going_back_is_a_step_of_its_own_and_the_rollout_an_error():
    def before(w):
        w.cloud.behaviours["bad"] = Behaviour(ready=False)

    collected, _, _ = told(image="bad", before=before)
    (rollout,) = collected.spans("immutable.rollout")
    assert not rollout.status.is_ok
    assert rollout.status.description == "rolled_back"
    ways = [s.attributes["immutable.direction"] for s in collected.spans("immutable.step")]
    assert ways == ["forward", "back"]
    names = [event.name for event in rollout.events]
    assert "immutable.failed" in names
    assert "immutable.turned" in names


def test_a_rollout_belongs_to_the_span_in_which_it_is_started():
    collected = Collected()

    async def main():
        tracer = collected.tracers.get_tracer("a program of a user's")
        with hooked(on_event=collected.hook):
            async with world(2) as w:
                with tracer.start_as_current_span("deploy"):
                    await w.fleet.replace("v2", limits=LIMITS)
                    return trace.get_current_span().get_span_context().span_id

    mine = run(main())
    (rollout,) = collected.spans("immutable.rollout")
    assert rollout.parent.span_id == mine


def test_what_a_backend_makes_spans_of_nests_below_its_call():
    collected = Collected()

    async def main():
        tracer = collected.tracers.get_tracer("an HTTP client")
        with hooked(on_event=collected.hook):
            async with world(2) as w:
                grow = w.backend.grow

                async def instrumented(*args, **named):
                    with tracer.start_as_current_span("POST"):
                        return await grow(*args, **named)

                w.backend.grow = instrumented
                await w.fleet.replace("v2", limits=LIMITS)

    run(main())
    below = {s.context.span_id for s in collected.spans("immutable.call grow")}
    assert {s.parent.span_id for s in collected.spans("POST")} == below


def test_two_rollouts_at_a_time_have_a_tree_each():
    collected = Collected()

    async def one():
        async with world(3) as w:
            return (await w.fleet.replace("v2", limits=LIMITS)).rollout

    async def main():
        with hooked(on_event=collected.hook):
            return await asyncio.gather(one(), one(), one())

    rollouts = run(main())
    spans = collected.spans("immutable.rollout")
    assert {s.attributes["immutable.rollout.id"] for s in spans} == set(rollouts)
    traces = Counter(s.context.trace_id for s in collected.exporter.get_finished_spans())
    assert len(traces) == 3
    assert len(set(traces.values())) == 1


def test_one_that_is_stopped_here_says_so_and_its_successor_goes_on_where_it_was():
    collected = Collected()

    async def main():
        async with world(4) as w:
            with hooked(on_event=collected.hook):
                async with w.other_process() as fleet:
                    rollout = fleet.replace("v2", strategy=CANARY, limits=ROOM)
                    running = asyncio.ensure_future(rollout.end())
                    await asyncio.sleep(200)
                with suppress(asyncio.CancelledError):
                    await running
                async with w.other_process() as fleet:
                    await fleet.recover()

    run(main())
    first, second = collected.spans("immutable.rollout")
    assert first.attributes["error.type"] == "CancelledError"
    assert "error.type" not in second.attributes
    assert (first.attributes["immutable.fence"], second.attributes["immutable.fence"]) == (1, 2)
    resumed = [
        s.attributes["immutable.step.index"]
        for s in collected.spans("immutable.step")
        if s.parent.span_id == second.context.span_id
    ]
    assert resumed == [2, 3, 4, 5, 6]


def test_no_secret_is_in_what_is_told(canary):
    # A setting of the instances, and the text of an error: neither is anybody's business.
    def before(w):
        w.cloud.faults.add(Fault("grow", lambda: Throttled(canary.value), times=1))

    collected, _, _ = told(before=before, config=RuntimeConfig({"GREETING": "hello-there"}))
    text = collected.text()
    assert "immutable.rollout.id" in text
    assert canary.value not in text
    assert "hello-there" not in text


def test_who_lacks_the_package_is_told_how_to_install_it(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        "immutable.telemetry.opentelemetry.find_spec",
        lambda name: None if name.startswith("opentelemetry") else there(name),
    )
    with pytest.raises(ImmutableError, match=r"immutable-sdk\[otel\]"):
        OpenTelemetry()


def test_without_an_sdk_nothing_happens_and_nothing_fails():
    async def main():
        with hooked(on_event=OpenTelemetry()):
            async with world(2) as w:
                return await w.fleet.replace("v2", limits=Limits(max_surge=1, min_ready=5))

    assert run(main()).wanted == 2
