"""A rolling replacement on the simulated cloud, from what a user would see."""

from __future__ import annotations

import pytest
from attrs import evolve

from immutable import (
    PlanRefused,
    RolledBack,
    Rolling,
    RolloutFailed,
    RuntimeConfig,
    Status,
)
from immutable.backend import Denied, Group, InstanceState, Invalid, Origin, QuotaExceeded
from immutable.memory import Behaviour, Fault, Laws, fixed
from immutable.model.records import Failed, Intended, Proved, Resized, Turned
from immutable.testing import run
from tests.support.world import LIMITS, NAME, World, revision, whole, world

READY = InstanceState.READY


async def records(w: World, rollout: str, kind: type) -> list:
    return [e.record for e in await w.journal.events(rollout) if isinstance(e.record, kind)]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("limits", [LIMITS, evolve(LIMITS, max_surge=0, max_unavailable=1)])
def test_every_instance_is_replaced_within_the_bounds(size, limits):
    async def main():
        async with world(size) as w:
            w.backend.begin(limits, size)
            result = await w.fleet.replace("v2", limits=limits)
            assert (result.status, result.wanted, result.left) == (Status.SUCCEEDED, size, ())
            assert w.sizes() == {2: size}
            assert len(w.members(READY, revision=2)) == size == len(w.members())
            assert w.truth.lowest_ready >= size - int(limits.max_unavailable)
            assert w.truth.highest_total <= size + max(1, int(limits.max_surge))
            assert w.backend.breaches == []

    run(main())


def test_a_bad_image_costs_one_server_at_a_time_and_no_capacity():
    async def main():
        async with world(6) as w:
            before = w.truth.groups[1].shown
            w.cloud.behaviours["bad"] = Behaviour(ready=False)
            with pytest.raises(RolledBack, match="3 candidate instances failed") as caught:
                await w.fleet.replace("bad", limits=evolve(LIMITS, max_surge=3))
            whole(w, caught.value.result.status, before, None, 6)
            # One that failed may still be terminating when the next one starts.
            assert (w.truth.lowest_ready, w.truth.highest_total) == (6, 8)

    run(main())


def test_an_image_that_crashes_soon_after_it_is_ready_goes_back():
    async def main():
        async with world(6) as w:
            before = w.truth.groups[1].shown
            w.cloud.behaviours["leaks"] = Behaviour(dies_after=fixed(22))
            with pytest.raises(RolledBack) as caught:
                await w.fleet.replace("leaks", limits=LIMITS)
            whole(w, caught.value.result.status, before, None, 6)
            died = await records(w, caught.value.result.rollout, Failed)
            assert {record.why for record in died} == {"died"}
            assert w.truth.lowest_ready == 6

    run(main())


def test_an_image_that_breaks_late_goes_back_from_the_middle():
    async def main():
        async with world(8) as w:
            before = w.truth.groups[1].shown
            w.at(150, lambda: w.cloud.behaviours.update(v2=Behaviour(ready=False)))
            with pytest.raises(RolledBack):
                await w.fleet.replace("v2", limits=LIMITS)
            whole(w, Status.ROLLED_BACK, before, None, 8)
            assert len(w.members(READY, revision=1)) == 8
            assert w.truth.lowest_ready == 8

    run(main())


def test_without_a_probe_the_whole_window_opens_at_once():
    async def main(probe):
        async with world(6) as w:
            limits = evolve(LIMITS, max_surge=3)
            result = await w.fleet.replace("v2", Rolling(probe=probe), limits=limits)
            grown = [
                each.action.size
                for each in await records(w, result.rollout, Intended)
                if type(each.action).__name__ == "Grow"
            ]
            assert bool(await records(w, result.rollout, Proved))
            return grown[0]

    assert run(main(probe=True)) == 1
    assert run(main(probe=False)) == 3


@pytest.mark.parametrize("error", [Denied, Invalid])
@pytest.mark.parametrize("call", ["create_revision", "grow"])
def test_what_can_never_work_goes_back_at_once(error, call):
    async def main():
        async with world(4) as w:
            before = w.truth.groups[1].shown
            w.cloud.faults.add(Fault(call, lambda: error("no permission"), times=None))
            with pytest.raises(RolledBack, match="no permission") as caught:
                await w.fleet.replace("v2", limits=LIMITS)
            assert caught.value.result.seconds < 60
            whole(w, Status.ROLLED_BACK, before, None, 4)

    run(main())


def test_a_shortage_that_passes_only_costs_time():
    async def main():
        async with world(6) as w:
            w.at(40, lambda: w.cloud.capacity.update(a=2, b=2, c=2))
            w.at(200, w.cloud.capacity.clear)
            result = await w.fleet.replace("v2", limits=LIMITS)
            assert result.status is Status.SUCCEEDED

    run(main())


