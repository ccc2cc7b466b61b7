"""Each scenario shows in the answer, for the reason that it is there for."""

from __future__ import annotations

import pytest

from immutable import BlueGreen, Canary, InvalidValue, Limits, Rolling
from immutable.backend import to_json
from immutable.simulation import (
    Autoscaler,
    BadImage,
    ControllerCrash,
    Fixed,
    LostAnswers,
    NoRoom,
    Spans,
    Throttling,
    parse,
    spelled,
)

SPANS = Spans(Fixed(20), Fixed(5), Fixed(5))
LIMITS = Limits(max_surge=3, min_ready=5, boot_timeout=300, drain_timeout=30)


@pytest.fixture
def outcome(rehearse):
    def go(*faults, strategy=None, **how):
        how = {"spans": SPANS, "limits": LIMITS, **how}
        return rehearse(strategy, faults=faults, **how)

    return go


def test_an_image_that_fails_requests_is_rolled_back_by_the_analysis_in_every_trial(outcome):
    made = outcome(BadImage(errors="10%"), strategy=Canary(bake=120), limits=None)
    assert made.ends == {"rolled_back": 5}
    assert all("worse than stable" in reason for reason in made.reasons)
    assert made.failed(0.5) == pytest.approx(0.1 * made.exposed(0.5))
    # A canary at 5 % shows it to few; whoever looks at readiness alone shows it to all.
    rolling = outcome(BadImage(errors="10%"), strategy=Rolling())
    assert rolling.ends == {"succeeded": 5}
    assert rolling.exposed(0.5) > 5 * made.exposed(1)


def test_an_image_that_answers_slowly_is_rolled_back_too(outcome):
    made = outcome(BadImage(slow=3.0), strategy=Canary(bake=120), limits=None)
    assert made.ends == {"rolled_back": 5}


@pytest.mark.parametrize("bad", [BadImage(never_ready=True), BadImage(dies_after=3.0)])
@pytest.mark.parametrize("strategy", [Rolling(), Canary(bake=60), BlueGreen(bake=60)])
def test_an_image_that_never_serves_is_rolled_back_and_seen_by_nobody(outcome, bad, strategy):
    limits = Limits(max_surge="100%", min_ready=5, boot_timeout=60, drain_timeout=30)
    made = outcome(bad, strategy=strategy, limits=limits)
    assert made.ends == {"rolled_back": 5}
    assert made.exposed(1) == 0
    assert made.lowest == 12


def test_slow_boots_lengthen(outcome):
    assert outcome(BadImage(slow_boot=3.0)).length(0.5) > 1.5 * outcome().length(0.5)


def test_no_room_for_a_while_lengthens_by_about_that(outcome):
    usual, short = outcome(), outcome(NoRoom(after=30, lasts=300))
    assert short.ends == {"succeeded": 5}
    assert 200 < short.length(0.5) - usual.length(0.5) < 420


def test_no_room_for_too_long_is_rolled_back(outcome):
    made = outcome(NoRoom(lasts=86_400))
    assert made.ends == {"rolled_back": 5}
    assert any("no room" in reason for reason in made.reasons)


def test_one_full_zone_of_three_is_no_trouble(outcome):
    made = outcome(NoRoom(zone="a", lasts=86_400))
    assert made.ends == {"succeeded": 5}
    assert made.length(1) == pytest.approx(outcome().length(1), rel=0.1)


def test_throttling_adds_calls_and_loses_nothing(outcome):
    usual, throttled = outcome(), outcome(Throttling(share="40%"))
    assert throttled.ends == {"succeeded": 5}
    assert sum(throttled.calls.values()) > 1.2 * sum(usual.calls.values())
    assert throttled.lowest == 12


def test_lost_answers_are_made_good(outcome):
    made = outcome(LostAnswers(share="30%"), trials=10)
    assert made.ends == {"succeeded": 10}
    usual = outcome(trials=10)
    assert made.calls["grow"] + made.calls["retire"] > usual.calls["grow"] + usual.calls["retire"]


def test_an_autoscaler_moves_the_goal(outcome):
    grown = outcome(Autoscaler(to=20, after=30))
    assert grown.ends == {"succeeded": 5}
    assert grown.length(0.5) > outcome().length(0.5)


def test_a_dead_controller_costs_its_lease_and_nothing_else(outcome):
    usual, crashed = outcome(), outcome(ControllerCrash(after=40, back_after=60))
    assert crashed.ends == {"succeeded": 5}
    assert 20 < crashed.length(0.5) - usual.length(0.5) < 90
    assert crashed.lowest == 12


def test_a_crash_after_the_end_changes_nothing(outcome):
    late = outcome(ControllerCrash(after=100_000))
    assert [t.seconds for t in late.trials] == [t.seconds for t in outcome().trials]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("bad-image", BadImage()),
        ("bad-image:errors=5%,never-ready=yes", BadImage(errors=0.05, never_ready=True)),
        ("bad-image:errors=0.05", BadImage(errors=0.05)),
        ("no-room:zone=a,lasts=600", NoRoom("a", lasts=600)),
        ("throttling:share=30%", Throttling(0.3)),
        ("lost-answers", LostAnswers()),
        ("autoscaler:to=20", Autoscaler(20)),
        ("controller-crash:after=10", ControllerCrash(10)),
    ],
)
def test_scenarios_in_words(words, meant):
    assert parse(words) == meant


@pytest.mark.parametrize(
    "words", ["bad-image:never_ready=maybe", "autoscaler:to=many", "no-room:x"]
)
def test_words_that_mean_nothing(words):
    with pytest.raises(InvalidValue):
        parse(words)


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (BadImage(errors="5%"), "bad-image:errors=0.05"),
        (
            BadImage(never_ready=True, slow_boot=2.5, dies_after=600),
            "bad-image:never_ready=yes,slow_boot=2.5,dies_after=600",
        ),
        (NoRoom(zone="a", lasts=600), "no-room:zone=a,lasts=600"),
        (Throttling(), "throttling"),
        (Autoscaler(to=20), "autoscaler:to=20"),
    ],
)
def test_words_say_what_differs_from_the_usual_and_can_be_read_again(scenario, words):
    assert spelled(scenario) == words
    assert parse(words) == scenario


def test_words_are_read_the_same_once_a_scenario_was_told_as_json():
    """cattrs replaces the types that attrs knows by name with what they name."""
    to_json(BadImage())
    assert parse("bad-image:never_ready=yes") == BadImage(never_ready=True)
    with pytest.raises(InvalidValue, match="never_ready='maybe': not yes or no"):
        parse("bad-image:never_ready=maybe")
    with pytest.raises(InvalidValue, match="to='many': not a whole number"):
        parse("autoscaler:to=many")
