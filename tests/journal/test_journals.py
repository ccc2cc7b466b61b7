"""What every journal does, the file and the database server."""

from __future__ import annotations

import asyncio
import json

import pytest
import rfc8785
from attrs import evolve

from immutable import FleetBusy, JournalError, Status
from immutable.audit.verify import verify
from immutable.errors import LeaseLost
from immutable.journal import Build
from immutable.journal.merkle import Frontier, leaf_hash
from immutable.model import Order
from immutable.model.records import Built, Claimed, Committed, Ended, Entered, Proved, Turned
from tests.support.entries import STARTED, entry


def test_records_come_back_in_order_numbered_without_a_gap_after_reopening(place):
    async def write(journal):
        lease = await journal.begin(entry(), [STARTED])
        await journal.append(lease, [Entered(1), Committed()])
        await journal.append(lease, [Ended(Status.SUCCEEDED)])

    async def read(journal):
        events = await journal.events("r1")
        assert [event.seq for event in events] == [1, 2, 3, 4]
        assert [event.record for event in events] == [
            STARTED, Entered(1), Committed(), Ended(Status.SUCCEEDED),
        ]  # fmt: skip
        assert await journal.events("r1", after=3) == events[3:]
        (found,) = await journal.entries()
        assert (found.status, found.actor, found.plan) == (Status.SUCCEEDED, "ada", entry().plan)
        assert not found.live

    place.run(write)
    place.run(read)


def test_a_fleet_has_one_unfinished_rollout(place):
    async def main(journal):
        lease = await journal.begin(entry(), [STARTED])
        with pytest.raises(FleetBusy, match="r1 runs on memory://web"):
            await journal.begin(entry("r2"), [STARTED])
        await journal.begin(entry("r3", fleet="memory://other"), [STARTED])
        await journal.append(lease, [Ended(Status.SUCCEEDED)])
        await journal.begin(entry("r4"), [STARTED])
        assert [e.rollout for e in await journal.entries(fleet="memory://web")] == ["r1", "r4"]
        assert [e.rollout for e in await journal.entries(unfinished=True)] == ["r3", "r4"]
        assert [e.rollout for e in await journal.entries(rollout="r4")] == ["r4"]

    place.run(main)


def test_a_lease_can_be_claimed_when_it_ends_and_the_old_one_writes_no_more(place):
    async def main(journal):
        old = await journal.begin(entry(), [STARTED])
        with pytest.raises(FleetBusy, match="alive"):
            await journal.claim("r1", "two")
        await place.passing(journal, 0.7 * journal.ttl)
        await journal.renew(old)
        await place.passing(journal, 0.7 * journal.ttl)
        with pytest.raises(FleetBusy):
            await journal.claim("r1", "two")
        await place.passing(journal, 0.4 * journal.ttl)
        new = await journal.claim("r1", "two")
        assert new.fence > old.fence
        for stale in (journal.append(old, [Entered(1)]), journal.renew(old)):
            with pytest.raises(LeaseLost, match="another controller"):
                await stale
        await journal.release(old)
        await journal.append(new, [Proved("i-1")])
        assert [e.record for e in await journal.events("r1")] == [
            STARTED, Claimed("two", 2), Proved("i-1"),
        ]  # fmt: skip

    place.run(main)


def test_a_lease_that_was_given_back_can_be_claimed_at_once(place):
    async def main(journal):
        await journal.release(await journal.begin(entry(), [STARTED]))
        lease = await journal.claim("r1", "two")
        await journal.append(lease, [Ended(Status.ROLLED_BACK, "bad")])
        with pytest.raises(JournalError, match="has ended"):
            await journal.claim("r1", "three")
        with pytest.raises(JournalError, match="is unknown"):
            await journal.claim("r9", "three")

    place.run(main)


def test_a_rollout_can_begin_under_a_number_that_its_fleet_has_not_seen_yet(place):
    async def main(journal):
        lease = await journal.begin(entry(fence=70), [STARTED])
        await journal.append(lease, [Entered(1)])
        await journal.release(lease)
        assert (lease.fence, (await journal.claim("r1", "two")).fence) == (70, 71)

    place.run(main)


