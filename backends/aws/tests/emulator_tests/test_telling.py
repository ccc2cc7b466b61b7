"""Alarms and notifications: what they say, whom they start, what goes with policies and groups.

Documents: PutMetricAlarm (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html),
"Delete a scaling policy" (https://docs.aws.amazon.com/autoscaling/ec2/userguide/deleting-scaling-policy.html),
DeleteAutoScalingGroup, PutNotificationConfiguration, PredefinedMetricSpecification in the EC2 Auto Scaling API
Reference.
"""  # noqa: E501

from __future__ import annotations

import pytest

ALARM = {
    "MetricName": "CPUUtilization",
    "Namespace": "AWS/EC2",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 70.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
TOPIC = "arn:aws:sns:eu-west-1:123456789012:all"
LAUNCH = "autoscaling:EC2_INSTANCE_LAUNCH"


@pytest.fixture
def watch(emulator):
    return emulator.client("cloudwatch")


def track(stage, name="cpu", **tracking):
    given = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}}
    return stage.asg.put_scaling_policy(
        AutoScalingGroupName="web",
        PolicyName=name,
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={"TargetValue": 50.0, **given, **tracking},
    )


def step(stage, name):
    return stage.asg.put_scaling_policy(
        AutoScalingGroupName="web",
        PolicyName=name,
        PolicyType="StepScaling",
        AdjustmentType="ChangeInCapacity",
        StepAdjustments=[{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    )["PolicyARN"]


def alarms(watch):
    return {each["AlarmName"]: each for each in watch.describe_alarms()["MetricAlarms"]}


def test_target_tracking_has_alarms_of_its_own_that_go_with_it(stage, fleet, watch):
    fleet.make(0)
    made = track(stage)
    told = alarms(watch)
    assert {each["AlarmName"] for each in made["Alarms"]} == told.keys()
    assert len(told) == 2
    for alarm in told.values():
        assert alarm["AlarmActions"] == [made["PolicyARN"]]
        assert alarm["Dimensions"] == [{"Name": "AutoScalingGroupName", "Value": "web"}]
    track(stage, DisableScaleIn=True)
    assert [name for name in alarms(watch) if "AlarmLow" in name] == []
    stage.asg.delete_policy(AutoScalingGroupName="web", PolicyName="cpu")
    assert alarms(watch) == {}


def test_an_alarm_is_replaced_as_a_whole_but_for_its_state_and_outlives_a_step_policy(
    stage, fleet, watch, refused
):
    fleet.make(0)
    up = step(stage, "up")
    watch.put_metric_alarm(AlarmName="busy", AlarmActions=[up], AlarmDescription="x", **ALARM)
    (policy,) = stage.asg.describe_policies()["ScalingPolicies"]
    assert [each["AlarmName"] for each in policy["Alarms"]] == ["busy"]
    watch.put_metric_alarm(AlarmName="busy", AlarmActions=[up, TOPIC], **ALARM)
    told = alarms(watch)["busy"]
    assert "AlarmDescription" not in told
    assert told["StateValue"] == "INSUFFICIENT_DATA"
    stage.asg.delete_policy(AutoScalingGroupName="web", PolicyName="up")
    assert alarms(watch)["busy"]["AlarmActions"] == [TOPIC]
    assert watch.describe_alarms(AlarmNames=["other"])["MetricAlarms"] == []
    watch.delete_alarms(AlarmNames=["busy"])
    refused("ResourceNotFound", watch.delete_alarms, AlarmNames=["busy"])


def test_with_a_group_go_its_policies_and_the_alarms_that_nothing_is_left_of(stage, fleet, watch):
    fleet.make(0)
    track(stage)
    up = step(stage, "up")
    watch.put_metric_alarm(AlarmName="alone", AlarmActions=[up], **ALARM)
    watch.put_metric_alarm(AlarmName="told", AlarmActions=[up, TOPIC], **ALARM)
    stage.asg.delete_auto_scaling_group(AutoScalingGroupName="web")
    assert {name: each["AlarmActions"] for name, each in alarms(watch).items()} == {"told": [TOPIC]}


def test_a_resource_label_names_a_target_group_that_is_attached(stage, fleet, refused):
    fleet.make(0)
    other = stage.target_group("other", listen=False)
    front = stage.balancer.partition(":loadbalancer/")[2]

    def by_requests(arn):
        label = f"{front}/{arn.rpartition(':')[2]}"
        metric = {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": label}
        return {"PredefinedMetricSpecification": metric}

    refused("ValidationError", track, stage=stage, **by_requests(other))
    assert len(track(stage, **by_requests(fleet.arn))["Alarms"]) == 2


def test_a_topic_is_told_of_what_was_said_last(stage, fleet, refused):
    fleet.make(0)
    put, gone = stage.asg.put_notification_configuration, "autoscaling:EC2_INSTANCE_TERMINATE"
    words = {"AutoScalingGroupName": "web", "TopicARN": TOPIC}
    put(**words, NotificationTypes=[LAUNCH, gone])
    put(**words, NotificationTypes=[LAUNCH])
    told = stage.asg.describe_notification_configurations(AutoScalingGroupNames=["web"])
    assert told["NotificationConfigurations"] == [{**words, "NotificationType": LAUNCH}]
    refused("ValidationError", put, **words, NotificationTypes=["launch"])
    for number in range(9):
        put(**{**words, "TopicARN": f"{TOPIC}{number}"}, NotificationTypes=[LAUNCH])
    one_more = {**words, "TopicARN": f"{TOPIC}9"}
    refused("LimitExceeded", put, **one_more, NotificationTypes=[LAUNCH])
    stage.asg.delete_notification_configuration(**words)
    put(**one_more, NotificationTypes=[LAUNCH])
