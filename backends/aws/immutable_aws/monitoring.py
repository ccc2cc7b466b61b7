"""Letting a group be measured, and its changes be told, as another one is."""

from __future__ import annotations

from immutable_aws.hands import Hands
from immutable_aws.reading import Described

__all__ = ["watch_alike"]


async def watch_alike(hands: Hands, group: Described, pattern: Described) -> None:
    """Let a group be measured, and its changes be told, as the pattern's are.

    Done when a group is made, and made sure of when it is released: a creation whose answers were
    lost is not always repeated.
    """
    wanted = [each["Metric"] for each in pattern.group.get("EnabledMetrics", ())]
    has = {each["Metric"] for each in group.group.get("EnabledMetrics", ())}
    if set(wanted) - has:
        await hands.scale("EnableMetricsCollection", group, Metrics=wanted, Granularity="1Minute")
    await _notify_alike(hands, group, pattern)


async def _notify_alike(hands: Hands, group: Described, pattern: Described) -> None:
    """Send notifications of a group's launches and terminations where the pattern's go."""
    found = await hands.calls.pages(
        "autoscaling",
        "DescribeNotificationConfigurations",
        "NotificationConfigurations",
        AutoScalingGroupNames=sorted({pattern.name, group.name}),
    )
    kinds: dict[str, dict[str, set[str]]] = {}
    for each in found:
        topics = kinds.setdefault(each["AutoScalingGroupName"], {})
        topics.setdefault(each["TopicARN"], set()).add(each["NotificationType"])
    for topic, wanted in kinds.get(pattern.name, {}).items():
        if wanted - kinds.get(group.name, {}).get(topic, set()):
            await hands.scale(
                "PutNotificationConfiguration",
                group,
                TopicARN=topic,
                NotificationTypes=sorted(wanted),
            )
