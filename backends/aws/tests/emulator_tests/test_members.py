"""Members by name: terminated, set aside, taken out, launched into a zone.

Documents: TerminateInstanceInAutoScalingGroup and LaunchInstances in the API Reference;
"Temporarily remove instances" (https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html);
"How lifecycle hooks work", the order of deregistration, hooks and termination
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html).
"""

from __future__ import annotations

import pytest


def end(stage, instance, decrement=True):
    return stage.asg.terminate_instance_in_auto_scaling_group(
        InstanceId=instance, ShouldDecrementDesiredCapacity=decrement
    )["Activity"]


def test_who_is_terminated_drains_first_and_is_gone_from_the_target_group(emulator, stage, fleet):
    fleet.make(2, delay=30)
    emulator.freeze()
    gone, stays = fleet.ids()
    assert end(stage, gone)["StatusCode"] == "WaitingForELBConnectionDraining"
    assert fleet.told()["DesiredCapacity"] == 1
    assert fleet.health()[gone]["State"] == "draining"
    assert fleet.health()[gone]["Reason"] == "Target.DeregistrationInProgress"
    states = stage.ec2.describe_instances(InstanceIds=[gone])["Reservations"][0]["Instances"]
    assert states[0]["State"]["Name"] == "running"
    emulator.skip(seconds=31)
    assert fleet.ids() == [stays]
    assert gone not in fleet.health()


def test_without_decrement_another_one_takes_the_place(stage, fleet, until):
    gone = fleet.make(2).ids()[0]
    end(stage, gone, decrement=False)
    until(fleet.ids, lambda ids: gone not in ids and len(ids) == 2)
    assert fleet.told()["DesiredCapacity"] == 2


def test_nobody_goes_below_the_minimum(stage, fleet, refused):
    fleet.make(1, MinSize=1)
    said = refused(
        "ValidationError",
        stage.asg.terminate_instance_in_auto_scaling_group,
        InstanceId=fleet.ids()[0],
        ShouldDecrementDesiredCapacity=True,
    )
    assert "desiredSize equals minSize (1)" in said


def test_several_go_in_one_call(stage, fleet):
    gone = fleet.make(3).ids()[:2]
    told = stage.asg.terminate_instance_in_auto_scaling_group(
        AutoScalingGroupName="web", InstanceIds=gone, ShouldDecrementDesiredCapacity=True
    )
    assert len(told["Activities"]) == 2
    assert fleet.told()["DesiredCapacity"] == 1
    fleet.settled(1)


def test_protection_is_about_scale_in_only(stage, fleet):
    fleet.make(2, NewInstancesProtectedFromScaleIn=True)
    end(stage, fleet.ids()[0])
    fleet.settled(1)


def test_nobody_in_service_goes_while_terminate_is_suspended(emulator, stage, fleet, until):
    fleet.make(2)
    words = {"AutoScalingGroupName": "web", "ScalingProcesses": ["Terminate"]}
    stage.asg.suspend_processes(**words)
    gone, stays = fleet.ids()
    end(stage, gone)
    emulator.skip(seconds=60)
    assert fleet.ids() == [gone, stays]
    assert fleet.told()["DesiredCapacity"] == 1
    stage.asg.resume_processes(**words)
    until(fleet.ids, lambda ids: ids == [stays])


def test_an_instance_of_no_group_is_refused(stage, fleet, refused):
    fleet.make(1)
    said = refused(
        "ValidationError",
        stage.asg.terminate_instance_in_auto_scaling_group,
        InstanceId="i-0123456789abcdef0",
        ShouldDecrementDesiredCapacity=True,
    )
    assert "No managed instance found" in said


def test_standby_is_out_of_service_and_out_of_the_target_group(emulator, stage, fleet, until):
    fleet.make(2, delay=30)
    emulator.freeze()
    aside, other = fleet.ids()
    stage.asg.enter_standby(
        AutoScalingGroupName="web", InstanceIds=[aside], ShouldDecrementDesiredCapacity=True
    )

    def states():
        return {m["InstanceId"]: m["LifecycleState"] for m in fleet.members()}

    assert states()[aside] == "EnteringStandby"
    emulator.skip(seconds=31)
    assert states() == {aside: "Standby", other: "InService"}
    assert set(fleet.health()) == {other}
    emulator.thaw()
    stage.asg.exit_standby(AutoScalingGroupName="web", InstanceIds=[aside])
    fleet.settled(2)
    until(fleet.health, lambda found: set(found) == {aside, other})
    assert fleet.told()["DesiredCapacity"] == 2


