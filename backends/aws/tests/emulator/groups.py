"""What Auto Scaling knows: groups, members, activities, hooks."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from attrs import define, field

from tests.emulators.clock import Clock, Timer

from .errors import invalid

PROCESSES = (
    "Launch", "Terminate", "AddToLoadBalancer", "AlarmNotification", "AZRebalance", "HealthCheck",
    "InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions",
)  # fmt: skip
"""Process types (https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html)."""


@define(eq=False)
class Activity:
    """A scaling activity (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Activity.html)."""

    group: str
    description: str
    cause: str
    start: datetime
    status: str = "InProgress"
    message: str | None = None
    end: datetime | None = None
    progress: int = 0
    details: str = "{}"
    id: str = field(factory=lambda: str(uuid.uuid4()))
    deleted: bool = False

    def told(self, arn: str) -> dict[str, Any]:
        """As the API writes it."""
        said = {
            "ActivityId": self.id,
            "AutoScalingGroupName": self.group,
            "AutoScalingGroupARN": arn,
            "Description": self.description,
            "Cause": self.cause,
            "StartTime": self.start,
            "EndTime": self.end,
            "StatusCode": self.status,
            "StatusMessage": self.message,
            "Progress": self.progress,
            "Details": self.details,
        }
        return said | ({"AutoScalingGroupState": "Deleted"} if self.deleted else {})

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.end is None


@define(eq=False)
class Waiting:
    """A member held by lifecycle hooks: each has to be completed, or its time runs out."""

    transition: str
    hooks: dict[str, Timer]
    token: str = field(factory=lambda: str(uuid.uuid4()))
    abandoned: bool = False


@define(eq=False)
class Member:
    """An instance as its group sees it.

    Args:
        template: what it was launched from, by number.
        ending: it was shut down; nothing else is waited for.
        condemned: it is to be terminated once Terminate is resumed; the cause.
    """

    id: str
    type: str
    zone: str
    zone_id: str
    image: str
    template: dict[str, str]
    state: str = "Pending"
    health: str = "Healthy"
    protected: bool = False
    weight: int = 1
    weighted: bool = False
    in_service: float | None = None
    waiting: Waiting | None = None
    activity: Activity | None = None
    ending: bool = False
    condemned: str | None = None

    @property
    def counts(self) -> bool:
        """Whether it counts towards the desired capacity."""
        if self.condemned:
            return False
        return self.state == "InService" or self.state.startswith("Pending")

    def told(self) -> dict[str, Any]:
        """As the API writes it."""
        said = {
            "InstanceId": self.id,
            "InstanceType": self.type,
            "AvailabilityZone": self.zone,
            "AvailabilityZoneId": self.zone_id,
            "LifecycleState": self.state,
            "HealthStatus": self.health,
            "LaunchTemplate": self.template,
            "ImageId": self.image,
            "ProtectedFromScaleIn": self.protected,
        }
        return said | ({"WeightedCapacity": str(self.weight)} if self.weighted else {})


@define(eq=False, kw_only=True)
class Group:
    """An Auto Scaling group. `settings` are members of the API's structure, told as they were given."""

    name: str
    arn: str
    created: datetime
    low: int
    high: int
    desired: int
    settings: dict[str, Any]
    subnets: list[tuple[str, str]]
    target_groups: list[str]
    members: dict[str, Member] = field(factory=dict)
    suspended: dict[str, str] = field(factory=dict)
    hooks: dict[str, dict[str, Any]] = field(factory=dict)
    policies: dict[str, dict[str, Any]] = field(factory=dict)
    schedules: dict[str, dict[str, Any]] = field(factory=dict)
    notifications: dict[str, list[str]] = field(factory=dict)
    metrics: set[str] = field(factory=set)
    tags: dict[str, tuple[str, bool]] = field(factory=dict)
    activities: list[Activity] = field(factory=list)
    warm_pool: dict[str, Any] | None = None
    status: str | None = None
    causes: list[str] = field(factory=list)
    retry_at: float = 0.0
    settling: bool = False
    patrolling: bool = False
    extra: str | None = None
    healing: bool = False
    born_with: set[str] = field(factory=set)
    leaving_pools: dict[str, float] = field(factory=dict)
    tokens: dict[str, Any] = field(factory=dict)

    def on(self, process: str) -> bool:
        """Whether a process is not suspended."""
        return process not in self.suspended

    def live(self) -> list[Member]:
        """Members that count towards the desired capacity."""
        return [m for m in self.members.values() if m.counts and m.id != self.extra]

    def units(self) -> int:
        """The capacity of what is live."""
        return sum(member.weight for member in self.live())

    @property
    def zones(self) -> list[str]:
        """The zones of its subnets, in their order."""
        return list(dict.fromkeys(zone for _, zone in self.subnets))

    def member(self, instance_id: str) -> Member:
        """A member by id.

        Raises:
            AwsError: `ValidationError`.
        """
        if instance_id not in self.members:
            said = f"The instance {instance_id} is not part of Auto Scaling group {self.name}."
            raise invalid(said)
        return self.members[instance_id]


@define(eq=False)
class Groups:
    """All groups of the account, and the activities of deleted ones."""

    clock: Clock
    all: dict[str, Group] = field(factory=dict)
    past: list[tuple[str, Activity]] = field(factory=list)

    def find(self, name: str) -> Group:
        """A group by name.

        Raises:
            AwsError: `ValidationError`, in the words of recorded answers.
        """
        if name not in self.all:
            raise invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
        return self.all[name]

    def of(self, instance_id: str) -> Group | None:
        """The group that an instance is a member of."""
        return next((g for g in self.all.values() if instance_id in g.members), None)

    def begin(self, group: Group, description: str, cause: str, **fields: Any) -> Activity:
        """A new activity; the latest are told first."""
        activity = Activity(group.name, description, cause, self.clock.date(), **fields)
        group.activities.insert(0, activity)
        return activity

    def end(
        self, activity: Activity, status: str = "Successful", message: str | None = None
    ) -> None:
        """The activity is over."""
        activity.status, activity.message = status, message
        if message and "Status Reason" not in activity.description:
            activity.description += f".  Status Reason: {message}"
        activity.end, activity.progress = self.clock.date(), 100

    def forget(self, group: Group) -> None:
        """The group is gone; its activities are kept ("for six weeks")."""
        del self.all[group.name]
        for activity in group.activities:
            activity.deleted = True
            if activity.open:
                self.end(activity)
            self.past.insert(0, (group.arn, activity))
