"""Health, replacement, balance, and the processes that can be suspended.

Documents: "Health checks for instances in an Auto Scaling group"
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html);
"Suspend and resume processes"
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html).
"""

from __future__ import annotations

import time
from collections import Counter


def suspend(stage, *names):
    stage.asg.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=list(names))


def resume(stage, *names):
    stage.asg.resume_processes(AutoScalingGroupName="web", ScalingProcesses=list(names))


def replaced(fleet, until, old, size):
    until(fleet.ids, lambda ids: old not in ids and len(ids) == size)


def test_who_dies_is_replaced(emulator, stage, fleet, until):
    old = fleet.make(2).ids()[0]
    emulator.kill(instance=old)
    replaced(fleet, until, old, 2)
    causes = " ".join(activity["Cause"] for activity in fleet.activities())
    assert "EC2 health check indicating it has been terminated or stopped" in causes
    assert "an unhealthy instance needing to be replaced" in causes


def test_who_is_sick_at_the_balancer_is_replaced_with_elb_checks_only(
    emulator, stage, fleet, until
):
    old = fleet.make(2).ids()[0]
    emulator.sicken(instance=old)
    until(fleet.health, lambda found: found[old]["State"] == "unhealthy")
    emulator.skip(seconds=5)
    assert old in fleet.ids()
    stage.asg.update_auto_scaling_group(AutoScalingGroupName="web", HealthCheckType="ELB")
    replaced(fleet, until, old, 2)


def test_the_grace_period_is_kept(emulator, fleet):
    emulator.freeze()
    old = fleet.begin(1, HealthCheckType="ELB", HealthCheckGracePeriod=30).ids()[0]
    emulator.sicken(instance=old)
    emulator.skip(seconds=5)
    assert fleet.health()[old]["State"] == "unhealthy"
    emulator.skip(seconds=20)
    assert fleet.members()[0]["HealthStatus"] == "Healthy"
    emulator.skip(seconds=6)
    assert old not in fleet.ids()


def test_a_failed_status_check_counts(emulator, fleet, until):
    old = fleet.make(1).ids()[0]
    emulator.impair(instance=old)
    replaced(fleet, until, old, 1)


def test_nobody_is_replaced_while_that_is_suspended(emulator, stage, fleet, until):
    old = fleet.make(1).ids()[0]
    suspend(stage, "ReplaceUnhealthy")
    emulator.kill(instance=old)
    until(fleet.members, lambda found: found[0]["HealthStatus"] == "Unhealthy")
    emulator.skip(seconds=5)
    assert fleet.ids() == [old]
    resume(stage, "ReplaceUnhealthy")
    replaced(fleet, until, old, 1)


def test_nobody_is_found_unhealthy_while_checks_are_suspended(emulator, stage, fleet):
    old = fleet.make(1).ids()[0]
    suspend(stage, "HealthCheck")
    emulator.kill(instance=old)
    emulator.skip(seconds=5)
    assert [m["HealthStatus"] for m in fleet.members()] == ["Healthy"]


def test_health_that_is_set_by_hand_is_believed(stage, fleet, until):
    old = fleet.make(1).ids()[0]
    stage.asg.set_instance_health(InstanceId=old, HealthStatus="Unhealthy")
    replaced(fleet, until, old, 1)


def test_a_suspended_launch_launches_nothing_until_it_is_resumed(emulator, stage, fleet):
    fleet.make(1)
    suspend(stage, "Launch")
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=2)
    emulator.skip(seconds=5)
    assert len(fleet.ids()) == 1
    (told,) = fleet.told()["SuspendedProcesses"]
    assert told["ProcessName"] == "Launch"
    assert told["SuspensionReason"].startswith("User suspended at ")
    resume(stage, "Launch")
    fleet.settled(2)


def test_a_suspended_terminate_keeps_what_is_too_many(emulator, stage, fleet):
    fleet.make(2)
    suspend(stage, "Terminate")
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=1)
    emulator.skip(seconds=5)
    assert len(fleet.ids()) == 2
    resume(stage, "Terminate")
    fleet.settled(1)


