"""Autoscalers: a demand that a test sets, a memory, and a mode.

"Autoscaling groups of instances", "Turning off or restricting an autoscaler", "Understanding
autoscaler decisions" (https://cloud.google.com/compute/docs/autoscaler,
https://cloud.google.com/compute/docs/autoscaler/managing-autoscalers,
https://cloud.google.com/compute/docs/autoscaler/understanding-autoscaler-decisions): the
recommended size is computed in every mode; it is the peak of the stabilization period, ten
minutes; ON follows it both ways, ONLY_SCALE_OUT only upwards, OFF not at all. It is not forgotten
when somebody else lowers the group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from .calls import Call, answers
from .errors import exists, invalid, required
from .groups import Group
from .kinds import USUAL, Kind, base, changed, inserted, merged, register
from .managing import act
from .names import link
from .store import Resource

if TYPE_CHECKING:
    from .world import World

STABILIZATION = 600.0
"""Seconds over which the peak counts."""

DEFAULTS = {
    "mode": "ON",
    "minNumReplicas": 0,
    "coolDownPeriodSec": 60,
    "cpuUtilization": {"utilizationTarget": 0.6, "predictiveMethod": "NONE"},
}


@define(eq=False)
class Autoscaling:
    """All autoscalers.

    Args:
        demand: what a test says the load of a group needs, by the group's name.
        seen: by autoscaler, sizes that were found necessary, with their times.
    """

    world: World
    demand: dict[str, int] = field(factory=dict)
    seen: dict[int, list[tuple[float, int]]] = field(factory=dict)

    def recommended(self, scaler: Resource) -> int | None:
        """The recommended size: the peak, inside the bounds."""
        sizes = [size for _, size in self.seen.get(scaler.id, [])]
        return max(sizes) if sizes else None

    def begin(self, scaler: Resource) -> None:
        """Look at the group from now on, again and again."""
        group = self.group(scaler)
        if group is None or scaler.gone is not None:
            return
        policy, now = scaler.data["autoscalingPolicy"], self.world.clock.now()
        kept = STABILIZATION * self.world.laws.scale
        seen = [(at, size) for at, size in self.seen.get(scaler.id, []) if at >= now - kept]
        wanted = self.demand.get(group.resource.name)
        if wanted is None:
            wanted = seen[-1][1] if seen else group.target
        size = min(max(wanted, policy["minNumReplicas"]), policy["maxNumReplicas"])
        if seen and seen[-1][1] == size:
            seen.pop()
        self.seen[scaler.id] = [*seen, (now, size)]
        self._act(scaler, group)
        self.world.clock.after(self.world.laws.autoscaler, self.begin, scaler)

    def _act(self, scaler: Resource, group: Group) -> None:
        size, mode = self.recommended(scaler), scaler.data["autoscalingPolicy"]["mode"]
        upwards = mode in {"ONLY_SCALE_OUT", "ONLY_UP"}
        if size is None or mode == "OFF" or (upwards and size <= group.target):
            return
        if size != group.target:
            group.data["targetSize"] = size
            act(self.world, group)

    def group(self, scaler: Resource) -> Group | None:
        """The group that it is for, while it is there."""
        named = link(scaler.data["target"], "target")
        return self.world.groups.all.get((named.scope, named.name))


def shown(world: World, scaler: Resource) -> dict[str, Any]:
    """An autoscaler, with what it recommends."""
    said = base(world, scaler) | {"status": "ACTIVE"}
    size = world.autoscaling.recommended(scaler)
    return said if size is None else said | {"recommendedSize": size}


SERVICES = ("autoscalers", "regionAutoscalers")

register(Kind("autoscalers", "autoscaler", SERVICES, shown, scopes=("regions", "zones")), *USUAL)


def _policy(data: dict[str, Any]) -> dict[str, Any]:
    given = data.get("autoscalingPolicy", {})
    if "maxNumReplicas" not in given:
        raise required("resource.autoscalingPolicy.maxNumReplicas")
    policy: dict[str, Any] = DEFAULTS | given
    if policy["minNumReplicas"] > policy["maxNumReplicas"]:
        field = "resource.autoscalingPolicy.minNumReplicas"
        raise invalid(field, policy["minNumReplicas"], "Must not be above maxNumReplicas.")
    return policy


def _may_act(group: Group, policy: dict[str, Any]) -> None:
    """What an autoscaler that is not OFF does not work with: it is refused there.

    Groups with stateful configuration, regional groups whose proactive redistribution is off:
    "Autoscaling groups of instances" (https://cloud.google.com/compute/docs/autoscaler).
    """
    if policy["mode"] == "OFF":
        return
    if group.data.get("statefulPolicy"):
        raise invalid("resource.target", group.resource.link, "The group is stateful.")
    if group.regional and group.policy.get("instanceRedistributionType") == "NONE":
        why = "Proactive instance redistribution of the group is off."
        raise invalid("resource.target", group.resource.link, why)


@answers("autoscalers.insert", "regionAutoscalers.insert")
def insert(world: World, call: Call) -> Any:
    """Make an autoscaler; a group can have one."""
    data = dict(call.body)
    target = link(data.get("target"), "resource.target", "instanceGroupManagers")
    manager = world.store.at(target)
    group = world.groups.all[manager.scope, manager.name]
    if manager.scope != call.scope:
        raise invalid("resource.target", data["target"], "The group is somewhere else.")
    if (other := world.groups.autoscaler(group)) is not None:
        raise exists(other.path)
    data |= {"target": manager.link, "autoscalingPolicy": _policy(data)}
    _may_act(group, data["autoscalingPolicy"])
    return inserted(world, call, "autoscalers", data, lambda made: _begin(world, made))


def _begin(world: World, scaler: Resource) -> None:
    world.clock.after(0.0, world.autoscaling.begin, scaler)


def _change(world: World, call: Call, *, patch: bool) -> Any:
    """The autoscaler is named in the query or in the body."""
    name = call.query.get("autoscaler") or call.body.get("name")
    if not name:
        raise required("autoscaler")
    scaler = world.store.get("autoscalers", call.scope, name)
    data = merged(scaler.data, call.body) if patch else dict(call.body)
    data |= {"target": scaler.data["target"], "autoscalingPolicy": _policy(data)}
    if (group := world.autoscaling.group(scaler)) is not None:
        _may_act(group, data["autoscalingPolicy"])

    def change() -> None:
        scaler.data = data

    return changed(world, call, scaler, change)


@answers("autoscalers.patch", "regionAutoscalers.patch")
def patch(world: World, call: Call) -> Any:
    """Change a part, the mode for one."""
    return _change(world, call, patch=True)


@answers("autoscalers.update", "regionAutoscalers.update")
def update(world: World, call: Call) -> Any:
    """Replace it."""
    return _change(world, call, patch=False)
