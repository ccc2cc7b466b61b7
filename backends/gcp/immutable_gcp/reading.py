"""From what Compute Engine describes to what the engine understands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from immutable.backend import Group, Instance, InstanceState, Revision, Trouble, TroubleKind
from immutable.toolkit.owning import standing
from immutable.toolkit.sights import Sight
from immutable_gcp import marks as marking
from immutable_gcp.faults import is_shortage, without_secrets
from immutable_gcp.marks import Marks
from immutable_gcp.names import scope_of
from immutable_gcp.scaling import OFF, bounds, mode_of, settings

__all__ = [
    "Described",
    "exists",
    "group_of",
    "instance_of",
    "is_leaving",
    "live",
    "member_at",
    "moment",
    "state_of",
    "staying",
    "trouble_of",
    "zone_of",
]

Description = Mapping[str, Any]
State = InstanceState

_COMING = ("PROVISIONING", "STAGING", "PENDING")
_ENDING = ("STOPPING", "SUSPENDING", "PENDING_STOP")


@frozen
class Described:
    """A managed instance group as Compute Engine describes it, with what our marks say.

    Attributes:
        group: The description.
        marks: What its own description says of us.
    """

    group: Description
    marks: Marks

    @classmethod
    def of(cls, group: Description) -> Described:
        """Return a group with the marks read."""
        return cls(group, marking.read(str(group.get("description", ""))))

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.group["name"])

    @property
    def id(self) -> str:
        """Its number: another one for each group that ever had its name."""
        return str(self.group.get("id", self.name))

    @property
    def size(self) -> int:
        """How many members the cloud is asked to keep."""
        return int(self.group.get("target_size", 0))

    @property
    def link(self) -> str:
        """Where it is."""
        return str(self.group["self_link"])

    @property
    def instance_group(self) -> str:
        """The link of the group as load balancers know it."""
        return str(self.group["instance_group"])

    @property
    def template(self) -> str:
        """The link of the template that its members start from; empty for several versions."""
        versions = self.group.get("versions", ())
        if len(versions) > 1:
            return ""
        plain = str(self.group.get("instance_template", ""))
        return str(versions[0].get("instance_template", plain)) if versions else plain

    @property
    def heals_by_check(self) -> bool:
        """Whether a health check of its own decides who is repaired."""
        policies = self.group.get("auto_healing_policies", ())
        return any(policy.get("health_check") for policy in policies)


def moment(stamp: str) -> float:
    """Return a time of Google's (RFC 3339) in seconds since the epoch."""
    return datetime.fromisoformat(stamp).timestamp()


# ".../zones/europe-west1-b/instances/web-x1y2": "europe-west1-b/web-x1y2".
def member_at(link: str) -> str:
    """Return zone and name of an instance: its link, whatever that begins with."""
    return f"{zone_of(link)}/{link.rpartition('/')[2]}"


def zone_of(link: str) -> str:
    """Return the zone of an instance's link."""
    return str(scope_of(link).get("zone", ""))


def exists(member: Description) -> bool:
    """Return whether a managed instance has a VM: only then it has an id that stays."""
    return str(member.get("id", "0")) != "0" and bool(member.get("instance_status"))


def is_leaving(member: Description) -> bool:
    """Return whether a member is on its way out of its group."""
    return member.get("current_action") in ("DELETING", "ABANDONING")


def live(members: Iterable[Description]) -> int:
    """Return how many members have a VM and aren't leaving."""
    return sum(exists(member) and not is_leaving(member) for member in members)


def staying(members: Iterable[Description]) -> int:
    """Return how many members are listed and aren't leaving, with a VM or without one."""
    return sum(not is_leaving(member) for member in members)


def state_of(
    member: Description, healths: Sequence[str] | None, checked: bool, sight: Sight
) -> InstanceState:
    """Return where an instance is in its life.

    Args:
        member: The managed instance.
        healths: Its state in each backend service that it has to be in, "" where it isn't known;
            None when its group is in none.
        checked: Whether its group has a health check of its own.
        sight: What this process knew of it.
    """
    action, status = member.get("current_action", "NONE"), member.get("instance_status")
    if is_leaving(member) or status in _ENDING:
        return State.DRAINING
    if status in _COMING:
        return sight.waiting
    if action == "RECREATING":
        return State.DRAINING  # It is the one that goes: who comes is PROVISIONING or STAGING.
    if status != "RUNNING":
        return State.UNREADY
    if healths is None:
        healths = _own_health(member, checked)
        if healths is None or action not in ("NONE", "REFRESHING"):
            return sight.waiting
    if all(health == "HEALTHY" for health in healths):
        return State.READY
    if all(health in ("", "HEALTHY") for health in healths):
        return sight.waiting
    return sight.failing


def _own_health(member: Description, checked: bool) -> Sequence[str] | None:
    if not checked:
        return ()
    told = [each.get("detailed_health_state", "") for each in member.get("instance_health", ())]
    if not told or "UNKNOWN" in told:
        return None
    return ["HEALTHY" if each == "HEALTHY" else "UNHEALTHY" for each in told]


def instance_of(member: Description, revision: int, state: InstanceState, sight: Sight) -> Instance:
    """Return a member as the engine sees it.

    Args:
        member: The managed instance.
        revision: The number of its group's revision.
        state: Its state.
        sight: What is known of it, this state included.
    """
    return Instance(
        id=str(member["id"]),
        revision=revision,
        state=state,
        zone=zone_of(member["instance"]),
        launched_at=sight.launched_at,
        ready_since=sight.ready_since,
        address=sight.address,
    )


# Held, autoscaler OFF with a minimum of 5, size 3: a minimum of 3. The hold is over: 3 still.
def group_of(
    described: Described,
    revision: Revision,
    scaler: Description | None,
    at: float,
    *,
    trouble: Trouble | None,
    weight: float | None,
) -> Group:
    """Return a group as the engine sees it; an expired hold's changes as if undone."""
    marks = described.marks
    saved = marks.saved
    hold, lapsed = standing(marks.hold, at)
    minimum, maximum = bounds(scaler) if scaler is not None else (0, marks.maximum)
    held_off = scaler is not None and mode_of(scaler) == OFF and saved is not None and saved.mode
    if held_off and hold is not None:
        minimum = min(minimum, described.size)
    if lapsed is not None:
        minimum = min(saved.minimum if saved else minimum, described.size)
    return Group(
        revision=revision,
        size=described.size,
        origin=marks.origin,
        pool=marks.pool,
        weight=weight,
        minimum=minimum,
        maximum=maximum,
        hold=hold,
        lapsed=lapsed,
        rollout=marks.rollout,
        plan=marks.plan,
        trouble=trouble,
        settings=settings(scaler, saved.mode if saved else ""),
    )


# -- why nothing starts ----------------------------------------------------------------------------


def trouble_of(members: Iterable[Description]) -> Trouble | None:
    """Return why a member of a group has no VM, if its last attempt to get one failed."""
    for member in members:
        told = member.get("last_attempt", {}).get("errors", {}).get("errors", ())
        if not told or exists(member) or is_leaving(member):
            continue
        code, said = str(told[0].get("code", "")), without_secrets(str(told[0].get("message", "")))
        # What nobody can tell may pass: the plan's progress deadline is the judge.
        short = is_shortage(code) is not False
        kind = TroubleKind.SHORTAGE if short else TroubleKind.REFUSED
        return Trouble(kind, f"{code}: {said}", zone_of(member["instance"]) if short else "")
    return None
