"""Evidence is a value that looks add to, kept across stages and restarts."""

import json
from math import isfinite, log
from random import Random

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from immutable.errors import InvalidValue
from immutable.gates import Arm, Evidence, Look, judge
from immutable.gates.eprocess import added, exponents
from immutable.gates.evidence import ERROR_TILTS, RATIOS, TOLERABLE_TILTS
from immutable.gates.samples import Sample
from immutable.model.serial import canonical, from_json, to_json


@st.composite
def arms(draw, requests=None):
    count = draw(st.integers(0, 10_000)) if requests is None else requests
    latency = draw(st.lists(st.integers(0, 2000), min_size=4, max_size=4))
    return Arm(count, draw(st.integers(0, count)), tuple(latency))


@st.composite
def looks(draw):
    first, second = draw(arms()), draw(arms())
    share = draw(st.none() | st.floats(0.01, 0.99))
    halves = draw(st.none() | st.just((first, second)))
    stable = Arm(
        first.requests + second.requests,
        first.errors + second.errors,
        added(first.latency, second.latency),
    )
    return Look(draw(arms()), stable, share, halves)


def folded(seen, evidence=None):
    known = evidence or Evidence()
    for look in seen:
        known = known.after(look)
    return known


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [each for part in value for each in numbers(part)]
    return [value] if isinstance(value, (int, float)) else []


@settings(max_examples=50)
@given(st.lists(looks(), max_size=5))
def test_evidence_survives_a_journal_to_the_last_digit_and_goes_on_the_same(seen):
    half = folded(seen[:2])
    restored = from_json(Evidence, json.loads(canonical(to_json(half))))
    assert restored == half
    assert folded(seen[2:], restored) == folded(seen)


@settings(max_examples=50)
@given(st.lists(looks(), max_size=5))
def test_every_number_is_finite_and_every_verdict_has_a_reason(seen):
    evidence = folded(seen)
    judgement = judge(evidence)
    assert all(map(isfinite, numbers(to_json(evidence))))
    assert all(map(isfinite, numbers(to_json(judgement))))
    assert judgement.reason


def test_it_stays_small_in_a_journal():
    arm = Arm(10**7, 10**5, (10**5,) * 48)
    evidence = folded([Look(arm, arm, None, (arm, arm))] * 2)
    assert len(canonical(to_json(evidence))) < 6000


@given(arms(), st.floats(0.01, 0.99))
def test_a_canary_without_requests_is_no_evidence_but_shows_the_noise(stable, share):
    look = Look(Arm(), stable, share, (stable, stable))
    evidence = folded([look, look])
    for strand in (evidence.errors, evidence.ranks, *evidence.slow):
        assert set(strand.worse) <= {0.0}
        assert set(strand.tolerable) <= {0.0}
    assert set(evidence.ratios) == {0.0}
    assert evidence.errors.noise.pairs == (2 if stable.errors else 0)
    assert judge(evidence).log_e == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8), st.randoms())
def test_the_order_of_looks_at_errors_does_not_matter(errors, dice):
    seen = [Look(Arm(100, x), Arm(300, y), 0.25) for x, y in errors]
    mixed = dice.sample(seen, len(seen))
    one, other = folded(seen).errors, folded(mixed).errors
    assert one.worse == pytest.approx(other.worse, abs=1e-9)
    assert one.tolerable == pytest.approx(other.tolerable, abs=1e-9)


def test_one_look_is_what_the_formula_says():
    evidence = Evidence(margin=0.1, tolerance=0.5).after(Look(Arm(100, 3), Arm(300, 5), 0.26))
    sample = Sample((3,), (8,), 0.26)
    assert evidence.errors.worse == exponents(ERROR_TILTS, (1.0,), sample, 1.1)
    assert evidence.errors.tolerable == exponents(TOLERABLE_TILTS, (1.0,), sample, 1.5)
    assert evidence.ratios == exponents([log(each) for each in RATIOS], (1.0,), sample)


def test_evidence_is_kept_when_the_canary_gets_a_larger_share():
    small, large = Look(Arm(10, 1), Arm(990, 9)), Look(Arm(250, 5), Arm(750, 8))
    parts = [
        exponents(ERROR_TILTS, (1.0,), Sample((1,), (10,), 0.01)),
        exponents(ERROR_TILTS, (1.0,), Sample((5,), (13,), 0.25)),
    ]
    assert folded([small, large]).errors.worse == pytest.approx(added(*parts))


def test_latencies_are_scored_by_the_past_only():
    first = Look(Arm(100, 0, (10, 20, 70)), Arm(100, 0, (70, 20, 10)))
    evidence = folded([first])
    assert set(evidence.ranks.worse) == {0.0}
    assert evidence.stable.latency == (70, 20, 10)
    assert min(evidence.after(first).ranks.worse) > 0


def test_a_stated_share_that_is_not_kept_is_counted():
    evidence = folded([Look(Arm(500, 5), Arm(500, 5), 0.1), Look(Arm(100, 1), Arm(900, 9), 0.1)])
    assert evidence.misrouted == 1
    assert "did not send" in judge(evidence).reason


def test_latencies_that_are_not_judged_leave_no_trace():
    look = Look(Arm(100, 0, (10, 20, 70)), Arm(100, 0, (70, 20, 10)))
    evidence = folded([look, look], Evidence(latency=False))
    assert evidence.ranks == Evidence().ranks
    assert [each.metric for each in judge(evidence).findings] == ["errors"]


def test_other_buckets_than_before_are_refused():
    evidence = folded([Look(Arm(1, 0, (1, 0)), Arm(1, 0, (1, 0)))])
    with pytest.raises(InvalidValue):
        evidence.after(Look(Arm(1, 0, (1, 0, 0)), Arm(1, 0, (1, 0, 0))))


@pytest.mark.parametrize(
    "wrong", [{"margin": -0.1}, {"tolerance": 0.0}, {"margin": 0.5}, {"margin": float("nan")}]
)
def test_margins_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidValue):
        Evidence(**wrong)


def test_bursts_of_errors_in_stables_halves_temper_the_evidence():
    dice = Random(7)
    evidence = Evidence(latency=False)
    for _ in range(30):
        first, second = (Arm(500, 5 * dice.choice((0, 1, 2))) for _ in range(2))
        canary = Arm(1000, 10)
        stable = Arm(1000, first.errors + second.errors)
        evidence = evidence.after(Look(canary, stable, None, (first, second)))
    assert evidence.errors.noise.temper > 2
    worse = evolve(evidence, errors=evolve(evidence.errors, worse=(10.0,) * 7))
    plain = evolve(worse, errors=evolve(worse.errors, noise=type(evidence.errors.noise)()))
    assert judge(worse).log_e < 5 < judge(plain).log_e
    assert judge(worse).tempered
    assert not judge(plain).tempered
