"""When a rollout looks again: often enough to lose little, seldom while nothing can be done yet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable import Limits, Rolling
from immutable.engine.pacing import LONGEST, Awaited, Pace, Span, pause
from immutable.memory import Laws, fixed
from immutable.testing import run
from tests.support.world import world

SECONDS = st.floats(0, 3600)
POLLS = st.floats(0.5, 10)


@pytest.mark.parametrize(
    ("age", "usual", "seconds"),
    [
        (12, 40, LONGEST),
        (37, 40, 3),
        (38.5, 40, 1.5),
        (39.9, 40, 0.5),
        (40.1, 40, 0.5),
        (41, 40, 1),
        (50, 40, 2),
        (12, None, 2),
        (96, None, 6),
        (600, None, LONGEST),
    ],
)
def test_the_next_look_is_when_the_first_may_be_done(age, usual, seconds):
    assert pause([Awaited(age, usual)], 2.0) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("awaited", "seconds"),
    [
        (Awaited(296, 40, last=296), 4),
        (Awaited(552, 40, last=552, count=2), 4),
        (Awaited(296, 40, last=296, count=50), 2),
        (Awaited(296, 40, last=60), 2),
        (Awaited(296, 40, last=10), 2),
        (Awaited(5000, 40, last=5000), LONGEST),
    ],
)
def test_a_long_tail_is_looked_at_less_often_the_fewer_and_the_later_all_of_it_is(awaited, seconds):
    assert pause([awaited], 2.0) == pytest.approx(seconds)


@given(st.floats(0, 3600), st.floats(0, 3600), st.integers(1, 100), POLLS)
def test_of_a_tail_no_more_is_lost_than_a_share_of_what_it_is_late(late, usual, count, poll):
    age = usual + late
    seconds = pause([Awaited(age, usual, last=age, count=count)], poll)
    assert seconds <= max(poll, late / 64 / count) + 1e-6


@given(st.lists(st.tuples(SECONDS, st.none() | SECONDS)), POLLS)
def test_the_first_of_several_counts_and_a_look_is_never_far_nor_at_once(things, poll):
    awaited = [Awaited(age, usual) for age, usual in things]
    seconds = pause(awaited, poll)
    assert poll / 4 <= seconds <= LONGEST
    assert seconds == min((LONGEST, *(pause([each], poll) for each in awaited)))


@given(st.lists(st.floats(0.1, LONGEST), min_size=1), POLLS)
def test_there_are_never_more_looks_than_one_each_poll(wishes, poll):
    """Looks at 10,000 servers, of which one is due at each moment, would else be four each poll."""
    pace = Pace(poll)
    waits = [pace.take(each) for each in wishes]
    assert len(waits) <= sum(waits) / poll + 1e-9
    assert all(wait in (each, poll) for wait, each in zip(waits, wishes, strict=True))


def test_what_a_long_wait_has_spared_is_for_close_looks_right_after_it():
    pace = Pace(2.0)
    waits = [pace.take(each) for each in (12.0, *[0.5] * 8)]
    assert waits == [12.0, *[0.5] * 6, 2.0, 2.0]
    assert [pace.take(each) for each in (12.0, 2.0, 0.5)] == [12.0, 2.0, 2.0]


@given(st.lists(st.floats(0, LONGEST), min_size=1), POLLS)
def test_whatever_ends_waits_there_are_no_more_looks_than_one_each_poll(news, poll):
    """Each is as long as it has to be, and goes on until there is news."""
    pace, waits = Pace(poll), []
    for seconds in news:
        assert poll / 4 <= pace.least <= poll
        waits.append(max(seconds, pace.least))
        pace.waited(waits[-1])
    assert len(waits) <= sum(waits) / poll + 1e-6


@given(st.lists(st.tuples(st.booleans(), SECONDS)))
def test_what_is_usual_lies_between_the_longest_that_went_on_and_the_shortest_that_was_over(looks):
    span = Span()
    for over, age in looks:
        (span.ended if over else span.goes_on)(age)
    done = [age for over, age in looks if over]
    assert (span.usual is None) == (not done)
    if span.usual is not None:
        assert 0 <= span.early <= span.usual <= min(done)


@given(st.floats(5, 600), st.floats(0.5, 5))
def test_what_always_takes_the_same_is_known_better_with_each_batch(truth, poll):
    """Whoever looks when `pause` says so finds out, first within a share, in the end closely."""
    span, delays = Span(), []
    for _ in range(8):
        age = 0.0
        while age < truth:
            span.goes_on(age)
            age += pause([Awaited(age, span.usual)], poll)
        span.ended(age)
        delays.append(age - truth)
    assert delays[0] <= max(poll, min(LONGEST, truth / 16))
    assert delays[-1] <= poll / 2


def looks(boot: float, *, stale: float = 0.0) -> tuple[int, float]:
    """Return the looks that a rollout of eight, two at a time, takes, and its seconds."""

    async def main():
        laws = Laws(boot=fixed(boot), drain=fixed(4), terminate=fixed(4))
        limits = Limits(2, min_ready=0, boot_timeout=600, drain_timeout=30)
        async with world(8, laws=laws, stale=stale) as w:
            end = await w.fleet.replace("v2", Rolling(probe=False), limits=limits).end()
            return w.cloud.calls["observe"], end.seconds

    return run(main())


def test_boots_that_are_known_are_not_watched():
    count, seconds = looks(200)
    assert seconds <= 4 * (200 + 8) * 1.06
    # Each 2 s it were 400; each 15 s while nothing can be done yet, and closely then, it is this.
    assert count <= 4 * (200 / LONGEST + 8) + 30


def test_what_one_begins_with_is_its_first_look_and_a_new_group_is_looked_for_when_it_must_show():
    async def main():
        async with world(2, stale=20.0) as w:
            rollout = w.fleet.replace("v2", Rolling(probe=False), limits=Limits(1, min_ready=0))
            began, asked = w.clock.now(), []
            observe = w.backend.observe

            async def counted(*words, **named):
                asked.append(w.clock.now() - began)
                return await observe(*words, **named)

            w.backend.observe = counted
            await rollout.end()
            return asked

    asked = run(main())
    # For the plan; with it the rollout begins; then nothing before a rival's group has to show.
    assert asked[:2] == [0.0, 0.0]
    assert asked[2] == pytest.approx(20, abs=0.1)


def test_a_calm_fleet_is_not_looked_at_more_often_than_looks_can_show_something_new():
    assert pause([Awaited(0, 300)], 2.0) == LONGEST
    assert pause([Awaited(0, 300)], 2.0, longest=40.0) == 40.0
    # 126 and 114: where answers are half a minute old, a look each quarter shows nothing new.
    assert looks(200, stale=2 * LONGEST)[0] < looks(200, stale=LONGEST)[0]


@pytest.mark.parametrize("stale", [8.0, 20.0])
def test_room_that_is_free_is_used_before_the_staleness_is_over(stale):
    _, fresh = looks(30)
    _, old = looks(30, stale=stale)
    # Looks may be late by the staleness, when servers come and when they go; at the beginning and
    # at the end all that was done has to be visible. Nothing else waits for it.
    assert old <= fresh + (2 * 4 + 3) * stale
    assert fresh <= 4 * (30 + 8) * 1.15
