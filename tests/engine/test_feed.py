"""Hearing of changes: looks are made when something has happened, and whatever a feed does."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immutable import Limits, Rolling, Status
from immutable.backend import InstanceState, Transient
from immutable.engine.feed import Feed
from immutable.engine.pacing import LONGEST, Pace
from immutable.hooks import Cause, Waited, hooked
from immutable.memory import Behaviour, Fault, Laws, fixed, lognormal
from immutable.model import Capabilities
from immutable.testing import run
from tests.support.world import LIMITS, world

LAWS = Laws(boot=fixed(20.7), drain=fixed(5.3), terminate=fixed(5.9))
ROLLING = Rolling(probe=False)
POLL = 2.0
LEAST = 3 * (20.7 + 5 + 5.3 + 5.9)
"""Seconds that three replacements take, one after the other, each with a min_ready of 5 s."""


def replaced(size=3, *, laws=LAWS, limits=LIMITS, tells=True, stale=0.0, prepare=lambda w: None):
    """Replace a fleet; returns the result, the world, and when it was looked at."""

    async def main():
        async with world(size, laws=laws, tells=tells, stale=stale) as w:
            looks, observe = [], w.backend.observe

            async def look(fleet, *, since=None):
                looks.append(asyncio.get_running_loop().time())
                return await observe(fleet, since=since)

            w.backend.observe = look
            prepare(w)
            w.backend.begin(limits, size)
            result = await w.fleet.replace("v2", ROLLING, limits=limits)
            assert w.backend.breaches == []
            return result, w, looks

    return run(main())


# -- a feed that works -----------------------------------------------------------------------------


def test_it_looks_when_something_has_happened_and_seldom_besides():
    polled, _, many = replaced(tells=False)
    told, w, few = replaced()
    assert told.status is polled.status is Status.SUCCEEDED
    # Of each server: launched, READY, proven, retired, gone; and one each 15 s.
    assert len(few) <= 3 * 5 + told.seconds / LONGEST + 8
    assert len(few) < 0.8 * len(many)
    # Three servers, of which each is heard of four times, a sixteenth of a poll late.
    assert LEAST < told.seconds < LEAST + 3 * 4 * POLL / 8 + 2 * POLL
    assert told.seconds < polled.seconds
    assert w.cloud.calls["changed"] <= len(few)


def test_a_hundred_that_become_ready_at_once_cost_one_look():
    def bursts(w):
        # All of them within 50 ms.
        delays = iter(range(1000))
        w.cloud.behaviours["v2"] = Behaviour(boot=lambda _: 20.7 + next(delays) % 100 * 0.0005)

    limits = Limits("100%", min_ready=5, boot_timeout=60, drain_timeout=30)
    told, _, looks = replaced(100, limits=limits, prepare=bursts)
    assert told.status is Status.SUCCEEDED
    assert len([at for at in looks if 20.7 < at < 25]) <= 2
    assert len(looks) < 20


@settings(max_examples=25)
@given(st.integers(2, 30), st.integers(1, 30), st.integers(0, 99), st.sampled_from([0.0, 3.0]))
def test_looks_never_follow_each_other_more_closely_than_polls_would(size, surge, seed, stale):
    laws = Laws(boot=lognormal(30, 1, least=1), drain=fixed(4), terminate=lognormal(9, 1))

    def reseed(w):
        w.cloud.random.seed(seed)

    limits = Limits(surge, min_ready=1, boot_timeout=3600, drain_timeout=30)
    told, _, looks = replaced(size, laws=laws, limits=limits, stale=stale, prepare=reseed)
    assert told.status is Status.SUCCEEDED
    # Nine were spared at most; two more are those of the plan and of the beginning.
    for first, at in enumerate(looks):
        for last in range(first + 12, len(looks)):
            assert last - first <= 11 + (looks[last] - at) / POLL + 1e-6


def test_what_happens_while_it_acts_is_not_missed():
    """Between the look and the wait a server dies: nobody has to look for it."""
    died = []

    def deadly(w):
        grow = w.backend.grow

        async def grow_and_kill(*args, **kwargs):
            size = await grow(*args, **kwargs)
            if not died:
                died.append(asyncio.get_running_loop().time())
                w.kill(w.members(InstanceState.READY)[0])
            return size

        w.backend.grow = grow_and_kill

    told, _, looks = replaced(3, prepare=deadly)
    assert told.status is Status.SUCCEEDED
    assert min(at for at in looks if at > died[0]) - died[0] <= POLL


def test_with_reads_that_lag_it_ends_all_the_same():
    told, _, looks = replaced(6, stale=8.0)
    assert told.status is Status.SUCCEEDED
    assert len(looks) <= told.seconds / POLL + 12


def test_an_order_is_heard_at_once():
    async def main():
        async with world(3, laws=LAWS, tells=True) as w:
            rollout = w.fleet.replace("v2", ROLLING, limits=LIMITS)
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(8)  # It boots: nothing happens, and nobody looks.
            loop = asyncio.get_running_loop()
            began, before = loop.time(), w.cloud.calls["observe"]
            await rollout.abort()
            await asyncio.sleep(0.01)
            assert w.cloud.calls["observe"] > before
            assert loop.time() - began < 0.1
            assert (await task).status is Status.ROLLED_BACK

    run(main())


def test_hooks_are_told_what_it_waits_for():
    seen = []
    with hooked(on_event=seen.append):
        result, _, _ = replaced()
    waits = [each.what for each in seen if isinstance(each.what, Waited)]
    for_what = {
        cause: sum(each.seconds for each in waits if each.cause is cause) for cause in Cause
    }
    assert for_what[Cause.BOOT] == pytest.approx(3 * 20.7, abs=3)
    assert for_what[Cause.PROOF] == pytest.approx(3 * 5, abs=3)
    assert sum(for_what.values()) == pytest.approx(result.seconds, abs=0.1)


# -- a feed that doesn't ---------------------------------------------------------------------------


def polled_seconds(size=3):
    return replaced(size, tells=False)[0].seconds


def test_one_that_keeps_silent_is_found_out_and_costs_one_wait():
    def silent(w):
        w.cloud.feed.silent = True

    told, w, _ = replaced(prepare=silent)
    assert told.status is Status.SUCCEEDED
    assert told.seconds <= polled_seconds() + LONGEST + 5 + POLL
    assert w.cloud.calls["changed"] <= 5  # It isn't asked any more.


def test_one_that_breaks_is_asked_again_and_it_polls_meanwhile():
    def broken(w):
        for _ in range(4):
            w.cloud.faults.add(Fault("changed", lambda: Transient("reset")))

    told, w, looks = replaced(prepare=broken)
    assert told.status is Status.SUCCEEDED
    assert told.seconds <= polled_seconds() + 2 * POLL
    # Four failures, with 4, 8, 16 and 32 s between them; then it was heard again.
    assert w.cloud.calls["changed"] > 4
    assert len([at for at in looks if at < 60]) > 20
    assert len([at for at in looks if at > 80]) < 15


def test_one_that_is_broken_for_good_costs_nothing_but_polls():
    def broken(w):
        w.cloud.faults.add(Fault("changed", lambda: Transient("reset"), times=None))

    told, w, _ = replaced(prepare=broken)
    assert told.status is Status.SUCCEEDED
    assert told.seconds <= polled_seconds() + 2 * POLL
    assert w.cloud.calls["changed"] < 8


def test_any_error_of_a_feed_is_survived():
    def broken(w):
        async def changed(fleet, since):
            raise KeyError(fleet)

        w.backend.changed = changed

    assert replaced(prepare=broken)[0].status is Status.SUCCEEDED


def test_one_that_always_tells_costs_a_look_each_poll():
    def spurious(w):
        w.cloud.feed.spurious = 0.01

    told, _, looks = replaced(prepare=spurious)
    assert told.status is Status.SUCCEEDED
    assert told.seconds <= polled_seconds() + 3 * 2 * POLL  # Each READY and each end may be late.
    assert len(looks) <= told.seconds / POLL + 12


def test_looks_without_a_cursor_are_polls():
    def mute(w):
        observe = w.backend.observe

        async def whole(fleet, *, since=None):
            state = await observe(fleet)
            return type(state)(**{**as_dict(state), "cursor": None})

        w.backend.observe = whole

    told, w, _ = replaced(prepare=mute)
    assert told.seconds == polled_seconds()
    assert w.cloud.calls["changed"] == 0


def as_dict(state):
    return {name: getattr(state, name) for name in type(state).__annotations__}


def test_one_that_can_not_be_cancelled_is_not_heard_again():
    waits = []

    def stubborn(w):
        async def changed(fleet, since):
            waits.append(since)
            try:
                await asyncio.sleep(1e6)
            except asyncio.CancelledError:
                await asyncio.sleep(1e6)

        w.backend.changed = changed

    told, _, _ = replaced(prepare=stubborn)
    assert told.status is Status.SUCCEEDED
    assert len(waits) == 1


# -- the wait itself -------------------------------------------------------------------------------


class Source:
    """Tells what it is told to."""

    capabilities = Capabilities(changes=True)

    def __init__(self):
        self.waiting = 0
        self.told = asyncio.Event()

    async def changed(self, fleet, since):
        self.waiting += 1
        try:
            await self.told.wait()
        finally:
            self.waiting -= 1


def test_a_wait_that_is_cancelled_leaves_nobody_waiting():
    async def main():
        source, bell = Source(), asyncio.Event()
        feed = Feed(source, "web", Pace(POLL))
        feed.looked(7)
        before = asyncio.all_tasks()
        for _ in range(3):
            resting = asyncio.ensure_future(feed.rest(bell, 15))
            await asyncio.sleep(1)
            assert source.waiting == 1
            resting.cancel()
            await asyncio.wait({resting})
            assert resting.cancelled()
            assert (source.waiting, asyncio.all_tasks()) == (0, before)

    run(main())


def test_it_waits_for_a_poll_when_the_feed_breaks_in_the_middle():
    async def main():
        source, bell = Source(), asyncio.Event()

        async def changed(fleet, since):
            await asyncio.sleep(1)
            raise Transient("reset")

        source.changed = changed
        feed, loop = Feed(source, "web", Pace(POLL)), asyncio.get_running_loop()
        feed.looked(7)
        assert feed.tells
        await feed.rest(bell, 15)
        assert loop.time() == pytest.approx(POLL)
        assert not feed.tells
        await asyncio.sleep(3)
        assert feed.tells

    run(main())


def test_it_is_no_lie_if_the_change_came_in_the_same_moment():
    async def main():
        asked, bell = [], asyncio.Event()
        source = Source()

        async def changed(fleet, since):
            asked.append(since)
            if since == 8 or len(asked) == 1:
                await asyncio.sleep(1e6)

        source.changed = changed
        feed = Feed(source, "web", Pace(POLL))
        feed.looked(7)
        await feed.rest(bell, 3)
        feed.looked(8)  # A look that a timer asked for has found something.
        await feed.rest(bell, 3)
        assert asked == [7, 7, 8]  # It knew of it.
        assert feed.tells

    run(main())
