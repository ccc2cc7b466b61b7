"""The benchmark's arrays come to what the gates come to, and its figures to what is promised."""

import numpy as np
import pytest

from benchmarks.canary import (
    BUCKETS,
    SETTINGS,
    Setting,
    broken,
    error_tests,
    errors,
    latencies,
    markdown,
    watched,
)
from benchmarks.sequential import Histograms, Scores, Threshold, Z
from immutable.gates import Arm, Evidence, Look, judge


@pytest.mark.parametrize(("margin", "tolerance"), [(0.0, 0.25), (0.25, 0.5)])
def test_errors_of_many_canaries_at_once_are_the_gates_errors(margin, tolerance):
    dice, canaries = np.random.default_rng(3), 20
    worse = Scores(canaries, ratio=1 + margin)
    good = Scores(canaries, ratio=1 + tolerance, tolerable=True)
    known = [Evidence(margin, tolerance, latency=False) for _ in range(canaries)]
    for number in range(12):
        first, second = dice.binomial(500, 0.02, (2, canaries))
        requests = dice.integers(1, 2000, canaries)
        canary = dice.binomial(requests, 0.02)
        if number < 2:
            requests, canary = requests * 0, canary * 0
        share = np.where(requests > 0, requests / (requests + 1000), 0.5)
        for test in (worse, good):
            test.warm(first.astype(float), second.astype(float))
            if number >= 2:
                test.take(canary, canary + first + second, share)
        for place in range(canaries):
            halves = Arm(500, int(first[place])), Arm(500, int(second[place]))
            stable = Arm(1000, int(first[place] + second[place]))
            mine = Arm(int(requests[place]), int(canary[place]))
            known[place] = known[place].after(Look(mine, stable, None, halves))
        findings = [judge(each).findings[0] for each in known]
        assert worse.log_e() == pytest.approx([each.log_worse for each in findings])
        assert good.log_e() == pytest.approx([each.log_tolerable for each in findings])
        assert worse.noise.temper == pytest.approx([each.temper for each in findings])


def test_latencies_of_many_canaries_at_once_are_the_gates_latencies():
    dice, canaries, buckets = np.random.default_rng(4), 10, 12
    test = Histograms(canaries, buckets)
    known = [Evidence() for _ in range(canaries)]
    for number in range(8):
        # Skewed so that some percentiles share a bucket and some buckets stay empty.
        chances = dice.dirichlet(np.linspace(2, 0.05, buckets))
        canary, first, second = (dice.multinomial(60, chances, canaries) for _ in range(3))
        floats = [each.astype(float) for each in (canary, first, second)]
        if number < 2:
            test.warm(*floats[1:])
        else:
            test.after(*floats)
        for place in range(canaries):
            halves = [Arm(60, 0, tuple(map(int, each[place]))) for each in (first, second)]
            stable = Arm(120, 0, tuple(map(int, first[place] + second[place])))
            mine = Arm(60, 0, tuple(map(int, canary[place]))) if number >= 2 else Arm()
            known[place] = known[place].after(Look(mine, stable, None, (halves[0], halves[1])))
        assert test.log_e() == pytest.approx(
            [judge(each).findings[1].log_worse for each in known], abs=1e-9
        )


def test_the_figures_of_300_canaries_are_within_what_is_promised():
    found, canaries = [], 300
    for number, setting in enumerate(SETTINGS):
        if setting.looks == 60:
            dice = np.random.default_rng(number)
            tests = error_tests(setting, canaries)
            tests.pop("Kayenta's rule, every 5 checks")
            found += watched(setting, tests, errors(setting, dice, canaries))
    assert broken(found) == []
    peeking = next(row for row in found if row["test"] == "z, peeking")
    assert peeking["p_reject"] > 0.15


def test_the_page_has_a_line_for_every_test_and_a_column_for_every_setting():
    found = []
    for setting in (Setting(2.0, looks=5), Setting(1.0, looks=60), Setting(1.0, 5, 0.3)):
        dice = np.random.default_rng(1)
        found += watched(setting, error_tests(setting, 3), errors(setting, dice, 3))
    noisy = Setting(1.1, looks=3, noise=0.03)
    tests = {"ours, latency": Histograms(3, BUCKETS)}
    found += watched(noisy, tests, latencies(noisy, np.random.default_rng(1), 3))
    page = markdown(found, 3)
    assert all(f"| {row['test']} |" in page for row in found)
    assert "x2, 5 looks" in page
    assert "x1.1, 3 looks, noise 0.03" in page


def test_a_threshold_adds_up_failed_checks_and_z_compares_sums():
    threshold, z = Threshold(1, 2), Z(1)
    bad, good, half = np.array([30.0]), np.array([10.0]), np.array([5.0])
    assert [bool(threshold.after(each, half, half)) for each in (bad, good, bad)] == [
        False,
        False,
        True,
    ]
    assert [bool(z.after(each, half, half)) for each in (good, bad, bad)] == [False, True, True]