def test_standby_without_decrement_is_replaced(stage, fleet, until):
    aside = fleet.make(1).ids()
    stage.asg.enter_standby(
        AutoScalingGroupName="web", InstanceIds=aside, ShouldDecrementDesiredCapacity=False
    )
    found = until(fleet.members, lambda found: len(found) == 2)
    assert {m["LifecycleState"] for m in found} <= {"Standby", "Pending", "InService"}


def test_standby_below_the_minimum_is_refused(stage, fleet, refused):
    fleet.make(1, MinSize=1)
    said = refused(
        "ValidationError",
        stage.asg.enter_standby,
        AutoScalingGroupName="web",
        InstanceIds=fleet.ids(),
        ShouldDecrementDesiredCapacity=True,
    )
    assert "has min-size=1, max-size=6, and desired-size=1" in said


def test_who_is_detached_runs_on_and_may_come_back(emulator, stage, fleet, until):
    free = fleet.make(2).ids()[0]
    stage.asg.detach_instances(
        AutoScalingGroupName="web", InstanceIds=[free], ShouldDecrementDesiredCapacity=True
    )
    fleet.settled(1)
    (alone,) = [m for m in emulator.members() if m["id"] == free]
    assert (alone["state"], alone["group"], alone["registered"]) == ("running", None, [])
    stage.asg.attach_instances(AutoScalingGroupName="web", InstanceIds=[free])
    fleet.settled(2)


def test_launched_by_zone_with_ids_in_the_answer_and_once_a_token(stage, fleet, refused):
    fleet.make(0)
    stage.asg.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["AZRebalance"])
    zone = stage.zones[1]
    words = {
        "AutoScalingGroupName": "web",
        "RequestedCapacity": 2,
        "AvailabilityZones": [zone],
        "ClientToken": "one",
    }
    told = stage.asg.launch_instances(**words)
    ids = told["Instances"][0]["InstanceIds"]
    assert (len(ids), told["Errors"]) == (2, [])
    assert stage.asg.launch_instances(**words)["Instances"][0]["InstanceIds"] == ids
    members = fleet.settled(2)
    assert {m["AvailabilityZone"] for m in members} == {zone}
    assert fleet.told()["DesiredCapacity"] == 2
    other = {**words, "RequestedCapacity": 1}
    refused("IdempotentParameterMismatch", stage.asg.launch_instances, **other)


def test_launched_into_a_full_zone_tells_the_error(emulator, stage, fleet):
    fleet.make(0)
    emulator.capacity(zone=stage.zones[0], instances=1)
    told = stage.asg.launch_instances(
        AutoScalingGroupName="web",
        RequestedCapacity=2,
        AvailabilityZones=[stage.zones[0]],
        ClientToken="one",
    )
    assert len(told["Instances"][0]["InstanceIds"]) == 1
    assert told["Errors"][0]["ErrorCode"] == "InsufficientInstanceCapacity"
    assert len(fleet.settled(1)) == fleet.told()["DesiredCapacity"]


@pytest.mark.parametrize("decrement", [True, False])
def test_ending_twice_is_ending_once(emulator, stage, fleet, decrement):
    fleet.make(2, delay=30)
    emulator.freeze()
    gone = fleet.ids()[0]
    first, second = (end(stage, gone, decrement) for _ in range(2))
    assert first["ActivityId"] == second["ActivityId"]
    assert fleet.told()["DesiredCapacity"] == 2 - decrement


@pytest.mark.parametrize("lingers", [True, False])
def test_who_is_ended_while_draining_lingers_or_not(emulator, stage, fleet, lingers):
    fleet.make(1, delay=300)
    emulator.freeze()
    emulator.laws(lingers=lingers)
    (gone,) = fleet.ids()
    end(stage, gone)
    stage.ec2.terminate_instances(InstanceIds=[gone])
    emulator.skip(seconds=10)
    assert fleet.ids() == ([gone] if lingers else [])
    emulator.skip(seconds=300)
    assert fleet.ids() == []
