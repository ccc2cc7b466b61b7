"""Automatic scaling that acts by itself, and hazards: what nobody but the cloud does."""

from __future__ import annotations

import pytest
from attrs import frozen

from immutable import InvalidValue, Limits, Status
from immutable.backend import Pool
from immutable.memory import Schedule, Tracking, exponential, fixed
from immutable.memory.scaling import SETTING
from immutable.testing import run
from tests.memory.support import (
    BOOT,
    DRAINING,
    NAME,
    READY,
    STARTING,
    Place,
    context,
    revision,
    virtual,
)
from tests.support.world import world

# -- tracking a load -------------------------------------------------------------------------------


@virtual
async def test_a_scaler_grows_a_fleet_with_its_load_and_shrinks_it_again():
    place = Place(4)
    load = [400.0]
    place.cloud.autoscale(NAME, Tracking(lambda at: load[0], target=100), minimum=2, maximum=7)
    sizes = []
    for minute, now in enumerate([400, 600, 600, 2000, 370, 100, 100], start=1):
        load[0] = now
        await place.at(60 * minute + 1)
        sizes.append((await place.group()).size)
    # 370 of 400 is above nine tenths: no reason to scale in, at first. The bounds are kept.
    assert sizes == [4, 6, 6, 7, 4, 2, 2]


@virtual
async def test_a_scaler_picks_its_own_victims_and_no_protected_ones():
    place = Place(4)
    names = await place.names()
    place.cloud.protect(NAME, names[0])
    place.cloud.autoscale(NAME, Tracking(lambda at: 200.0, target=100))
    await place.at(60)
    assert await place.names(DRAINING) == names[1:3]


@virtual
async def test_while_the_group_is_held_tracking_scales_out_and_not_in():
    place, load = Place(4), [100.0]
    place.cloud.autoscale(NAME, Tracking(lambda at: load[0], target=100))
    await place.backend.hold(NAME, 1, place.now + 3600, context())
    await place.at(61)
    assert (await place.states()) == {READY: 4}
    load[0] = 500.0
    await place.at(121)
    assert (await place.states()) == {READY: 4, STARTING: 1}
    load[0] = 100.0
    await place.backend.release(NAME, 1, context())
    await place.at(181)
    assert (await place.group()).size == 1


@virtual
async def test_of_two_groups_the_one_with_the_setting_is_scaled_in_proportion():
    place = Place(6)
    place.cloud.autoscale(NAME, Tracking(lambda at: 900.0, target=100))
    await place.create(2)
    await place.grow(3, expected=0, number=2)
    await place.at(BOOT)
    await place.states()
    await place.retire(*(await place.names(number=1))[:3])
    await place.at(61)
    # 900 / 100 = 9 for the 6 that serve: half as much again, so 3 become 5.
    assert [group.size for group in (await place.backend.observe(NAME)).groups] == [5, 3]


@virtual
async def test_a_release_hands_the_scaler_over():
    place = Place(3)
    place.cloud.autoscale(NAME, Tracking(lambda at: 1000.0, target=100, every=500))
    assert (await place.group(1)).settings == {SETTING: "100 a server"}
    await place.create(2)
    await place.grow(3, expected=0, number=2)
    await place.at(BOOT)
    await place.backend.release(NAME, 2, context())
    await place.at(501)
    assert [group.size for group in (await place.backend.observe(NAME)).groups] == [3, 5]


@virtual
async def test_a_scaler_can_be_taken_off_and_leaves_no_setting():
    place = Place(3)
    place.cloud.autoscale(NAME, Tracking(lambda at: 900.0, target=100))
    place.cloud.autoscale(NAME, None)
    await place.at(200)
    assert ((await place.group()).size, (await place.group()).settings) == (3, {})


def test_a_target_of_nothing_is_refused():
    with pytest.raises(InvalidValue, match="not above 0"):
        Tracking(lambda at: 1.0, target=0)


# -- a schedule ------------------------------------------------------------------------------------


@virtual
async def test_a_schedule_sets_sizes_at_its_times_and_nothing_while_held():
    place = Place(3)
    begin = place.now
    plan = Schedule([(begin + 100, 5), (begin + 300, 2), (begin + 600, 6)], every=10)
    place.cloud.autoscale(NAME, plan)
    sizes = {}
    for second in (95, 105, 305):
        await place.at(second)
        sizes[second] = (await place.group()).size
    await place.backend.hold(NAME, 1, place.now + 3600, context())
    await place.at(650)
    sizes[650] = (await place.group()).size
    await place.backend.release(NAME, 1, context())
    await place.at(665)
    sizes[665] = (await place.group()).size
    assert sizes == {95: 3, 105: 5, 305: 2, 650: 2, 665: 6}


