"""Fleets that carry a policy: when it is asked, what it keeps back, and what goes on record."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import pytest
from attrs import evolve

pytest.importorskip("securesystemslib")

from immutable import (
    Fleet,
    Limits,
    PlanRefused,
    RolledBack,
    Rolling,
    RolloutFailed,
    Status,
    open_journal,
)
from immutable.admission import (
    Approved,
    BuiltBy,
    NoDowngrade,
    Policy,
    SignedBy,
    break_glass,
    set_policy,
)
from immutable.audit.changes import changes
from immutable.backend import Rate
from immutable.catalog import add, revoke
from immutable.engine.places import places
from immutable.memory import Cloud, MemoryBackend
from immutable.model import Retire
from immutable.model.records import Done, Intended, Outcome, Ruled
from immutable.testing import LoopClock, run
from immutable.trust import approval, dump_bundle, provenance
from tests.support.admitting import adding, image
from tests.support.signing import enveloped, signer, trusting
from tests.support.world import LIMITS, URL

ONE, TWO, THREE = (image(f"{n}.0") for n in (1, 2, 3))
SIGNED = Policy([SignedBy(trusting("ada", "bob"))])
STRICT = Policy([BuiltBy("https://elsewhere.example.com")])


class World:
    """A fleet of web:1.0, and a catalog in which web:3.0 is signed."""

    def __init__(self, fleet, journal):
        self.fleet, self.journal = fleet, journal

    async def change(self, decide, *args, **how):
        await self.journal.change_catalog(
            lambda catalog, _: decide(catalog, *args, actor="ada", **how)
        )

    async def carry(self, policy):
        await self.change(set_policy, self.fleet.address, policy, reason="as agreed")

    async def revoke(self, version):
        await self.journal.change_catalog(
            lambda catalog, now: revoke(catalog, version, now, reason="CVE-1", actor="ada")
        )

    async def bypass(self, seconds, reason="CVE-2026-1 is being exploited"):
        await self.journal.change_catalog(
            lambda catalog, now: break_glass(
                catalog, now, self.fleet.address, now + seconds, reason=reason, actor="ada"
            )
        )

    async def runs(self):
        return (await self.fleet.state()).groups[0].revision.image.artifact

    async def ruled(self, rollout):
        events = await self.journal.events(rollout)
        return [each.record for each in events if isinstance(each.record, Ruled)]


@asynccontextmanager
async def opened(journal, start="web-1.0"):
    backend = MemoryBackend(Cloud(LoopClock()))
    async with Fleet.create(
        URL, start, 3, limits=LIMITS, backend=backend, journal=journal, clock=LoopClock(),
        actor="carol",
    ) as fleet:  # fmt: skip
        yield fleet


def play(story):
    signed = [enveloped(provenance(THREE), "ada")]
    records = [adding(ONE), adding(TWO), adding(THREE, signed)]

    async def main():
        journal = await open_journal(":memory:", clock=LoopClock())
        for each in records:
            await journal.change_catalog(lambda catalog, _, each=each: add(catalog, each))
        try:
            async with opened(journal) as fleet:
                await story(World(fleet, journal))
        finally:
            await journal.close()

    run(main())


def test_a_policy_is_asked_when_a_plan_is_made_and_says_so_in_it():
    async def story(world):
        await world.carry(SIGNED)
        with pytest.raises(PlanRefused, match=r"signed by 1 of ada, bob: UNKNOWN"):
            await world.fleet.plan("web-2.0", limits=LIMITS)
        with pytest.raises(PlanRefused, match="not in the catalog"):
            await world.fleet.plan("web-9.0", limits=LIMITS)
        plan = await world.fleet.plan("web-3.0", limits=LIMITS)
        assert "policy: signed by 1 of ada, bob: PASS, web:3.0 is signed with ada" in plan.notes
        result = await world.fleet.apply(plan)
        assert result.status is Status.SUCCEEDED
        (ruled,) = await world.ruled(result.rollout)
        assert (ruled.admitted, ruled.bypass, len(ruled.rulings)) == (True, "", 1)

    play(story)


def test_an_artifact_that_is_listed_and_in_no_manifest_is_unknown_to_every_rule():
    async def story(world):
        strange = evolve(adding(image("4.0")), artifacts=("memory:///web-9.0",))
        await world.journal.change_catalog(lambda catalog, _: add(catalog, strange))
        await world.carry(SIGNED)
        with pytest.raises(PlanRefused, match=r"can't be asked: .*web-9\.0.*its manifest isn't"):
            await world.fleet.plan("web-9.0", limits=LIMITS)

    play(story)


def test_what_is_ruled_is_on_record_before_the_first_launch():
    async def story(world):
        await world.carry(SIGNED)
        result = await world.fleet.replace("web-3.0", limits=LIMITS)
        records = [each.record for each in await world.journal.events(result.rollout)]
        ruled = next(n for n, each in enumerate(records) if isinstance(each, Ruled))
        grown = next(
            n for n, each in enumerate(records)
            if isinstance(each, Intended) and type(each.action).__name__ == "Grow"
        )  # fmt: skip
        assert ruled < grown

    play(story)


def test_a_policy_that_changes_after_the_plan_was_made_is_asked_when_it_is_begun():
    async def story(world):
        plan = await world.fleet.plan("web-2.0", limits=LIMITS)
        waiting = await world.fleet.plan("web-2.0", limits=LIMITS)
        await world.carry(STRICT)
        with pytest.raises(PlanRefused, match=r"built by https://elsewhere\.example\.com: FAIL"):
            await world.fleet.apply(plan)
        with pytest.raises(PlanRefused, match="FAIL"):
            await world.fleet.submit(waiting)
        await world.carry(None)
        assert (await world.fleet.apply(plan)).status is Status.SUCCEEDED

    play(story)


def test_a_policy_that_changes_while_a_plan_waits_for_a_controller_is_asked_by_it():
    async def story(world):
        rollout = await world.fleet.submit(await world.fleet.plan("web-2.0", limits=LIMITS))
        await world.carry(STRICT)
        with pytest.raises(RolloutFailed, match=r"elsewhere\.example\.com: FAIL"):
            await world.fleet.recover()
        (ruled,) = await world.ruled(rollout.id)
        assert not ruled.admitted
        assert await world.runs() == "web-1.0"

    play(story)


def stopped_before_its_first_launch(change):
    """Let a rollout begin, stop it, change something, and carry it on."""

    async def story(world):
        rollout = world.fleet.replace("web-2.0", limits=LIMITS)
        task = asyncio.create_task(_ended(rollout))
        created = world.fleet.backend.create_revision

        async def slowly(*args, **how):
            await change(world)
            return await created(*args, **how)

        world.fleet.backend.create_revision = slowly
        with pytest.raises(RolledBack) as caught:
            await task
        groups = (await world.fleet.state()).groups
        assert [each.revision.image.artifact for each in groups] == ["web-1.0"]
        records = [each.record for each in await world.journal.events(rollout.id)]
        grown = {
            each.token for each in records
            if isinstance(each, Intended)
            and type(each.action).__name__ == "Grow" and each.action.revision == 2
        }  # fmt: skip
        done = [each for each in records if isinstance(each, Done) and each.token in grown]
        assert not [each for each in done if each.outcome is Outcome.DONE]
        return caught.value.result.reason, await world.ruled(rollout.id)

    return story


async def _ended(rollout):
    return await rollout


@pytest.mark.parametrize("limits", [Limits(0, 1, min_ready=0), Limits("100%", 2, min_ready=0)])
def test_who_serves_goes_on_serving_when_what_was_to_follow_is_not_launched(limits):
    """What is decided beside a launch that is refused is not done either, now or later."""

    async def story(world):
        before = [each.id for each in (await world.fleet.state()).instances]
        created = world.fleet.backend.create_revision

        async def slowly(*args, **how):
            await world.carry(STRICT)
            return await created(*args, **how)

        world.fleet.backend.create_revision = slowly
        rollout = world.fleet.replace("web-2.0", Rolling(probe=False), limits=limits)
        with pytest.raises(RolledBack, match="FAIL"):
            await rollout
        records = [each.record for each in await world.journal.events(rollout.id)]
        sent = {
            name for each in records
            if isinstance(each, Intended) and isinstance(each.action, Retire)
            for name in each.action.ids
        }  # fmt: skip
        left = [each.id for each in (await world.fleet.state()).instances]
        assert set(before) - set(left) <= sent

    play(story)


def test_what_changes_between_the_beginning_and_the_first_launch_counts():
    async def story(world):
        reason, ruled = await stopped_before_its_first_launch(lambda w: w.carry(STRICT))(world)
        assert "elsewhere.example.com: FAIL" in reason
        assert [each.admitted for each in ruled] == [False]

    play(story)


def test_what_is_revoked_between_the_beginning_and_the_first_launch_is_not_launched():
    async def story(world):
        reason, ruled = await stopped_before_its_first_launch(lambda w: w.revoke("web:2.0"))(world)
        assert "web:2.0 is revoked: CVE-1" in reason
        assert ruled == []

    play(story)


def test_a_launch_that_waits_for_others_is_asked_about_when_it_is_its_turn():
    later = []

    async def others_launch(world):
        loop, place = asyncio.get_running_loop(), places().of(URL)
        place.tell(Rate(1, 0.01), None)
        place.launches.grant("another", 4, loop.time(), back=True)  # 400 s until the next one.
        later.append(asyncio.create_task(forbids(world)))

    async def forbids(world):
        await asyncio.sleep(200)
        await world.carry(STRICT)

    async def story(world):
        reason, ruled = await stopped_before_its_first_launch(others_launch)(world)
        assert "elsewhere.example.com: FAIL" in reason
        assert [each.admitted for each in ruled] == [False]
        assert later[0].done()

    play(story)


def test_what_has_begun_is_carried_on_by_a_successor_whatever_the_policy_says_by_then():
    async def story(world):
        rollout = world.fleet.replace("web-2.0", limits=LIMITS)
        task = asyncio.create_task(_ended(rollout))
        while len((await world.fleet.state()).members(2)) < 1:
            await asyncio.sleep(1)
        await rollout.stop()
        await asyncio.gather(task, return_exceptions=True)
        await world.carry(STRICT)
        assert (await world.fleet.recover()).status is Status.SUCCEEDED
        assert await world.runs() == "web-2.0"

    play(story)


def test_what_is_revoked_in_the_middle_of_a_rollout_is_launched_no_more_and_taken_back():
    async def story(world):
        grow, launched = world.fleet.backend.grow, []

        async def counted(fleet, revision, size, **how):
            if revision == 2:
                launched.append(size)
                await world.revoke("web:2.0")
            return await grow(fleet, revision, size, **how)

        world.fleet.backend.grow = counted
        with pytest.raises(RolledBack, match=r"web:2\.0 is revoked: CVE-1"):
            await world.fleet.replace("web-2.0", limits=LIMITS)
        assert launched == [1]
        assert await world.runs() == "web-1.0"

    play(story)


def test_a_repair_launches_no_more_what_is_revoked_but_to_have_the_size_again():
    async def story(world):
        before = [each.id for each in (await world.fleet.state()).instances]
        tight = evolve(LIMITS, max_surge=0, max_unavailable=1)
        grow, asked = world.fleet.backend.grow, []

        async def counted(fleet, revision, size, **how):
            asked.append(size)
            await world.revoke("web:1.0")
            return await grow(fleet, revision, size, **how)

        world.fleet.backend.grow = counted
        with pytest.raises(RolloutFailed, match=r"web:1\.0 is revoked: CVE-1") as failed:
            await world.fleet.repair(max_age=0, limits=tight)
        # The second of three had gone when it was refused; its place is filled all the same.
        state = await world.fleet.state()
        assert (asked, state.groups[0].size, state.groups[0].hold) == ([3, 3], 3, None)
        stay = [name for name in before if name in {each.id for each in state.instances}]
        assert len(stay) == 1
        assert f"{stay[0]} was not replaced" in failed.value.result.left
        with pytest.raises(PlanRefused, match=r"web:1\.0 is revoked"):
            await world.fleet.plan_repair(max_age=0)

    play(story)


def test_a_policy_is_asked_before_a_repair():
    async def story(world):
        await world.carry(STRICT)
        with pytest.raises(PlanRefused, match="built by"):
            await world.fleet.plan_repair(max_age=0, limits=LIMITS)

    play(story)


def test_a_broken_glass_lets_pass_what_the_policy_would_not_and_is_on_record():
    async def story(world):
        await world.carry(STRICT)
        await world.bypass(600)
        plan = await world.fleet.plan("web-2.0", limits=LIMITS)
        assert plan.notes[-2].startswith("the policy is bypassed by ada: CVE-2026-1")
        assert "FAIL" in plan.notes[-1]
        result = await world.fleet.apply(plan)
        (ruled,) = await world.ruled(result.rollout)
        assert (ruled.admitted, ruled.bypass) == (
            True, "bypassed by ada: CVE-2026-1 is being exploited",
        )  # fmt: skip
        told = (await changes(world.journal))[-1]
        assert told["emergency"] == ruled.bypass
        assert told["policy"]["rulings"][0]["admission"] == "fail"

    play(story)


def test_a_broken_glass_is_whole_again_at_its_end():
    async def story(world):
        await world.carry(STRICT)
        await world.bypass(600)
        plan = await world.fleet.plan("web-2.0", limits=LIMITS)
        await asyncio.sleep(601)
        with pytest.raises(PlanRefused, match="FAIL"):
            await world.fleet.apply(plan)

    play(story)


def test_what_is_revoked_is_not_launched_by_breaking_the_glass():
    async def story(world):
        await world.carry(STRICT)
        await world.bypass(600)
        await world.revoke("web:2.0")
        with pytest.raises(PlanRefused, match=r"web:2\.0 is revoked"):
            await world.fleet.plan("web-2.0", limits=LIMITS)

    play(story)


def test_a_plan_waits_for_approvals_and_is_carried_out_with_them():
    for name in ("ada", "bob"):
        signer(name)  # It reads a file, which the loop must not.

    async def story(world):
        await world.carry(Policy([Approved(trusting("ada", "bob", threshold=2))]))
        plan = await world.fleet.plan("web-2.0", limits=LIMITS)
        assert "later" in plan.notes[-1]
        with pytest.raises(PlanRefused, match="nobody has approved sha256:"):
            await world.fleet.apply(plan)
        with pytest.raises(PlanRefused, match="nobody has approved"):
            await world.fleet.replace("web-2.0", limits=LIMITS)

        def by(*names):
            said = approval(plan, at=datetime(2026, 11, 28, tzinfo=UTC))
            return dump_bundle([enveloped(said, each) for each in names])

        with pytest.raises(PlanRefused, match="FAIL"):
            await world.fleet.apply(plan, signed=by("ada"))
        result = await world.fleet.apply(plan, signed=by("bob"))
        assert result.status is Status.SUCCEEDED
        (ruled,) = await world.ruled(result.rollout)
        assert ruled.rulings[0].why == "by ada, bob"

    play(story)


def test_going_back_is_possible_where_downgrades_are_not():
    async def story(world):
        await world.fleet.replace("web-2.0", limits=LIMITS)
        await world.carry(Policy([NoDowngrade()]))
        await world.fleet.replace("web-3.0", limits=LIMITS)
        with pytest.raises(PlanRefused, match=r"no downgrade: FAIL, the fleet runs web:3\.0"):
            await world.fleet.plan("web-1.0", limits=LIMITS)
        assert (await world.fleet.rollback(limits=LIMITS)).status is Status.SUCCEEDED
        assert await world.runs() == "web-2.0"

    play(story)


def test_a_fleet_that_carries_a_policy_is_resized_whatever_it_runs():
    async def story(world):
        await world.carry(STRICT)
        assert (await world.fleet.scale(5, limits=LIMITS)).wanted == 5

    play(story)


def test_a_fleet_is_not_made_of_what_is_revoked_or_its_policy_refuses():
    async def main():
        clock = LoopClock()
        journal = await open_journal(":memory:", clock=clock)
        backend = MemoryBackend(Cloud(clock))
        await journal.change_catalog(lambda catalog, _: add(catalog, adding(TWO)))
        made = partial(
            Fleet.create, URL, "web-2.0", 2, limits=LIMITS, backend=backend, journal=journal,
            clock=clock,
        )  # fmt: skip
        await journal.change_catalog(
            lambda catalog, _: set_policy(catalog, URL, STRICT, actor="ada")
        )
        with pytest.raises(PlanRefused, match="FAIL"):
            async with made():
                raise AssertionError
        await journal.change_catalog(lambda catalog, _: set_policy(catalog, URL, None, actor="ada"))
        await journal.change_catalog(
            lambda catalog, now: revoke(catalog, "web:2.0", now, reason="CVE-1", actor="ada")
        )
        with pytest.raises(PlanRefused, match=r"web:2\.0 is revoked"):
            async with made():
                raise AssertionError
        assert await backend.fleets() == ()
        await journal.close()

    run(main())
