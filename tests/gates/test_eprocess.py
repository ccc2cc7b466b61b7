"""Score e-processes: exact on small cases, and worth 1 at most while the hypothesis holds."""

from itertools import product
from math import comb, exp, inf, isclose, isfinite, log, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.gates import Arm, Evidence, Look, judge
from immutable.gates.eprocess import exponents, log_e, log_factor, log_mean, shifted
from immutable.gates.evidence import ERROR_TILTS, LATENCY_TILTS, TOLERABLE_TILTS
from immutable.gates.samples import Sample

shares = st.floats(0.001, 0.999)
tilts = st.floats(-5, 5)
CENTRED = (-0.4, 0.1, 0.5)


def binomial(count, chance):
    for hits in range(count + 1):
        yield hits, comb(count, hits) * chance**hits * (1 - chance) ** (count - hits)


def multinomial(count, chances):
    for counts in product(range(count + 1), repeat=len(chances)):
        if sum(counts) == count:
            ways, left = 1, count
            for each in counts:
                ways, left = ways * comb(left, each), left - each
            yield counts, ways * prod(c**n for c, n in zip(chances, counts, strict=True))


def test_the_worked_examples():
    assert shifted(0.5, 1) == 0.5
    assert shifted(0.5, 3) == 0.75
    assert isclose(log_factor(0.5, log(3)), log(2))
    assert exponents([log(3)], [1.0], Sample((1,), (1,), 0.5)) == pytest.approx([log(1.5)])
    assert exponents([log(3)], [1.0], Sample((0,), (1,), 0.5)) == pytest.approx([log(0.5)])
    assert isclose(log_mean([0.0, log(3)]), log(2))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(-1, 1)), min_size=1),
    tilts,
    shares,
    st.floats(1, 3),
)
def test_an_exponent_is_the_product_over_single_requests(classes, tilt, share, ratio):
    naive = 0.0
    for canary, stable, score in classes:
        null = shifted(share, ratio if score > 0 else 1 / ratio)
        whole = 1 - null + null * exp(tilt * score)
        naive += canary * log(exp(tilt * score) / whole) - stable * log(whole)
    counts = [(x, x + y) for x, y, _ in classes]
    sample = Sample(tuple(x for x, _ in counts), tuple(k for _, k in counts), share)
    scores = [score for *_, score in classes]
    (found,) = exponents([tilt], scores, sample, ratio)
    assert found == pytest.approx(naive, abs=1e-9)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.8])
@pytest.mark.parametrize("tilt", [-1.5, -0.3, 0.2, 1.6])
def test_given_outcomes_that_a_known_share_deals_out_it_is_worth_exactly_1(share, tilt):
    both = (3, 1, 2)
    mean = 0.0
    for dealt in product(*(list(binomial(each, share)) for each in both)):
        sample = Sample(tuple(hits for hits, _ in dealt), both, share)
        (found,) = exponents([tilt], CENTRED, sample)
        mean += prod(chance for _, chance in dealt) * exp(found)
    assert mean == pytest.approx(1)


