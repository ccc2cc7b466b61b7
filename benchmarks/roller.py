"""A barrier roller of Auto Scaling groups, as tools in use are: look at all, do a batch, sleep.

The order of steps and the calls are those of palantir/bouncer, mode ``batch-canary``
(https://github.com/palantir/bouncer: batchcanary/runner.go, bouncer/instance.go), written anew: one
instance first, then batches; each round looks at the group, then at every member and at the launch
template once for each member, one after the other; nothing is begun while anything is under way;
between two rounds it sleeps for 15 s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

__all__ = ["SLEEP", "Member", "Roller"]

SLEEP = 15.0


@frozen
class Member:
    """A member as a round sees it.

    Attributes:
        id: The instance's id.
        old: Whether it was launched from another version than the group launches now.
        healthy: Whether it runs, and is in service.
    """

    id: str
    old: bool
    healthy: bool


class Roller:
    """Replaces the members of one group whose launch template has a newer version.

    Args:
        clients: boto3's clients of ``autoscaling`` and ``ec2``.
        group: The group's name.
        size: How many members it has, and is to have at the end.
        batch: How many more it may have meanwhile.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self, clients: Any, group: str, size: int, batch: int, sleep: Callable[[float], None]
    ) -> None:
        self._asg, self._ec2 = clients
        self._group, self._size, self._batch = group, size, batch
        self._sleep = sleep

    def run(self) -> None:
        """Roll the group.

        Raises:
            RuntimeError: The group is in no state that the steps lead to.
        """
        self._look()  # It makes sure of the sizes first.
        while self._round():
            self._sleep(SLEEP)

    def _round(self) -> bool:
        """Look at everything and begin one thing, if nothing is under way; False at the end."""
        desired, states, members = self._look()
        old = [each for each in members if each.old]
        new = [each for each in members if not each.old]
        under_way = len(members) != desired or any(not each.healthy for each in new)
        if under_way or any(state.startswith(("Pending", "Terminating")) for state in states):
            return True
        if not old and len(members) == self._size:
            return False
        wanted = min(self._size + self._batch, self._size + len(old)) if new else desired + 1
        if wanted > desired:
            self._asg.set_desired_capacity(AutoScalingGroupName=self._group, DesiredCapacity=wanted)
            return True
        self._end([each.id for each in old if each.healthy][: len(members) - self._size])
        return True

    def _end(self, ids: Sequence[str]) -> None:
        if not ids:
            raise RuntimeError(f"{self._group} has members too many, and none of them is old")
        for each in ids:
            self._asg.terminate_instance_in_auto_scaling_group(
                InstanceId=each, ShouldDecrementDesiredCapacity=True
            )

    def _look(self) -> tuple[int, list[str], list[Member]]:
        """Return the desired capacity, the states of members, and the members."""
        (group,) = self._asg.describe_auto_scaling_groups(AutoScalingGroupNames=[self._group])[
            "AutoScalingGroups"
        ]
        there = group["Instances"]
        states = [str(each["LifecycleState"]) for each in there]
        return int(group["DesiredCapacity"]), states, [self._member(group, m) for m in there]

    def _member(self, group: dict[str, Any], member: dict[str, Any]) -> Member:
        name, template = member["InstanceId"], group["LaunchTemplate"]
        (told,) = self._ec2.describe_instances(InstanceIds=[name])["Reservations"]
        (instance,) = told["Instances"]
        self._ec2.describe_launch_templates(LaunchTemplateIds=[template["LaunchTemplateId"]])
        return Member(
            id=name,
            old=member["LaunchTemplate"]["Version"] != template["Version"],
            healthy=instance["State"]["Name"] == "running"
            and member["LifecycleState"] == "InService",
        )
