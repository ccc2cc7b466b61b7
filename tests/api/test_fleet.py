"""The fleet as its users hold it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from attrs import evolve

import immutable
from immutable import (
    Fleet,
    FleetNotFound,
    InvalidValue,
    JournalError,
    Limits,
    PlanRefused,
    RegistryError,
    RolledBack,
    Rollout,
    RolloutFailed,
    RuntimeConfig,
    Status,
    digest,
    dump_plan,
    load_plan,
)
from immutable.backend import Group, Origin
from immutable.memory import Behaviour, Cloud, Fault, MemoryBackend
from immutable.model.records import Ended, Started
from immutable.testing import LoopClock, run
from tests.support.world import LIMITS, NAME, URL, revision, world


def test_a_fleet_is_made_replaced_scaled_and_deleted():
    async def main():
        backend = MemoryBackend(Cloud(LoopClock()))
        config = RuntimeConfig({"MODE": "day"})
        async with Fleet.create(
            URL, "v1", 3, config=config, template={"type": "small"}, limits=LIMITS,
            backend=backend, journal=":memory:", clock=LoopClock(),
        ) as web:  # fmt: skip
            state = await web.state()
            assert (state.ready, state.groups[0].size) == (3, 3)
            assert state.groups[0].revision.config == config
            assert dict(state.groups[0].revision.template) == {"type": "small"}
            assert (await web.replace("v2", limits=LIMITS)).status is Status.SUCCEEDED
            assert (await web.scale(5, limits=LIMITS)).wanted == 5
            assert (await web.scale(1, limits=LIMITS)).wanted == 1
            state = await web.state()
            assert (state.ready, state.groups[0].size, state.groups[0].number) == (1, 1, 2)
            assert dict(state.groups[0].revision.template) == {"type": "small"}
            await web.delete()
            with pytest.raises(FleetNotFound, match="visible there: none"):
                await web.state()

    run(main())


def test_scaling_down_ends_the_chosen_ones_after_draining_and_keeps_the_rest():
    async def main():
        async with world(6) as w:
            before = w.members()
            await w.fleet.scale(4, limits=LIMITS)
            assert set(w.members()) < set(before)
            assert w.truth.lowest_ready == 4
            assert w.truth.groups[1].shown.hold is None

    run(main())


def test_scaling_that_does_not_work_says_which_size_there_is():
    async def main():
        async with world(2) as w:
            w.cloud.faults.add(Fault("grow", lambda: immutable.BackendError("x"), times=0))
            w.cloud.capacity.update(a=1, b=1, c=1)
            with pytest.raises(RolloutFailed, match="the fleet has size 9"):
                await w.fleet.scale(9, limits=LIMITS)
            assert w.truth.groups[1].shown.hold is None

    run(main())


def test_scaling_to_the_same_size_does_nothing():
    async def main():
        async with world(2) as w:
            assert (await w.fleet.scale(2)).reason == "nothing to do"
            assert w.cloud.calls["hold"] == 0

    run(main())


def test_what_exists_is_not_made_again():
    async def main():
        async with world(2) as w:
            with pytest.raises(InvalidValue, match="connect to it, or delete it"):
                async with Fleet.create(
                    URL, "v1", 3, backend=w.backend, journal=w.journal, clock=w.clock
                ):
                    pass

    run(main())


def test_a_missing_fleet_names_those_that_are_there():
    async def main():
        async with world(1) as w:
            with pytest.raises(FleetNotFound, match=r"no fleet at memory://wep; .*: web"):
                async with Fleet.connect("memory://wep", backend=w.backend, journal=w.journal):
                    pass

    run(main())


def test_an_adopted_group_is_kept_or_deleted_as_the_user_said():
    async def main(on_replace):
        async with world(2, group=Group(revision(), 0, origin=Origin.ADOPTED)) as w:
            async with Fleet.adopt(
                URL, on_replace=on_replace, backend=w.backend, journal=w.journal, clock=w.clock
            ) as web:
                await web.replace("v2", limits=LIMITS)
            return len(w.truth.retired)

    assert run(main("keep")) == 1
    assert run(main("delete")) == 0
    with pytest.raises(InvalidValue, match='"keep" or "delete"'):
        run(main("burn"))


def test_a_group_of_our_own_is_not_adopted():
    async def main():
        async with world(2) as w:
            with pytest.raises(immutable.BackendError, match="somebody else made"):
                async with Fleet.adopt(URL, backend=w.backend, journal=w.journal):
                    pass
            with pytest.raises(FleetNotFound):
                async with Fleet.adopt("memory://no", backend=w.backend, journal=w.journal):
                    pass

    run(main())


def test_planning_touches_nothing_and_finds_all_problems_at_once():
    async def main():
        async with world(4) as w:
            w.cloud.images = {"v1", "v2"}
            before = w.cloud.calls.copy()
            plan = await w.fleet.plan("v2", limits=LIMITS)
            assert set(w.cloud.calls - before) == {"observe", "resolve", "preflight"}
            assert load_plan(dump_plan(plan)) == plan
            with pytest.raises(immutable.BackendError, match="no image v3; there are: v1, v2"):
                await w.fleet.plan("v3")
            w.cloud.capacity.update(a=1, b=1, c=1)
            w.cloud.images = {"v1"}
            with pytest.raises(PlanRefused, match="room for 3 servers") as caught:
                await w.fleet.apply(plan)
            assert caught.value.problems

    run(main())


def test_an_image_can_be_given_as_a_value_too():
    async def main():
        async with world(1) as w:
            image = await w.fleet.image("v2")
            assert (await w.fleet.replace(image, limits=LIMITS)).status is Status.SUCCEEDED

    run(main())


def test_bounds_of_a_plan_use_the_fleets_own_boot_times():
    async def main():
        async with world(4) as w:
            first = await w.fleet.plan("v2", limits=LIMITS)
            await w.fleet.replace("v2", limits=LIMITS)
            second = await w.fleet.plan("v3", limits=LIMITS)
            assert first.bounds.work == 4 * (30 + 5 + 5 + 10)  # The backend's usual times.
            assert second.bounds.work == 4 * (20 + 5 + 5 + 10)  # 20 s as seen.

    run(main())


def test_a_rollout_can_be_followed_from_the_beginning_and_from_anywhere():
    async def main():
        async with world(2) as w:
            rollout = w.fleet.replace("v2", limits=LIMITS)
            seen = [event async for event in rollout.events()]
            assert isinstance(seen[0].record, Started)
            assert isinstance(seen[-1].record, Ended)
            assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
            assert (await rollout).status is Status.SUCCEEDED
            again = await w.fleet.rollout()
            assert [event async for event in again.events(after=3)] == seen[3:]
            assert await again == await rollout

    run(main())


def test_a_rollout_is_followed_while_another_process_drives_it():
    async def main():
        async with world(2) as w:
            driving = asyncio.ensure_future(w.fleet.replace("v2", limits=LIMITS)._outcome())
            await asyncio.sleep(10)
            async with w.other_process() as fleet:
                rollout = await fleet.rollout()
                status = await rollout.status()
                assert (status.status, status.live, status.candidate) == (Status.RUNNING, True, 1)
                assert (await rollout).status is Status.SUCCEEDED
            assert (await driving).status is Status.SUCCEEDED

    run(main())


def test_how_a_rollout_ended_is_the_last_event_and_no_exception():
    async def main():
        async with world(2) as w:
            w.cloud.behaviours["bad"] = Behaviour(ready=False)
            rollout = w.fleet.replace("bad", limits=LIMITS)
            last = [event async for event in rollout.events()][-1]
            assert last.record.status is Status.ROLLED_BACK
            with pytest.raises(RolledBack, match="rolled back: 3 candidate instances failed"):
                await rollout
            status = await rollout.status()
            assert (status.status, status.reason) == (Status.ROLLED_BACK, last.record.reason)

    run(main())


def test_a_rollout_that_could_not_begin_says_so_to_its_followers():
    async def main():
        async with world(2) as w:
            w.cloud.images = {"v1"}
            rollout = w.fleet.replace("v9")
            with pytest.raises(immutable.BackendError, match="no image v9"):
                [event async for event in rollout.events()]

    run(main())


def test_a_rollout_stops_at_a_safe_point_when_its_block_ends():
    async def main():
        async with world(4) as w:
            async with w.other_process() as fleet:
                rollout = fleet.replace("v2", limits=LIMITS)
                async for event in rollout.events():
                    if event.seq > 8:
                        break
            status = await rollout.status()
            assert (status.status, status.live) == (Status.RUNNING, False)
            assert (await w.fleet.recover()).status is Status.SUCCEEDED

    run(main())


def test_a_rollout_shows_that_it_goes_back():
    async def main():
        async with world(4) as w:
            w.at(60, lambda: w.cloud.behaviours.update(v2=Behaviour(ready=False)))
            rollout = w.fleet.replace("v2", limits=LIMITS)
            seen = set()
            async for _ in rollout.events():
                seen.add((await rollout.status()).status)
            assert Status.ROLLING_BACK in seen
            with suppress(RolledBack):
                await rollout

    run(main())


def test_going_back_finds_the_revision_before_and_never_one_that_failed():
    async def main():
        async with world(2) as w:
            with pytest.raises(InvalidValue, match="the fleet is at r1; known are: none"):
                await w.fleet.rollback()
            await w.fleet.replace("v2", limits=LIMITS)
            w.cloud.behaviours["bad"] = Behaviour(ready=False)
            with suppress(RolledBack):
                await w.fleet.replace("bad", limits=LIMITS)
            await w.fleet.rollback(limits=LIMITS)
            assert w.truth.groups[4].shown.revision == revision(4, "v1")
            await w.fleet.rollback(limits=LIMITS)
            assert w.truth.groups[5].shown.revision == revision(5, "v2")
            await w.fleet.rollback(to=1, limits=LIMITS)
            assert w.truth.groups[6].shown.revision == revision(6, "v1")
            with pytest.raises(InvalidValue, match="known are: r1, r2, r4, r5"):
                await w.fleet.rollback(to=3)

    run(main())


def test_history_lists_what_happened_and_why():
    async def main():
        async with world(2) as w:
            await w.fleet.replace("v2", limits=LIMITS, reason="CVE-2026-1")
            await w.fleet.scale(3, limits=LIMITS)
            first, second = await w.fleet.history()
            assert (first.reason, first.actor, first.plan.candidate.number) == (
                "CVE-2026-1", w.fleet.actor, 2,
            )  # fmt: skip
            assert second.plan.strategy == "Resize(3)"
            with pytest.raises(InvalidValue, match="had none such"):
                await w.fleet.rollout("no")

    run(main())


def test_an_unknown_rollout_is_an_error_of_the_journal():
    async def main():
        async with world(1) as w:
            lost = Rollout("lost", w.journal)
            with pytest.raises(JournalError, match="unknown"):
                await lost.status()

    run(main())


@pytest.mark.parametrize(
    ("variables", "actor"),
    [
        ({"IMMUTABLE_ACTOR": "ada", "GITHUB_ACTOR": "bot"}, "ada"),
        ({"GITHUB_ACTOR": "bot"}, "bot"),
        ({"GITLAB_USER_LOGIN": "eve"}, "eve"),
    ],
)
def test_the_actor_is_found_where_people_expect_it(variables, actor, monkeypatch):
    for name in ("IMMUTABLE_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    async def main():
        async with world(1) as w:
            return w.fleet.actor

    assert run(main()) == actor


def test_the_module_moves_a_fleet_in_one_call():
    async def main():
        async with Fleet.create("memory://one-call", "v1", 2, journal=":memory:"):
            limits = evolve(LIMITS, max_surge=2)
            result = await immutable.replace(
                "memory://one-call",
                "v2",
                limits=limits,
                journal=":memory:",
                reason="why",
                actor="me",
            )
            assert result.status is Status.SUCCEEDED

    run(main())


def test_an_unknown_backend_names_the_command_that_installs_it():
    async def main():
        with pytest.raises(RegistryError, match="pip install immutable-nowhere"):
            async with Fleet.connect("nowhere://x"):
                pass

    run(main())


def test_an_approved_digest_is_that_of_the_plan_that_runs():
    async def main():
        async with world(1) as w:
            plan = await w.fleet.plan("v2", limits=LIMITS)
            result = await w.fleet.apply(plan)
            events = await w.journal.events(result.rollout)
            assert events[0].record.plan == digest(plan)
            assert w.truth.groups[2].shown.plan == digest(plan)
            assert w.truth.groups[2].shown.rollout == result.rollout

    run(main())


def test_default_limits_are_the_backends():
    async def main():
        async with world(1) as w:
            assert (await w.fleet.plan("v2")).limits == w.backend.capabilities.limits
            assert (await w.fleet.plan("v2", limits=Limits())).limits == Limits()

    run(main())


def test_a_fleet_shows_its_address():
    async def main():
        async with world(1) as w:
            assert repr(w.fleet) == f"<Fleet memory://{NAME}>"
            assert repr(w.fleet.recover()) == "<Rollout not begun>"

    run(main())
