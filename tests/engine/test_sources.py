"""Analyses whose source can't work are refused when the plan is made."""

from __future__ import annotations

import pytest
from attrs import evolve

from immutable import Canary, PlanRefused
from immutable.gates import Analysis, Check
from immutable.testing import run
from tests.support.world import WatchedBackend, world


def refusal(*gates, **able):
    """Plan a canary with these gates, and return what is said about it."""

    async def main():
        async with world(2) as w:
            w.backend.capabilities = evolve(w.backend.capabilities, **able)
            with pytest.raises(PlanRefused) as refused:
                await w.fleet.plan("v2", Canary(("50%",), gates=gates))
            assert (await w.journal.entries()) == []
            return refused.value.problems

    return run(main())


def test_counters_of_a_backend_that_does_not_count_are_refused():
    (problem,) = refusal(Analysis(), traffic_stats=False)
    assert "this backend doesn't count traffic" in problem.what
    assert "prometheus:" in problem.way_out


def test_a_backend_that_only_says_that_it_counts_is_refused(monkeypatch):
    mute = type("Mute", (WatchedBackend,), {"traffic": None})
    monkeypatch.setattr("tests.support.world.WatchedBackend", mute)
    (problem,) = refusal(Analysis())
    assert "doesn't count traffic" in problem.what


def test_a_source_that_is_not_installed_is_refused_with_those_that_are():
    (problem,) = refusal(Analysis(source="graphite:web"))
    said, _, there = problem.what.partition(" (there are: ")
    assert said.endswith("no metric source graphite is installed")
    assert {"backend", "call", "prometheus"} <= {*there.rstrip(")").split(", ")}


def test_every_source_is_named_once_and_with_what_the_backend_finds():
    async def main():
        async with world(2) as w:
            w.cloud.images = {"v1"}
            w.backend.resolve = lambda reference: image(w)
            gates = (
                Analysis(source="a:x"),
                Analysis(source="b:y"),
                Analysis(source="a:x", alpha=0.1),
            )
            with pytest.raises(PlanRefused) as refused:
                await w.fleet.plan("v2", Canary(gates=gates))
            first, *others = [problem.what for problem in refused.value.problems]
            assert "image v2 does not exist" in first
            assert [text.partition(":")[0] for text in others] == [
                "an analysis can't read a",
                "an analysis can't read b",
            ]

    async def image(w):
        shown = w.truth.groups[1].shown.revision.image
        return evolve(shown, artifact="v2", digest=None)

    run(main())


def test_what_stands_after_the_name_of_an_unknown_source_is_not_repeated():
    (problem,) = refusal(Analysis(source="https://me:secret@prom"))
    assert "secret" not in str(problem)


def test_a_plan_that_was_made_elsewhere_is_checked_when_it_is_applied():
    async def main():
        async with world(2) as w:
            plan = await w.fleet.plan("v2", Canary(("50%",), gates=(Analysis(),)))
            w.backend.capabilities = evolve(w.backend.capabilities, traffic_stats=False)
            with pytest.raises(PlanRefused, match="doesn't count traffic"):
                await w.fleet.apply(plan)

    run(main())


def test_checks_and_a_fleet_that_counts_are_not_refused():
    async def main():
        async with world(2) as w:
            gates = Analysis(), Check("tests.support.checks:always")
            assert (await w.fleet.plan("v2", Canary(("50%",), gates=gates))).steps

    run(main())
