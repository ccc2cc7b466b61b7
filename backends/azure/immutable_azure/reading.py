"""From what Azure describes to what the engine understands. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from immutable.backend import (
    Denied,
    Gone,
    Group,
    Instance,
    InstanceState,
    Invalid,
    Revision,
    Trouble,
    TroubleKind,
)
from immutable.toolkit.owning import standing
from immutable.toolkit.sights import Sight
from immutable_azure.faults import CAPACITY, kind_of, without_secrets
from immutable_azure.marks import Marks
from immutable_azure.names import key, member_name

__all__ = [
    "Described",
    "Description",
    "created_at",
    "group_of",
    "instance_of",
    "is_husk",
    "is_leaving",
    "member_id",
    "nic_ids",
    "size_of",
    "state_of",
    "trouble_of",
]

Description = Mapping[str, Any]
State = InstanceState

_HEALTH_PUBLISHER = "Microsoft.ManagedServices"
_RUNNING = "PowerState/running"
_BAD_MEMBER = ("VMExtension", "OSProvisioning", "VMStartTimedOut")
"""What is wrong with one server, which its own state tells, and not with the launch."""
_ZONE = re.compile(r"Zone:? '?(\d)")


@frozen
class Described:
    """A scale set as Azure describes it, with what its tags say and who is in it.

    Attributes:
        group: The set's description.
        marks: What our tags on it say.
        members: The descriptions of its members, with their instance views.
    """

    group: Description
    marks: Marks
    members: Sequence[Description] = ()

    @property
    def name(self) -> str:
        """The set's name."""
        return str(self.group["name"])

    @property
    def id(self) -> str:
        """The set's long name."""
        return str(self.group["id"])

    @property
    def etag(self) -> str:
        """What the set's next change is held against."""
        return str(self.group.get("etag", ""))

    @property
    def tags(self) -> dict[str, str]:
        """All of its tags."""
        return dict(self.group.get("tags") or {})

    @property
    def properties(self) -> Description:
        """What else is told."""
        return self.group.get("properties") or {}

    @property
    def profile(self) -> Description:
        """What its members are made from."""
        return self.properties.get("virtualMachineProfile") or {}

    @property
    def flexible(self) -> bool:
        """Whether its members are virtual machines of their own."""
        return str(self.properties.get("orchestrationMode", "Uniform")).lower() == "flexible"

    @property
    def capacity(self) -> int:
        """What the cloud calls its capacity."""
        return int((self.group.get("sku") or {}).get("capacity") or 0)

    @property
    def state(self) -> str:
        """Its provisioning state, lower-case."""
        return str(self.properties.get("provisioningState", "")).lower()

    @property
    def busy(self) -> bool:
        """Whether an operation runs on it."""
        return self.state not in ("succeeded", "failed", "canceled", "")

    @property
    def pools(self) -> tuple[str, ...]:
        """The long names of the backend pools that its members join, each once."""
        return tuple({key(pool): pool for pool in _pools(self.profile)}.values())

    @property
    def watched(self) -> bool:
        """Whether its members have the Application Health extension."""
        extensions = (self.profile.get("extensionProfile") or {}).get("extensions") or ()
        return any(
            said.get("publisher") == _HEALTH_PUBLISHER
            and str(said.get("type", "")).startswith("ApplicationHealth")
            for said in (each.get("properties") or {} for each in extensions)
        )

    @property
    def leaving(self) -> set[str]:
        """Names of members that were marked as draining and are still there."""
        there = {member_name(self.name, each) for each in self.members}
        return there & self.marks.draining.keys()

    @property
    def draining(self) -> Mapping[str, float]:
        """Members whose marks count still, and since when they drain.

        While an operation runs those that are gone count too: Azure lowers the capacity at its end.
        """
        marked = self.marks.draining
        if self.busy:
            return marked
        return {name: at for name, at in marked.items() if name in self.leaving}


def _pools(profile: Description) -> Iterable[str]:
    network = profile.get("networkProfile") or {}
    for nic in network.get("networkInterfaceConfigurations") or ():
        for config in (nic.get("properties") or {}).get("ipConfigurations") or ():
            for pool in (config.get("properties") or {}).get(
                "loadBalancerBackendAddressPools"
            ) or ():
                yield str(pool["id"])


def _properties(member: Description) -> Description:
    return member.get("properties") or {}


def _codes(member: Description) -> list[str]:
    view = _properties(member).get("instanceView") or {}
    return [str(each.get("code", "")) for each in view.get("statuses") or ()]


def is_leaving(member: Description) -> bool:
    """Return whether somebody deletes a member."""
    return str(_properties(member).get("provisioningState", "")).lower() == "deleting"


# Failed with ZonalAllocationFailed, and no power state: no server was ever there.
def is_husk(member: Description) -> bool:
    """Return whether a member is what a launch without room has left: a name, and no server."""
    if str(_properties(member).get("provisioningState", "")).lower() != "failed":
        return False
    codes = _codes(member)
    failed = any(code.rsplit("/", 1)[-1] in CAPACITY for code in codes)
    return failed and not any(code.startswith("PowerState/") for code in codes)


