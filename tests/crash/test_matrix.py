"""Kill the controller at every call that it makes: another one comes to the same end."""

from __future__ import annotations

import pytest

from tests.support.crashes import SCENARIOS
from tests.support.matrix import PAGE, deaths, places, undisturbed

EVERY = 23
"""Of how many places `make test` tries one."""

scenarios = pytest.mark.parametrize("scenario", range(len(SCENARIOS)), ids=map(str, SCENARIOS))


@scenarios
def test_without_a_crash_each_comes_to_the_end_that_it_is_to_come_to(scenario, pool):
    assert pool.submit(undisturbed, scenario).result().faults == ()


@scenarios
def test_a_controller_that_is_killed_costs_nothing(scenario, played, pool):
    some = pool.submit(places, scenario).result()[scenario::EVERY]
    came_of_it = list(deaths(scenario, some, pool))
    played(came_of_it)
    assert [str(death) for death in came_of_it if death.faults] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@scenarios
def test_a_controller_that_is_killed_anywhere_costs_nothing(scenario, played, pool):
    came_of_it = list(deaths(scenario, pool.submit(places, scenario).result(), pool))
    played(came_of_it)
    assert [str(death) for death in came_of_it if death.faults] == []


def test_the_page_shows_every_scenario_and_no_death_that_cost_something():
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if "|" in line]
    ways = {(each.strategy, each.ending) for each in SCENARIOS}
    assert ways <= {tuple(row[:2]) for row in rows}
    assert {row[-1] for row in rows if row[-1].isdigit()} == {"0"}
