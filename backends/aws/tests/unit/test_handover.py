"""What the emulator doesn't model: alarms of policies that are handed over, and notifications."""

from __future__ import annotations

import asyncio

from immutable.backend import Context
from immutable_aws.handover import hand_over, repointed
from immutable_aws.hands import Hands
from immutable_aws.looking import Scaling
from immutable_aws.marks import Marks
from immutable_aws.monitoring import watch_alike
from immutable_aws.permissions import FEATURES, action
from immutable_aws.reading import Described

STEP = {
    "PolicyName": "up",
    "PolicyType": "StepScaling",
    "PolicyARN": "arn:old",
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [{"ScalingAdjustment": 1}],
    "Enabled": True,
    "Alarms": [{"AlarmName": "busy"}],
}
ALARM = {
    "AlarmName": "busy",
    "AlarmArn": "arn:alarm",
    "StateValue": "OK",
    "AlarmActions": ["arn:old", "arn:topic"],
    "Dimensions": [{"Name": "AutoScalingGroupName", "Value": "web"}],
    "MetricName": "CPUUtilization",
    "Threshold": 70.0,
}


def described(name, number):
    return Described({"AutoScalingGroupName": name, "MinSize": 1}, {}, Marks("web", number))


class Asked:
    """Stands in for the requests: notes them, and answers what it was told to."""

    def __init__(self, answers):
        self.answers, self.requests = answers, []

    async def ask(self, service, call, *, about="", turn=None, **params):
        self.requests.append((service, call, params))
        return self.answers.get(call, {})

    async def pages(self, service, call, key, **params):
        return (await self.ask(service, call, **params)).get(key, [])

    def now(self):
        return 0.0


class Seen:
    """Stands in for looking: two groups, and the policies that were put."""

    def __init__(self, calls):
        self.calls = calls

    async def group(self, fleet, number):
        return described("web" if number == 1 else "web-r2", number)

    async def scaling(self, group, *, anew=False):
        if group.marks.revision == 1:
            return Scaling([STEP])
        return Scaling([p for _, call, p in self.calls.requests if call == "PutScalingPolicy"])

    def forget_scaling(self):
        pass


def test_an_alarm_is_pointed_at_the_policys_next_group():
    asked = Asked(
        {"PutScalingPolicy": {"PolicyARN": "arn:new"}, "DescribeAlarms": {"MetricAlarms": [ALARM]}}
    )
    hands = Hands(asked, Seen(asked))
    asyncio.run(hand_over(hands, described("web", 1), 2, Context("r", "", 1, "t", 60)))
    order = [call for _, call, _ in asked.requests if "Describe" not in call]
    assert order == ["CreateOrUpdateTags", "PutScalingPolicy", "PutMetricAlarm", "DeletePolicy"]
    (alarm,) = [params for _, call, params in asked.requests if call == "PutMetricAlarm"]
    assert alarm == repointed(ALARM, "arn:old", "arn:new", "web-r2")
    assert alarm["AlarmActions"] == ["arn:new", "arn:topic"]
    assert alarm["Dimensions"] == [{"Name": "AutoScalingGroupName", "Value": "web-r2"}]
    assert "StateValue" not in alarm


def test_notifications_go_where_the_patterns_go():
    told = [
        {"AutoScalingGroupName": "web", "TopicARN": "arn:t", "NotificationType": kind}
        for kind in ("launch", "terminate")
    ]
    asked = Asked({"DescribeNotificationConfigurations": {"NotificationConfigurations": told}})
    hands = Hands(asked, Seen(asked))
    asyncio.run(watch_alike(hands, described("web-r2", 2), described("web", 1)))
    (put,) = [params for _, call, params in asked.requests if call.startswith("Put")]
    assert put == {
        "AutoScalingGroupName": "web-r2",
        "TopicARN": "arn:t",
        "NotificationTypes": ["launch", "terminate"],
    }


def test_these_are_the_permissions_called_extras():
    made = {
        action("cloudwatch", "DescribeAlarms"),
        action("cloudwatch", "PutMetricAlarm"),
        action("autoscaling", "PutNotificationConfiguration"),
    }
    assert set(FEATURES["extras"]) == made