def test_a_refused_write_does_not_hurt_others_of_the_same_commit(place):
    async def main(journal):
        lease = await journal.begin(entry(), [STARTED])
        other = await journal.begin(entry("r2", fleet="memory://b"), [STARTED])
        stale = evolve(other, fence=0)
        ends = await asyncio.gather(
            journal.append(lease, [Entered(1)]),
            journal.append(stale, [Entered(1)]),
            journal.append(lease, [Entered(2)]),
            return_exceptions=True,
        )
        assert [type(end) for end in ends] == [int, LeaseLost, int]
        assert [e.record for e in await journal.events("r1")] == [STARTED, Entered(1), Entered(2)]
        assert [e.record for e in await journal.events("r2")] == [STARTED]

    place.run(main)


def test_many_writers_share_a_commit(place):
    async def main(journal):
        commits = 0
        inner = journal._commit

        def counted(works):
            nonlocal commits
            commits += 1
            return inner(works)

        journal._commit = counted
        lease = await journal.begin(entry(), [STARTED])
        commits = 0
        await asyncio.gather(*(journal.append(lease, [Entered(n)]) for n in range(200)))
        assert commits <= 3
        assert len(await journal.events("r1")) == 201

    place.run(main)


def test_news_wakes_who_waits_for_them(place):
    async def main(journal):
        lease = await journal.begin(entry(), [STARTED])
        loop = asyncio.get_running_loop()
        waiting = asyncio.create_task(journal.wait("r1", 100))
        began = loop.time()
        await asyncio.sleep(0.2)
        await journal.append(lease, [Turned("bad")])
        await waiting
        assert 0.2 <= loop.time() - began < 60
        await journal.wait("r1", 0.3)
        assert loop.time() - began >= 0.5

    place.run(main)


def test_one_beat_keeps_all_leases_of_a_controller_and_no_other(place):
    async def main(journal):
        mine = [await journal.begin(entry(f"m{n}", f"memory://{n}"), [STARTED]) for n in range(3)]
        await journal.begin(entry("o", "memory://o", controller="other"), [STARTED])
        await journal.append(mine[2], [Ended(Status.SUCCEEDED)])
        await journal.order("m1", Order.PAUSE, actor="ada", reason="")
        for _ in range(3):
            await place.passing(journal, 0.5 * journal.ttl)
            assert await journal.beat("one") == {"m0": 0, "m1": 1}
        live = {each.rollout: each.live for each in await journal.entries(unfinished=True)}
        assert live == {"m0": True, "m1": True, "o": False}

    place.run(main)


def test_what_nobody_drives_is_claimed_the_oldest_first_and_by_one(place):
    async def main(journal):
        for n in range(6):
            facts = {"started_at": 10.0 - n, "controller": ""}
            await journal.submit(entry(f"r{n}", f"memory://{n}", **facts))
        statuses = {each.status for each in await journal.entries()}
        assert statuses == {Status.PENDING}
        first = await journal.claim_some("one", 2, but=["r5"])
        assert [(lease.rollout, lease.controller) for lease in first] == [
            ("r4", "one"), ("r3", "one"),
        ]  # fmt: skip
        others = await asyncio.gather(
            *(journal.claim_some(name, 9) for name in ("two", "three", "two"))
        )
        claimed = [lease.rollout for some in others for lease in some]
        assert sorted(claimed) == ["r0", "r1", "r2", "r5"]
        await journal.release(first[0])
        (again,) = await journal.claim_some("two", 9)
        assert (again.rollout, again.fence) == ("r4", first[0].fence + 1)

    place.run(main)


def test_all_records_are_leaves_of_one_log_in_canonical_json(place):
    async def main(journal):
        lease = await journal.begin(entry("ü1"), [STARTED])
        other = await journal.begin(entry("r2", "memory://b"), [STARTED])
        await asyncio.gather(
            *(journal.append(each, [Entered(n), Proved("ü")])
              for n in range(5) for each in (lease, other))
        )  # fmt: skip
        leaves = await journal.leaves()
        assert [leaf.index for leaf in leaves] == list(range(24))
        for leaf in leaves:
            data = json.loads(leaf.text)
            assert leaf.text.encode() == rfc8785.dumps(data)
            assert leaf.hash == leaf_hash(leaf.text.encode())
            assert sorted(data) == ["at", "controller", "fence", "record", "rollout", "seq"]
        firsts = [json.loads(leaf.text)["record"] for leaf in leaves]
        assert [each["fleet"] for each in firsts if each["type"] == "asked"] == [
            "memory://web", "memory://b",
        ]  # fmt: skip
        assert await journal.frontier() == Frontier().extended(leaf.hash for leaf in leaves)
        assert await journal.leaves(after=20, limit=2) == leaves[21:23]

    place.run(main)


