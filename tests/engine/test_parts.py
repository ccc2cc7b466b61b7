"""The engine's parts by themselves: counting, lasting, retrying."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import (
    FleetState,
    Group,
    Instance,
    InstanceState,
    Invalid,
    Throttled,
    Transient,
)
from immutable.engine.census import Census
from immutable.engine.lasting import Lasting
from immutable.engine.pacing import Awaited
from immutable.engine.retrying import CALL_SECONDS, patiently
from immutable.planning.arithmetic import Counts
from immutable.planning.kernel import Which
from immutable.testing import run
from tests.support.world import revision

STARTING, READY, UNREADY, DRAINING, GONE = InstanceState
MIN_READY, BOOT = 5.0, 60.0


def server(name: str, state: InstanceState = READY, **facts: object) -> Instance:
    since = 0.0 if state is READY else None
    return Instance(name, **{"revision": 1, "state": state, "ready_since": since, **facts})


def seen(at: float, *instances: Instance, complete: bool = True) -> FleetState:
    return FleetState("web", at, (Group(revision(), 3),), instances, complete=complete)


def census(*instances: Instance, at: float = 100.0, staleness: float = 0.0) -> Census:
    made = Census(MIN_READY, BOOT, staleness)
    made.absorb(seen(at, *instances))
    return made


def test_members_are_counted_by_state():
    made = census(
        server("a"), server("b", ready_since=98.0), server("c", STARTING, launched_at=90.0),
        server("d", UNREADY), server("e", DRAINING), server("f", revision=2),
    )  # fmt: skip
    assert made.counts(1) == Counts(3, starting=1, ready=2, proven=1, unready=1, leaving=1)
    assert made.counts(2) == Counts(0, ready=1, proven=1)


def test_a_member_is_proven_when_it_has_been_ready_for_long_enough_and_not_again_after_a_break():
    made = census(server("a", ready_since=98.0))
    assert made.next_timer() == 3.0
    assert made.absorb(seen(102.9, complete=False)).proven == ()
    (proven,) = made.absorb(seen(103.0, complete=False)).proven
    assert (proven.id, made.counts(1).proven) == ("a", 1)
    made.absorb(seen(104, server("a", UNREADY), complete=False))
    assert made.counts(1).proven == 0
    made.absorb(seen(105, server("a", ready_since=105.0), complete=False))
    assert made.counts(1).proven == 0
    made.absorb(seen(110, complete=False))
    assert made.counts(1).proven == 1
    flapped_unseen = seen(111, server("a", ready_since=110.5), complete=False)
    made.absorb(flapped_unseen)
    assert made.counts(1).proven == 0


def test_a_member_is_overdue_when_it_does_not_become_ready_in_time():
    made = census(server("a", STARTING, launched_at=50.0), server("b", UNREADY))
    assert made.overdue(1) == ()
    made.absorb(seen(110, complete=False))
    assert made.overdue(1) == ("a",)
    made.absorb(seen(160, complete=False))
    assert made.overdue(1) == ("a", "b")
    made.absorb(seen(161, server("b", ready_since=161.0), complete=False))
    assert made.overdue(1) == ("a",)


def test_a_member_that_vanishes_has_died_unless_it_was_sent_to_retire():
    made = census(server("a"), server("b"), server("c", DRAINING))
    made.retire(["b"])
    assert made.counts(1).leaving == 2
    changes = made.absorb(seen(101))
    assert [each.id for each in changes.died] == ["a"]
    assert made.counts(1) == Counts(3)


def test_reads_that_go_back_in_time_neither_kill_nor_revive():
    made = census(server("a"), server("b", launched_at=95.0), staleness=10)
    made.retire(["b"])
    assert made.absorb(seen(101)).died == ()
    assert made.counts(1) == Counts(3, leaving=1)
    assert made.absorb(seen(102, server("a"), server("b"))).died == ()
    assert made.counts(1) == Counts(3, ready=1, proven=1, leaving=1)
    assert made.absorb(seen(103)).died == ()
    assert [each.id for each in made.absorb(seen(113)).died] == ["a"]
    assert made.counts(1) == Counts(3)
    assert made.absorb(seen(114, server("a"), server("b"))).died == ()
    assert made.counts(1) == Counts(3, ready=1, proven=1)


def test_one_that_was_sent_to_retire_is_gone_once_no_look_can_be_older_than_it():
    made = census(server("a", launched_at=50.0), server("b", launched_at=95.0), staleness=10)
    made.retire(["a", "b"])
    # What shows neither is of 91 at the earliest: a was there before, b perhaps not yet.
    assert made.absorb(seen(101)).died == ()
    assert made.counts(1) == Counts(3, leaving=1)
    made.absorb(seen(102, server("a", launched_at=50.0)))  # Of 92, say: it goes back in time.
    assert made.counts(1) == Counts(3, leaving=1)
    made.absorb(seen(105))
    assert made.counts(1) == Counts(3, leaving=1)
    made.absorb(seen(105.1))
    assert made.counts(1) == Counts(3)


def test_one_that_was_not_sent_to_retire_is_dead_only_after_the_staleness():
    made = census(server("a", launched_at=50.0), staleness=10)
    assert made.absorb(seen(101)).died == ()
    assert made.absorb(seen(110.9)).died == ()
    assert [each.id for each in made.absorb(seen(111)).died] == ["a"]


def test_what_is_awaited_is_known_from_those_who_came_and_went_before():
    booting = server("a", STARTING, launched_at=100.0)
    made = census(booting, server("b", STARTING, launched_at=102.0), at=110.0)
    made.groups = {1: evolve(made.groups[1], size=2)}
    assert made.awaited() == (Awaited(10.0, last=8.0, count=2),)
    made.absorb(seen(118, evolve(booting, state=READY, ready_since=117.0), complete=False))
    # One had been seen booting at 10 s and at none later, and was READY after 17.
    made.groups = {1: evolve(made.groups[1], size=2)}
    assert made.awaited() == (Awaited(16.0, (16.0 + 17.0) / 2, last=16.0),)
    made.retire(["a"])
    made.groups = {1: evolve(made.groups[1], size=1)}
    made.absorb(seen(121, server("b", STARTING, launched_at=102.0)), groups=False)
    assert made.awaited() == (Awaited(19.0, (16.0 + 17.0) / 2, last=19.0),)
    made.retire(["b"])
    assert made.awaited()[-1] == Awaited(0.0, 1.5)


def test_who_recovers_or_was_sent_by_somebody_else_may_be_done_at_any_time():
    made = census(server("a"), server("b", UNREADY), server("c", DRAINING))
    made.groups = {1: evolve(made.groups[1], size=2)}
    assert made.awaited() == (Awaited(), Awaited())
    made.groups = {1: evolve(made.groups[1], size=5)}
    assert Awaited() in made.awaited()


def test_who_was_seen_to_leave_serves_again_only_in_a_look_that_can_not_be_older():
    made = Census(0.0, 60.0, 3.0)
    made.absorb(seen(110, server("a"), server("b", DRAINING)))
    # Both looks may be as old as 3 s: the second one shows what was before the first.
    made.absorb(seen(112, server("a"), server("b")))
    assert made.counts(1) == Counts(made.counts(1).size, ready=1, proven=1, leaving=1)
    made.absorb(seen(113, server("a"), server("b")))
    assert (made.counts(1).ready, made.counts(1).leaving) == (1, 1)
    made.absorb(seen(113.5, server("a"), server("b")))
    assert (made.counts(1).ready, made.counts(1).leaving) == (2, 0)


def test_where_looks_show_all_at_once_who_is_shown_to_serve_serves():
    made = Census(0.0, 60.0)
    made.absorb(seen(110, server("a"), server("b", DRAINING)))
    made.absorb(seen(111, server("a"), server("b")))
    assert (made.counts(1).ready, made.counts(1).leaving) == (2, 0)


def test_a_retirement_that_did_not_happen_is_taken_back():
    made = census(server("a"), server("b", UNREADY))
    made.retire(["a", "b", "unknown"])
    assert made.counts(1) == Counts(3, leaving=2)
    made.spare(["a", "b"])
    assert made.counts(1) == Counts(3, ready=1, unready=1)
    made.absorb(seen(106, complete=False))
    assert made.counts(1).proven == 1


def test_what_will_be_without_some_members():
    made = census(server("a"), server("b"), server("c", STARTING, launched_at=99.0))
    after = made.without(made.counts(1), ("a", "c"))
    assert after == Counts(1, ready=1, proven=1, leaving=2)


def test_picking_takes_the_broken_first_then_the_oldest_from_the_fullest_zone():
    made = census(
        server("a1", zone="a", launched_at=3.0), server("a2", zone="a", launched_at=1.0),
        server("b1", zone="b", launched_at=0.0), server("x", UNREADY, zone="b"),
        server("y", STARTING, zone="a", launched_at=99.0), server("p", zone="a", protected=True),
    )  # fmt: skip
    every = made.pick(1, 9, Which.ANY, protected=False)
    assert every == ("x", "y", "a2", "a1", "b1")
    assert made.pick(1, 3, Which.ANY, protected=True) == ("x", "y", "p")
    assert made.pick(1, 9, Which.BROKEN, protected=True) == ("x", "y")
    assert made.pick(1, 3, Which.SURPLUS, protected=False) == ("x", "y", "a1")


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(list(InstanceState)))))
def test_counting_in_steps_and_at_once_agree(changes):
    made, last = Census(0, BOOT), {}
    for number, (name, state) in enumerate(changes):
        made.absorb(seen(number, server(name, state), complete=False))
        leaving = last.get(name) is DRAINING
        if state is GONE:
            last.pop(name, None)
        if leaving or (state is GONE and name in made._buried):
            last.pop(name, None)
        if state is not GONE and name not in made._buried:
            last[name] = state
    states = list(last.values())
    counts = made.counts(1)
    assert (counts.starting, counts.ready, counts.unready, counts.leaving) == tuple(
        states.count(each) for each in (STARTING, READY, UNREADY, DRAINING)
    )
    assert counts.proven == counts.ready


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), min_size=1))
def test_what_lasts_is_the_least_of_the_span(steps):
    span, now, lasting, history = 30, 0, Lasting(30), []
    for pause, value in steps:
        now += pause
        lasting.watch(now, value)
        history.append((now, value))
    began = history[0][0]
    held = [
        value
        for (at, value), (until, _) in zip(history, [*history[1:], (now + 1, 0)], strict=True)
        if until > now - span or at == now
    ]
    assert lasting.least == (min(held) if now - began >= span else 0)


def test_a_call_is_made_again_while_that_can_help():
    async def main():
        loop = asyncio.get_running_loop()
        answers = [Throttled("slow", retry_after=7.0), Transient("reset"), "here"]

        async def call():
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert await patiently(call) == "here"
        assert 7.5 <= loop.time() <= 9

        async def denied():
            raise Invalid("never")

        with pytest.raises(Invalid):
            await patiently(denied)
        assert loop.time() <= 9

    run(main())


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_attempts_are_bounded(attempts):
    async def main():
        made = 0

        async def call():
            nonlocal made
            made += 1
            raise Transient("down")

        with pytest.raises(Transient):
            await patiently(call, attempts=attempts)
        assert made == attempts

    run(main())


def test_patience_is_bounded_by_the_loops_time():
    async def main():
        async def call():
            raise Throttled("slow")

        with pytest.raises(Throttled):
            await patiently(call, patience=100)
        assert 100 <= asyncio.get_running_loop().time() <= 131

    run(main())


def test_a_call_without_an_answer_is_transient():
    async def main():
        with pytest.raises(Transient, match="no answer within 60 s"):
            await patiently(lambda: asyncio.sleep(1e6), attempts=1)
        assert asyncio.get_running_loop().time() == CALL_SECONDS

    run(main())
