"""Lifecycle hooks hold members until they are completed, abandoned or late.

Document: "How lifecycle hooks work in Auto Scaling groups"
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html).
"""

from __future__ import annotations

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


def hook(stage, transition, **words):
    stage.asg.put_lifecycle_hook(
        AutoScalingGroupName="web", LifecycleHookName="h", LifecycleTransition=transition, **words
    )


def complete(stage, instance, result="CONTINUE"):
    stage.asg.complete_lifecycle_action(
        AutoScalingGroupName="web",
        LifecycleHookName="h",
        LifecycleActionResult=result,
        InstanceId=instance,
    )


def waits(fleet, state):
    """The member that is in this state, the only one."""
    (found,) = [m["InstanceId"] for m in fleet.members() if m["LifecycleState"] == state]
    return found


def held(fleet, until, state):
    until(fleet.members, lambda found: state in {member["LifecycleState"] for member in found})
    return waits(fleet, state)


def grow(stage):
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=2)


def test_a_launch_waits_outside_the_target_group_until_it_is_completed(stage, fleet, until):
    fleet.make(1)
    hook(stage, LAUNCHING)
    grow(stage)
    waiting = held(fleet, until, "Pending:Wait")
    assert waiting not in fleet.health()
    assert fleet.activities()[0]["StatusCode"] == "MidLifecycleAction"
    complete(stage, waiting)
    fleet.settled(2)
    assert waiting in fleet.health()


def test_an_abandoned_launch_is_terminated_and_tried_again(stage, fleet, until):
    fleet.make(1)
    hook(stage, LAUNCHING)
    grow(stage)
    first = held(fleet, until, "Pending:Wait")
    complete(stage, first, "ABANDON")
    until(fleet.ids, lambda ids: first not in ids)
    cancelled = next(a for a in fleet.activities() if a["StatusCode"] == "Cancelled")
    assert cancelled["StatusMessage"].endswith("Lifecycle Action Completed with ABANDON Result")
    complete(stage, held(fleet, until, "Pending:Wait"))
    fleet.settled(2)


def test_what_is_not_completed_in_time_ends_by_the_default(emulator, stage, fleet):
    fleet.make(1)
    emulator.freeze()
    hook(stage, LAUNCHING, HeartbeatTimeout=30, DefaultResult="CONTINUE")
    grow(stage)
    emulator.skip(seconds=29)
    waiting = waits(fleet, "Pending:Wait")
    assert waiting not in fleet.health()
    emulator.skip(seconds=2)
    assert {member["LifecycleState"] for member in fleet.members()} == {"InService"}


def test_a_termination_waits_after_the_drain(emulator, stage, fleet):
    fleet.make(1, delay=20)
    emulator.freeze()
    hook(stage, TERMINATING)
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=0)
    emulator.skip(seconds=1)
    draining = waits(fleet, "Terminating")
    assert fleet.health()[draining]["State"] == "draining"
    emulator.skip(seconds=20)
    assert waits(fleet, "Terminating:Wait") == draining
    assert fleet.health() == {}
    complete(stage, draining)
    emulator.skip(seconds=1)
    assert fleet.ids() == []


def test_a_heartbeat_begins_the_time_anew(emulator, stage, fleet, refused):
    fleet.make(1)
    emulator.freeze()
    hook(stage, LAUNCHING, HeartbeatTimeout=60, DefaultResult="CONTINUE")
    grow(stage)
    emulator.skip(seconds=50)
    waiting = waits(fleet, "Pending:Wait")
    stage.asg.record_lifecycle_action_heartbeat(
        AutoScalingGroupName="web", LifecycleHookName="h", InstanceId=waiting
    )
    emulator.skip(seconds=59)
    assert waits(fleet, "Pending:Wait") == waiting
    emulator.skip(seconds=2)
    assert {member["LifecycleState"] for member in fleet.members()} == {"InService"}
    refused(
        "ValidationError",
        stage.asg.complete_lifecycle_action,
        AutoScalingGroupName="web",
        LifecycleHookName="h",
        LifecycleActionResult="CONTINUE",
        InstanceId=waiting,
    )


def test_hooks_are_told_and_deleted(stage, fleet, until):
    fleet.make(1)
    hook(stage, LAUNCHING)
    (told,) = stage.asg.describe_lifecycle_hooks(AutoScalingGroupName="web")["LifecycleHooks"]
    assert (told["HeartbeatTimeout"], told["DefaultResult"]) == (3600, "ABANDON")
    stage.asg.delete_lifecycle_hook(AutoScalingGroupName="web", LifecycleHookName="h")
    grow(stage)
    fleet.settled(2)
