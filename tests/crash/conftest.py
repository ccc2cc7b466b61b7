"""Prints the crash matrix, as far as it was played, at the end of a run of the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor

import pytest

from immutable.model.serial import from_json, to_json
from tests.support.matrix import Death, tables, workers

_DEATH = "death"

Played = Callable[[Iterable[Death]], None]


@pytest.fixture
def played(record_property: Callable[[str, object], None]) -> Played:
    """Add to what has been played; it travels with a test's report, also between processes."""

    def add(deaths: Iterable[Death]) -> None:
        for death in deaths:
            record_property(_DEATH, json.dumps(to_json(death)))

    return add


@pytest.fixture(scope="session")
def pool() -> Iterator[Executor]:
    """Processes to play in."""
    with workers() as started:
        yield started


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the matrix."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = [value for report in reports for name, value in report.user_properties if name == _DEATH]
    if told:
        terminalreporter.section("crash matrix")
        deaths = [from_json(Death, json.loads(text)) for text in told]
        terminalreporter.write_line(tables(sorted(deaths, key=lambda death: death.scenario)))
