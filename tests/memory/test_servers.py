"""The life of a simulated server: it boots, serves, drains, ends; it dies, and is replaced."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import CapacityShortage, Group, TroubleKind
from immutable.memory import Behaviour, Cloud, Laws, fixed, lognormal
from immutable.testing import LoopClock, run
from tests.memory.support import (
    BOOT,
    DRAIN,
    DRAINING,
    GONE,
    NAME,
    READY,
    STARTING,
    TERMINATE,
    UNREADY,
    Place,
    context,
    virtual,
)
from tests.support.world import revision

# -- from launch to end ----------------------------------------------------------------------------


@virtual
async def test_a_server_starts_and_is_ready_when_its_boot_is_over():
    place = Place(1)
    await place.grow(2, expected=1)
    await place.at(BOOT - 0.1)
    _, new = await place.members()
    assert (new.state, new.ready_since) == (STARTING, None)
    await place.at(BOOT)
    _, new = await place.members()
    assert new.state is READY
    assert new.ready_since - new.launched_at == BOOT


@virtual
async def test_a_server_is_stamped_when_it_happened_and_not_when_somebody_looked():
    place = Place(1)
    await place.grow(2, expected=1)
    await place.at(500)
    assert (await place.members())[1].ready_since == place.now - 500 + BOOT


@virtual
async def test_a_retired_server_drains_then_terminates_then_is_gone():
    place = Place(3)
    first, *_ = await place.names()
    before = await place.backend.observe(NAME)
    await place.retire(first)
    gone = DRAIN + TERMINATE
    await place.at(gone - 0.1)
    (leaving,) = await place.members(DRAINING)
    assert (leaving.id, leaving.ready_since) == (first, None)
    await place.at(gone)
    assert first not in await place.names()
    told = await place.backend.observe(NAME, since=before.cursor)
    assert [(each.id, each.state) for each in told.instances] == [(first, GONE)]


@virtual
async def test_a_drain_timeout_cuts_draining_short():
    place = Place(2, laws=Laws(boot=fixed(BOOT), drain=fixed(300), terminate=fixed(10)))
    one, other = await place.names()
    await place.retire(one, drain_timeout=30)
    await place.retire(other, drain_timeout=1000)
    await place.at(39.9)
    assert await place.names() == [one, other]
    await place.at(40)
    assert await place.names() == [other]
    await place.at(310)
    assert await place.names() == []


@virtual
async def test_an_image_that_never_becomes_ready_stays_starting():
    place = Place(1)
    place.cloud.behaviours["bad"] = Behaviour(ready=False)
    await place.create(2, "bad")
    await place.grow(2, expected=0, number=2)
    await place.at(100_000)
    assert [i.state for i in await place.members(number=2)] == [STARTING, STARTING]


@virtual
async def test_an_image_that_cant_be_launched_gives_no_server_and_says_so():
    place = Place(1)
    place.cloud.behaviours["bad"] = Behaviour(launchable=False)
    await place.create(2, "bad")
    with pytest.raises(CapacityShortage):
        await place.grow(1, expected=0, number=2)
    group = await place.group(2)
    assert (group.size, group.trouble.kind) == (1, TroubleKind.SHORTAGE)
    assert await place.members(number=2) == []


@virtual
async def test_a_server_that_fails_its_check_is_unready_until_it_passes_again():
    place = Place(1)
    fleet, (name,) = place.cloud.fleets[NAME], await place.names()
    place.cloud.set_state(fleet, name, UNREADY)
    (server,) = await place.members()
    assert (server.state, server.ready_since) == (UNREADY, None)
    assert fleet.ready == 0
    await place.at(50)
    await place.states()
    place.cloud.set_state(fleet, name, READY)
    (server,) = await place.members()
    assert (server.state, server.ready_since) == (READY, place.now)


@virtual
async def test_the_end_of_its_boot_mends_no_server_that_has_failed_meanwhile():
    place = Place(1)
    await place.grow(2, expected=1)
    _, new = await place.names()
    place.cloud.set_state(place.cloud.fleets[NAME], new, UNREADY)
    await place.at(BOOT + 1)
    assert await place.names(UNREADY) == [new]


# -- deaths and healing ----------------------------------------------------------------------------


@virtual
async def test_a_dead_server_is_replaced_by_one_of_its_own_revision():
    place = Place(3)
    before = await place.names()
    place.cloud.kill(NAME, before[0])
    new = [each for each in await place.members() if each.id not in before]
    assert [(each.state, each.revision) for each in new] == [(STARTING, 1)]
    await place.at(BOOT)
    assert (await place.states()) == {READY: 3}


@virtual
async def test_a_server_that_dies_while_it_boots_never_becomes_ready():
    place = Place(1)
    await place.grow(2, expected=1)
    await place.at(BOOT / 2)
    _, doomed = await place.names()
    place.cloud.kill(NAME, doomed)
    await place.at(BOOT)
    assert (await place.states()) == {READY: 1, STARTING: 1}
    await place.at(BOOT / 2 + BOOT)
    assert (await place.states()) == {READY: 2}
    assert doomed not in await place.names()


@virtual
async def test_servers_of_an_image_that_crashes_are_replaced_again_and_again():
    place = Place(1)
    place.cloud.behaviours["bad"] = Behaviour(dies_after=fixed(50))
    await place.create(2, "bad")
    await place.grow(1, expected=0, number=2)
    seen = set()
    for second in range(1, 501):
        await place.at(second)
        seen.update(await place.names(number=2))
    assert len(seen) == 11  # One at 0, then at 50, 100, … 500.


@virtual
async def test_where_nobody_heals_the_size_falls_with_the_dead():
    place = Place(3)
    place.cloud.heals = False
    place.cloud.kill(NAME, (await place.names())[0])
    await place.at(100)
    assert (await place.group()).size == 2
    assert (await place.states()) == {READY: 2}


@virtual
async def test_a_server_that_is_leaving_is_not_replaced_when_it_dies():
    place = Place(3)
    first, *_ = await place.names()
    await place.retire(first)
    place.cloud.kill(NAME, first)
    assert (await place.states()) == {READY: 2, DRAINING: 1}
    await place.at(100)
    assert (await place.states()) == {READY: 2}


# -- zones, capacity -------------------------------------------------------------------------------


@virtual
async def test_servers_are_spread_over_the_zones():
    place = Place(7)
    assert Counter(i.zone for i in await place.members()) == {"a": 3, "b": 2, "c": 2}
    place.cloud.kill(NAME, next(i.id for i in await place.members() if i.zone == "b"))
    assert Counter(i.zone for i in await place.members()) == {"a": 3, "b": 2, "c": 2}


@virtual
async def test_a_full_zone_is_passed_over_while_another_has_room():
    place = Place(3)
    place.cloud.capacity = {"a": 1}
    assert await place.grow(7, expected=3) == 7
    assert Counter(i.zone for i in await place.members()) == {"a": 1, "b": 3, "c": 3}


@virtual
async def test_without_room_a_growth_is_a_shortage_that_names_the_zone():
    place = Place(2, zones=("a",))
    place.cloud.capacity = {"a": 3}
    with pytest.raises(CapacityShortage, match="no room in zone a") as caught:
        await place.grow(5, expected=2)
    assert caught.value.zone == "a"
    group = await place.group()
    assert (group.size, group.trouble.zone) == (5, "a")
    assert len(await place.names()) == 3


@virtual
async def test_a_shortage_passes_by_itself_when_there_is_room_again():
    place = Place(2, zones=("a",))
    place.cloud.capacity = {"a": 2}
    with pytest.raises(CapacityShortage):
        await place.grow(4, expected=2)
    await place.at(30)
    assert len(await place.names()) == 2
    place.cloud.capacity = {"a": 4}
    await place.at(40)  # It is tried every 20 s.
    assert len(await place.names()) == 4
    assert (await place.group()).trouble is None


@virtual
async def test_a_leaving_server_takes_its_place_until_it_is_gone():
    place = Place(2, zones=("a",))
    place.cloud.capacity = {"a": 2}
    await place.retire((await place.names())[0])
    with pytest.raises(CapacityShortage):
        await place.grow(2, expected=1)
    await place.at(DRAIN + TERMINATE + 20)
    assert (await place.states()) == {READY: 1, STARTING: 1}


# -- an autoscaler ---------------------------------------------------------------------------------


@virtual
async def test_an_autoscaler_takes_the_oldest_and_doesnt_drain_them():
    place = Place(3)
    names = await place.names()
    place.cloud.resize(NAME, 1, 1)
    assert await place.names(DRAINING) == names[:2]
    await place.at(TERMINATE)
    assert await place.names() == names[2:]


@virtual
async def test_while_a_group_is_held_it_can_be_scaled_out_and_not_in():
    place = Place(3)
    await place.backend.hold(NAME, 1, place.now + 100, context())
    place.cloud.resize(NAME, 1, 1)
    assert (await place.states()) == {READY: 3}
    place.cloud.resize(NAME, 1, 5)
    assert (await place.states()) == {READY: 3, STARTING: 2}
    await place.at(100)
    place.cloud.resize(NAME, 1, 1)
    # What the hold has stopped stays so when its time is over, until somebody undoes it.
    assert (await place.states()) == {READY: 5}
    await place.backend.release(NAME, 1, context("anybody"))
    place.cloud.resize(NAME, 1, 1)
    assert (await place.states()) == {DRAINING: 4, READY: 1}


# -- what tests ask of it --------------------------------------------------------------------------


@virtual
async def test_the_fewest_ready_and_the_most_existing_are_remembered():
    place = Place(4)
    fleet = place.cloud.fleets[NAME]
    await place.retire(*(await place.names())[:3])
    await place.grow(3, expected=1)
    assert (fleet.lowest_ready, fleet.highest_total) == (1, 6)
    await place.at(100)
    await place.states()
    assert (fleet.lowest_ready, fleet.highest_total) == (1, 6)
    await place.grow(4, expected=3)
    assert (fleet.lowest_ready, fleet.highest_total) == (1, 6)
    fleet.reset_marks()
    assert (fleet.lowest_ready, fleet.highest_total) == (3, 4)


@virtual
async def test_a_watcher_is_told_of_every_change_at_its_time():
    place, told = Place(1), []
    place.cloud.watchers.append(lambda fleet, i: told.append((place.cloud.at - start, i.state)))
    start = place.now
    await place.grow(2, expected=1)
    await place.at(BOOT)
    await place.retire((await place.names())[1])
    await place.at(1000)
    await place.states()
    end = BOOT + DRAIN + TERMINATE
    assert told == [(0, STARTING), (BOOT, READY), (BOOT, DRAINING), (end, GONE)]


def story(seed: int) -> list[tuple]:
    """Return everything that happens in an eventful cloud."""
    told: list[tuple] = []

    @virtual
    async def happens():
        laws = Laws(boot=lognormal(20, 0.5), drain=lognormal(5, 0.5), terminate=fixed(10))
        place = Place(5, laws=laws, seed=seed)
        place.cloud.behaviours["v1"] = Behaviour(dies_after=lognormal(200, 0.9))
        place.cloud.watchers.append(lambda fleet, i: told.append((place.cloud.at, i)))
        await place.grow(10, expected=5)
        await place.at(2000)
        await place.states()

    happens()
    return told


def test_equal_seeds_give_equal_clouds_and_others_give_others():
    assert story(1) == story(1)
    assert len(story(1)) > 50
    assert story(1) != story(2)


# -- nothing is ever miscounted --------------------------------------------------------------------

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["grow", "retire", "kill", "resize", "unready", "ready", "wait"]),
        st.integers(0, 7),
    ),
    max_size=25,
)


async def make(place: Place, move: str, number: int) -> None:
    cloud, fleet = place.cloud, place.cloud.fleets[NAME]
    names = await place.names()
    name = names[number % len(names)] if names else "i-none"
    size = (await place.group()).size
    if move == "grow":
        with suppress(CapacityShortage):
            await place.grow(size + number, expected=size)
    elif move == "retire":
        await place.retire(*dict.fromkeys([name, *names[:1], "i-unknown"]))
    elif move == "kill":
        cloud.kill(NAME, name)
    elif move == "resize":
        cloud.resize(NAME, 1, number)
    elif move in ("unready", "ready"):
        cloud.set_state(fleet, name, UNREADY if move == "unready" else READY)
    else:
        await asyncio.sleep(4 * number)


@given(MOVES, st.booleans())
def test_counts_that_are_kept_along_the_way_are_those_of_the_servers(moves, heals):
    @virtual
    async def check():
        place = Place(3)
        place.cloud.heals = heals
        place.cloud.capacity = {"a": 3, "b": 3, "c": 3}
        for move in moves:
            await make(place, *move)
            members = await place.members()
            fleet, live = place.cloud.fleets[NAME], [i for i in members if i.state is not DRAINING]
            group = fleet.groups[1]
            assert fleet.ready == sum(i.state is READY for i in members)
            assert group.live == len(live)
            assert +group.zones == Counter(i.zone for i in live)
            assert +place.cloud.used == Counter(i.zone for i in members)
            assert len({i.id for i in members}) == len(members)
            assert group.live <= group.shown.size
            assert group.live == group.shown.size or group.short is not None
            assert max(Counter(i.zone for i in members).values(), default=0) <= 3

    check()


def test_clients_counted_by_zone_are_as_many_as_counted_by_server():
    async def main(by_zone):
        cloud = Cloud(LoopClock(), zones=("a", "b"), seed=3)
        cloud.settled_fleet("web", Group(revision(), 0), 10)
        clients = cloud.fleets["web"].clients
        clients.rate, clients.by_zone, clients.at = 1000.0, by_zone, cloud.at
        await asyncio.sleep(60)
        cloud.advance()
        reading = cloud.traffic("web").revisions[1]
        for each in reading.values():
            assert sum(each.latency) == each.requests
        return reading

    zones, servers = run(main(True)), run(main(False))
    assert set(zones) == {"a", "b"}
    assert len(servers) == 10
    for reading in (zones, servers):
        assert sum(each.requests for each in reading.values()) == pytest.approx(60_000, rel=0.03)
    # The same law of latencies, whether few or many are drawn at once: the same median bucket.
    medians = []
    for reading in (zones, servers):
        total = [sum(each) for each in zip(*(s.latency for s in reading.values()), strict=True)]
        below = [sum(total[: n + 1]) for n in range(len(total))]
        medians.append(next(n for n, b in enumerate(below) if b >= sum(total) / 2))
    assert medians[0] == medians[1]
