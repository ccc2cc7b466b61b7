"""A small size of the benchmarks: ratios and counts on virtual time, never what a clock says.

Processor time is left out on purpose: beside others it is no steady figure. That the engine's work
does not grow with the fleet is held by counting the functions that it calls.
"""

from __future__ import annotations

import sys

import pytest

from benchmarks import (
    bounds,
    engine,
    feeding,
    fleets,
    hedging,
    importing,
    makespan,
    mixed,
    performance,
    polling,
    rates,
)
from benchmarks.bounds import DRAIN, MIN_READY, TERMINATE
from benchmarks.replacing import Case, measured

WHOLE = MIN_READY + DRAIN + TERMINATE


def on_page(name, row):
    return performance.line(performance.SECTIONS[name], row) in performance.PAGE.read_text()


@pytest.mark.parametrize(
    "case", [Case("vm", 10, "25%", probe=True), Case("vm", 100, "5%"), Case("lognormal", 100, "5%")]
)
def test_makespan_and_calls_are_what_the_page_says_and_hold(case):
    row = makespan.row(case)
    assert on_page("makespan", row), row
    assert makespan.broken([row]) == []
    assert row["ratio"] < row["barrier_ratio"]


def test_to_be_told_of_changes_saves_time_and_calls_in_small_fleets():
    row = feeding.row(Case("vm", 10, "1"), seeds=5)
    assert on_page("feeding", row), row
    assert feeding.broken([row]) == []
    assert row["told_ratio"] < row["polled_ratio"]
    wrong = [row | {"told_ratio": 1.1}, row | {"told_calls": 30.0}, row | {"n": 1000}]
    assert len(feeding.broken(wrong)) == 3


def test_a_longer_poll_saves_calls_and_costs_no_more_than_it_may():
    assert polling.broken(polling.rows(quick=True)) == []


def test_only_the_sum_of_surge_and_unavailability_matters():
    found = list(mixed.rows(quick=True))
    assert mixed.broken(found) == []
    assert {(row["surge"], row["unavailable"]) for row in found} >= {("0", 5), ("5", 5)}


def test_duplicates_of_slow_boots_gain_what_the_page_says():
    row = hedging.row(Case("lognormal", 100, "25%"))
    assert on_page("hedging", row), row
    assert row["ratio"] < 0.8 * row["plain_ratio"]
    assert hedging.broken([row]) == []
    assert len(hedging.broken([row | {"n": 1_000, "extra": 1.04}])) == 1
    slow = {"boot": "vm", "n": 1_000, "ratio": 1.26, "extra": 1.0}
    assert len(hedging.broken([row | slow, row | slow | {"ratio": 1.24}])) == 1


def test_where_launches_are_the_limit_nothing_else_is():
    row = rates.row("small", 100)
    assert on_page("rates", row), row
    assert rates.broken([row]) == []


def test_every_section_is_on_the_page_and_says_what_does_not_hold():
    kept = performance._kept()
    assert kept.keys() == performance.SECTIONS.keys()
    assert performance.page(kept) == performance.PAGE.read_text()
    for name, section in performance.SECTIONS.items():
        assert section.about in kept[name]
        assert "All of it holds in this run." in kept[name] or "Does not hold: " in kept[name]


def test_many_rollouts_in_one_controller_end_and_wait_for_nobody():
    one, many = fleets.measured(1), fleets.measured(20)
    assert fleets.broken([one, many]) == []
    # The slowest of twenty takes longer than one that is like most.
    assert many["seconds"] < 1.5 * one["seconds"]
    assert many["calls_per_replacement"] < 1.5 * one["calls_per_replacement"]
    assert len(fleets.broken([many | {"succeeded": 19}, many | {"broken": 1}])) == 2


