"""Who runs an image that was revoked, and how each gets off it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from immutable import Fleet, InvalidValue, RolledBack, Status, open_journal
from immutable.backend import Denied
from immutable.catalog import add, revoke
from immutable.images import connecting, escapes, exposure, stop_rollouts
from immutable.memory import Cloud, MemoryBackend
from immutable.registry import _registered, register
from immutable.testing import LoopClock, run
from tests.support.cataloguing import digest_of
from tests.support.world import LIMITS

from .test_withdrawing import known

VERSIONS = (
    known("1", "sim://east/web-1", "sim://west/web-1"),
    known("2", "sim://east/web-2", "sim://west/web-2", parent="1"),
    known("3", "sim://east/web-3", "sim://west/web-3"),
)


class Regions(MemoryBackend):
    """A cloud for each region, of the test's; one of them may be shut."""

    clouds: dict[str, Cloud]
    shut: set[str]

    @classmethod
    def from_url(cls, url, *, clock):
        made = cls(cls.clouds[url.location])
        made.region = url.location
        return made

    async def open(self):
        if self.region in self.shut:
            raise Denied("no credentials for east")


@pytest.fixture
def regions():
    before = dict(_registered)
    register("sim", Regions)
    yield
    _registered.clear()
    _registered.update(before)


def play(story):
    """Play a story: fleets of web:2 in the east and west, of web:3 and something else beside."""

    async def main():
        Regions.clouds = {name: Cloud(LoopClock()) for name in ("east", "west")}
        Regions.shut = set()
        journal = await open_journal(":memory:", clock=LoopClock())
        for record in VERSIONS:
            await journal.change_catalog(lambda catalog, _, record=record: add(catalog, record))
        async with AsyncExitStack() as stack:
            fleets = {}
            for address, image in (
                ("sim://east/web", "web-2"), ("sim://west/web", "web-2"),
                ("sim://west/new", "web-3"), ("sim://west/db", "db-1"),
            ):  # fmt: skip
                fleets[address] = await stack.enter_async_context(
                    Fleet.create(
                        address, image, 2, limits=LIMITS, journal=journal, clock=LoopClock()
                    )
                )
            await story(journal, fleets)
        await journal.close()

    run(main())


def reached(journal):
    return connecting(journal, clock=LoopClock())


async def revoked(journal, reference="web:1"):
    await journal.change_catalog(
        lambda catalog, now: revoke(catalog, reference, now, reason="CVE-1", actor="ada")
    )


def test_fleets_that_run_an_image_or_what_was_built_on_it_are_found_with_their_instances(regions):
    async def story(journal, fleets):
        found = await exposure(journal, "web:1", reached(journal))
        told = {each.fleet: each for each in found.found}
        assert set(told) == {"sim://east/web", "sim://west/web"}
        there = await fleets["sim://east/web"].state()
        east = told["sim://east/web"]
        assert east.instances == tuple(each.id for each in there.members(1))
        assert (east.images, east.artifact, east.revision) == (("web:2",), "web-2", 1)
        assert (found.image, found.rollouts, found.unseen) == (digest_of("1"), (), ())
        assert not (await exposure(journal, "web:3", reached(journal))).rollouts
        with pytest.raises(InvalidValue):
            await exposure(journal, "web:9", reached(journal))

    play(story)


def test_a_fleet_that_can_not_be_looked_at_is_told_of_and_one_that_is_gone_is_not(regions):
    async def story(journal, fleets):
        await fleets["sim://west/db"].delete()
        Regions.shut = {"east"}
        found = await exposure(journal, "web:1", reached(journal))
        assert {each.fleet for each in found.found} == {"sim://west/web"}
        assert found.unseen == (("sim://east/web", "no credentials for east"),)

    play(story)


def test_each_fleet_gets_a_plan_to_the_newest_version_that_is_not_revoked(regions):
    async def story(journal, fleets):
        await revoked(journal)
        connect = reached(journal)
        found = await exposure(journal, "web:1", connect)
        made = {each.fleet: each for each in await escapes(journal, found, connect)}
        assert set(made) == {"sim://east/web", "sim://west/web"}
        for address, each in made.items():
            assert each.plan.candidate.image.artifact == "web-3"
            result = await fleets[address].apply(each.plan)
            assert result.status is Status.SUCCEEDED
        assert (await exposure(journal, "web:1", connect)).found == ()

    play(story)


def test_where_there_is_nothing_to_go_to_that_is_said(regions):
    async def story(journal, fleets):
        await revoked(journal)
        await revoked(journal, "web:3")
        connect = reached(journal)
        found = await exposure(journal, "web:1", connect)
        for each in await escapes(journal, found, connect):
            assert each.plan is None
            assert "no version that is not revoked" in each.reason
        for each in await escapes(journal, found, connect, to="web:3"):
            assert "web:3 is revoked" in each.reason

    play(story)


def test_rollouts_to_it_go_back_and_their_fleets_need_no_plan(regions):
    async def story(journal, fleets):
        new = fleets["sim://west/new"]
        rollout = new.replace("web-2", limits=LIMITS)
        under_way = asyncio.create_task(_ended(rollout))
        while len((await new.state()).groups) < 2 or not (await new.state()).members(2):
            await asyncio.sleep(1)
        # The order alone is looked at: what is revoked would be given up by itself.
        connect = reached(journal)
        found = await exposure(journal, "web:1", connect)
        (going,) = found.rollouts
        assert (going.fleet, going.rollout, going.candidate) == ("sim://west/new", rollout.id, 2)
        assert "sim://west/new" in {each.fleet for each in found.found}
        assert await stop_rollouts(found, connect, reason="web:1 is revoked") == {rollout.id: ""}
        with pytest.raises(RolledBack, match="web:1 is revoked"):
            await under_way
        plans = await escapes(journal, found, connect)
        assert {each.fleet for each in plans} == {"sim://east/web", "sim://west/web"}

    play(story)


async def _ended(rollout):
    return await rollout
