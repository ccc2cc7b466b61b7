"""Policies, their alarms and notifications: on the group that survives, once, and nowhere else."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from backends.aws.tests.backend.account import DOUBLE, LIMITS
from backends.aws.tests.backend.test_rollouts import check_moved
from immutable import Canary, RolledBack, Rolling
from tests.emulators.adopted import aborted, again, replaced, taken_back

SIZE = 4
TOPICS = {
    "arn:aws:sns:eu-west-1:123456789012:deaths": ["autoscaling:EC2_INSTANCE_TERMINATE"],
    "arn:aws:sns:eu-west-1:123456789012:all": [
        "autoscaling:EC2_INSTANCE_LAUNCH",
        "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
        "autoscaling:EC2_INSTANCE_TERMINATE",
        "autoscaling:TEST_NOTIFICATION",
    ],
}
CANARY = Canary(stages=("50%", "100%"), bake=0.5)
BOTH = pytest.mark.parametrize(("strategy", "limits"), [(Rolling(), LIMITS), (CANARY, DOUBLE)])


@pytest.fixture
def account(account):
    """Let ``web`` be scaled and told of in every way that names the group, or its target group."""
    make = account.group

    def group(size, **fields):
        make(size, **fields)
        _policies(account)
        for topic, kinds in TOPICS.items():
            account.stage.asg.put_notification_configuration(
                AutoScalingGroupName="web", TopicARN=topic, NotificationTypes=kinds
            )

    account.group = group
    return account


def _policies(account):
    asg, alarms = account.stage.asg, account.emulator.client("cloudwatch")
    pool, balancer = account.pool.rpartition(":")[2], account.stage.balancer
    front = balancer.partition(":loadbalancer/")[2]
    group = {"Name": "AutoScalingGroupName", "Value": "web"}
    for name, specification in (
        (
            "requests",
            {
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ALBRequestCountPerTarget",
                    "ResourceLabel": f"{front}/{pool}",
                }
            },
        ),
        (
            "memory",
            {
                "CustomizedMetricSpecification": {
                    "Namespace": "CWAgent",
                    "MetricName": "mem_used_percent",
                    "Dimensions": [group],
                    "Statistic": "Average",
                }
            },
        ),
    ):
        asg.put_scaling_policy(
            AutoScalingGroupName="web",
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingConfiguration={**specification, "TargetValue": 60.0},
        )
    arns = {
        name: asg.put_scaling_policy(
            AutoScalingGroupName="web",
            PolicyName=name,
            PolicyType="StepScaling",
            AdjustmentType="ChangeInCapacity",
            StepAdjustments=[{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": change}],
        )["PolicyARN"]
        for name, change in (("up", 1), ("down", -1))
    }
    usual = {"EvaluationPeriods": 1, "Threshold": 9.0, "ComparisonOperator": "GreaterThanThreshold"}
    metric = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization"}
    alarms.put_metric_alarm(
        AlarmName="busy", AlarmActions=[arns["up"], *TOPICS], OKActions=list(TOPICS),
        Dimensions=[group], Statistic="Average", Period=60, TreatMissingData="breaching",
        Tags=[{"Key": "team", "Value": "shop"}], **metric, **usual,
    )  # fmt: skip
    alarms.put_metric_alarm(  # Of another group's metric; both policies.
        AlarmName="queue", AlarmActions=[arns["up"], arns["down"]], Statistic="Average",
        Dimensions=[{"Name": "AutoScalingGroupName", "Value": "workers"}], Period=60,
        **metric, **usual,
    )  # fmt: skip
    slow = {
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "TargetResponseTime",
        "Dimensions": [
            {"Name": "LoadBalancer", "Value": front},
            {"Name": "TargetGroup", "Value": pool},
        ],
    }
    stat = {"Metric": slow, "Period": 60, "Stat": "p99"}
    alarms.put_metric_alarm(
        AlarmName="slow", AlarmActions=[arns["up"]],
        Metrics=[{"Id": "m", "MetricStat": stat, "ReturnData": True}], **usual,
    )  # fmt: skip


def as_of(told, old, new, before, after):
    """What was told of one group, as it would be told of the next."""
    text = json.dumps(told, sort_keys=True)
    for name, policy in before["groups"][old]["policies"].items():
        text = text.replace(
            policy["PolicyARN"], after["groups"][new]["policies"][name]["PolicyARN"]
        )
    text = text.replace(f'"AutoScalingGroupName": "{old}"', f'"AutoScalingGroupName": "{new}"')
    text = text.replace(
        f'"Name": "AutoScalingGroupName", "Value": "{old}"',
        f'"Name": "AutoScalingGroupName", "Value": "{new}"',
    )
    return text.replace(f"TargetTracking-{old}-", f"TargetTracking-{new}-")


def check_handed_over(account, before, after, *, pool="web", new="web-r2"):
    """All alarms and notifications are as before, but that they mean the next group."""
    expected = as_of(before["alarms"], "web", new, before, after)
    policies = as_of(before["groups"]["web"]["policies"], "web", new, before, after)
    told = account.stage.elb.describe_target_groups()["TargetGroups"]
    pools = {each["TargetGroupName"]: each["TargetGroupArn"].rpartition(":")[2] for each in told}
    expected = expected.replace(pools["web"], pools[pool])
    policies = policies.replace(pools["web"], pools[pool])
    found = after["groups"][new]
    assert found["policies"] == json.loads(policies)
    assert after["alarms"] == json.loads(expected)
    assert found["notifications"] == TOPICS


@BOTH
def test_what_scales_and_tells_is_on_the_next_group_and_means_that(account, strategy, limits):
    result, _, before, after = replaced(account, strategy, size=SIZE, limits=limits)
    assert result.status.value == "succeeded"
    assert len(before["alarms"]) == 3 + 2 * 3
    check_moved(account, before, after, SIZE)
    check_handed_over(account, before, after, pool="web-r2" if strategy is CANARY else "web")
    assert after["groups"]["web"]["notifications"] == TOPICS  # Its owner's: of what happens there.


def test_nothing_is_left_of_a_group_that_goes(account):
    result, _, before, after = replaced(account, Rolling(), size=SIZE, on_replace="delete")
    assert result.status.value == "succeeded"
    assert after["groups"].keys() == {"web-r2"}
    check_handed_over(account, before, after)


@BOTH
def test_an_abort_leaves_alarms_and_notifications_as_they_were(account, strategy, limits):
    account.group(SIZE)
    before = account.everything()
    end = aborted(account, strategy, limits, lambda: account.zones("web-r2").total() >= 1)
    assert isinstance(end, RolledBack)
    assert account.everything() == before


def test_an_image_that_never_serves_leaves_them_too(account):
    account.group(SIZE)
    before = account.everything()
    account.emulator.fate(image=account.images[1], answers=None)
    taken_back(account, Rolling(), evolve(LIMITS, boot_timeout=2, max_failures=1))
    assert account.everything() == before


@pytest.mark.slow
def test_there_and_back_again_they_are_once_on_the_last_group(account):
    account.group(SIZE)
    before = account.everything()
    again(account, account.images[0], (CANARY, Rolling()), (DOUBLE, LIMITS))
    after = account.everything()
    assert after["groups"].keys() == {"web", "web-r3"}
    check_handed_over(account, before, after, pool="web-r2", new="web-r3")


@pytest.mark.slow
def test_what_was_done_and_not_answered_is_not_lost_nor_done_twice(account):
    def lose():
        for action in (
            "cloudwatch:PutMetricAlarm",
            "autoscaling:PutNotificationConfiguration",
            "autoscaling:PutScalingPolicy",
            "autoscaling:DeletePolicy",
        ):
            account.emulator.fault(action=action, kind="lost", times=2)

    result, _, before, after = replaced(account, Rolling(), size=2, first=lose)
    assert result.status.value == "succeeded"
    check_handed_over(account, before, after)