@virtual
async def test_anybody_can_write_a_scaler_of_their_own():
    @frozen
    class Odd:
        every: float = 30.0

        def size(self, fleet, group, at):
            return group.shown.size | 1

    place = Place(4)
    place.cloud.autoscale(NAME, Odd())
    await place.at(31)
    assert (await place.group()).size == 5


def test_a_rollout_follows_what_a_scaler_asks_for_and_hands_it_over():
    async def check():
        async with world(4) as w:
            load = [350.0]
            w.cloud.autoscale("web", Tracking(lambda at: load[0], target=100, every=20))
            w.at(50, lambda: load.__setitem__(0, 600.0))
            result = await w.fleet.replace("v2", limits=Limits(1, min_ready=5))
            assert result.status is Status.SUCCEEDED
            assert result.wanted > 4
            assert SETTING in w.truth.groups[2].shown.settings

    run(check())


# -- hazards ---------------------------------------------------------------------------------------


@virtual
async def test_a_hazard_strikes_servers_that_are_there_and_those_that_replace_them():
    place = Place(2)
    before = set(await place.names())
    place.cloud.hazard = fixed(100)
    await place.at(99.9)
    assert set(await place.names()) == before
    await place.at(100)
    assert not before & set(await place.names())
    second = set(await place.names())
    await place.at(200)
    assert not second & set(await place.names())
    assert (await place.group()).size == 2


@virtual
async def test_a_hazard_that_is_over_strikes_nobody_any_more():
    place = Place(3)
    before = await place.names()
    place.cloud.hazard = exponential(50)
    place.cloud.hazard = None
    await place.at(10_000)
    assert await place.names() == before


@virtual
async def test_a_hazard_knows_no_fleet_that_is_gone():
    place = Place(1)
    place.cloud.hazard = fixed(1000)
    await place.retire(*await place.names())
    await place.at(100)
    await place.backend.delete_fleet(NAME)
    await place.at(2000)
    assert await place.backend.fleets() == ()


@virtual
async def test_deaths_by_a_hazard_are_as_many_as_it_says():
    place, dead = Place(50), []
    place.cloud.watchers.append(lambda fleet, i: i.state == "gone" and dead.append(i.id))
    place.cloud.hazard = exponential(3_600)
    for hour in range(1, 21):
        await place.at(3_600 * hour)
        await place.states()
    # 50 servers, 20 hours: 1,000 deaths, give or take four times their root.
    assert len(dead) == pytest.approx(1_000, abs=4 * 32)


@virtual
async def test_a_hazard_changes_no_other_chance():
    async def boots(hazard):
        place = Place(3, seed=5)
        place.cloud.hazard = hazard
        return [place.cloud.random.random() for _ in range(3)]

    assert await boots(exponential(10)) == await boots(None)


def test_a_mean_of_nothing_is_refused():
    with pytest.raises(InvalidValue, match="not above 0"):
        exponential(0)


@virtual
async def test_what_happens_by_itself_happens_at_its_time_and_not_when_somebody_looks():
    place = Place(2)
    begin = place.now
    place.cloud.after(100, lambda: place.cloud.resize(NAME, 1, 3))
    await place.at(500)
    (new,) = [i for i in await place.members() if i.launched_at > begin]
    assert new.launched_at == begin + 100
    assert new.ready_since == begin + 100 + BOOT


@virtual
async def test_a_candidate_gets_no_scaler_of_its_own():
    place = Place(2)
    place.cloud.autoscale(NAME, Tracking(lambda at: 200.0, target=100))
    await place.backend.create_revision(NAME, revision(2), Pool.SHARED, place.now + 9, context())
    assert (await place.group(2)).settings == {}


@virtual
async def test_a_fleet_that_cant_launch_is_not_asked_for_ever_more():
    place = Place(4)
    place.cloud.capacity = {"a": 2, "b": 1, "c": 1}
    place.cloud.autoscale(NAME, Tracking(lambda at: 700.0, target=100))
    await place.at(2_000)
    assert (await place.group()).size == 7


@virtual
async def test_with_weights_a_group_bears_its_share_of_the_load():
    place = Place(4)
    place.cloud.autoscale(NAME, Tracking(lambda at: 400.0, target=100, every=100))
    await place.backend.create_revision(NAME, revision(2), Pool.OWN, place.now + 900, context())
    await place.grow(4, expected=0, number=2)
    await place.at(101)
    assert (await place.group(1)).size == 4  # What has no traffic yet bears nothing.
    await place.backend.route(NAME, {1: 0, 2: 100}, context())
    await place.backend.release(NAME, 2, context())
    await place.at(201)
    assert (await place.group(2)).size == 4
