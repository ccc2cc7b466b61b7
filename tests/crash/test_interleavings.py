"""Controllers race, stop, die while they recover, and die again: the rollout ends whole."""

from __future__ import annotations

import os
from random import SystemRandom

import pytest

from tests.support.contending import Contest, race

STEADY = "steady"


def first_seed() -> int:
    """The same races where the same code must get the same answer; new ones elsewhere."""
    steady = os.environ.get("HYPOTHESIS_PROFILE") == STEADY
    return 0 if steady else SystemRandom().randrange(1_000_000)


def hold(pool, number: int) -> list[Contest]:
    """Let races happen, all of which must come to a good end."""
    seeds = range(first := first_seed(), first + number)
    came_of_it = dict(zip(seeds, pool.map(race, seeds, chunksize=4), strict=True))
    again = "python -m tests.support.contending"
    wrong = [f"{again} {seed}: {each.faults}" for seed, each in came_of_it.items() if each.faults]
    assert wrong == []
    return list(came_of_it.values())


def test_controllers_that_race_stop_and_die_bring_a_rollout_to_its_end(pool):
    races = hold(pool, 40)
    assert sum(each.deaths for each in races) > 40
    assert sum(each.pauses for each in races) > 40


def test_equal_seeds_give_equal_races(pool):
    assert pool.submit(race, 7).result() == pool.submit(race, 7).result()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_many_more_races_come_to_their_end(pool):
    hold(pool, 400)
