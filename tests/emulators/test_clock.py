"""Time that goes on, that stands still, and that a test moves."""

from __future__ import annotations

import pytest

from .clock import SPEED, Clock, passing


@pytest.fixture
def clock():
    """A clock whose source the test moves: `clock.source.at`."""

    class Source:
        at = 1000.0

        def __call__(self):
            return self.at

    return Clock(Source())


def test_frozen_time_passes_only_by_what_is_skipped(clock):
    rung = []
    clock.after(10, rung.append, "ten")
    clock.freeze()
    clock.source.at += 50
    clock.catch_up()
    assert (clock.now(), rung) == (1000, [])
    clock.skip(11)
    clock.catch_up()
    assert (clock.now(), rung) == (1011, ["ten"])


def test_thawed_time_goes_on_from_where_it_stood(clock):
    clock.skip(5)
    clock.freeze()
    clock.source.at += 50
    clock.skip(1)
    clock.thaw()
    assert clock.now() == 1006
    clock.source.at += 2
    assert clock.now() == 1008


def test_twice_frozen_or_thawed_is_once(clock):
    clock.thaw()
    clock.source.at += 1
    clock.freeze()
    clock.source.at += 1
    clock.freeze()
    assert clock.now() == 1001
    clock.thaw()
    clock.thaw()
    assert clock.now() == 1001


def test_what_takes_no_time_happens_while_time_stands_still(clock):
    rung = []
    clock.freeze()
    clock.after(0, lambda: clock.after(0, rung.append, "second"))
    clock.catch_up()
    assert rung == ["second"]


def test_a_hurried_clock_goes_on_from_now(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1000.0)
    monkeypatch.setenv(SPEED, "60")
    hurried = passing()
    monkeypatch.setattr("time.time", lambda: 1002.0)
    assert hurried() == 1120
    monkeypatch.delenv(SPEED)
    assert passing()() == 1002
