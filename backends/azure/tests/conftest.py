"""One emulator a session, new for each test; a call that it can't honour fails the test."""

from __future__ import annotations

import pytest

from backends.azure.tests.emulator import Emulator, Stage


@pytest.fixture(scope="session")
def azure_process():
    """The process; use `emulator`, which begins anew for each test."""
    emulator = Emulator()
    yield emulator
    emulator.close()


@pytest.fixture
def emulator(azure_process):
    """Azure, empty."""
    azure_process.reset()
    yield azure_process
    azure_process.assert_understood()


@pytest.fixture
def stage(emulator):
    """A resource group with a network and a gallery."""
    usual = emulator.laws()["settle"]
    emulator.laws(settle=0.001)
    stage = Stage(emulator)
    emulator.laws(settle=usual)
    return stage
