"""What an observer of the simulated cloud sees: everything, what changed, or how it was."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import Gone
from immutable.memory import Cloud, Fault, MemoryBackend, exponential, looking
from immutable.testing import LoopClock
from tests.memory.support import (
    BOOT,
    DRAINING,
    GONE,
    NAME,
    READY,
    STARTING,
    Place,
    context,
    virtual,
)

STALE = 10.0


@virtual
async def test_a_first_look_shows_all_and_the_next_only_what_changed():
    place = Place(3)
    whole = await place.backend.observe(NAME)
    assert (whole.complete, len(whole.instances)) == (True, 3)
    assert (await place.backend.observe(NAME, since=whole.cursor)).instances == ()
    await place.grow(4, expected=3)
    part = await place.backend.observe(NAME, since=whole.cursor)
    assert not part.complete
    assert [each.state for each in part.instances] == [STARTING]
    assert [group.size for group in part.groups] == [4]


@virtual
async def test_of_a_server_that_changed_twice_the_last_state_is_told_once():
    place = Place(1)
    whole = await place.backend.observe(NAME)
    await place.grow(2, expected=1)
    await place.at(BOOT)
    part = await place.backend.observe(NAME, since=whole.cursor)
    assert [each.state for each in part.instances] == [READY]


@virtual
async def test_a_look_by_somebody_else_uses_nothing_up():
    place = Place(1)
    whole = await place.backend.observe(NAME)
    await place.grow(2, expected=1)
    one = await place.backend.observe(NAME, since=whole.cursor)
    other = await place.backend.observe(NAME, since=whole.cursor)
    assert one == other
    assert len(one.instances) == 1


@virtual
async def test_a_server_that_came_and_went_between_two_looks_is_told_as_gone():
    place = Place(1)
    whole = await place.backend.observe(NAME)
    await place.grow(2, expected=1)
    _, new = await place.names()
    await place.retire(new)
    await place.at(1000)
    part = await place.backend.observe(NAME, since=whole.cursor)
    assert [(each.id, each.state) for each in part.instances] == [(new, GONE)]


@virtual
async def test_a_cursor_that_is_too_old_gets_everything(monkeypatch):
    monkeypatch.setattr(looking, "_LOG_LENGTH", 5)
    place = Place(3)
    old = (await place.backend.observe(NAME)).cursor
    for size in range(4, 10):
        await place.grow(size, expected=size - 1)
    new = (await place.backend.observe(NAME, since=old)).cursor
    await place.backend.observe(NAME, since=new)
    again = await place.backend.observe(NAME, since=old)
    assert (again.complete, len(again.instances)) == (True, 9)
    last = await place.backend.observe(NAME, since=new)
    assert (last.complete, last.instances, last.cursor) == (False, (), new)


@virtual
async def test_a_fleet_that_isnt_there_is_gone():
    place = Place(1)
    with pytest.raises(Gone, match="no fleet nowhere"):
        await place.backend.observe("nowhere")
    assert await place.backend.fleets() == (NAME,)


# -- stale reads -----------------------------------------------------------------------------------


async def looks(place: Place, count: int, every: float) -> list[tuple[float, int, float]]:
    """Return, for many looks, when it was, how many DRAINING were seen, and the stamp."""
    found = []
    for number in range(count):
        await place.at(100 + every * number)
        state = await place.backend.observe(NAME)
        draining = sum(each.state is DRAINING for each in state.instances)
        found.append((every * number, draining, state.at - place.now))
    return found


@virtual
async def test_a_stale_read_shows_the_past_goes_back_in_time_and_is_never_too_old():
    place = Place(3, stale=STALE)
    place.cloud.laws = type(place.cloud.laws)(drain=lambda _: 1000.0)
    for second in range(80, 100):
        await place.at(second)
        await place.backend.observe(NAME)
    await place.at(100)
    await place.retire((await place.names())[0], drain_timeout=1000)
    seen = await looks(place, 100, 0.2)
    early = [draining for second, draining, _ in seen if second < STALE]
    assert set(early) == {0, 1}
    assert early != sorted(early)  # A later look showed what was before.
    assert {draining for second, draining, _ in seen if second >= STALE} == {1}
    assert {offset for *_, offset in seen} == {0.0}  # The stamp pretends to be of now.


@virtual
async def test_what_changes_no_server_becomes_visible_too_and_not_later_than_it_may():
    place = Place(3, stale=STALE)
    await place.at(99)
    await place.group()
    await place.at(100)
    await place.backend.hold(NAME, 1, place.now + 900, context())
    await place.at(100 + STALE)
    assert (await place.group()).hold is not None


@virtual
async def test_without_staleness_a_call_is_seen_by_the_next_look():
    place = Place(3)
    await place.retire((await place.names())[0])
    assert (await place.states())[DRAINING] == 1
    assert place.backend.capabilities.staleness == 0


@virtual
async def test_a_stale_cloud_says_how_stale_it_is():
    cloud = Cloud(LoopClock())
    cloud.faults.stale = STALE
    assert MemoryBackend(cloud).capabilities.staleness == STALE


@virtual
async def test_a_stale_look_with_a_cursor_tells_what_changed_until_when_it_is_true():
    place = Place(2, stale=STALE)
    old = (await place.backend.observe(NAME)).cursor
    await place.at(100)
    await place.grow(3, expected=2)
    sizes, cursors = [], []
    for second in range(100):
        await place.at(100 + second / 10)
        state = await place.backend.observe(NAME, since=old)
        sizes.append((state.complete, state.group(1).size, len(state.instances)))
        cursors.append(state.cursor)
    # Members and sizes are of the same moment, and the cursor too.
    assert set(sizes) == {(False, 2, 0), (False, 3, 1)}
    assert set(cursors) == {old, old + 1}
    assert cursors != sorted(cursors)


@virtual
async def test_a_replica_that_is_behind_the_cursor_tells_all_that_it_knows_as_it_was():
    place = Place(2, stale=STALE)
    await place.at(100)
    await place.group()
    await place.grow(3, expected=2)
    newest = place.cloud.fleets[NAME].dropped + len(place.cloud.fleets[NAME].log)
    looks = [await place.backend.observe(NAME, since=newest) for _ in range(20)]
    assert all(look.complete and len(look.instances) == 2 for look in looks)
    await place.at(100 + STALE)
    caught_up = await place.backend.observe(NAME, since=newest)
    assert (caught_up.complete, caught_up.instances) == (False, ())


@given(st.lists(st.tuples(st.floats(0, 6), st.booleans()), max_size=40), st.integers(0, 99))
def test_who_follows_stale_cursors_knows_what_a_look_of_that_moment_would_show(steps, seed):
    @virtual
    async def check():
        place, known, cursor = Place(3, stale=STALE, seed=seed), {}, None
        place.cloud.hazard = exponential(20)
        for pause, looks in steps:
            await asyncio.sleep(pause)
            if not looks:
                place.cloud.resize(NAME, 1, 2 + int(pause))
                continue
            state = await place.backend.observe(NAME, since=cursor)
            known = {} if state.complete else known
            known.update({each.id: each for each in state.instances})
            known = {name: each for name, each in known.items() if each.state is not GONE}
            cursor = state.cursor
            then = [s for s in place.cloud.fleets[NAME].history if s.cursor == cursor]
            assert known == {each.id: each for each in then[-1].instances}

    check()


# -- chance ----------------------------------------------------------------------------------------


def test_a_fault_strikes_as_often_as_its_chance_says_and_equal_seeds_alike():
    def strikes(seed):
        fault, random = Fault("grow", chance=0.3, times=None), Random(seed)
        return [fault.strikes("grow", random) for _ in range(5000)]

    assert sum(strikes(1)) == pytest.approx(1500, rel=0.1)
    assert strikes(1) == strikes(1)
    assert strikes(1) != strikes(2)
