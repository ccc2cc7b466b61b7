"""A controller that was stopped for longer than its lease lasts does nothing any more."""

from __future__ import annotations

import pytest

from tests.crash.test_matrix import scenarios
from tests.support.stale import stopped, stops

SOME, MANY = 29, 3
"""Of how many places `make test` tries one, and `make check`."""


def wrong(pool, places) -> list[str]:
    return [fault for faults in pool.map(stopped, places, chunksize=4) for fault in faults]


@scenarios
def test_a_controller_that_goes_on_after_its_lease_does_nothing(scenario, pool):
    places = pool.submit(stops, scenario).result()[scenario::SOME]
    assert wrong(pool, places) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@scenarios
def test_a_controller_that_goes_on_after_its_lease_does_nothing_wherever_it_stops(scenario, pool):
    places = pool.submit(stops, scenario).result()[scenario % MANY :: MANY]
    assert wrong(pool, places) == []
