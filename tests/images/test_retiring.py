"""Retiring images while fleets run: what one uses stays, and what can't be told stops it all."""

from __future__ import annotations

import pytest

from immutable import PlanRefused
from immutable.catalog import Retention, assign
from immutable.errors import CatalogRefused
from immutable.images import connecting, retire_images
from immutable.testing import LoopClock
from tests.support.cataloguing import PRODUCTION
from tests.support.world import LIMITS

from .test_exposing import Regions, play, regions

__all__ = ["regions"]

ALL = Retention(newest=0, older=0.0, back=0)


async def retired(journal, how=ALL, **more):
    reached = connecting(journal, clock=LoopClock())
    found = await retire_images(journal, how, reached, ways=0, actor="ada", **more)
    return [str(each) for each in found]


def test_what_a_fleet_runs_is_not_retired_and_what_nobody_needs_is(regions):
    async def story(journal, fleets):
        assert await retired(journal, dry_run=True) == ["web:1"]
        assert not (await journal.catalog()).retired
        assert await retired(journal, reason="old") == ["web:1"]
        assert await retired(journal) == []
        with pytest.raises(PlanRefused, match="web:1 is retired"):
            await fleets["sim://east/web"].plan("web-1", limits=LIMITS)

    play(story)


def test_what_a_fleet_would_go_back_to_is_not_retired(regions):
    async def story(journal, fleets):
        for address in ("sim://east/web", "sim://west/web"):
            await fleets[address].replace("web-3", limits=LIMITS)
        reached = connecting(journal, clock=LoopClock())
        kept = await retire_images(journal, ALL, reached, ways=1, actor="ada", dry_run=True)
        assert [str(each) for each in kept] == ["web:1"]
        assert await retired(journal) == ["web:1", "web:2"]

    play(story)


def test_nothing_is_retired_while_a_fleet_can_not_be_looked_at(regions):
    async def story(journal, fleets):
        Regions.shut = {"east"}
        with pytest.raises(CatalogRefused, match="sim://east/web: no credentials"):
            await retired(journal)
        assert not (await journal.catalog()).retired

    play(story)


def test_what_a_channel_was_pointed_at_meanwhile_is_not_retired(regions):
    async def story(journal, _):
        change = journal.change_catalog

        async def late(decide):
            journal.change_catalog = change
            await change(lambda catalog, now: assign(catalog, PRODUCTION, "web:1", now, actor="a"))
            return await change(decide)

        journal.change_catalog = late
        assert await retired(journal) == []
        assert not (await journal.catalog()).retired

    play(story)


def test_what_a_fleet_was_brought_to_between_the_looks_is_restored(regions):
    async def story(journal, fleets):
        plan = await fleets["sim://west/db"].plan("web-1", limits=LIMITS)
        change = journal.change_catalog

        async def late(decide):
            journal.change_catalog = change
            await fleets["sim://west/db"].apply(plan)
            return await change(decide)

        journal.change_catalog = late
        assert await retired(journal) == []
        records = [each.record for each in await journal.events("catalog")]
        assert [type(each).__name__ for each in records[-2:]] == ["Retired", "Restored"]
        assert not (await journal.catalog()).retired

    play(story)
