"""The rules of docs/contract.md on the simulated cloud; a rule's number is in brackets."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from immutable import Limits, Plan
from immutable.backend import (
    Conflict,
    FleetURL,
    Gone,
    Group,
    Hold,
    Invalid,
    Origin,
    Pool,
    SystemClock,
)
from immutable.memory import MemoryBackend
from immutable.planning.compile import replacement
from immutable.strategies import Rolling
from immutable.testing import run
from tests.memory.support import (
    BOOT,
    DRAIN,
    DRAINING,
    NAME,
    READY,
    STARTING,
    TERMINATE,
    Place,
    context,
    revision,
    virtual,
)

OURS, OTHERS = context("ours"), context("others")

# -- grow, settle ----------------------------------------------------------------------------------


@virtual
async def test_a_size_is_absolute_and_a_repetition_changes_nothing():  # [G1]
    place = Place(3)
    assert await place.grow(5, expected=3) == 5
    assert await place.grow(5, expected=3) == 5
    assert len(await place.names()) == 5


@virtual
async def test_growing_never_lowers_a_size():  # [G1]
    place = Place(3)
    assert await place.grow(2, expected=3) == 3
    assert (await place.states()) == {READY: 3}


@virtual
async def test_a_size_that_is_not_as_expected_is_a_conflict_and_stays():  # [G2]
    place = Place(3)
    with pytest.raises(Conflict, match="r1 has size 3, not 2"):
        await place.grow(5, expected=2)
    assert len(await place.names()) == 3


@virtual
async def test_a_size_above_the_maximum_is_invalid():  # [G5]
    place = Place(3, group=Group(revision(), 0, maximum=4))
    assert await place.grow(4, expected=3) == 4
    with pytest.raises(Invalid, match="4 at most"):
        await place.grow(5, expected=4)


@virtual
async def test_settling_lowers_a_size_to_the_members_and_ends_none():  # [G6]
    place = Place(3, zones=("a",))
    place.cloud.capacity = {"a": 3}
    place.cloud.resize(NAME, 1, 6)
    assert await place.backend.settle(NAME, 1, OURS) == 3
    assert await place.backend.settle(NAME, 1, OURS) == 3
    place.cloud.capacity = {}
    await place.at(100)
    assert (await place.states()) == {READY: 3}


# -- retire ----------------------------------------------------------------------------------------


@virtual
async def test_exactly_the_named_ones_go_and_the_size_falls_at_once():  # [T1, T2]
    place = Place(4)
    one, two, three, four = await place.names()
    left = await place.retire(four, two)
    assert (left.size, left.again) == (2, None)
    assert set(await place.names(DRAINING)) == {two, four}
    await place.at(DRAIN + TERMINATE)
    assert await place.names() == [one, three]  # Nobody was started in their place.


@virtual
async def test_the_minimum_is_lowered_when_it_is_in_the_way():  # [T2]
    place = Place(4, group=Group(revision(), 0, minimum=3))
    await place.retire(*(await place.names())[:2])
    assert (await place.group()).minimum == 2


@virtual
async def test_who_is_leaving_gone_or_unknown_lowers_nothing():  # [T3]
    place = Place(3)
    first, second, _ = await place.names()
    await place.retire(first)
    assert (await place.retire(first, "i-unknown")).size == 2
    await place.at(DRAIN + TERMINATE)
    assert (await place.retire(first, second)).size == 1


@virtual
async def test_a_repeated_retirement_does_not_drain_for_longer():  # [E11]
    place = Place(2)
    first, _ = await place.names()
    await place.retire(first)
    await place.at(DRAIN - 1)
    await place.retire(first)
    await place.at(DRAIN + TERMINATE)
    assert first not in await place.names()


@virtual
async def test_a_member_of_another_revision_is_not_retired_by_mistake():  # [T3]
    place = Place(2)
    await place.create(2)
    await place.grow(1, expected=0, number=2)
    (other,) = await place.names(number=2)
    assert (await place.retire(other, number=1)).size == 2
    assert await place.names(DRAINING) == []


@virtual
async def test_a_protected_member_goes_when_it_is_named():  # [T10]
    place = Place(2)
    first, _ = await place.names()
    place.cloud.protect(NAME, first)
    assert [each.protected for each in await place.members()] == [True, False]
    await place.retire(first)
    assert await place.names(DRAINING) == [first]


# -- create_revision, delete_revision --------------------------------------------------------------


@virtual
async def test_a_group_is_born_empty_marked_and_held():  # [R3, R4]
    place = Place(3)
    until = place.now + 500
    await place.create(2, until=until)
    state = await place.backend.observe(NAME)
    made = state.group(2)
    assert (made.size, made.rollout, made.plan) == (0, "ours", "plan")
    assert made.hold == Hold("ours", 1, until, "plan", size=0, minimum=0)
    assert made.revision == revision(2, "v2")
    assert state.last_revision == 2


@virtual
async def test_the_same_rollout_may_create_twice_and_another_may_not():  # [R6, R8]
    place = Place(3)
    await place.create(2)
    await place.create(2)
    with pytest.raises(Conflict) as caught:
        await place.create(2, ctx=OTHERS)
    assert caught.value.owner == "ours"


@virtual
async def test_a_number_that_was_given_out_is_never_given_out_again():  # [R2]
    place = Place(3)
    await place.create(2)
    await place.backend.delete_revision(NAME, 2, OURS)
    with pytest.raises(Conflict, match="has been given out") as caught:
        await place.create(2, ctx=OTHERS)
    assert caught.value.owner == "ours"
    assert (await place.backend.observe(NAME)).group(2) is None


@virtual
async def test_a_new_group_has_the_maximum_of_the_one_that_serves():  # [R5]
    place = Place(3, group=Group(revision(), 0, maximum=7))
    await place.create(2)
    assert (await place.group(2)).maximum == 7


@virtual
async def test_a_pool_of_its_own_begins_at_weight_0():  # [R7]
    place = Place(3)
    new = revision(2, "v2")
    await place.backend.create_revision(NAME, new, Pool.OWN, place.now + 9, OURS)
    assert (await place.group(2)).weight == 0


@virtual
async def test_a_group_with_members_is_not_deleted_not_even_with_leaving_ones():  # [D1]
    place = Place(1)
    await place.create(2)
    await place.grow(1, expected=0, number=2)
    with pytest.raises(Conflict, match="r2 has members"):
        await place.backend.delete_revision(NAME, 2, OURS)
    await place.retire(*await place.names(number=2), number=2)
    with pytest.raises(Conflict, match="r2 has members"):
        await place.backend.delete_revision(NAME, 2, OURS)
    await place.at(DRAIN + TERMINATE)
    await place.backend.delete_revision(NAME, 2, OURS)
    with pytest.raises(Gone):
        await place.backend.delete_revision(NAME, 2, OURS)  # [D5]


@virtual
async def test_a_group_of_another_rollout_is_not_deleted():  # [D2]
    place = Place(1)
    await place.create(2, until=place.now - 1)  # Its hold has expired, its maker has not changed.
    with pytest.raises(Conflict) as caught:
        await place.backend.delete_revision(NAME, 2, OTHERS)
    assert caught.value.owner == "ours"
    await place.backend.hold(NAME, 2, place.now + 9, OTHERS)
    await place.backend.delete_revision(NAME, 2, OTHERS)


@pytest.mark.parametrize("delete", [False, True])
def test_an_adopted_group_is_kept_at_size_0_unless_the_user_said_otherwise(delete):  # [D4]
    @virtual
    async def check():
        place = Place(1, group=Group(revision(), 0, origin=Origin.ADOPTED))
        await place.backend.adopt_fleet(NAME, delete_when_replaced=delete)
        await place.create(2)
        await place.backend.hold(NAME, 1, place.now + 900, OURS)
        await place.retire(*await place.names())
        await place.at(DRAIN + TERMINATE)
        await place.backend.delete_revision(NAME, 1, OURS)
        assert [group.number for group in (await place.backend.observe(NAME)).groups] == [2]
        kept = [(each.number, each.size, each.hold) for each in place.cloud.fleets[NAME].retired]
        assert kept == ([] if delete else [(1, 0, None)])

    check()


# -- hold, release, fences -------------------------------------------------------------------------


def changes(place: Place, ctx):
    """Every call that changes a group, as somebody would make it."""
    backend = place.backend
    return {
        "grow": lambda: place.grow(4, expected=3, ctx=ctx),
        "settle": lambda: backend.settle(NAME, 1, ctx),
        "retire": lambda: place.retire("i-000001", ctx=ctx),
        "hold": lambda: backend.hold(NAME, 1, place.now + 1, ctx),
        "release": lambda: backend.release(NAME, 1, ctx),
        "delete_revision": lambda: backend.delete_revision(NAME, 1, ctx),
    }


CALLS = ["grow", "settle", "retire", "hold", "release", "delete_revision"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("rollout", "fence"), [("others", 9), ("ours", 1)])
def test_a_held_group_is_changed_by_nobody_else_and_by_no_older_lease(call, rollout, fence):  # [K5]
    @virtual
    async def check():
        place = Place(3)
        await place.backend.hold(NAME, 1, place.now + 100, context("ours", 2))
        before = await place.backend.observe(NAME)
        with pytest.raises(Conflict) as caught:
            await changes(place, context(rollout, fence))[call]()
        assert caught.value.owner == "ours"
        assert await place.backend.observe(NAME) == before

    check()


@pytest.mark.parametrize("call", [name for name in CALLS if name != "delete_revision"])
def test_the_holder_a_later_lease_and_anybody_after_the_end_may_change_it(call):  # [K5, H5]
    @virtual
    async def check():
        place = Place(3)
        await place.backend.hold(NAME, 1, place.now + 100, context("ours", 2))
        await changes(place, context("ours", 2))[call]()
        await place.backend.hold(NAME, 1, place.now + 100, context("ours", 3))
        await place.at(100)
        await changes(place, OTHERS)[call]()

    check()


@virtual
async def test_a_hold_ends_by_itself_and_is_then_told_of_no_more():  # [H5]
    place = Place(3)
    await place.backend.hold(NAME, 1, place.now + 100, OURS)
    await place.at(99.9)
    assert (await place.group()).hold.rollout == "ours"
    await place.at(100)
    assert (await place.group()).hold is None


@virtual
async def test_a_hold_names_its_plan_and_what_it_found_and_is_seen_until_it_is_undone():  # [H10]
    place = Place(4, group=Group(revision(), 0, minimum=3))
    await place.backend.hold(NAME, 1, place.now + 100, OURS)
    await place.retire(*(await place.names())[:2])
    await place.backend.hold(NAME, 1, place.now + 100, context("ours", 2))
    mark = Hold("ours", 2, place.now + 100, "plan", size=4, minimum=3)
    assert ((await place.group()).hold, (await place.group()).lapsed) == (mark, None)
    await place.at(100)
    assert ((await place.group()).hold, (await place.group()).lapsed) == (None, mark)
    await place.backend.hold(NAME, 1, place.now + 100, OTHERS)
    taken = (await place.group()).hold
    assert (taken.rollout, taken.size, taken.minimum) == ("others", 2, 3)
    await place.at(200)
    await place.backend.release(NAME, 1, OURS)  # Anybody may, and it says so no more.
    assert ((await place.group()).hold, (await place.group()).lapsed) == (None, None)


@virtual
async def test_a_repeated_hold_moves_its_end_and_keeps_the_first_originals():  # [H4]
    place = Place(4, group=Group(revision(), 0, minimum=3))
    await place.backend.hold(NAME, 1, place.now + 100, OURS)
    await place.retire(*(await place.names())[:2])
    await place.backend.hold(NAME, 1, place.now + 900, OURS)
    assert (await place.group()).hold.until == place.now + 900
    await place.grow(4, expected=2)
    await place.backend.release(NAME, 1, OURS)
    assert (await place.group()).minimum == 3


@virtual
async def test_an_expired_hold_gives_back_what_it_had_changed():  # [H5]
    place = Place(4, group=Group(revision(), 0, minimum=3))
    await place.backend.hold(NAME, 1, place.now + 100, OURS)
    await place.retire(*(await place.names())[:2])
    await place.grow(4, expected=2)
    assert (await place.group()).minimum == 2
    await place.at(100)
    group = await place.group()
    assert (group.minimum, group.hold) == (3, None)


@virtual
async def test_releasing_brings_the_settings_and_the_minimum_here():  # [H7]
    group = Group(revision(), 0, minimum=2, settings={"policy": "cpu 50 %"})
    place = Place(3, group=group)
    await place.backend.hold(NAME, 1, place.now + 900, OURS)
    await place.create(2)
    await place.grow(3, expected=0, number=2)
    await place.at(BOOT)
    await place.retire(*await place.names(number=1))
    await place.backend.release(NAME, 2, OURS)
    one, two = await place.group(1), await place.group(2)
    assert (dict(two.settings), two.minimum, two.hold) == ({"policy": "cpu 50 %"}, 2, None)
    assert dict(one.settings) == {}
    assert one.hold is not None


# -- fleets, images, preflight ---------------------------------------------------------------------


@virtual
async def test_a_fleet_is_made_once_and_removed_only_when_it_is_empty():  # [S2]
    place = Place(1)
    await place.backend.create_fleet("db", revision())
    assert await place.backend.fleets() == ("db", NAME)
    with pytest.raises(Conflict):
        await place.backend.create_fleet("db", revision())
    await place.backend.delete_fleet("db")
    with pytest.raises(Conflict, match="has members"):
        await place.backend.delete_fleet(NAME)
    assert await place.backend.fleets() == (NAME,)


@virtual
async def test_only_a_single_group_of_somebody_else_can_be_adopted():  # [S3]
    place = Place(1)
    with pytest.raises(Invalid):
        await place.backend.adopt_fleet(NAME, delete_when_replaced=False)
    with pytest.raises(Gone):
        await place.backend.adopt_fleet("nowhere", delete_when_replaced=False)
    place = Place(1, group=Group(revision(), 0, origin=Origin.ADOPTED))
    await place.create(2)
    with pytest.raises(Invalid):
        await place.backend.adopt_fleet(NAME, delete_when_replaced=False)


@virtual
async def test_an_image_is_pinned_and_one_that_isnt_there_is_invalid():  # [F3, F4]
    place = Place(1)
    assert (await place.backend.resolve("v7")).artifact == "v7"
    assert await place.backend.resolve("v7") == await place.backend.resolve("v7")
    place.cloud.images = {"v1", "v2"}
    with pytest.raises(Invalid, match="no image v7; there are: v1, v2"):
        await place.backend.resolve("v7")


async def plan(place: Place, limits: Limits) -> Plan:
    state = await place.backend.observe(NAME)
    image = revision(2, "v2").image
    able = place.backend.capabilities
    return replacement("memory://web", state, image, None, Rolling(), limits, able)


@virtual
async def test_preflight_finds_every_problem_and_changes_nothing():  # [F1]
    place = Place(4)
    made = await plan(place, Limits(max_surge=2))
    assert await place.backend.preflight(NAME, made) == ()
    place.cloud.images, place.cloud.capacity = {"v1"}, {"a": 2, "b": 2, "c": 1}
    before = await place.backend.observe(NAME)
    found = await place.backend.preflight(NAME, made)
    assert [each.what for each in found] == [
        "image v2 does not exist",
        "room for 5 servers, 6 needed",
    ]
    assert all(each.way_out for each in found)
    assert await place.backend.observe(NAME) == before
    place.cloud.capacity = {"a": 0}  # The other zones have no bound.
    assert len(await place.backend.preflight(NAME, made)) == 1


# -- which cloud an address means ------------------------------------------------------------------


def opened(text: str) -> MemoryBackend:
    return MemoryBackend.from_url(FleetURL.parse(text), clock=SystemClock())


def test_a_place_is_one_cloud_and_ends_with_its_loop():
    async def meets() -> MemoryBackend:
        lab = opened("memory://lab/web")
        await lab.create_fleet("web", revision())
        assert opened("memory://lab/db").cloud is lab.cloud
        assert await opened("memory://lab/db").fleets() == ("web",)
        assert await opened("memory://web").fleets() == ()
        return lab

    first = run(meets())
    assert run(meets()).cloud is not first.cloud


@virtual
async def test_a_named_cloud_runs_by_the_time_of_the_loop():
    lab = opened("memory://web")
    await lab.create_fleet("web", revision())
    await lab.grow("web", 1, 2, expected=0, ctx=OURS)
    await asyncio.sleep(29.9)
    assert {i.state for i in (await lab.observe("web")).instances} == {STARTING}
    await asyncio.sleep(0.2)
    assert {i.state for i in (await lab.observe("web")).instances} == {READY}


@virtual
async def test_a_cloud_that_doesnt_heal_says_so():
    place = Place(1)
    assert place.backend.capabilities.heals
    place.cloud.heals = False
    assert not MemoryBackend(place.cloud).capabilities.heals
    assert evolve(MemoryBackend.capabilities, heals=False, staleness=0.0) == (
        MemoryBackend(place.cloud).capabilities
    )
