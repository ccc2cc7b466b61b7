"""What the journal tells of a fleet's past."""

from __future__ import annotations

from immutable import Status
from immutable.engine.history import last_that_left
from tests.support.entries import entry


def test_the_last_rollout_between_two_revisions_that_was_not_rolled_back():
    first = entry("r1", status=Status.FAILED)
    second, third = entry("r2", status=Status.CANCELLED), entry("r3", status=Status.ROLLED_BACK)
    assert last_that_left([first, second, third], {1, 2}) is second
    assert last_that_left([third], {1, 2}) is None
    assert last_that_left([first, second], {2, 3}) is None
    assert last_that_left([], {1, 2}) is None
