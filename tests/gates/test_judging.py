"""Verdicts, their reasons, and the interval of ratios."""

from math import log

import numpy as np
import pytest
from attrs import evolve

from immutable.errors import InvalidValue
from immutable.gates import Arm, Evidence, Interval, Look, Verdict, judge
from immutable.gates.evidence import RATIOS
from immutable.gates.forecast import Expected, rounded, still_needed
from immutable.gates.interval import ratios_between

FAST, SLOW = (600, 300, 90, 10), (300, 300, 300, 100)


def of(*seen, **settings):
    evidence = Evidence(**settings)
    for look in seen:
        evidence = evidence.after(look)
    return evidence


def scaled(latency, times):
    return tuple(each * times for each in latency)


def test_twice_the_errors_fail_and_errors_are_named():
    judgement = judge(of(Look(Arm(10_000, 200), Arm(10_000, 100)), latency=False))
    assert judgement.verdict == Verdict.FAIL
    assert judgement.culprit == "errors"
    assert (judgement.canary, judgement.stable) == (10_000, 10_000)
    assert judgement.interval.low > 1
    assert "200 of 10,000 requests (2.00%) failed in the canary" in judgement.reason


def test_slower_answers_fail_and_latency_is_named():
    look = Look(Arm(1000, 10, SLOW), Arm(1000, 10, FAST))
    judgement = judge(of(look, look))
    assert (judgement.verdict, judgement.culprit) == (Verdict.FAIL, "latency")


def test_a_shift_of_ranks_alone_and_a_slow_tail_alone_are_both_noticed():
    usual, shifted_, tailed = (500, 400, 100, 0), (400, 450, 150, 0), (500, 400, 80, 20)
    for slower in (shifted_, tailed):
        looks = [Look(Arm(1000, 5, slower), Arm(1000, 5, usual))] * 6
        judgement = judge(of(*looks))
        assert (judgement.verdict, judgement.culprit) == (Verdict.FAIL, "latency")


def test_a_healthy_canary_passes_once_there_is_enough():
    look = Look(Arm(10_000, 100, scaled(FAST, 10)), Arm(10_000, 100, scaled(FAST, 10)))
    found = [judge(of(*[look] * count)).verdict for count in range(1, 8)]
    assert found[0] == Verdict.INCONCLUSIVE
    assert found[-1] == Verdict.PASS
    assert found == sorted(found)
    passed = judge(of(*[look] * 7))
    assert all(each.log_tolerable >= -log(0.05) for each in passed.findings)
    assert passed.interval.low < 1 < passed.interval.high


def test_good_errors_do_not_pass_for_bad_or_missing_latencies():
    good = Look(Arm(100_000, 1000), Arm(100_000, 1000))
    assert judge(of(good, latency=False)).verdict == Verdict.PASS
    unmeasured = judge(of(good))
    assert unmeasured.verdict == Verdict.INCONCLUSIVE
    assert "no latencies were measured" in unmeasured.reason
    mild = (5700, 3000, 1170, 130)
    slow = Look(Arm(10_000, 100, mild), Arm(10_000, 100, scaled(FAST, 10)))
    assert judge(of(*[slow] * 20)).verdict != Verdict.PASS


@pytest.mark.parametrize("missing", range(4))
def test_errors_and_every_percentile_must_each_be_shown_for_a_pass(missing):
    shown, not_shown = (log(40),) * 7, (log(10),) * 7
    flat = Evidence()
    slow = [
        evolve(each, tolerable=not_shown if missing == place else shown)
        for place, each in enumerate(flat.slow)
    ]
    evidence = evolve(
        flat,
        canary=Arm(1000, 10, FAST),
        stable=Arm(1000, 10, FAST),
        errors=evolve(flat.errors, tolerable=not_shown if missing == 3 else shown),
        slow=tuple(slow),
    )
    assert judge(evidence).verdict == Verdict.INCONCLUSIVE
    assert judge(evidence, alpha=0.2).verdict == Verdict.PASS


@pytest.mark.parametrize(
    "seen",
    [
        [],
        [Look(Arm(), Arm())],
        [Look(Arm(), Arm(10**6, 10**4))],
        [Look(Arm(10**6, 0), Arm())],
        [Look(Arm(10**6, 0), Arm(10**6, 0))],
    ],
)
def test_no_data_and_no_errors_are_never_a_pass(seen):
    judgement = judge(of(*seen, latency=False), least=0)
    assert judgement.verdict == Verdict.INCONCLUSIVE
    assert judgement.interval == Interval(0.0, None)


def test_a_pass_waits_for_the_least_number_of_requests_and_a_fail_does_not():
    none_failed, all_failed = Look(Arm(90, 0), Arm(90, 60)), Look(Arm(20, 20), Arm(20, 0))
    assert judge(of(none_failed, latency=False), least=90).verdict == Verdict.PASS
    waiting = judge(of(none_failed, latency=False))
    assert waiting.verdict == Verdict.INCONCLUSIVE
    assert "100 are asked for" in waiting.reason
    assert judge(of(all_failed, latency=False)).verdict == Verdict.FAIL


def test_a_margin_lets_small_harm_be():
    look = Look(Arm(10**6, 11_000), Arm(10**6, 10_000))
    assert judge(of(look, latency=False)).verdict == Verdict.FAIL
    assert judge(of(look, latency=False, margin=0.2)).verdict == Verdict.PASS
    assert judge(of(look, latency=False, margin=0.1, tolerance=0.1)).verdict == (
        Verdict.INCONCLUSIVE
    )


