"""One emulator a session, new for each test; a call that it can't honour fails the test."""

from __future__ import annotations

import pytest

from backends.gcp.tests.emulator import Emulator, Stage


@pytest.fixture(scope="session")
def gcp_process():
    """The process; use `emulator`, which begins anew for each test."""
    emulator = Emulator()
    yield emulator
    emulator.close()


@pytest.fixture
def emulator(gcp_process):
    """Compute Engine, empty."""
    gcp_process.reset()
    yield gcp_process
    gcp_process.assert_understood()


@pytest.fixture
def stage(emulator):
    """A zone with nothing in it."""
    return Stage(emulator)


@pytest.fixture
def region(emulator):
    """A region with nothing in it."""
    return Stage(emulator, regional=True)