def member_id(member: Description) -> str:
    """Return a member's identifier: its name, and what no other machine of that name ever had."""
    return f"{member['name']}.{str(_properties(member).get('vmId', ''))[:8]}"


def created_at(member: Description) -> float:
    """Return when a member was made."""
    return datetime.fromisoformat(str(_properties(member)["timeCreated"])).timestamp()


def nic_ids(member: Description) -> list[str]:
    """Return the long names of a member's network interfaces, to be compared."""
    network = _properties(member).get("networkProfile") or {}
    return [key(each["id"]) for each in network.get("networkInterfaces") or ()]


# Capacity 10; 4 and 5 drain and are listed, 6 drained and is gone, while its deletion runs: 7.
# Capacity 5 of a set that failed to get there, and 3 members: 3, the other two come no more.
def size_of(group: Described) -> int:
    """Return how many members the cloud is asked to keep, without those that retire.

    Azure lowers the capacity when a deletion is over, so until then it counts who was marked. A
    launch that failed is not repeated by Azure, so its places count no more.
    """
    marked = group.marks.draining
    names = [member_name(group.name, each) for each in group.members]
    husks = [is_husk(each) for each in group.members]
    live = sum(
        name not in marked and not husk and not is_leaving(each)
        for name, husk, each in zip(names, husks, group.members, strict=True)
    )
    if group.state == "failed":
        return min(live, group.capacity)
    dead = sum(husk and name not in marked for name, husk in zip(names, husks, strict=True))
    return max(0, group.capacity - len(group.draining) - dead)


def state_of(
    member: Description, *, draining: bool, watched: bool, probed: bool | None, sight: Sight
) -> InstanceState:
    """Return where an instance is in its life.

    Args:
        member: Azure's description of it.
        draining: Whether it was sent to retire.
        watched: Whether it has the Application Health extension.
        probed: Whether it is in all pools, not set Down, and the probe says Up; None without pool.
        sight: What this process knew of it.
    """
    if draining or is_leaving(member):
        return State.DRAINING
    provisioning = str(_properties(member).get("provisioningState", "")).lower()
    if provisioning == "creating":
        return sight.waiting
    running = _RUNNING in _codes(member)
    if provisioning == "failed" or not running:
        starts = provisioning != "failed" and sight.known in (None, State.STARTING)
        return sight.waiting if starts else State.UNREADY
    health = _health(member)
    if watched:
        if health == "healthy" and probed is not False:
            return State.READY
        if health in ("", "initializing", "healthy"):
            return sight.waiting
    elif probed:
        return State.READY
    return sight.failing


def _health(member: Description) -> str:
    view = _properties(member).get("instanceView") or {}
    code = str(((view.get("vmHealth") or {}).get("status") or {}).get("code", ""))
    return code.removeprefix("HealthState/").lower()


def instance_of(member: Description, revision: int, state: InstanceState, sight: Sight) -> Instance:
    """Return a member as the engine sees it.

    Args:
        member: Azure's description of it.
        revision: The number of its group's revision.
        state: Its state.
        sight: What is known of it, this state included.
    """
    policy = _properties(member).get("protectionPolicy") or {}
    return Instance(
        id=member_id(member),
        revision=revision,
        state=state,
        zone=(member.get("zones") or [""])[0],
        launched_at=sight.launched_at,
        ready_since=sight.ready_since,
        protected=bool(
            policy.get("protectFromScaleIn") or policy.get("protectFromScaleSetActions")
        ),
    )


def group_of(
    described: Described,
    revision: Revision,
    at: float,
    *,
    bounds: tuple[int, int | None],
    settings: Mapping[str, str],
    trouble: Trouble | None,
    weight: float | None,
) -> Group:
    """Return a group as the engine sees it; an expired hold's changes as if undone.

    Args:
        described: The set.
        revision: Its revision.
        at: When this is true.
        bounds: Automatic scaling's bounds.
        settings: What else has to be as before.
        trouble: Why it doesn't get its members.
        weight: Its percentage of the traffic; None where all share one pool.
    """
    marks = described.marks
    hold, lapsed = standing(marks.hold, at)
    minimum, maximum = bounds
    return Group(
        revision=revision,
        size=size_of(described),
        origin=marks.origin,
        minimum=minimum,
        maximum=maximum,
        hold=hold,
        lapsed=lapsed,
        rollout=marks.rollout,
        plan=marks.plan,
        trouble=trouble,
        weight=weight,
        settings=dict(settings),
    )


def trouble_of(statuses: Iterable[Description]) -> Trouble | None:
    """Return why a launch failed, by the statuses of an instance view; None if none did."""
    for each in statuses:
        code = str(each.get("code", ""))
        if code.startswith("ProvisioningState/failed/"):
            name = code.rsplit("/", 1)[-1]
            said = without_secrets(str(each.get("message", "")))
            if name.startswith(_BAD_MEMBER):
                continue
            refused = issubclass(kind_of([name], said, 200), (Denied, Gone, Invalid))
            zone = _ZONE.search(said)
            return Trouble(
                TroubleKind.REFUSED if refused else TroubleKind.SHORTAGE,
                f"{name}: {said}",
                zone.group(1) if zone else "",
            )
    return None
