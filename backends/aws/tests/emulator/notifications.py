"""Where a group's events are told: topics, and kinds of events. Nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .calls import Call, ours
from .errors import AwsError, invalid
from .paging import page

if TYPE_CHECKING:
    from .world import World

KINDS = (
    "autoscaling:EC2_INSTANCE_LAUNCH",
    "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
    "autoscaling:EC2_INSTANCE_TERMINATE",
    "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
    "autoscaling:TEST_NOTIFICATION",
)
"""https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_NotificationConfiguration.html"""

MOST = 10
"""SNS topics per Auto Scaling group
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html)."""


@ours("autoscaling", "PutNotificationConfiguration")
def put_notifications(world: World, call: Call) -> dict[str, Any]:
    """What a topic is told of; whatever it was told of before is replaced.

    PutNotificationConfiguration: "This configuration overwrites any existing configuration"
    (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutNotificationConfiguration.html).
    """
    group = world.groups.find(call.params["AutoScalingGroupName"])
    topic, kinds = call.params["TopicARN"], call.params["NotificationTypes"]
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise invalid(f"{unknown[0]} is not a valid notification type")
    if len({*group.notifications, topic}) > MOST:
        said = f"{group.name} may have at most {MOST} notification configurations"
        raise AwsError("LimitExceeded", said)
    group.notifications[topic] = sorted(set(kinds))
    return {}


@ours("autoscaling", "DescribeNotificationConfigurations")
def describe_notifications(world: World, call: Call) -> dict[str, Any]:
    """A line for each group, topic and kind of event.

    DescribeNotificationConfigurations
    (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeNotificationConfigurations.html).
    """
    names = call.get("AutoScalingGroupNames")
    found = [
        {"AutoScalingGroupName": name, "TopicARN": topic, "NotificationType": kind}
        for name, group in sorted(world.groups.all.items())
        if not names or name in names
        for topic, kinds in group.notifications.items()
        for kind in kinds
    ]
    shown, token = page(found, call, most=100, usual=50)
    return {"NotificationConfigurations": list(shown)} | token


@ours("autoscaling", "DeleteNotificationConfiguration")
def delete_notifications(world: World, call: Call) -> dict[str, Any]:
    """Of one topic (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteNotificationConfiguration.html)."""
    group = world.groups.find(call.params["AutoScalingGroupName"])
    if group.notifications.pop(call.params["TopicARN"], None) is None:
        raise invalid(f"Notification configuration not found for {call.params['TopicARN']}")
    return {}
