"""Fleets with volumes on AWS: the same volumes at the same slots, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from attrs import evolve

from backends.aws.tests.backend.account import ONE_BY_ONE
from backends.aws.tests.backend.guests import Guests
from backends.aws.tests.backend.ledger import DATA, Ledger
from immutable import RolledBack
from immutable.errors import ImmutableError
from immutable.volumes import Stateful, Volume
from tests.emulators.adopted import ended, run
from tests.emulators.process import ROOT
from tests.emulators.waiting import LONG, until

CHANGES = (
    "autoscaling:CompleteLifecycleAction",
    "autoscaling:CreateAutoScalingGroup",
    "autoscaling:CreateOrUpdateTags",
    "autoscaling:DeleteAutoScalingGroup",
    "autoscaling:SetDesiredCapacity",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
    "ec2:AttachVolume",
    "ec2:CreateSnapshot",
    "ec2:CreateTags",
)
"""Requests of a replacement that change something of members, slots or groups."""


@pytest.fixture
def ledger(account):
    return Ledger(account)


def check_whole(ledger, before, size=3):
    """The volumes of before, each slot's with one member, and no volume besides."""
    after = ledger.volumes()
    assert after == before
    assert all(len(found) == 1 for found in after.values())
    slots = {frozenset(after[slot, name][0][0] for name in ("data", "log")) for slot, _ in after}
    held = {frozenset(volumes) for volumes in ledger.holders().values()}
    assert held == slots
    assert len(ledger.holders()) == size


# -- a replacement ---------------------------------------------------------------------------------


def test_slots_go_from_one_image_to_the_next_with_a_snapshot_in_between(ledger):
    async def go():
        async with ledger.fleet() as fleet:
            before, volumes = await fleet.state(), ledger.volumes()
            result = await fleet.replace(
                ledger.images[1], limits=ONE_BY_ONE, stateful=Stateful(snapshot=True)
            )
            return before, volumes, result, await fleet.state(), await fleet.drift()

    with Guests(ledger.emulator):
        before, volumes, result, after, drift = run(go())
    assert result.status.value == "succeeded"
    assert {place: found[0][1:] for place, found in volumes.items()} == {
        (slot, name): (size, True, ledger.stage.zones[0])
        for slot in "012"
        for name, size in (("data", 20), ("log", 8))
    }
    check_whole(ledger, volumes)
    assert ledger.snapshots() == dict.fromkeys(volumes, 1)
    assert [slot.volumes for slot in after.slots] == [slot.volumes for slot in before.slots]
    assert after.volumes == DATA
    assert {slot.zone for slot in after.slots} == {ledger.stage.zones[0]}
    old, new = ({slot.holder for slot in state.slots} for state in (before, after))
    assert not old & new
    assert {each.slot for each in after.instances} == {"0", "1", "2"}
    assert [each.verdict.value for each in drift.findings] == ["ok"] * 3, str(drift)


def test_a_bad_image_is_taken_back_and_each_volume_with_it(ledger):
    bad = ledger.stage.image("web-bad")
    ledger.emulator.fate(image=bad, impaired=0)
    limits = evolve(ONE_BY_ONE, boot_timeout=2, max_failures=1)

    async def go():
        async with ledger.fleet() as fleet:
            volumes = ledger.volumes()
            groups = ledger.emulator.everything()["groups"]["db-r1"]
            return volumes, groups, await ended(fleet.replace(bad, limits=limits))

    with Guests(ledger.emulator):
        volumes, groups, end = run(go())
        until(lambda: ledger.serving("db-r1"), lambda there: len(there) == 3)
    assert isinstance(end, RolledBack), end
    check_whole(ledger, volumes)
    told = ledger.emulator.everything()["groups"]
    assert told.keys() == {"db-r1"}
    changing = ("Members", "Tags")
    assert {k: v for k, v in told["db-r1"].items() if k not in changing} == {
        k: v for k, v in groups.items() if k not in changing
    }


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("skip", [0, 1])
def test_the_answer_of_every_change_is_lost_once(ledger, skip):
    async def go():
        ledger.emulator.fault(action="ec2:CreateVolume", kind="lost", skip=skip)
        async with ledger.fleet() as fleet:
            volumes = ledger.volumes()
            for action in CHANGES:
                ledger.emulator.fault(action=action, kind="lost", skip=skip)
            result = await fleet.replace(
                ledger.images[1], limits=ONE_BY_ONE, stateful=Stateful(snapshot=True)
            )
            return volumes, result

    with Guests(ledger.emulator):
        volumes, result = run(go())
    fired = {each["action"] for each in ledger.emulator.clear_faults() if each["fired"]}
    rare = {"autoscaling:CreateAutoScalingGroup", "autoscaling:DeleteAutoScalingGroup"}
    assert {"ec2:CreateVolume", *CHANGES} - fired <= (rare if skip else set())
    assert result.status.value == "succeeded"
    check_whole(ledger, volumes)
    assert len(volumes) == 6
    assert ledger.snapshots() == dict.fromkeys(volumes, 1)