def test_two_metrics_can_fail_together_and_neither_is_named():
    flat = Evidence()
    evidence = evolve(
        flat,
        canary=Arm(1000, 10),
        stable=Arm(1000, 10),
        errors=evolve(flat.errors, worse=(log(30),) * 7),
        ranks=evolve(flat.ranks, worse=(log(30),) * 6),
        slow=tuple(evolve(each, worse=(log(30),) * 6) for each in flat.slow),
    )
    judgement = judge(evidence)
    assert judgement.log_e == pytest.approx(log(30))
    assert (judgement.verdict, judgement.culprit) == (Verdict.FAIL, None)
    assert "neither by itself" in judgement.reason


def test_a_metric_that_shows_nothing_halves_the_other_ones_evidence():
    look = Look(Arm(1000, 35), Arm(1000, 10))
    alone, both = judge(of(look, latency=False)), judge(of(look))
    assert both.log_e == pytest.approx(np.log((np.exp(alone.log_e) + 1) / 2))


def test_what_is_missing_is_told_and_is_about_right():
    evidence = of(Look(Arm(1000, 10), Arm(9000, 90)), latency=False)
    reason = judge(evidence).reason
    assert "To notice 2 times the errors takes about 2,100 more requests to the canary" in reason
    assert "To show that nothing is 25% more frequent takes about 20,000 more" in reason
    assert "Noise between servers is not allowed for" in reason
    good = evidence.after(Look(Arm(20_000, 200), Arm(180_000, 1800)))
    assert judge(good).verdict == Verdict.PASS
    bad = evidence.after(Look(Arm(2200, 44), Arm(19_800, 198)))
    assert judge(bad).verdict == Verdict.FAIL


def test_without_errors_the_forecast_is_a_least():
    reason = judge(of(Look(Arm(1000), Arm(1000)), latency=False)).reason
    assert reason.count("at least") == 2


def test_forecasts_of_the_worked_examples():
    expected = Expected(0.5, 0.01, 2.0, 1.0)
    assert expected.growth(log(2)) == pytest.approx(0.00085, abs=1e-5)
    assert still_needed([log(2)], [0.0], 3.0, expected) == pytest.approx(1766, abs=1)
    assert still_needed([log(2)], [3.5], 3.0, expected) == 0
    assert still_needed([-log(2)], [0.0], 3.0, expected) is None
    assert [rounded(each) for each in (1765, 12, 0.4, 2_345_678)] == [
        "1,800",
        "12",
        "1",
        "2,300,000",
    ]


def test_the_interval_is_open_without_errors_and_closes_with_them():
    assert ratios_between(RATIOS, [0.0] * len(RATIOS), 0.05) == Interval(0.0, None)
    widths = []
    for times in (1, 10, 100, 1000):
        look = Look(Arm(1000 * times, 20 * times), Arm(1000 * times, 10 * times))
        found = judge(of(look, latency=False)).interval
        assert found.low < 2 < (found.high or 99)
        widths.append((found.high or 99) - found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.4


def test_an_interval_between_two_points_of_the_grid_keeps_both():
    between = (RATIOS[30] * RATIOS[31]) ** 0.5
    likelihoods = [-1e6 * (log(each) - log(between)) ** 2 for each in RATIOS]
    found = ratios_between(RATIOS, likelihoods, 0.05)
    assert found.low <= RATIOS[30]
    assert found.high >= RATIOS[31]


def test_ends_of_the_interval_are_rounded_outwards():
    likelihoods = [0.0 if each == 1 else -1000.0 for each in RATIOS]
    assert ratios_between(RATIOS, likelihoods, 0.05) == Interval(RATIOS[29], RATIOS[31])


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
@pytest.mark.parametrize(("x", "k"), [(3, 4), (10, 30), (60, 100)])
def test_the_interval_is_where_the_mixture_is_below_one_in_alpha(x, k, alpha):
    chances = [each / (1 + each) for each in RATIOS]
    likelihoods = [p**x * (1 - p) ** (k - x) for p in chances]
    mixture = sum(likelihoods) / len(likelihoods)
    kept = [r for r, each in zip(RATIOS, likelihoods, strict=True) if mixture / each < 1 / alpha]
    found = ratios_between(RATIOS, [log(each) for each in likelihoods], alpha)
    inside = [r for r in RATIOS if found.low < r < (found.high or 99)]
    assert inside == kept


@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.6])
def test_the_interval_leaves_out_the_truth_less_often_than_alpha_at_any_look(ratio):
    """300 canaries of 25 looks, each of which is looked at; alpha 10 %."""
    dice, missed = np.random.default_rng(5), 0
    tilts = np.log(RATIOS)
    for _ in range(300):
        errors = dice.binomial((300, 700), (0.02 * ratio, 0.02), (25, 2)).cumsum(axis=0)
        likelihoods = errors[:, :1] * tilts - errors.sum(1)[:, None] * np.log(
            0.7 + 0.3 * np.exp(tilts)
        )
        found = [ratios_between(RATIOS, each.tolist(), 0.1) for each in likelihoods]
        missed += any(not each.low <= ratio <= (each.high or 99) for each in found)
    assert missed <= 30


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0])
def test_a_chance_that_is_none_is_refused(alpha):
    with pytest.raises(InvalidValue):
        judge(Evidence(), alpha=alpha)


def test_verdicts_are_plain_strings():
    assert [str(each) for each in Verdict] == ["pass", "fail", "inconclusive", "error"]
