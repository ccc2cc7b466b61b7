"""Managed instance groups and their members, as they are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tests.emulators.clock import Timer

from .lives import Vm
from .store import Resource

if TYPE_CHECKING:
    from .world import World

LEAVING = frozenset({"DELETING", "ABANDONING"})
"""Actions after which it is no member any more."""

BIRTH = frozenset({"CREATING", "CREATING_WITHOUT_RETRIES", "RECREATING"})
"""Actions that end with another VM."""


@define(eq=False)
class Member:
    """One managed instance: it has a name before it has a VM, and keeps it when the VM changes.

    Args:
        action: `currentAction`, as listManagedInstances' page explains it.
        template: link of the template that it is meant to be of.
        version: name of that version.
        config: the all-instances configuration that its VM has.
        errors: of the last attempt to make it.
        going: the VM that has to be gone first.
        proven: it was healthy once, or RUNNING where nobody checks.
        timer: what comes next.
    """

    name: str
    zone: str
    template: str
    version: str
    action: str = "CREATING"
    vm: Vm | None = None
    config: int = 0
    errors: list[dict[str, str]] = field(factory=list)
    going: bool = False
    proven: bool = False
    timer: Timer | None = None

    @property
    def stays(self) -> bool:
        """Whether it counts for the size."""
        return self.action not in LEAVING


@define(eq=False)
class Group:
    """One managed instance group.

    Args:
        resource: what was said about it: sizes, versions, policies.
        config: how often the all-instances configuration was changed; `config_at` is when.
        errors: for listErrors, the newest last.
        deletion: called when the last member of a group that is being deleted is gone.
    """

    resource: Resource
    zones: list[str]
    members: dict[str, Member] = field(factory=dict)
    config: int = 0
    config_at: float = 0.0
    errors: list[dict[str, Any]] = field(factory=list)
    deletion: Any = None
    timer: Timer | None = None

    @property
    def data(self) -> dict[str, Any]:
        """What was said about it."""
        return self.resource.data

    @property
    def target(self) -> int:
        """How many members it is meant to have."""
        return int(self.data["targetSize"])

    @property
    def regional(self) -> bool:
        """Whether it is a regional one."""
        return self.resource.scope.kind == "regions"

    @property
    def policy(self) -> dict[str, Any]:
        """The update policy."""
        return dict(self.data["updatePolicy"])

    @property
    def versions(self) -> list[dict[str, Any]]:
        """Templates, with targets; the one without a target is for the rest."""
        return list(self.data["versions"])

    @property
    def healer(self) -> str | None:
        """The health check of the autohealing policy."""
        policies = self.data.get("autoHealingPolicies") or [{}]
        check: str | None = policies[0].get("healthCheck")
        return check

    @property
    def live(self) -> list[Member]:
        """Those that stay."""
        return [member for member in self.members.values() if member.stays]

    @property
    def instance_group(self) -> str:
        """The link of the instance group that it fills."""
        return self.resource.link.replace("/instanceGroupManagers/", "/instanceGroups/")

    def uses(self, template: str) -> bool:
        """Whether it uses a template, for new members or for old ones."""
        return template in {v["instanceTemplate"] for v in self.versions} | {
            member.template for member in self.members.values()
        }

    def wanted(self) -> Counter[tuple[str, str]]:
        """How many members each version is meant to have, by template and name.

        "Starting a canary update": a fixed number or a percentage of the target size for all but
        one version, which has the rest
        (https://cloud.google.com/compute/docs/instance-groups/rolling-out-updates-to-managed-instance-groups).
        """
        counts: Counter[tuple[str, str]] = Counter()
        rest = self.target
        for version in sorted(self.versions, key=lambda v: "targetSize" not in v):
            size = rest
            if (given := version.get("targetSize")) is not None:
                percent = round(self.target * given.get("percent", 0) / 100)
                size = min(rest, int(given["fixed"]) if "fixed" in given else percent)
            counts[version["instanceTemplate"], version.get("name", "")] += size
            rest -= size
        return counts

    def outdated(self) -> list[Member]:
        """Those that stay and are of a version that has no room for them, or of none."""
        room, old = self.wanted(), []
        for member in self.live:
            key = (member.template, member.version)
            if room[key] > 0:
                room[key] -= 1
            else:
                old.append(member)
        return old

    def next_version(self) -> tuple[str, str]:
        """Of which version a new member is."""
        room = self.wanted()
        room.subtract((member.template, member.version) for member in self.live)
        default = next(v for v in self.versions if "targetSize" not in v)
        rest = (default["instanceTemplate"], default.get("name", ""))
        return next((key for key, count in room.items() if count > 0), rest)

    def next_zone(self, fits: Any) -> str:
        """In which zone a new member is: the emptiest; but for EVEN, one that has room.

        "Distribution of VMs"
        (https://cloud.google.com/compute/docs/instance-groups/regional-mig-distribution-shape).
        """
        counts = self.spread()
        shape = self.data.get("distributionPolicy", {}).get("targetShape", "EVEN")
        zones = self.zones
        if self.regional and shape != "EVEN":
            zones = [zone for zone in zones if fits(zone)] or zones
        if shape == "ANY_SINGLE_ZONE" and counts.total():
            return counts.most_common(1)[0][0]
        return min(zones, key=lambda zone: (counts[zone], zone))

    def spread(self) -> Counter[str]:
        """How many members that stay each zone has."""
        counts = Counter(dict.fromkeys(self.zones, 0))
        counts.update(member.zone for member in self.live)
        return counts

    def uneven(self) -> bool:
        """Whether two zones differ by more than one, as targetShape EVEN explains it."""
        counts = self.spread().values()
        return max(counts) - min(counts) > 1

    def limits(self) -> tuple[int, int]:
        """maxSurge and maxUnavailable in members: percentages round up, and down."""
        policy, default = self.policy, len(self.zones)

        def size(name: str, up: bool) -> int:
            given = policy.get(name, {"fixed": default})
            if "percent" not in given:
                return int(given.get("fixed", default))
            return (self.target * int(given["percent"]) + (99 if up else 0)) // 100

        return size("maxSurge", True), size("maxUnavailable", False)

    def stable(self) -> bool:
        """`status.isStable`: nothing happens, and nothing is going to."""
        idle = all(member.action == "NONE" for member in self.members.values())
        settled = len(self.members) == self.target and not self.resource.busy
        pending = self.policy["type"] == "PROACTIVE" and (self.outdated() or not self.effective())
        return idle and settled and not pending

    def effective(self) -> bool:
        """Whether every member has the all-instances configuration."""
        return all(m.config == self.config for m in self.live if m.vm is not None)


@define(eq=False)
class Groups:
    """All managed groups of the project."""

    world: World
    all: dict[tuple[Any, str], Group] = field(factory=dict)

    def find(self, name: str) -> Group:
        """By name, wherever it is.

        Raises:
            LookupError: there is none.
        """
        for (_, each), group in self.all.items():
            if each == name:
                return group
        raise LookupError(f"no group {name!r}; there are {sorted(n for _, n in self.all)}")

    def of(self, vm: Vm) -> tuple[Group, Member] | None:
        """The group and member of a VM."""
        for group in self.all.values():
            if group.resource.path == vm.owner and vm.name in group.members:
                return group, group.members[vm.name]
        return None

    def linked(self, link: str) -> Group | None:
        """By the link of its instance group."""
        return next((g for g in self.all.values() if g.instance_group == link), None)

    def autoscaler(self, group: Group) -> Resource | None:
        """The autoscaler whose target it is."""
        found = (a for a in self.world.store.of("autoscalers") if a.data["target"] == group.resource.link)  # fmt: skip
        return next(found, None)

    def autoscaled(self, group: Group) -> bool:
        """Whether an autoscaler acts on it."""
        scaler = self.autoscaler(group)
        return scaler is not None and scaler.data["autoscalingPolicy"]["mode"] != "OFF"

    def look(self, vm: Vm) -> None:
        """Something became of a VM: its group has a look."""
        from .managing import nudge

        for group in self.all.values():
            if group.resource.path == vm.owner:
                nudge(self.world, group)
