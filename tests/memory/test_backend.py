"""What is the simulated cloud's own; the rules of the contract are in tests/conformance."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from immutable import InvalidValue, Limits, Plan
from immutable.backend import FleetURL, Group, Invalid, Origin, SystemClock
from immutable.memory import MemoryBackend
from immutable.planning.compile import replacement
from immutable.strategies import Rolling
from immutable.testing import run
from tests.memory.support import NAME, READY, STARTING, Place, context, revision, virtual


@virtual
async def test_a_fleet_of_two_groups_is_not_adopted_whoever_made_the_first():
    place = Place(1, group=Group(revision(), 0, origin=Origin.ADOPTED))
    await place.create(2)
    with pytest.raises(Invalid):
        await place.backend.adopt_fleet(NAME, delete_when_replaced=False)


@virtual
async def test_an_image_that_isnt_there_is_invalid_and_says_what_is():
    place = Place(1)
    assert (await place.backend.resolve("v7")).artifact == "v7"  # Every name exists at first.
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
    await lab.grow("web", 1, 2, expected=0, ctx=context())
    await asyncio.sleep(29.9)
    assert {i.state for i in (await lab.observe("web")).instances} == {STARTING}
    await asyncio.sleep(0.2)
    assert {i.state for i in (await lab.observe("web")).instances} == {READY}


def test_an_address_with_an_option_is_refused_and_says_which():
    with pytest.raises(InvalidValue, match="zone") as caught:
        opened("memory://lab/web?zone=a")
    assert caught.value.way_out


@virtual
async def test_a_cloud_that_doesnt_heal_says_so():
    place = Place(1)
    assert place.backend.capabilities.heals
    place.cloud.heals = False
    assert not MemoryBackend(place.cloud).capabilities.heals
    assert evolve(MemoryBackend.capabilities, heals=False, staleness=0.0) == (
        MemoryBackend(place.cloud).capabilities
    )
