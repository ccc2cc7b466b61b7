"""Calls that go wrong: refused, throttled, without an answer, late."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from immutable.backend import Conflict, Denied, Throttled, Transient
from immutable.memory import Fault, Faults
from immutable.memory.faults import When
from tests.memory.support import DRAINING, NAME, Place, context, virtual


@virtual
async def test_a_call_that_fails_before_has_no_effect():
    place = Place(3)
    place.cloud.faults.add(Fault("grow"))
    with pytest.raises(Transient, match="the answer was lost"):
        await place.grow(4, expected=3)
    assert (await place.group()).size == 3
    assert len(await place.names()) == 3


@virtual
async def test_a_call_whose_answer_is_lost_took_effect():
    place = Place(3)
    place.cloud.faults.add(Fault("grow", when=When.AFTER))
    with pytest.raises(Transient):
        await place.grow(4, expected=3)
    assert (await place.group()).size == 4
    assert len(await place.names()) == 4


@virtual
async def test_a_late_call_takes_effect_later():
    place = Place(3)
    place.cloud.faults.add(Fault("grow", when=When.LATE, delay=12))
    with pytest.raises(Transient):
        await place.grow(4, expected=3)
    await place.at(11.9)
    assert (await place.group()).size == 3
    await place.at(12)
    assert (await place.group()).size == 4


@virtual
async def test_a_growth_repeated_after_a_lost_answer_launches_nothing_twice():
    place = Place(3)
    place.cloud.faults.add(Fault("grow", when=When.AFTER, times=2))
    for _ in range(2):
        with pytest.raises(Transient):
            await place.grow(5, expected=3)
    assert await place.grow(5, expected=3) == 5
    assert len(await place.names()) == 5


@virtual
async def test_a_retirement_repeated_after_a_lost_answer_lowers_nothing_twice():
    place = Place(3)
    first, *_ = await place.names()
    place.cloud.faults.add(Fault("retire", when=When.AFTER))
    with pytest.raises(Transient):
        await place.retire(first)
    assert (await place.retire(first)).size == 2
    assert await place.names(DRAINING) == [first]


@virtual
async def test_a_late_growth_that_comes_after_a_repetition_changes_nothing_more():
    place = Place(3)
    place.cloud.faults.add(Fault("grow", when=When.LATE, delay=10))
    with pytest.raises(Transient):
        await place.grow(4, expected=3)
    assert await place.grow(4, expected=3) == 4
    await place.at(20)
    assert (await place.group()).size == 4
    assert len(await place.names()) == 4


@virtual
async def test_a_late_call_is_held_against_the_fence_when_it_arrives():
    place = Place(3)
    place.cloud.faults.add(Fault("retire", when=When.LATE, delay=10))
    with pytest.raises(Transient):
        await place.retire(*await place.names(), ctx=context(fence=1))
    await place.backend.hold(NAME, 1, place.now + 100, context(fence=2))
    await place.at(50)
    assert len(await place.names(DRAINING)) == 0
    assert (await place.group()).size == 3


@virtual
async def test_a_throttled_call_did_nothing_and_says_when_to_come_back():
    place = Place(3)
    slow = Fault("grow", lambda: Throttled("too many calls", retry_after=7), times=2)
    place.cloud.faults.add(slow)
    for _ in range(2):
        with pytest.raises(Throttled) as caught:
            await place.grow(4, expected=3)
        assert caught.value.retry_after == 7
    assert (await place.group()).size == 3
    assert await place.grow(4, expected=3) == 4


@virtual
async def test_a_fault_strikes_the_calls_of_its_name_and_as_often_as_it_says():
    place = Place(3)
    place.cloud.faults.add(Fault("settle", lambda: Denied("no"), times=1))
    await place.group()
    with pytest.raises(Denied):
        await place.backend.settle(NAME, 1, context())
    assert await place.backend.settle(NAME, 1, context()) == 3


@virtual
async def test_a_fault_of_all_calls_without_an_end_strikes_them_all():
    place = Place(3)
    place.cloud.faults.add(Fault("*", lambda: Denied("no"), times=None))
    for call in (place.backend.fleets(), place.group(), place.grow(4, expected=3)):
        with pytest.raises(Denied):
            await call
    place.cloud.faults.planned.clear()
    assert (await place.group()).size == 3


def test_faults_are_tried_in_the_order_in_which_they_were_added():
    faults = Faults(Random(1))
    first, second = Fault("grow", times=1), Fault("grow", times=1)
    faults.add(first)
    faults.add(second)
    assert [faults.pick("grow") for _ in range(3)] == [first, second, None]


@virtual
async def test_a_call_that_would_be_refused_anyway_is_lost_all_the_same():
    place = Place(3)
    place.cloud.faults.add(Fault("grow", when=When.AFTER))
    with pytest.raises(Transient):
        await place.grow(9, expected=8)
    with pytest.raises(Conflict):
        await place.grow(9, expected=8)


@virtual
async def test_every_call_is_counted_whatever_comes_of_it():
    place = Place(3)
    place.cloud.faults.add(Fault("grow", when=When.LATE, delay=1))
    with pytest.raises(Transient):
        await place.grow(4, expected=3)
    await asyncio.sleep(5)
    await place.grow(4, expected=3)
    await place.group()
    assert place.cloud.calls == {"grow": 2, "observe": 1}