def test_a_shortage_that_stays_goes_back_at_the_deadline():
    async def main():
        async with world(6) as w:
            before = w.truth.groups[1].shown
            w.cloud.faults.add(Fault("grow", lambda: QuotaExceeded("20 vCPUs"), times=None))
            with pytest.raises(RolledBack, match="no progress for"):
                await w.fleet.replace("v2", limits=LIMITS)
            whole(w, Status.ROLLED_BACK, before, None, 6)
            assert w.cloud.calls["grow"] < 20

    run(main())


def test_a_zone_that_is_lost_for_good_is_an_honest_failure_with_a_list():
    async def main():
        async with world(6) as w:
            w.at(70, lambda: w.cloud.capacity.update(a=0, b=0, c=0))
            with pytest.raises(RolloutFailed) as caught:
                await w.fleet.replace("v2", limits=LIMITS)
            result = caught.value.result
            assert "no progress" in result.reason
            assert any("r1" in line for line in result.left)
            assert len(w.members(READY)) >= 5

    run(main())


def test_a_fleet_that_grows_meanwhile_is_followed_upward():
    async def main():
        async with world(4) as w:
            w.at(60, lambda: w.cloud.resize(NAME, 1, w.sizes()[1] + 2))
            result = await w.fleet.replace("v2", limits=LIMITS)
            (resized,) = await records(w, result.rollout, Resized)
            assert resized.found == resized.expected + 2
            assert result.wanted == resized.wanted > 4
            assert w.sizes() == {2: result.wanted}

    run(main())


def test_a_held_group_is_not_scaled_in_by_others():
    async def main():
        async with world(4) as w:
            w.at(60, lambda: w.cloud.resize(NAME, 1, 1))
            result = await w.fleet.replace("v2", limits=LIMITS)
            assert result.wanted == 4
            assert w.truth.lowest_ready == 4

    run(main())


def test_bounds_of_automatic_scaling_come_back_after_a_rollout_back_and_move_on_after_success():
    async def main():
        group = Group(revision(), 0, minimum=3, maximum=9, settings={"policy": "cpu 60%"})
        async with world(4, group=group) as w:
            w.cloud.behaviours["bad"] = Behaviour(ready=False)
            before = w.truth.groups[1].shown
            with pytest.raises(RolledBack):
                await w.fleet.replace("bad", limits=LIMITS)
            assert w.truth.groups[1].shown == before
            await w.fleet.replace("v2", limits=LIMITS)
            (after,) = (each.shown for each in w.truth.groups.values())
            assert (after.minimum, after.maximum, dict(after.settings)) == (
                3, 9, {"policy": "cpu 60%"},
            )  # fmt: skip

    run(main())


def test_an_adopted_group_is_kept_at_size_0():
    async def main():
        async with world(3, group=Group(revision(), 0, origin=Origin.ADOPTED)) as w:
            plan = await w.fleet.plan("v2", limits=LIMITS)
            assert any("adopted group: it is kept" in note for note in plan.notes)
            await w.fleet.apply(plan)
            assert w.sizes() == {2: 3}
            (kept,) = w.truth.retired
            assert (kept.revision, kept.size, kept.hold) == (revision(), 0, None)

    run(main())


def test_stable_servers_that_die_and_cannot_be_launched_any_more_do_not_block_the_way_forward():
    async def main():
        async with world(6) as w:
            w.cloud.behaviours["v1"] = Behaviour(launchable=False)
            for at, which in ((30, 0), (31, 1)):
                w.at(at, lambda which=which: w.cloud.kill(NAME, w.members(READY, 1)[which]))
            result = await w.fleet.replace("v2", limits=LIMITS)
            assert result.status is Status.SUCCEEDED
            assert w.sizes() == {2: 6}

    run(main())


def test_a_sick_fleet_is_cured_by_a_good_image():
    async def main():
        async with world(6) as w:
            for name in w.members()[:5]:
                w.cloud.set_state(w.truth, name, InstanceState.UNREADY)
            w.truth.reset_marks()
            result = await w.fleet.replace("v2", limits=evolve(LIMITS, max_unavailable=1))
            assert result.status is Status.SUCCEEDED
            assert len(w.members(READY)) == 6
            assert w.truth.lowest_ready == 1

    run(main())


def test_a_sick_fleet_and_a_bad_image_end_where_they_began():
    async def main():
        async with world(6) as w:
            before = w.truth.groups[1].shown
            for name in w.members()[:4]:
                w.cloud.set_state(w.truth, name, InstanceState.UNREADY)
            w.cloud.behaviours["bad"] = Behaviour(ready=False)
            with pytest.raises(RolledBack):
                await w.fleet.replace("bad", limits=evolve(LIMITS, max_unavailable=1))
            whole(w, Status.ROLLED_BACK, before, None, 6)

    run(main())


