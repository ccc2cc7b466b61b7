"""Groups repair members: the same name, another id.

https://cloud.google.com/compute/docs/instance-groups/about-repair
https://cloud.google.com/compute/docs/instance-groups/autohealing-instances-in-migs
"""

from __future__ import annotations

import pytest


def replaced(fleet, member):
    """Wait until a member has another VM that is as it should be."""

    def look():
        now = fleet.named(member.name)
        return now and now.id not in {0, member.id} and now.current_action == "NONE"

    return look


@pytest.fixture
def watched(fleet):
    """A fleet whose health check heals."""

    def make(delay=0, **fields):
        check = fleet.stage.check("healer")
        policy = {"health_check": check, "initial_delay_sec": delay}
        fleet.make(2, auto_healing_policies=[policy], **fields)
        return fleet

    return make


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_member_that_was_deleted_or_stopped_comes_back_under_its_name(
    emulator, fleet, until, how
):
    fleet.make(2)
    first = fleet.members()[0]
    emulator.order(how, instance=first.name)
    until(replaced(fleet, first))
    assert fleet.stage.told("web").target_size == 2


def test_a_vm_that_is_deleted_by_a_call_comes_back_too(emulator, fleet, until):
    fleet.make(1)
    (first,) = fleet.members()
    instances = emulator.client("instances")
    zone = emulator.zones[0]
    done = instances.delete_unary(project="acme", zone=zone, instance=first.name)
    fleet.stage.done(done)
    until(replaced(fleet, first))


def test_nothing_is_repaired_where_the_policy_says_so(emulator, fleet, until):
    fleet.make(1, instance_lifecycle_policy={"default_action_on_failure": "DO_NOTHING"})
    (first,) = fleet.members()
    emulator.stop(instance=first.name)
    until(lambda: fleet.named(first.name).instance_status == "TERMINATED")
    assert fleet.named(first.name).id == first.id


def test_members_are_verifying_until_they_are_healthy(emulator, watched):
    fleet = watched(delay=100)
    emulator.freeze()
    emulator.fate(answers=30)
    fleet.call("resize", size=3)
    emulator.skip(seconds=1)
    (new,) = [m for m in fleet.members() if m.current_action == "VERIFYING"]
    assert new.instance_status == "RUNNING"
    assert not fleet.stage.told("web").status.is_stable
    emulator.skip(seconds=31)
    fleet.settled(3)
    health = fleet.named(new.name).instance_health
    assert [h.detailed_health_state for h in health] == ["HEALTHY"]


def test_an_unhealthy_member_is_recreated(emulator, watched, until):
    fleet = watched()
    first = fleet.members()[0]
    emulator.sicken(instance=first.name)
    until(replaced(fleet, first))


def test_failures_are_ignored_during_the_initial_delay(emulator, watched):
    fleet = watched(delay=60)
    emulator.freeze()
    emulator.fate(answers=None, times=1)
    fleet.call("resize", size=3)
    emulator.skip(seconds=59)
    (new,) = [m for m in fleet.members() if m.current_action == "VERIFYING"]
    assert fleet.named(new.name).instance_health[0].detailed_health_state == "UNHEALTHY"
    emulator.skip(seconds=3)
    assert replaced(fleet, new)()


def test_a_group_without_a_health_check_knows_no_health(emulator, fleet):
    fleet.make(1)
    (first,) = fleet.members()
    emulator.sicken(instance=first.name)
    fleet.settled(1)
    assert fleet.named(first.name).id == first.id
    assert not fleet.named(first.name).instance_health


def test_repair_uses_the_version_that_the_member_had(emulator, fleet, until):
    """forceUpdateOnRepair is NO by default."""
    fleet.make(1)
    (first,) = fleet.members()
    newer = fleet.stage.template("web-r2", fleet.image)
    fleet.patch(versions=[{"instance_template": newer}])
    emulator.kill(instance=first.name)
    until(replaced(fleet, first))
    assert emulator.members()[0]["template"] == "web-r1"
    assert not fleet.stage.told("web").status.version_target.is_reached