def test_its_log_is_found_sound_whoever_wrote_at_the_same_time(place):
    async def fill(journal, name):
        for number in range(3):
            lease = await journal.begin(entry(f"{name}-{number}", fleet=f"memory://{name}"), [])
            await journal.append(lease, [STARTED, Committed()])
            await journal.append(lease, [Ended(Status.SUCCEEDED)])

    async def main(journal):
        async with place.opened() as other:
            names = [(journal, "a"), (other, "b"), (journal, "c"), (other, "d")]
            await asyncio.gather(*(fill(*each) for each in names))
        report = await verify(journal)
        assert (report.size, report.findings) == (4 * 3 * 4, ())
        assert report.root == (await journal.frontier()).root()

    place.run(main)


def test_each_takes_its_share_and_one_at_least(place):
    async def main(journal):
        assert await journal.claim_some("b", 99) == []
        for n in range(9):
            await journal.submit(entry(f"r{n}", f"memory://{n}", controller=""))
        assert len(await journal.claim_some("a", 99)) == 5
        assert len(await journal.claim_some("b", 2)) == 2
        assert len(await journal.claim_some("a", 99)) == 1
        assert len(await journal.claim_some("b", 99)) == 1
        await place.passing(journal, 1.1 * journal.ttl)
        assert len(await journal.claim_some("b", 99)) == 6

    place.run(main)


def test_checkpoints_are_kept(place):
    async def main(journal):
        await journal.keep_checkpoint(3, "three")
        await journal.keep_checkpoint(1, "one")
        assert await journal.checkpoints() == ["one", "three"]

    place.run(main)


def test_orders_are_numbered_and_counted(place):
    async def main(journal):
        lease = await journal.begin(entry(), [STARTED])
        await journal.order("r1", Order.PAUSE, actor="ada", reason="lunch")
        await journal.order("r1", Order.RESUME, actor="bob", reason="")
        given = await journal.orders("r1")
        assert [(g.number, g.order, g.actor) for g in given] == [
            (1, Order.PAUSE, "ada"), (2, Order.RESUME, "bob"),
        ]  # fmt: skip
        assert await journal.orders("r1", after=1) == given[1:]
        assert await journal.append(lease, [Ended(Status.SUCCEEDED)]) == 2
        with pytest.raises(JournalError, match="has ended"):
            await journal.order("r1", Order.PAUSE, actor="ada", reason="")

    place.run(main)


def test_two_journals_on_one_place_see_each_other(place):
    async def main(journal):
        async with place.opened() as other:
            lease = await journal.begin(entry(), [STARTED])
            with pytest.raises(FleetBusy):
                await other.begin(entry("r2"), [STARTED])
            await asyncio.gather(
                *(journal.append(lease, [Entered(n)]) for n in range(50)),
                *(other.order("r1", Order.PAUSE, actor="", reason="") for n in range(50)),
                *(other.begin(entry(f"x{n}", f"memory://{n}"), [STARTED]) for n in range(50)),
            )
            assert len(await other.events("r1")) == 51
            leaves = await other.leaves()
            assert (await journal.frontier()).size == len(leaves) == 152

    place.run(main)


def test_builds_are_leased_as_rollouts_are_and_are_none(place):
    async def main(journal):
        await journal.begin(entry(), [STARTED])
        build = Build("b1", "sha256:1", "web", "2", "kiln", "ada", "new", controller="here")
        lease = await journal.begin_build(build)
        with pytest.raises(FleetBusy):
            await journal.begin_build(evolve(build, id="b2"))
        other = evolve(build, id="b3", spec="sha256:2", controller="there", started_at=1.0)
        await journal.begin_build(other)
        assert [each.id for each in await journal.builds()] == ["b1", "b3"]
        assert [each.rollout for each in await journal.entries()] == ["r1"]
        (found,) = await journal.builds(spec="sha256:1")
        assert evolve(found, live=False, expires_at=0.0) == build
        await journal.append(lease, [Built("{}"), Ended(Status.SUCCEEDED)])
        assert [each.id for each in await journal.builds(unfinished=True)] == ["b3"]
        assert [event.record for event in await journal.events("b1")][1:] == [
            Built("{}"), Ended(Status.SUCCEEDED),
        ]  # fmt: skip
        await place.passing(journal, place.ttl + 0.5)
        assert {each.rollout for each in await journal.claim_some("c", 9)} == {"r1"}
        assert (await journal.claim("b3", "here")).fence == 2
        assert not (await verify(journal)).findings

    place.run(main)