def test_launched_without_the_load_balancer_stays_out_of_it(stage, fleet):
    fleet.make(1)
    suspend(stage, "AddToLoadBalancer")
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=2)
    fleet.settled(2)
    resume(stage, "AddToLoadBalancer")
    assert len(fleet.health()) == 1


def lopsided(stage, fleet, until):
    """Six members, none in the third zone."""
    fleet.make(6)
    suspend(stage, "AZRebalance")
    third = [m["InstanceId"] for m in fleet.members() if m["AvailabilityZone"] == stage.zones[2]]
    stage.asg.terminate_instance_in_auto_scaling_group(
        AutoScalingGroupName="web", InstanceIds=third, ShouldDecrementDesiredCapacity=True
    )
    fleet.settled(4)


def zones(fleet):
    return Counter(member["AvailabilityZone"] for member in fleet.members())


def test_zones_are_balanced_by_launching_first(emulator, stage, fleet, until):
    lopsided(stage, fleet, until)
    emulator.skip(seconds=5)
    assert zones(fleet)[stage.zones[2]] == 0
    emulator.freeze()
    emulator.laws(boot=60)
    resume(stage, "AZRebalance")
    emulator.skip(seconds=1)
    assert sorted(zones(fleet).values()) == [1, 2, 2]
    emulator.skip(seconds=61)
    assert sorted(zones(fleet).values()) == [1, 1, 2]


def test_policies_are_stored_and_act_unless_alarms_are_suspended(emulator, stage, fleet):
    fleet.make(1)
    tracked = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        "TargetValue": 50.0,
    }
    made = stage.asg.put_scaling_policy(
        AutoScalingGroupName="web",
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration=tracked,
    )
    assert len(made["Alarms"]) == 2
    (told,) = stage.asg.describe_policies(AutoScalingGroupName="web")["ScalingPolicies"]
    assert told["TargetTrackingConfiguration"]["TargetValue"] == 50.0
    suspend(stage, "AlarmNotification")
    emulator.alarm(group="web", policy="cpu", desired=2)
    assert fleet.told()["DesiredCapacity"] == 1
    resume(stage, "AlarmNotification")
    emulator.alarm(group="web", policy="cpu", desired=2)
    fleet.settled(2)
    stage.asg.delete_policy(AutoScalingGroupName="web", PolicyName="cpu")
    assert stage.asg.describe_policies(AutoScalingGroupName="web")["ScalingPolicies"] == []


def test_schedules_happen_at_their_time(emulator, stage, fleet):
    fleet.make(1)
    words = {"AutoScalingGroupName": "web", "ScheduledActionName": "up"}
    stage.asg.put_scheduled_update_group_action(
        **words, Recurrence="0 9 * * *", MinSize=1, MaxSize=9, DesiredCapacity=2
    )
    (told,) = stage.asg.describe_scheduled_actions()["ScheduledUpdateGroupActions"]
    assert (told["Recurrence"], told["MaxSize"]) == ("0 9 * * *", 9)
    stage.asg.delete_scheduled_action(**words)
    stage.asg.put_scheduled_update_group_action(
        **words, StartTime=int(time.time()) + 3600, DesiredCapacity=2
    )
    assert len(fleet.ids()) == 1
    emulator.skip(seconds=3601)
    fleet.settled(2)
    assert stage.asg.describe_scheduled_actions()["ScheduledUpdateGroupActions"] == []


def test_metrics_and_warm_pools_are_noted(stage, fleet):
    fleet.make(1)
    stage.asg.enable_metrics_collection(
        AutoScalingGroupName="web", Granularity="1Minute", Metrics=["GroupMinSize"]
    )
    assert fleet.told()["EnabledMetrics"] == [{"Metric": "GroupMinSize", "Granularity": "1Minute"}]
    stage.asg.put_warm_pool(AutoScalingGroupName="web", MinSize=1)
    assert fleet.told()["WarmPoolConfiguration"]["PoolState"] == "Stopped"
    stage.asg.delete_warm_pool(AutoScalingGroupName="web")
    assert "WarmPoolConfiguration" not in fleet.told()
