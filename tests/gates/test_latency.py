"""Scores of latencies and the noise between stable's halves."""

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.gates.latency import QUANTILES, rank_scores, slow_bucket
from immutable.gates.noise import Noise
from immutable.gates.samples import Sample

baselines = st.lists(st.integers(0, 10_000), min_size=1, max_size=60).filter(any)


def test_ranks_of_the_worked_examples():
    assert rank_scores((2, 4, 2)) == (-0.375, 0.0, 0.375)
    assert rank_scores((8, 0, 0)) == (0.0, 0.5, 0.5)


@given(baselines)
def test_ranks_ascend_within_a_half_and_are_centred_on_the_baseline(baseline):
    scores = rank_scores(baseline)
    assert list(scores) == sorted(scores)
    assert -0.5 <= scores[0] <= scores[-1] <= 0.5
    mean = sum(s * n for s, n in zip(scores, baseline, strict=True)) / sum(baseline)
    assert mean == pytest.approx(0, abs=1e-9)


def test_slow_buckets_of_the_worked_examples():
    bucket, usual = slow_bucket((50, 40, 9, 1), 0.9)
    assert bucket == 1
    assert isclose(usual, 0.1)
    assert slow_bucket((50, 50), 0.99) is None
    assert slow_bucket((5,), 0.5) is None


@given(baselines, st.sampled_from(QUANTILES))
def test_no_more_are_slow_than_the_quantile_leaves(baseline, quantile):
    found = slow_bucket(baseline, quantile)
    if found is None:
        assert sum(baseline[:-1]) < quantile * sum(baseline)
        return
    bucket, usual = found
    assert usual <= 1 - quantile + 1e-9
    assert usual == pytest.approx(sum(baseline[bucket + 1 :]) / sum(baseline), abs=1e-12)
    assert sum(baseline[:bucket]) < quantile * sum(baseline)


def test_equal_halves_give_the_usual_formula():
    noise = Noise().after((1.0,), Sample((12,), (16,), 0.5))
    assert noise == Noise(1, (12 - 4) ** 2 / 16)


def test_two_pairs_are_trusted_less_than_two_hundred():
    assert Noise(2, 3.0).temper == pytest.approx(3.0)
    assert Noise(200, 300.0).temper == pytest.approx(1.65)


def test_without_pairs_or_with_quiet_ones_nothing_is_tempered():
    assert Noise().temper == 1.0
    assert Noise(100, 20.0).temper == 1.0
    assert Noise().after((1.0,), Sample((0,), (0,), 0.5)) == Noise()


@given(st.integers(0, 99), st.integers(0, 99), st.floats(0.01, 0.99))
def test_which_half_is_first_does_not_matter(one, other, share):
    here = Noise().after((1.0,), Sample((one,), (one + other,), share))
    there = Noise().after((1.0,), Sample((other,), (one + other,), 1 - share))
    assert here.total == pytest.approx(there.total, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_chance_alone_shows_as_1_on_average(share):
    """All ways in which 6 errors fall on halves of unequal traffic."""
    from math import comb

    mean = sum(
        comb(6, x) * share**x * (1 - share) ** (6 - x)
        * Noise().after((1.0,), Sample((x,), (6,), share)).total
        for x in range(7)
    )  # fmt: skip
    assert mean == pytest.approx(1)