def test_a_protected_server_is_waited_for_without_a_deadline():
    async def main():
        async with world(3) as w:
            w.cloud.protect(NAME, w.members()[0])
            w.at(5_000, lambda: w.cloud.protect(NAME, w.members()[0], protected=False))
            limits = evolve(LIMITS, on_protected="wait")
            result = await w.fleet.replace("v2", limits=limits)
            assert result.status is Status.SUCCEEDED
            assert result.seconds > 5_000

    run(main())


def test_a_protected_server_is_replaced_by_default_and_cannot_be_skipped():
    async def main():
        async with world(3) as w:
            w.cloud.protect(NAME, w.members()[0])
            with pytest.raises(PlanRefused, match="skip"):
                await w.fleet.plan("v2", limits=evolve(LIMITS, on_protected="skip"))
            assert (await w.fleet.replace("v2", limits=LIMITS)).status is Status.SUCCEEDED

    run(main())


def test_members_go_from_the_zone_that_has_most():
    async def main():
        async with world(9) as w:
            spreads = []

            def note(fleet, instance):
                zones = [s.seen.zone for s in fleet.servers.values() if s.seen.state is READY]
                spreads.append(max(map(zones.count, "abc")) - min(map(zones.count, "abc")))

            w.cloud.watchers.append(note)
            await w.fleet.replace("v2", limits=evolve(LIMITS, max_surge=3))
            assert max(spreads) <= 2
            zones = [s.seen.zone for s in w.truth.servers.values()]
            assert [zones.count(zone) for zone in "abc"] == [3, 3, 3]

    run(main())


def test_a_candidate_group_that_somebody_deletes_is_a_reason_to_go_back():
    async def main():
        async with world(4) as w:
            before = w.truth.groups[1].shown

            def vandal():
                w.cloud.change(NAME, 2, size=0)
                for name in w.members(revision=2):
                    w.cloud.kill(NAME, name)
                del w.truth.groups[2]

            w.cloud.behaviours["v2"] = Behaviour(boot=fixed(50))
            w.at(30, vandal)
            with pytest.raises(RolledBack, match="candidate's group is gone"):
                await w.fleet.replace("v2", limits=LIMITS)
            whole(w, Status.ROLLED_BACK, before, None, 4)

    run(main())


def test_a_stable_group_that_somebody_deletes_is_a_failure_that_says_so():
    async def main():
        async with world(2) as w:
            w.at(30, lambda: w.truth.groups.pop(1))
            with pytest.raises(RolloutFailed, match="stable's group is gone"):
                await w.fleet.replace("v2", limits=LIMITS)

    run(main())


def test_a_long_rollout_renews_its_holds():
    async def main():
        async with world(30, laws=Laws(boot=fixed(200), drain=fixed(5), terminate=fixed(5))) as w:
            lapses = []

            def note(fleet, instance):
                groups = fleet.groups.values()
                lapses.extend(g for g in groups if g.shown.hold is None and len(groups) > 1)

            w.cloud.watchers.append(note)
            result = await w.fleet.replace("v2", limits=evolve(LIMITS, boot_timeout=400))
            assert result.seconds > 6_000
            assert lapses == []

    run(main())


def test_a_change_of_configuration_alone_is_a_rollout_like_any_other():
    async def main():
        async with world(2) as w:
            config = RuntimeConfig({"MODE": "night"}, {"DB": "vault://kv/web#db"})
            result = await w.fleet.replace(config=config, limits=LIMITS)
            assert result.status is Status.SUCCEEDED
            (group,) = (each.shown for each in w.truth.groups.values())
            assert group.revision == evolve(revision(2, "v1"), config=config)
            back = await w.fleet.rollback(limits=LIMITS)
            (group,) = (each.shown for each in w.truth.groups.values())
            assert (back.status, group.revision) == (Status.SUCCEEDED, revision(3, "v1"))

    run(main())


def test_what_the_fleet_already_runs_is_not_replaced():
    async def main():
        async with world(2) as w:
            before = w.members()
            result = await w.fleet.replace("v1", limits=LIMITS)
            assert (result.status, result.reason) == (Status.SUCCEEDED, "nothing to do")
            assert w.members() == before
            assert w.cloud.calls["hold"] == 0

    run(main())


def test_every_decision_carries_its_arithmetic():
    async def main():
        async with world(2) as w:
            w.cloud.behaviours["bad"] = Behaviour(ready=False)
            with pytest.raises(RolledBack) as caught:
                await w.fleet.replace("bad", limits=LIMITS)
            rollout = caught.value.result.rollout
            intents = await records(w, rollout, Intended)
            assert all(each.why for each in intents)
            assert any("2 wanted + 1 surge - 2 existing" in each.why for each in intents)
            assert len({each.token for each in intents}) == len(intents)
            (turned,) = await records(w, rollout, Turned)
            assert turned.reason == caught.value.result.reason

    run(main())
