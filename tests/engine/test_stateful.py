"""Rollouts of fleets with volumes: one writer a volume, nothing lost, and what stops them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from attrs import evolve

from immutable import BlueGreen, Canary, Fleet, Limits, PlanRefused, Rolling, Status
from immutable.backend import InstanceState, Volume
from immutable.errors import Conflict
from immutable.gates import Health
from immutable.memory import Behaviour, Fault, When
from immutable.model import Grow, Order, Retire, Snapshot, Stateful
from immutable.model.records import Done, Intended, Sealed
from immutable.testing import run
from tests.support.world import NAME, world

DATA = (Volume("data", "/data"), Volume("log", "/log"))
LIMITS = Limits(max_surge=0, max_unavailable=1, min_ready=5, boot_timeout=60, drain_timeout=30)


@asynccontextmanager
async def stateful(size=3, **given):
    """A fleet with two volumes in each slot, and somebody who looks at every slot all the time."""
    async with world(size, volumes=DATA, **given) as w:
        w.backend.begin(LIMITS, size)
        w.notes["holders"] = watch(w)
        yield w


def watch(w):
    """Collect, by slot, who had it, and hold every moment against the rule of one writer."""
    held: dict[str, list[str]] = {}

    def look(fleet, instance):
        there = [s.seen for s in fleet.servers.values()]
        slots = [each.slot for each in there]
        assert len(set(slots)) == len(slots), f"two writers: {there}"
        assert instance.slot in fleet.slots
        if instance.state is InstanceState.STARTING:
            held.setdefault(instance.slot, []).append(instance.id)

    w.cloud.watchers.append(look)
    return held


async def actions(w):
    (*_, entry) = await w.journal.entries()
    events = await w.journal.events(entry.rollout)
    return [event.record for event in events]


def test_each_slot_is_left_before_its_next_holder_starts_and_keeps_its_volumes():
    async def main():
        async with stateful() as w:
            before = (await w.fleet.state()).slots
            result = await w.fleet.replace("v2", limits=LIMITS)
            after = (await w.fleet.state()).slots
            assert result.status is Status.SUCCEEDED
            assert [slot.volumes for slot in after] == [slot.volumes for slot in before]
            assert {slot.holder for slot in after} == set(w.members())
            assert sorted(w.notes["holders"]) == ["0", "1", "2"]
            assert all(len(who) == 1 for who in w.notes["holders"].values())
            assert w.truth.highest_total == 3
            assert w.truth.lowest_ready == 2
            assert w.backend.breaches == []

    run(main())


def test_without_limits_nothing_surges_and_one_may_be_missing():
    async def main():
        async with stateful() as w:
            plan = await w.fleet.plan("v2")
            assert (plan.limits.max_surge, plan.limits.max_unavailable) == (0, 1)
            assert plan.bounds.ceiling == 3
            assert "slot by slot" in str(plan)
            share = await w.fleet.plan("v2", limits=Limits(0, "10%"))
            assert share.limits.max_unavailable == 1  # 10 % of 3 is none, and nothing could move.

    run(main())


@pytest.mark.parametrize(
    ("how", "limits", "why"),
    [
        (Rolling(), Limits(max_surge=1, max_unavailable=1), "max_surge 1 for a stateful fleet"),
        (BlueGreen(), None, "side by side"),
    ],
)
def test_what_would_need_two_writers_is_refused_with_the_reason(how, limits, why):
    async def main():
        async with stateful() as w:
            with pytest.raises(PlanRefused, match=why) as refused:
                await w.fleet.plan("v2", how, limits=limits)
            assert "one writer" in str(refused.value)

    run(main())


def test_a_canary_is_one_by_share_of_instances():
    async def main():
        async with stateful(4) as w:
            how = Canary(("25%",), bake=30, gates=(Health(),))
            result = await w.fleet.replace("v2", how, limits=LIMITS)
            assert result.status is Status.SUCCEEDED
            assert w.truth.highest_total == 4
            assert all(len(who) == 1 for who in w.notes["holders"].values())

    run(main())


def test_a_bad_image_gives_the_volume_back():
    async def main():
        async with stateful() as w:
            before = (await w.fleet.state()).slots
            w.cloud.behaviours["v2"] = Behaviour(ready=False)
            end = await w.fleet.replace("v2", limits=LIMITS).end()
            after = (await w.fleet.state()).slots
            assert end.status is Status.ROLLED_BACK
            assert [slot.volumes for slot in after] == [slot.volumes for slot in before]
            assert len(w.members("ready", 1)) == 3

    run(main())


def test_a_fleet_without_volumes_has_no_data_to_save():
    async def main():
        async with world(2) as w:
            with pytest.raises(PlanRefused, match="has no volumes"):
                await w.fleet.plan("v2", stateful=Stateful(snapshot=True))
            assert (await w.fleet.plan("v2")).stateful is None

    run(main())


def test_a_plan_for_a_fleet_without_volumes_is_stale_for_one_with():
    async def main():
        async with stateful() as w:
            plan = evolve(await w.fleet.plan("v2"), stateful=None)
            with pytest.raises(Exception, match="the fleet has volumes"):
                await w.fleet.apply(plan)

    run(main())


# -- snapshots -------------------------------------------------------------------------------------


def test_each_slot_is_saved_after_its_old_holder_and_before_its_new_one():
    async def main():
        async with stateful() as w:
            result = await w.fleet.replace("v2", limits=LIMITS, stateful=Stateful(snapshot=True))
            assert result.status is Status.SUCCEEDED
            records = await actions(w)
            asked = [r for r in records if isinstance(r, Intended)]
            order = [
                type(each.action)
                for each in asked
                if isinstance(each.action, (Retire, Snapshot, Grow))
            ]
            assert order == [Retire, Snapshot, Grow] * 3
            assert {e.action.slot for e in asked if isinstance(e.action, Snapshot)} == set("012")
            said = {r.token: r.detail for r in records if isinstance(r, Done)}
            saved = [said[e.token] for e in asked if isinstance(e.action, Snapshot)]
            assert saved == [f"snap-web-{slot.name}-1" for slot in sorted_by(saved, w)]

    def sorted_by(saved, w):
        return [w.truth.slots[each.split("-")[2]] for each in saved]

    run(main())


def test_who_had_the_slot_since_makes_a_snapshot_old():
    async def main():
        async with stateful() as w:
            rollout = w.fleet.replace("v2", limits=LIMITS, stateful=Stateful(snapshot=True))

            def strike():
                # Somebody of stable dies, and takes the slot that was just saved.
                for name in w.members("ready", 1)[:1]:
                    w.cloud.kill(NAME, name)

            w.at(12, strike)
            assert (await rollout).status is Status.SUCCEEDED
            for slot in w.truth.slots.values():
                assert slot.snapshots >= 1

    run(main())


def test_a_lost_answer_takes_no_second_snapshot():
    async def main():
        async with stateful() as w:
            w.cloud.faults.add(Fault("snapshot", when=When.AFTER))
            result = await w.fleet.replace("v2", limits=LIMITS, stateful=Stateful(snapshot=True))
            assert result.status is Status.SUCCEEDED
            assert [slot.snapshots for slot in w.truth.slots.values()] == [1, 1, 1]

    run(main())


# -- data that can't go back -----------------------------------------------------------------------


def irreversible(w):
    return w.fleet.replace("v2", limits=LIMITS, stateful=Stateful(irreversible=True))


async def approve(w, rollout):
    while not w.truth.groups.get(2):
        await asyncio.sleep(1)
    await asyncio.sleep(100)
    assert w.members(revision=2) == []  # Nobody has said so.
    await w.journal.order(rollout.id, Order.PROMOTE, actor="bo", reason="read it")


async def approved(w):
    rollout = irreversible(w)
    ending = asyncio.ensure_future(rollout.end())
    await approve(w, rollout)
    return rollout, ending


def test_what_can_not_go_back_waits_for_somebody_to_approve():
    async def main():
        async with stateful() as w:
            plan = await w.fleet.plan("v2", stateful=Stateful(irreversible=True))
            assert "approval" in str(plan)
            assert "can't read the data" in plan.on_failure
            _, ending = await approved(w)
            assert (await ending).status is Status.SUCCEEDED
            assert any(isinstance(each, Sealed) for each in await actions(w))

    run(main())


def test_before_the_first_launch_it_goes_back():
    async def main():
        async with stateful() as w:
            rollout = irreversible(w)
            ending = asyncio.ensure_future(rollout.end())
            while not w.truth.groups.get(2):
                await asyncio.sleep(1)
            await rollout.abort(reason="not now")
            assert (await ending).status is Status.ROLLED_BACK

    run(main())


def test_after_the_first_launch_a_failure_stops_it_and_says_what_is_left_where():
    async def main():
        async with stateful() as w:
            w.cloud.behaviours["v2"] = Behaviour(ready=False)
            _, ending = await approved(w)
            end = await ending
            assert end.status is Status.FAILED
            assert any(line.startswith("slot 0") for line in end.left)
            assert any(line.startswith("r2") for line in end.left)
            # The others still run what can read their data.
            assert len(w.members("ready", 1)) == 2
            assert len(w.members(revision=2)) == 1

    run(main())


def test_after_the_first_launch_nobody_can_order_it_back():
    async def main():
        async with stateful() as w:
            rollout, ending = await approved(w)
            while not w.members(revision=2):
                await asyncio.sleep(1)
            with pytest.raises(Conflict, match="can't read"):
                await rollout.abort()
            assert (await ending).status is Status.SUCCEEDED

    run(main())


# -- what must not happen to volumes ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda slots: slots["1"].volumes.pop("log"), "slot 1's log, vol-web-1-log, is gone"),
        (lambda slots: slots["2"].volumes.update(data="vol-x"), "slot 2's data was vol-web-2-data"),
        (lambda slots: slots.pop("0"), "slot 0's data, vol-web-0-data, is gone"),
    ],
)
def test_a_volume_that_is_lost_stops_the_rollout(happens, said):
    async def main():
        async with stateful() as w:
            w.at(15, lambda: happens(w.truth.slots))
            w.cloud.watchers.clear()
            end = await w.fleet.replace("v2", limits=LIMITS).end()
            assert end.status is Status.FAILED
            assert said in end.reason
            assert end.left

    run(main())


def test_two_writers_stop_the_rollout_at_once():
    async def main():
        async with stateful() as w:
            w.cloud.watchers.clear()

            def strike():
                one, two, *_ = w.truth.servers.values()
                two.seen = evolve(two.seen, slot=one.seen.slot)
                w.truth.log.append(two.seen)

            w.at(3, strike)
            end = await w.fleet.replace("v2", limits=LIMITS).end()
            assert end.status is Status.FAILED
            assert "slot 0 has 2 holders" in end.reason

    run(main())


# -- making, resizing, deleting --------------------------------------------------------------------


def test_a_deleted_fleet_leaves_its_volumes_to_the_next_of_its_name():
    async def main():
        async with world(1) as w:
            cloud = w.backend
            for found in (["0", "1"], ["0", "1", "2"]):
                async with Fleet.create(
                    "memory://db", "v1", 2, volumes=DATA, backend=cloud, journal=w.journal,
                    clock=w.clock,
                ) as made:  # fmt: skip
                    slots = (await made.state()).slots
                    assert [slot.name for slot in slots] == found
                    await made.scale(3)
                    await made.scale(1)
                    slots = (await made.state()).slots
                    assert sum(bool(slot.holder) for slot in slots) == 1
                    await made.delete()
                kept = await cloud.kept_slots("db")
                assert [slot.name for slot in kept] == ["0", "1", "2"]
            await cloud.remove_slots("db", ("0", "1", "2"))
            assert await cloud.kept_slots("db") == ()

    run(main())
