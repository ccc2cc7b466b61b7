"""CloudWatch's alarms: kept, told, pointed at policies. None goes off by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from . import door
from .calls import Call, ours
from .errors import AwsError
from .paging import page

if TYPE_CHECKING:
    from .world import World


@define(eq=False)
class Alarms:
    """All alarms by name.

    Attributes:
        made: those that Auto Scaling has made for target tracking policies.
    """

    region: str
    all: dict[str, dict[str, Any]] = field(factory=dict)
    made: set[str] = field(factory=set)
    tags: dict[str, Any] = field(factory=dict)

    def put(self, alarm: dict[str, Any], *, made: bool = False) -> None:
        """Make an alarm, or replace all of one but its state.

        PutMetricAlarm: a new alarm's state is INSUFFICIENT_DATA; "When you update an existing alarm,
        its state is left unchanged, but the update completely overwrites the previous configuration";
        tags are set by the first one alone
        (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html).
        """
        name = alarm["AlarmName"]
        known = self.all.get(name, {})
        self.tags.setdefault(name, alarm.get("Tags", []))
        self.all[name] = {
            "ActionsEnabled": True,
            "OKActions": [],
            "AlarmActions": [],
            "InsufficientDataActions": [],
            "Dimensions": [],
            **{key: value for key, value in alarm.items() if key != "Tags"},
            "AlarmArn": f"arn:aws:cloudwatch:{self.region}:{door.ACCOUNT}:alarm:{name}",
            "StateValue": known.get("StateValue", "INSUFFICIENT_DATA"),
        }
        if made:
            self.made.add(name)

    def of(self, arn: str) -> list[dict[str, str]]:
        """The alarms that start a policy, as policies tell them."""
        return [
            {"AlarmName": name, "AlarmARN": alarm["AlarmArn"]}
            for name, alarm in self.all.items()
            if arn in alarm["AlarmActions"]
        ]

    def drop(self, arn: str, *, also_made: bool = False, also_idle: bool = False) -> None:
        """A policy is gone, or its alarms are made anew.

        "Deleting a target tracking scaling policy also deletes any associated CloudWatch alarms.
        Deleting a step scaling policy or a simple scaling policy deletes the underlying alarm action,
        but it does not delete the CloudWatch alarm"
        (https://docs.aws.amazon.com/autoscaling/ec2/userguide/deleting-scaling-policy.html).
        DeleteAutoScalingGroup deletes "the policies, the underlying alarm actions, and any alarm that
        no longer has an associated action"
        (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html).
        """
        for each in self.of(arn):
            alarm = self.all[each["AlarmName"]]
            alarm["AlarmActions"] = [a for a in alarm["AlarmActions"] if a != arn]
            idle = not alarm["AlarmActions"]
            if idle and (also_idle or (also_made and each["AlarmName"] in self.made)):
                self.forget(each["AlarmName"])

    def forget(self, name: str) -> None:
        """It is gone."""
        del self.all[name], self.tags[name]
        self.made.discard(name)


@ours("cloudwatch", "PutMetricAlarm")
def put_alarm(world: World, call: Call) -> None:
    """See `Alarms.put`."""
    if "MetricName" not in call.params and "Metrics" not in call.params:
        said = "Either MetricName or Metrics must be specified."
        raise AwsError("InvalidParameterCombination", said)
    world.alarms.put(call.params)


@ours("cloudwatch", "DescribeAlarms")
def describe_alarms(world: World, call: Call) -> dict[str, Any]:
    """By names, or all; names that are not there are left out.

    DescribeAlarms (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html).
    """
    names = call.get("AlarmNames")
    found = [a for n, a in sorted(world.alarms.all.items()) if names is None or n in names]
    shown, token = page(found, call, most=100, usual=50)
    return {"MetricAlarms": list(shown), "CompositeAlarms": []} | token


@ours("cloudwatch", "DeleteAlarms")
def delete_alarms(world: World, call: Call) -> None:
    """By names, all of them or none.

    DeleteAlarms (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DeleteAlarms.html).
    """
    names = call.params["AlarmNames"]
    if missing := [name for name in names if name not in world.alarms.all]:
        raise AwsError("ResourceNotFound", f"Unable to find alarm {missing[0]}")
    for name in names:
        world.alarms.forget(name)
