"""The explorer: what it finds in the engine, in engines that are broken, and how it tells of it."""

from __future__ import annotations

import os
from random import SystemRandom

import pytest

from tests.exploration.exploring import explained, explore, shortest
from tests.exploration.mutants import MUTANTS, broken
from tests.exploration.playing import play
from tests.exploration.shrinking import shrunk
from tests.exploration.story import Move, Setting, Story, drawn
from tests.support.matrix import workers

STEADY = os.environ.get("HYPOTHESIS_PROFILE") == "steady"


@pytest.fixture(scope="module")
def pool():
    """Processes in which nothing minds blocking."""
    with workers() as started:
        yield started


def found(first: int, events: int, pool) -> None:
    """Explore; one that fails says how it can be told again."""
    report = explore(first, events, pool)
    again = "python -m tests.exploration --seed"
    assert [f"{again} {seed} --events 1: {what}" for seed, what in report.failed.items()] == []
    assert report.events >= events
    assert len(report.ends) == 4  # All kinds of ends were come to.


def test_no_rule_is_broken_in_many_schedules(pool):
    found(0 if STEADY else SystemRandom().randrange(1 << 32), 20_000, pool)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_rule_is_broken_at_a_hundred_thousand_events(pool):
    found(1_000, 120_000, pool)


def test_equal_seeds_are_equal_stories_that_happen_equally(pool):
    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    first, second = (pool.submit(play, drawn(7)).result() for _ in range(2))
    assert first == second
    assert first.events > 100


# -- engines that are broken -----------------------------------------------------------------------


def caught(name: str) -> tuple[Story, Story, list[str]]:
    """Return the first story in which a broken engine is seen, the shortest, and its lines."""
    with broken(name):
        seed = next(seed for seed in range(400) if play(drawn(seed)).faults)
        short = shortest(drawn(seed), most=150)
        return drawn(seed), short, list(explained(short, play(short, tell=True).lines))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_engine_is_found_and_its_story_made_short(name, pool):
    story, short, lines = pool.submit(caught, name).result()
    assert len(short.moves) < len(story.moves)
    assert any("RULES" in line for line in lines)
    # It is the engine that was wrong: whole, the same story harms nobody.
    assert pool.submit(play, short).result().faults == ()


# -- making stories shorter ------------------------------------------------------------------------


def test_only_what_matters_is_left_of_a_story():
    moves = tuple(Move(float(number), "kill", (number,)) for number in range(50))

    def fails(story: Story) -> bool:
        numbers = {move.args[0] for move in story.moves}
        return {7, 8, 41} <= numbers and story.setting.size >= 4

    short = shrunk(Story(Setting(size=40, stale=8.0, surge="50%"), moves), fails)
    assert [move.args[0] for move in short.moves] == [7, 8, 41]
    assert short.setting == Setting()


def test_no_more_are_tried_than_allowed():
    tried = []
    moves = tuple(Move(float(number), "kill", (number,)) for number in range(50))
    shrunk(Story(Setting(), moves), lambda story: bool(tried.append(story)), most=20)
    assert len(tried) == 20


def test_a_trace_is_numbered_and_says_when_who_what_and_the_sizes_after():
    lines = list(explained(Story(), [(12.5, "cloud", "i-000001 of r1 is gone", "r1 3/4")]))
    assert lines[0].startswith("Setting(size=4")
    assert lines[1] == "    1      12.5 s    cloud  i-000001 of r1 is gone  [r1 3/4]"
