"""A fleet in three zones behind a load balancer, adopted, with what real ones have around them."""

from __future__ import annotations

import pytest

from backends.azure.tests.backend.account import Account


@pytest.fixture
def account(emulator, stage):
    """A subscription with two images and a load balancer."""
    return Account(emulator, stage)