def functions_called(case):
    """Return how many functions of the engine and of planning one replacement calls."""
    found = 0

    def count(frame, event, _):
        nonlocal found
        place = frame.f_code.co_filename
        found += event == "call" and ("/immutable/engine/" in place or "/planning/" in place)

    sys.setprofile(count)
    try:
        measured(case)
    finally:
        sys.setprofile(None)
    return found / case.n


def test_what_a_replacement_costs_does_not_grow_with_the_fleet():
    small = functions_called(Case("vm", 40, "4"))
    large = functions_called(Case("vm", 160, "4"))
    assert large < 1.2 * small


def test_the_bound_and_what_others_take_by_hand():
    assert bounds.bound((10.0, 30.0), 1) == 40 + 2 * WHOLE
    assert bounds.bound((10.0, 30.0), 2) == 30 + WHOLE
    assert bounds.bound((10.0, 30.0), 0, 2) == 30 + WHOLE
    assert bounds.bound((10.0, 30.0), 1, 1) == (40 + 2 * WHOLE) / 2
    assert bounds.bound((0.0, 300.0), 2, 2) == 300 + MIN_READY  # The last one ends meanwhile.
    assert bounds.barrier((10.0, 30.0, 20.0), 2) == 30 + WHOLE + 20 + WHOLE
    assert bounds.barrier((10.0, 30.0, 20.0), 1, 1) == 30 + WHOLE + 20 + WHOLE
    # Looks each 10 s: available at 40; the next starts then and is available at 90.
    assert bounds.kubernetes((1.0, 12.0), 1) == (90 + DRAIN + TERMINATE, 4)
    assert bounds.kubernetes((1.0, 12.0), 2) == (50 + DRAIN + TERMINATE, 4)
    # One fewer: an old one goes at 0, the other at 40, when the next starts: four until 50.
    assert bounds.kubernetes((1.0, 12.0), 0, 1) == (40 + DRAIN + TERMINATE, 4)
    assert bounds.kubernetes((1.0, 12.0), 1, 1) == (40 + DRAIN + TERMINATE, 4)
    buckets = rates.CLOUDS["small"]
    # 92 beyond the bucket less the two that are kept, one each 50 s.
    assert rates.bound((5.0,) * 100, buckets) == 92 / 0.02 + 5 + WHOLE


def test_what_does_not_hold_is_said():
    good = {
        "boot": "vm", "n": 1000, "surge": "5%", "unavailable": 0, "probe": False, "poll": 2.0,
        "ratio": 1.05, "barrier_ratio": 1.5, "calls_per_replacement": 3.0, "extra": 1.01,
    }  # fmt: skip
    assert makespan.broken([good]) == []
    for worse in ({"ratio": 1.07}, {"barrier_ratio": 1.3}, {"calls_per_replacement": 4.1},
                  {"extra": 1.04}):  # fmt: skip
        assert len(makespan.broken([good | worse])) == 1
    rate = {"cloud": "ec2", "n": 100_000, "ratio": 1.03, "most": 1.03, "throttled": 0}
    assert rates.broken([rate]) == []
    for worse in ({"ratio": 1.04}, {"throttled": 1}):
        assert len(rates.broken([rate | worse])) == 1
    large = {
        "n": 100_000,
        "journal": "file",
        "poll": 2.0,
        "cpu": 11.0,
        "cloud": 2.0,
        "rss_mb": 140,
        "calls": 5_000,
    }
    assert engine.broken([large | {"n": 10_000, "cpu": 1.0}, large]) == []
    for worse in ({"cpu": 12.0}, {"rss_mb": 150}, {"calls": 12_001}):
        assert len(engine.broken([large | {"n": 10_000, "cpu": 1.1}, large | worse])) == 1
    assert len(engine.broken([large | {"n": 10_000, "cpu": 0.9}, large])) == 1
    assert importing.broken([{"what": "import immutable", "cpu_ms": 149.0}]) == []
    assert len(importing.broken([{"what": "import immutable", "cpu_ms": 151.0}])) == 1
