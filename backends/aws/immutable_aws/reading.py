"""From what AWS describes to what the engine understands. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from immutable.backend import Group, Instance, InstanceState, Revision, Trouble, TroubleKind
from immutable.toolkit.owning import standing
from immutable.toolkit.sights import Sight
from immutable_aws.faults import without_secrets
from immutable_aws.marks import Marks

__all__ = ["Described", "group_of", "live", "pattern_of", "size_of", "state_of", "trouble_of"]

Description = Mapping[str, Any]
State = InstanceState

STANDBY = "Standby"
_LEAVING = ("Terminating", "Terminated", "Detaching", "Detached", "EnteringStandby")
_GONE = ("Terminated", "Detached")


@frozen
class Described:
    """A group as AWS describes it, with what its tags say.

    Attributes:
        group: Auto Scaling's description, members included.
        tags: All of its tags.
        marks: What ours among them say.
    """

    group: Description
    tags: Mapping[str, str]
    marks: Marks

    @property
    def name(self) -> str:
        """The group's name."""
        return str(self.group["AutoScalingGroupName"])

    @property
    def arn(self) -> str:
        """The group's ARN: another one for each group that ever had its name."""
        return str(self.group.get("AutoScalingGroupARN") or self.name)

    @property
    def members(self) -> Sequence[Description]:
        """Its members that exist."""
        return [
            member
            for member in self.group.get("Instances", ())
            if not member["LifecycleState"].startswith(_GONE)
        ]

    @property
    def target_groups(self) -> tuple[str, ...]:
        """The ARNs of the target groups that its members join."""
        return tuple(self.group.get("TargetGroupARNs", ()))


def is_leaving(member: Description) -> bool:
    """Return whether a member is on its way out of its group."""
    return str(member["LifecycleState"]).startswith(_LEAVING)


def live(members: Iterable[Description]) -> int:
    """Return how many members aren't leaving."""
    return sum(not is_leaving(member) for member in members)


def standby(members: Iterable[Description]) -> int:
    """Return how many members its owner has put aside."""
    return sum(member["LifecycleState"] == STANDBY for member in members)


def moves(groups: Iterable[Described]) -> dict[str, tuple[int, dict[str, str]]]:
    """Return what has to be the same in two readings between which nobody has moved."""
    return {
        group.arn: (
            size_of(group),
            {each["InstanceId"]: str(each["LifecycleState"]) for each in group.members},
        )
        for group in groups
    }


def is_calm(groups: Iterable[Described], healths: Mapping[str, Mapping[str, str]]) -> bool:
    """Return whether all members are in service and healthy: nobody comes and nobody goes."""
    return all(
        size_of(group) == len(group.members)
        and all(
            each["LifecycleState"] == "InService"
            and all(
                healths[arn].get(each["InstanceId"]) == "healthy" for arn in group.target_groups
            )
            for each in group.members
        )
        for group in groups
    )


# Desired 3 and one in standby: 4. Entering standby takes one off the desired capacity.
def size_of(group: Described) -> int:
    """Return how many members the cloud is asked to keep, those in standby included."""
    return int(group.group["DesiredCapacity"]) + standby(group.members)


def pattern_of(groups: Sequence[Described]) -> Described:
    """Return the group that serves the fleet: the largest; of equals the oldest."""
    return max(groups, key=lambda group: (size_of(group), -group.marks.revision))


def state_of(
    member: Description, healths: Sequence[str] | None, checks_passed: bool, sight: Sight
) -> InstanceState:
    """Return where an instance is in its life.

    Only Auto Scaling says who is leaving: health is asked a moment later, and who drains by then
    is counted by the size that was told before.

    Args:
        member: Auto Scaling's description of it.
        healths: Its state in each target group that it has to be in, "" where it isn't; None
            when the group has none.
        checks_passed: Whether EC2's status checks are passed, where there is no target group.
        sight: What this process knew of it.
    """
    life = str(member["LifecycleState"])
    if life.startswith(_LEAVING):
        return State.DRAINING
    if life == STANDBY:
        return State.UNREADY
    if life != "InService":
        return sight.waiting
    if member.get("HealthStatus", "Healthy") != "Healthy":
        return State.UNREADY
    if healths is None:
        return State.READY if checks_passed else sight.waiting
    if all(health == "healthy" for health in healths):
        return State.READY
    if all(health in ("", "initial", "healthy") for health in healths):
        return sight.waiting
    return sight.failing


def instance_of(member: Description, revision: int, state: InstanceState, sight: Sight) -> Instance:
    """Return a member as the engine sees it.

    Args:
        member: Auto Scaling's description of it.
        revision: The number of its group's revision.
        state: Its state.
        sight: What is known of it, this state included.
    """
    return Instance(
        id=member["InstanceId"],
        revision=revision,
        state=state,
        zone=member.get("AvailabilityZone", ""),
        launched_at=sight.launched_at,
        ready_since=sight.ready_since,
        address=sight.address,
        protected=bool(member.get("ProtectedFromScaleIn")),
    )


def group_of(
    described: Described,
    revision: Revision,
    at: float,
    *,
    settings: Mapping[str, str],
    trouble: Trouble | None,
    weight: float | None,
) -> Group:
    """Return a group as the engine sees it; an expired hold's changes as if undone."""
    marks, size = described.marks, size_of(described)
    minimum = int(described.group["MinSize"])
    hold, lapsed = standing(marks.hold, at)
    if lapsed is not None:
        minimum = min(marks.saved.minimum if marks.saved else minimum, size)
    return Group(
        revision=revision,
        size=size,
        origin=marks.origin,
        pool=marks.pool,
        weight=weight,
        minimum=minimum,
        maximum=int(described.group["MaxSize"]),
        hold=hold,
        lapsed=lapsed,
        rollout=marks.rollout,
        plan=marks.plan,
        trouble=trouble,
        settings=dict(settings),
    )


# -- why nothing starts ----------------------------------------------------------------------------

_ZONE = re.compile(r"\b[a-z]{2,4}(?:-[a-z]+){1,3}-\d{1,2}[a-z]\b")
_SHORT = re.compile(
    r"insufficient|sufficient .* capacity|capacity-not-available|no spot capacity|limit|quota"
    r"|free addresses|throttl|rate exceeded|try again|internal error|temporar",
    re.IGNORECASE,
)
_NEVER = re.compile(
    r"not authorized|unauthorized|access denied|do not have permission|does not exist|invalid"
    r"|not supported|unsupported|deprecated|encrypt|subscri|opt in|can(?:no|')t be used|not found",
    re.IGNORECASE,
)
_FAILED = ("Failed", "Cancelled")


# Newest first: Failed (Launching …), Successful (Launching …): trouble. The other way round: none.
def trouble_of(activities: Iterable[Description]) -> Trouble | None:
    """Return why the last launch failed, while that is the latest news.

    Args:
        activities: Scaling activities, the newest first, as AWS lists them.
    """
    for activity in activities:
        if not str(activity.get("Description", "")).startswith("Launching"):
            continue
        status = activity.get("StatusCode")
        if status in _FAILED:
            return _trouble(str(activity.get("StatusMessage") or activity.get("Description")))
        if status == "Successful":
            return None
    return None


def _trouble(message: str) -> Trouble:
    # "…does not have sufficient capacity…" in a zone: a shortage, whatever else it says.
    short = _SHORT.search(message) or not _NEVER.search(message)
    zone = _ZONE.search(message) if short else None
    kind = TroubleKind.SHORTAGE if short else TroubleKind.REFUSED
    return Trouble(kind, without_secrets(message), zone.group() if zone else "")
