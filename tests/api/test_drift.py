"""Drift of fleets as users see it: on the simulated cloud, during and after rollouts."""

from __future__ import annotations

import asyncio

import pytest

from immutable import Fleet, FleetNotFound, InvalidValue, Rolling
from immutable.backend import DriftCode, Group, Stray
from immutable.drift import DriftVerdict
from immutable.memory import MemoryBackend
from immutable.memory.parts import SimulatedGroup
from immutable.testing import run
from tests.support.world import LIMITS, NAME, URL, revision, world

OK, DRIFTED, UNKNOWN = DriftVerdict.OK, DriftVerdict.DRIFTED, DriftVerdict.UNKNOWN
KNOBS = [c for c in DriftCode if c not in (DriftCode.OVER_AGE, DriftCode.REVISION)]


@pytest.mark.parametrize("code", KNOBS)
def test_every_alteration_of_a_server_is_found_and_named(code):
    async def main():
        async with world(3) as w:
            victim = w.members()[1]
            w.cloud.altered.alter(victim, code, "other")
            found = await w.fleet.drift()
            assert [each.verdict for each in found.findings] == [OK, DRIFTED, OK]
            (reason,) = found.of(DRIFTED)[0].reasons
            assert (found.findings[1].instance, reason.code) == (victim, code)
            w.cloud.altered.alter(victim, code, None)
            assert [each.verdict for each in (await w.fleet.drift()).findings] == [OK, UNKNOWN, OK]

    run(main())


def test_a_stray_is_told_and_looking_changes_nothing():
    async def main():
        async with world(2) as w:
            w.cloud.altered.strays[NAME] = (Stray("x-1", "has the fleet's tag"),)
            before = w.sizes(), w.members()
            found = await w.fleet.drift()
            assert (found.verdict, found.strays[0].id) == (DRIFTED, "x-1")
            assert (w.sizes(), w.members()) == before
            assert set(w.cloud.calls) == {"observe", "inspect"}

    run(main())


def test_age_is_told_when_it_is_asked_for():
    async def main():
        async with world(2) as w:
            await asyncio.sleep(100)
            assert (await w.fleet.drift()).verdict is OK
            assert (await w.fleet.drift(max_age=200)).verdict is OK
            old = await w.fleet.drift(max_age=50)
            assert len(old.of(DRIFTED)) == 2
            with pytest.raises(InvalidValue, match="max_age"):
                await w.fleet.drift(max_age=-1)

    run(main())


def test_a_fleet_that_is_gone_is_not_found():
    async def main():
        async with world(1) as w:
            del w.cloud.fleets[NAME]
            with pytest.raises(FleetNotFound):
                await w.fleet.drift()

    run(main())


class Blind(MemoryBackend):
    """A backend that can observe, and nothing else of its instances."""

    inspect = None


def test_a_backend_without_the_ability_leaves_everything_unknown():
    async def main():
        async with world(2) as w:
            blind = Blind(w.cloud)
            async with Fleet.connect(URL, backend=blind, journal=w.journal, clock=w.clock) as web:
                found = await web.drift()
            assert (found.verdict, len(found.of(UNKNOWN))) == (UNKNOWN, 2)
            assert "this backend can't inspect" in str(found)

    run(main())


def test_two_groups_of_a_cancelled_rollout_are_unknown_and_those_of_a_running_one_are_not():
    async def main():
        async with world(4) as w:
            rollout = w.fleet.replace("v2", Rolling(), limits=LIMITS)
            driving = asyncio.ensure_future(rollout.end())
            while len(w.sizes()) < 2 or not w.members(revision=2):
                await asyncio.sleep(1)
            assert (await w.fleet.drift()).verdict is OK
            await rollout.cancel()
            await driving
            assert len(w.sizes()) == 2
            found = await w.fleet.drift()
            assert found.verdict is UNKNOWN
            assert "which of several groups is the fleet" in found.findings[0].why

    run(main())


def test_members_of_a_group_that_nobody_has_planned_are_of_another_revision():
    async def main():
        async with world(4) as w:
            await w.fleet.replace("v2", limits=LIMITS)
            w.cloud.fleets[NAME].groups[3] = SimulatedGroup(Group(revision(3, "v3"), 0))
            w.cloud.resize(NAME, 3, 1)
            found = await w.fleet.drift()
            (finding,) = found.of(DRIFTED)
            assert (finding.revision, finding.why) == (3, "revision: r3, expected r2")

    run(main())


@pytest.mark.parametrize("stale", [0.0, 8.0])
def test_no_false_alarm_in_ten_thousand_looks_at_clean_instances(stale):
    """Before, during and after a rollout forward and one back, with lagging reads too."""

    async def main():
        async with world(200, stale=stale) as w:
            clean = 0

            async def watch(until: asyncio.Future) -> None:
                nonlocal clean
                while True:
                    over = until.done()
                    found = await w.fleet.drift(max_age=100_000)
                    assert not found.of(DRIFTED), str(found)
                    assert not found.strays
                    clean += len(found.of(OK))
                    if over:
                        return
                    await asyncio.sleep(17)

            limits = LIMITS.__class__(max_surge=40, min_ready=5, boot_timeout=60, drain_timeout=30)
            for image in ("v2", "v3"):
                rollout = w.fleet.replace(image, limits=limits)
                driving = asyncio.ensure_future(rollout.end())
                await watch(driving)
                for _ in range(10):
                    found = await w.fleet.drift(max_age=100_000)
                    assert not found.of(DRIFTED), str(found)
                    clean += len(found.of(OK))
            assert clean >= 10_000

    run(main())


def test_a_fleet_is_connected_to_as_ever():
    async def main():
        async with (
            world(1) as w,
            Fleet.connect(URL, backend=w.backend, journal=w.journal, clock=w.clock) as fleet,
        ):
            assert (await fleet.drift()).fleet == URL

    run(main())