@pytest.mark.parametrize(("n_canary", "n_stable"), [(1, 1), (2, 5), (6, 3)])
@pytest.mark.parametrize("tilt", [-1.6, -0.2, 0.2, 1.6])
def test_independent_latencies_and_the_share_that_was_seen_are_worth_1_at_most(
    n_canary, n_stable, tilt
):
    chances = (0.5, 0.3, 0.2)
    mean = 0.0
    for canary, p in multinomial(n_canary, chances):
        for stable, q in multinomial(n_stable, chances):
            both = tuple(a + b for a, b in zip(canary, stable, strict=True))
            sample = Sample(canary, both, n_canary / (n_canary + n_stable))
            mean += p * q * exp(exponents([tilt], CENTRED, sample)[0])
    assert mean <= 1 + 1e-12


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.45])
@pytest.mark.parametrize("margin", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("step", [0.5, 0.9, 1.0])
def test_independent_errors_within_the_margin_are_worth_1_at_most(rate, margin, step):
    """At the margin and below it, at low rates and high ones, on either side."""
    n_canary, n_stable = 5, 7
    null, share = 1 + margin, 5 / 12
    for ratio, bets in ((null * step, ERROR_TILTS), (null / step, TOLERABLE_TILTS)):
        means = [0.0] * len(bets)
        for x, p in binomial(n_canary, min(1.0, rate * ratio)):
            for y, q in binomial(n_stable, rate):
                found = exponents(bets, (1.0,), Sample((x,), (x + y,), share), null)
                means = [a + p * q * exp(b) for a, b in zip(means, found, strict=True)]
        assert max(means) <= 1 + 1e-12


@pytest.mark.parametrize("tilt", [0.2, 1.6])
def test_errors_dealt_out_without_replacement_are_worth_1_at_most(tilt):
    errors, n_canary, n_stable = 4, 6, 9
    ways = comb(n_canary + n_stable, errors)
    mean = sum(
        comb(n_canary, x)
        * comb(n_stable, errors - x)
        / ways
        * exp(exponents([tilt], (1.0,), Sample((x,), (errors,), n_canary / 15))[0])
        for x in range(errors + 1)
    )
    assert mean <= 1 + 1e-12


def test_the_chance_ever_to_fail_is_alpha_at_most_when_all_futures_are_counted():
    """All outcomes of five looks at 2 and 2 requests, half of which fail, by Ville's inequality."""
    alpha, futures = 0.2, {(0, 0): 1.0}
    rejected = expected = 0.0
    outcomes = [(x, x + y, p * q) for x, p in binomial(2, 0.5) for y, q in binomial(2, 0.5)]
    for _ in range(5):
        after: dict[tuple[int, int], float] = {}
        for (errors, both), chance in futures.items():
            for x, k, p in outcomes:
                state = errors + x, both + k
                sample = Sample(state[:1], state[1:], 0.5)
                if log_e(exponents(ERROR_TILTS, (1.0,), sample)) >= -log(alpha):
                    rejected += chance * p
                else:
                    after[state] = after.get(state, 0.0) + chance * p
        futures = after
        expected = sum(
            chance * exp(log_e(exponents(ERROR_TILTS, (1.0,), Sample((x,), (k,), 0.5))))
            for (x, k), chance in futures.items()
        )
    assert 0 < rejected <= alpha
    assert expected <= 1


@given(st.integers(0, 50), st.integers(0, 50), shares, tilts)
def test_arms_may_change_their_labels(x, y, share, tilt):
    (one,) = exponents([tilt], (1.0,), Sample((x,), (x + y,), share))
    (other,) = exponents([-tilt], (1.0,), Sample((y,), (x + y,), 1 - share))
    assert one == pytest.approx(other, abs=1e-9)


@given(st.integers(0, 200), st.integers(0, 200), shares, st.floats(0, 2), st.floats(0, 2))
def test_a_wider_margin_leaves_less_evidence_of_harm(x, y, share, margin, more):
    sample = Sample((x,), (x + y,), share)
    strict = log_e(exponents(ERROR_TILTS, (1.0,), sample, 1 + margin))
    wide = log_e(exponents(ERROR_TILTS, (1.0,), sample, 1 + margin + more))
    assert wide <= strict + 1e-9


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=9), st.floats(1, 20))
def test_tempering_makes_evidence_that_is_worth_something_worth_less(logs, temper):
    tempered = log_e(logs, temper)
    assert tempered * temper <= log_e(logs) + 1e-9
    assert isfinite(tempered)


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.floats(1e-9, 1 - 1e-9),
    st.floats(-800, 800),
    st.floats(1, 100),
)
def test_no_counts_make_it_overflow(x, y, share, tilt, ratio):
    found = exponents(
        [tilt, 0.0],
        (1.0, -0.5),
        Sample(
            (x, y),
            (x + y, x + y),
            share,
        ),
        ratio,
    )
    assert all(map(isfinite, found))
    assert found[1] == 0
    assert -inf < log_mean(found) < inf


@given(st.floats(-1e-12, 1e-12), shares)
def test_tiny_exponents_keep_their_digits(exponent, share):
    assert log_factor(share, exponent) == pytest.approx(share * exponent, rel=1e-6, abs=1e-300)


def test_latency_tilts_and_error_tilts_bet_on_harm():
    assert min(ERROR_TILTS) > 0
    assert min(LATENCY_TILTS) > 0
    assert max(TOLERABLE_TILTS) < 0


def test_the_judge_uses_the_mean_over_tilts():
    evidence = Evidence(latency=False).after(Look(Arm(1000, 30), Arm(1000, 10)))
    by_hand = sum(exp(tilt * 30 - 40 * log((1 + exp(tilt)) / 2)) for tilt in ERROR_TILTS) / len(
        ERROR_TILTS
    )
    assert judge(evidence).log_e == pytest.approx(log(by_hand))
