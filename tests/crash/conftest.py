"""Prints the crash matrix, as far as it was played, at the end of a run of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

import pytest

from tests.support.matrix import Death, tables, workers

_PLAYED = pytest.StashKey[list[Death]]()


@pytest.fixture(scope="session")
def played(request: pytest.FixtureRequest) -> list[Death]:
    """What has been played so far."""
    return request.config.stash.setdefault(_PLAYED, [])


@pytest.fixture(scope="session")
def pool() -> Iterator[Executor]:
    """Processes to play in."""
    with workers() as started:
        yield started


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the matrix."""
    deaths = config.stash.get(_PLAYED, [])
    if deaths:
        terminalreporter.section("crash matrix")
        terminalreporter.write_line(tables(deaths))
