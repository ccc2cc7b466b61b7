"""A fleet behind a load balancer, in a zone or over a region's zones, as real ones are made."""

from __future__ import annotations

import pytest

from backends.gcp.tests.backend.account import Account


@pytest.fixture
def account(emulator, region):
    """A region with two images."""
    return Account(emulator, region)


@pytest.fixture
def zonal(emulator, stage):
    """A zone with two images."""
    return Account(emulator, stage)
