"""What scales groups: their policies and scheduled actions, read no more often than is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from attrs import frozen

from immutable.toolkit.requests import together
from immutable_aws.calls import Answer, Calls
from immutable_aws.reading import Described

__all__ = ["Scaling", "Scalings"]


@frozen
class Scaling:
    """A group's policies and scheduled actions.

    Attributes:
        policies: As described.
        schedules: As described.
        at: When they were read, by the loop's time.
    """

    policies: Sequence[Answer]
    schedules: Sequence[Answer]
    at: float


class Scalings:
    """The policies and scheduled actions of all groups, as they were read last.

    Args:
        calls: The door to AWS.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._known: dict[str, Scaling] = {}

    async def read(self, group: Described, *, age: float = 0.0) -> Scaling:
        """Return those of a group.

        Args:
            group: The group.
            age: Seconds that what is known of it may be old; by default it is read now.
        """
        now = asyncio.get_running_loop().time()
        known = self._known.get(group.arn)
        if known is None or now - known.at >= age:
            policies, schedules = await together(
                *(
                    self._calls.pages("autoscaling", call, key, AutoScalingGroupName=group.name)
                    for call, key in (
                        ("DescribePolicies", "ScalingPolicies"),
                        ("DescribeScheduledActions", "ScheduledUpdateGroupActions"),
                    )
                )
            )
            known = self._known[group.arn] = Scaling(policies, schedules, now)
        return known

    def has_none(self, group: Described) -> None:
        """Note that a group has just been made, with none."""
        self._known[group.arn] = Scaling((), (), asyncio.get_running_loop().time())

    def forget(self) -> None:
        """Let every group be read again: we have changed some."""
        self._known.clear()