# -- nobody is there -------------------------------------------------------------------------------


def test_a_member_that_dies_is_followed_in_its_slot_without_any_controller(ledger):
    async def make():
        async with ledger.fleet():
            return ledger.volumes()

    with Guests(ledger.emulator) as guests:
        volumes = run(make())
        victim = ledger.serving("db-r1")[0]
        slot = guests.slots[victim]
        ledger.emulator.kill(instance=victim)
        until(
            lambda: [e for e in ledger.serving("db-r1") if e != victim],
            lambda there: len(there) == 3,
        )
        (new,) = [name for name in ledger.serving("db-r1") if guests.slots[name] == slot]
        assert new != victim
        check_whole(ledger, volumes)


def test_a_guest_that_is_ended_in_the_midst_goes_on_with_the_same_slot(ledger):
    seen = []

    def crash(instance):
        if instance not in seen:
            seen.append(instance)
            raise RuntimeError

    async def go():
        async with ledger.fleet() as fleet:
            volumes = ledger.volumes()
            return volumes, await fleet.replace(ledger.images[1], limits=ONE_BY_ONE)

    with Guests(ledger.emulator, crash) as guests:
        volumes, result = run(go())
    assert result.status.value == "succeeded"
    assert guests.crashed == 6
    check_whole(ledger, volumes)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_controller_that_is_killed_is_followed_and_no_slot_is_lost(ledger, tmp_path):
    journal = str(tmp_path / "journal.db")

    async def make():
        async with ledger.fleet(journal=journal):
            return ledger.volumes()

    async def recover():
        async with ledger.fleet(None, journal=journal) as fleet:
            return await fleet.recover()

    words = ["backends.aws.tests.backend.controller", journal, ledger.images[1], "slots", "db"]

    def far_enough():
        ledger.emulator.skip(seconds=0.1)  # Time passes as this looks: the other is no quicker.
        return ledger.serving("db-r2") or process.poll() is not None

    with Guests(ledger.emulator):
        volumes = run(make())
        ledger.emulator.freeze()
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env={**os.environ, **ledger.emulator.environment()},
        )
        try:
            until(far_enough, seconds=2 * LONG, every=0.05)
            assert process.poll() is None, "it has ended by itself"
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        finally:
            process.kill()
            process.wait()
        ledger.emulator.thaw()
        result = run(recover())
    assert result.status.value == "succeeded"
    check_whole(ledger, volumes)
    assert ledger.snapshots() == dict.fromkeys(volumes, 1)


# -- what is refused -------------------------------------------------------------------------------


def test_several_zones_and_members_without_a_profile_are_refused(ledger):
    async def refused(match, **template):
        with pytest.raises(ImmutableError, match=match):
            async with ledger.fleet(1, **template):
                pass

    async def go():
        both = ",".join(ledger.stage.subnets[:2])
        await refused("a volume belongs to one zone.*make a fleet a zone", subnets=both)
        await refused("name one that has the policy", instance_profile="")
        await refused("write GiB", volumes=(Volume("data", "/data", "big"),))

    run(go())
    assert ledger.volumes() == {}


def test_kept_slots_of_another_zone_are_refused(ledger):
    async def go():
        async with ledger.fleet(1) as fleet:
            await fleet.delete()
        kept = ledger.volumes()
        with pytest.raises(ImmutableError, match="is in eu-west-1a, not in eu-west-1b"):
            async with ledger.fleet(1, subnets=ledger.stage.subnets[1]):
                pass
        assert ledger.volumes() == kept

    with Guests(ledger.emulator):
        run(go())


def test_a_plan_says_what_members_would_wait_for_in_vain(ledger):
    asg = ledger.stage.asg

    async def go():
        async with ledger.fleet(2) as fleet:
            plan = await fleet.plan(ledger.images[1], limits=ONE_BY_ONE)
            assert plan
            asg.delete_lifecycle_hook(
                AutoScalingGroupName="db-r1", LifecycleHookName="immutable-slot"
            )
            with pytest.raises(ImmutableError, match="no lifecycle hook immutable-slot"):
                await fleet.plan(ledger.images[1], limits=ONE_BY_ONE)

    with Guests(ledger.emulator):
        run(go())
