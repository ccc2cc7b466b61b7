"""The catalog of images, as every journal keeps it."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from immutable import JournalError
from immutable.audit.changes import changes
from immutable.audit.verify import verify
from immutable.catalog import Catalog, add, assign, restore, revoke, roll_back
from immutable.errors import CatalogRefused
from immutable.journal import Stored
from immutable.journal.cataloguing import CATALOG
from immutable.model.catalog import CatalogOpened, Revoked
from immutable.simulation.notebook import Notebook
from immutable.testing import LoopClock
from tests.support.cataloguing import PRODUCTION, added, after, digest_of
from tests.support.entries import STARTED, entry


async def change(journal, function, *args, **kwargs):
    """Make a change of which *function* takes the catalog, these, and the time."""

    def decide(catalog, now):
        given = () if function is restore else (now,)
        return function(catalog, *args, *given, **kwargs)

    return await journal.change_catalog(decide)


async def fill(journal, *versions):
    for each in versions:
        await journal.change_catalog(lambda catalog, _, each=each: add(catalog, each))


def test_a_new_catalog_is_empty_and_looking_at_it_leaves_no_record(place):
    async def main(journal):
        assert await journal.catalog() == Catalog()
        assert await journal.stored(digest_of("1")) is None
        assert await journal.events(CATALOG, after=-1) == []

    place.run(main)


def test_what_was_changed_is_there_after_reopening_and_every_change_is_in_the_log(place):
    async def write(journal):
        await fill(journal, added("1"), added("2", "1"), added("3"))
        for version in ("web:1", "web:3"):
            await change(journal, assign, PRODUCTION, version, actor="ada", reason="go")
        await change(journal, roll_back, PRODUCTION, actor="bob", reason="slow")
        await change(journal, assign, PRODUCTION, "web:3", actor="ada")
        await change(journal, revoke, "web:1", reason="CVE", actor="eve")
        await change(journal, revoke, "web:3", reason="old", actor="eve", at=9e9, force=True)

    async def read(journal):
        catalog = await journal.catalog()
        assert list(catalog.versions) == [digest_of(each) for each in "123"]
        assert catalog.versions[digest_of("2")].parent == digest_of("1")
        assert catalog.versions[digest_of("2")].artifacts == ("memory:///web-2",)
        moves = [(m.number, catalog.versions[m.digest].version, m.back, m.actor, m.reason)
                 for m in catalog.channels[PRODUCTION]]  # fmt: skip
        assert moves == [
            (1, "1", False, "ada", "go"), (2, "3", False, "ada", "go"),
            (3, "1", True, "bob", "slow"), (4, "3", False, "ada", ""),
        ]  # fmt: skip
        assert catalog.revocation(digest_of("2"), 8e9).reason == "CVE"
        assert catalog.revocation(digest_of("3"), 8e9) is None
        assert catalog.to_come(digest_of("3"), 8e9).actor == "eve"
        events = await journal.events(CATALOG, after=-1)
        assert [event.seq for event in events] == list(range(10))
        assert events[0].record == CatalogOpened()
        assert events[-1].record == Revoked(digest_of("3"), 9e9, "old", forced=True, actor="eve")
        # The tables say what the log says.
        told = after(Catalog(), [event.record for event in events[1:]])
        assert list(told.versions) == list(catalog.versions)
        assert told.revocations == catalog.revocations
        assert [m.digest for m in told.channels[PRODUCTION]] == [
            m.digest for m in catalog.channels[PRODUCTION]
        ]
        assert (await verify(journal)).findings == ()

    place.run(write)
    place.run(read)


def test_files_come_back_and_are_signed_anew_under_the_same_digest(place):
    async def main(journal):
        await fill(journal, added("1"))
        assert await journal.stored(digest_of("1")) == Stored("{}", "")
        await fill(journal, evolve(added("1"), signed="ünder"))
        assert await journal.stored(digest_of("1")) == Stored("{}", "ünder")
        assert len((await journal.catalog()).versions) == 1

    place.run(main)


def test_what_is_refused_changes_nothing_and_hurts_no_other_write(place):
    async def main(journal):
        await fill(journal, added("1"))
        await change(journal, assign, PRODUCTION, "web:1", actor="ada")
        before = await journal.catalog()
        size = (await journal.frontier()).size
        ends = await asyncio.gather(
            change(journal, revoke, "web:1", reason="bad", actor="ada"),
            journal.begin(entry(), [STARTED]),
            return_exceptions=True,
        )
        assert isinstance(ends[0], CatalogRefused)
        assert ends[1].rollout == "r1"
        assert await journal.catalog() == before
        assert (await journal.frontier()).size == size + 2
        assert await change(journal, assign, PRODUCTION, "web:1", actor="ada") == ()
        assert (await journal.frontier()).size == size + 2

    place.run(main)


def test_a_revocation_that_was_taken_back_is_gone_and_stays_on_record(place):
    async def main(journal):
        await fill(journal, added("1"))
        await change(journal, revoke, "web:1", reason="CVE", actor="ada")
        await change(journal, restore, "web:1", reason="false alarm", actor="bob")
        assert (await journal.catalog()).revocations == {}
        kinds = [type(e.record).__name__ for e in await journal.events(CATALOG, after=-1)]
        assert kinds == ["CatalogOpened", "VersionAdded", "Revoked", "Restored"]

    place.run(main)


def test_two_processes_that_revoke_and_assign_at_once_are_one_after_the_other(place):
    async def main(journal):
        await fill(journal, *(added(str(n)) for n in range(8)))
        async with place.opened() as other:
            for n in range(8):
                ends = await asyncio.gather(
                    change(journal, assign, PRODUCTION, f"web:{n}", actor="ada"),
                    change(other, revoke, f"web:{n}", reason="bad", actor="eve"),
                    return_exceptions=True,
                )
                refused = [each for each in ends if isinstance(each, CatalogRefused)]
                assert len(refused) == 1, ends
                catalog = await other.catalog()
                current = catalog.current(PRODUCTION)
                assert current is None or catalog.revocation(current.digest, 9e9) is None
        assert (await verify(journal)).findings == ()

    place.run(main)


def test_the_catalog_is_no_rollout_and_no_change_of_a_fleet(place):
    async def main(journal):
        await fill(journal, added("1"))
        await journal.begin(entry(), [STARTED])
        assert [each.rollout for each in await journal.entries()] == ["r1"]
        assert await journal.claim_some("two", 5) == []
        assert [each["change"] for each in await changes(journal)] == ["r1"]
        with pytest.raises(JournalError, match="is unknown"):
            await journal.claim(CATALOG, "two")

    place.run(main)


def test_a_journal_that_keeps_no_catalog_says_so():
    async def main():
        assert await Notebook(LoopClock(), 10.0).catalog() == Catalog()
        with pytest.raises(JournalError, match="keeps no catalog"):
            await Notebook(LoopClock(), 10.0).change_catalog(lambda *_: ())

    asyncio.run(main())
