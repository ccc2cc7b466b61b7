"""One emulator a session, new for each test; a call that it can't honour fails the test."""

from __future__ import annotations

import pytest

from backends.aws.tests.emulator import Emulator, Stage


@pytest.fixture(scope="session")
def aws_process():
    """The process; use `emulator`, which begins anew for each test."""
    emulator = Emulator()
    yield emulator
    emulator.close()


@pytest.fixture
def emulator(aws_process):
    """AWS, empty."""
    aws_process.reset()
    yield aws_process
    aws_process.assert_understood()


@pytest.fixture
def stage(emulator):
    """Three zones and an application load balancer."""
    return Stage(emulator)
