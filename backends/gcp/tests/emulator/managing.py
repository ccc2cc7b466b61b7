"""What a managed group does by itself: keep its size, make, verify, heal, replace, even out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import GoogleError, OperationFailed
from .groups import BIRTH, Group, Member
from .lives import Vm
from .names import ROOT, link
from .store import Resource

if TYPE_CHECKING:
    from .world import World


def nudge(world: World, group: Group, seconds: float | None = None) -> None:
    """Let a group act soon; once, however often it is nudged."""
    wait = world.laws.reaction if seconds is None else seconds
    if group.timer is not None and not group.timer.cancelled:
        if group.timer.at <= world.clock.now() + wait:
            return
        group.timer.cancel()
    group.timer = world.clock.after(wait, _wake, world, group)


def _wake(world: World, group: Group) -> None:
    group.timer = None
    act(world, group)


def act(world: World, group: Group) -> None:
    """Look at every member, at the size, at versions, and do what is due."""
    from .updating import update

    for member in list(group.members.values()):
        _advance(world, group, member)
    if group.deletion is not None:
        if not group.members:
            done, group.deletion = group.deletion, None
            done()
            return
    else:
        update(world, group)
        _resize(world, group)
        _redistribute(world, group)
    busy = any(member.action != "NONE" for member in group.members.values())
    if group.healer and group.members:
        check = world.probing.check(group.healer)
        if check is not None:
            nudge(world, group, max(world.probing.interval(check), 0.01))
    elif busy:
        nudge(world, group, 0.1)


# -- one member -----------------------------------------------------------------------------------


def _advance(world: World, group: Group, member: Member) -> None:
    vm = member.vm
    here = vm is not None and vm.id in world.lives.all
    if member.action == "DELETING" or member.going:
        _see_off(world, group, member, here)
    elif member.action == "ABANDONING":
        if vm is not None:
            vm.owner = None
        del group.members[member.name]
    elif member.action in BIRTH and vm is None:
        if member.timer is None:
            member.timer = world.clock.after(world.laws.reaction, _make, world, group, member)
    elif vm is not None and (not here or vm.status in {"TERMINATED", "STOPPING"}):
        _repair(world, group, member, "defaultActionOnFailure")
    elif vm is not None and vm.status == "RUNNING":
        _verify(world, group, member, vm)


def _see_off(world: World, group: Group, member: Member, here: bool) -> None:
    """A VM has to be gone: then the member is, or gets another VM under the same name."""
    if here and member.vm is not None:
        return
    member.vm, member.going = None, False
    if member.action == "DELETING":
        del group.members[member.name]
    elif member.timer is None:
        member.timer = world.clock.after(world.laws.reaction, _make, world, group, member)


def _verify(world: World, group: Group, member: Member, vm: Vm) -> None:
    """VERIFYING until the autohealing health check says HEALTHY; then it is watched."""
    check = world.probing.check(group.healer) if group.healer else None
    if member.action in BIRTH | {"RESTARTING"}:
        member.action = "VERIFYING" if check else "NONE"
        member.proven = member.proven or check is None
    if check is None or vm.running is None:
        return
    healthy = world.probing.state(vm, check)
    if healthy:
        member.proven = True
        if member.action == "VERIFYING":
            member.action = "NONE"
    elif healthy is False:
        # During the initial delay failures are ignored, says initialDelaySec; not afterwards.
        delay = group.data["autoHealingPolicies"][0].get("initialDelaySec", 0) * world.laws.scale
        if world.clock.now() >= vm.running + delay and member.action in {"NONE", "VERIFYING"}:
            _repair(world, group, member, "onFailedHealthCheck")


def _repair(world: World, group: Group, member: Member, why: str) -> None:
    """Make it anew under its name, unless the lifecycle policy forbids that.

    "About repairing VMs for high availability"
    (https://cloud.google.com/compute/docs/instance-groups/about-repair).
    """
    policy = group.data.get("instanceLifecyclePolicy", {})
    order = policy.get(why, "DEFAULT_ACTION")
    if order == "DEFAULT_ACTION":
        order = policy.get("defaultActionOnFailure", "REPAIR")
    if order == "REPAIR":
        recreate(world, group, member, drain=False, latest=policy.get("forceUpdateOnRepair") == "YES")  # fmt: skip


def recreate(world: World, group: Group, member: Member, *, drain: bool, latest: bool) -> None:
    """Give a member another VM under its name; `latest`: of the group's current version."""
    if latest:
        old = member in group.outdated()
        member.template, member.version = group.next_version() if old else (member.template, member.version)  # fmt: skip
    member.action, member.going = "RECREATING", True
    _part(world, group, member, drain=drain)


def remove(world: World, group: Group, member: Member) -> None:
    """Delete a member for good; whoever calls has seen to the size."""
    member.action = "DELETING"
    _part(world, group, member, drain=True)


def _part(world: World, group: Group, member: Member, *, drain: bool) -> None:
    """Drain a member's VM, if it serves, and shut it down."""
    if member.timer is not None:
        member.timer.cancel()
        member.timer = None
    vm = member.vm
    if vm is None or vm.id not in world.lives.all:
        nudge(world, group, 0.0)
        return
    seconds = draining(world, group) if drain and vm.status == "RUNNING" else 0.0
    if seconds:
        vm.draining = world.clock.now()
        seconds += world.chances.draw(world.laws.after_drain)
    world.clock.after(seconds, world.lives.delete, vm)


def draining(world: World, group: Group) -> float:
    """How long the backend services that the group belongs to let requests end."""
    told = [
        service.data.get("connectionDraining", {}).get("drainingTimeoutSec", 0)
        for service in world.store.of("backendServices")
        if any(b["group"] == group.instance_group for b in service.data.get("backends", []))
    ]
    return float(max(told, default=0)) * world.laws.scale


def _make(world: World, group: Group, member: Member) -> None:
    """Try to make a member's VM; what goes wrong is told, and tried again."""
    member.timer = None
    try:
        data = properties(world, group, member)
        name = member.template.rpartition("/")[2]
        member.vm = world.lives.create(member.zone, member.name, data, name, group.resource.path)
    except (OperationFailed, GoogleError) as error:
        _failed(world, group, member, error)
    else:
        member.config, member.errors, member.proven = group.config, [], False
    nudge(world, group, 0.0)


def _failed(world: World, group: Group, member: Member, error: Exception) -> None:
    code = error.code if isinstance(error, OperationFailed) else "INVALID_USAGE"
    if isinstance(error, GoogleError) and error.status in {404, 409}:
        code = "RESOURCE_NOT_FOUND" if error.status == 404 else "RESOURCE_ALREADY_EXISTS"
    member.errors = [{"code": code, "message": str(error)}]
    group.errors.append(
        {
            "error": member.errors[0],
            "timestamp": world.stamp(world.clock.now()),
            "instanceActionDetails": {
                "action": member.action,
                "instance": instance_link(world, member),
                "version": {"instanceTemplate": member.template, "name": member.version},
            },
        }
    )
    del group.errors[:-500]
    if member.action == "CREATING_WITHOUT_RETRIES":
        group.data["targetSize"] = group.target - 1
        del group.members[member.name]
    else:
        member.timer = world.clock.after(world.laws.retry, _make, world, group, member)


def instance_link(world: World, member: Member) -> str:
    """The URL that a member's VM has or will have."""
    return f"{ROOT}projects/{world.store.project}/zones/{member.zone}/instances/{member.name}"


def properties(world: World, group: Group, member: Member) -> dict[str, Any]:
    """The template's properties, with the all-instances configuration on top.

    "Override instance template properties with an all-instances configuration"
    (https://cloud.google.com/compute/docs/instance-groups/set-mig-aic).
    """
    template = world.store.at(link(member.template, "instanceTemplate", "instanceTemplates"))
    data = dict(template.data["properties"])
    more = group.data.get("allInstancesConfig", {}).get("properties", {})
    items = {i["key"]: i.get("value", "") for i in data.get("metadata", {}).get("items", [])}
    items |= more.get("metadata", {})
    items |= {"instance-template": template.path, "created-by": group.resource.path}
    data["metadata"] = {"items": [{"key": k, "value": v} for k, v in items.items()]}
    data["labels"] = data.get("labels", {}) | more.get("labels", {})
    return data


# -- the size -------------------------------------------------------------------------------------


def _resize(world: World, group: Group) -> None:
    """As many as the target says; an update may have some more of them for a while."""
    from .updating import surge

    live = len(group.live)
    short = group.target - live
    if group.policy["type"] == "PROACTIVE":  # Those that leave count against maxSurge.
        short = min(short, group.target + group.limits()[0] - len(group.members))
    for _ in range(short):
        add(world, group)
    for _ in range(live - group.target - surge(group)):
        remove(world, group, _victim(world, group))


def add(world: World, group: Group, name: str | None = None, action: str = "CREATING") -> Member:
    """A new member, CREATING: it has a name and no VM yet."""
    template, version = group.next_version()
    zone = group.next_zone(world.supply.fits)
    stem = group.data["baseInstanceName"]
    while name is None or name in group.members:
        name = f"{stem}-{world.chances.word(4)}"
    member = Member(name, zone, template, version, action)
    group.members[name] = member
    member.timer = world.clock.after(world.laws.reaction, _make, world, group, member)
    return member


def _victim(world: World, group: Group) -> Member:
    """Whom a smaller size hits.

    "When resizing down, the group chooses arbitrarily", and looks at status, health, version and
    place (https://cloud.google.com/compute/docs/reference/rest/v1/instanceGroupManagers/resize). A
    regional group "always removes VMs from the zones with the largest number"
    (https://cloud.google.com/compute/docs/instance-groups/regional-mig-rebalance-manually).
    """
    zones = group.spread()
    old = set(map(id, group.outdated()))
    check = world.probing.check(group.healer) if group.healer else None

    def key(member: Member) -> tuple[int, bool, bool, bool, int]:
        vm = member.vm
        runs = vm is not None and vm.status == "RUNNING"
        well = runs and (check is None or bool(vm and world.probing.state(vm, check)))
        return (-zones[member.zone], runs, well, id(member) not in old, world.chances.number(9))

    return min(group.live, key=key)


def _redistribute(world: World, group: Group) -> None:
    """Proactive redistribution: a regional group that is uneven deletes in its fullest zone.

    updatePolicy.instanceRedistributionType: PROACTIVE (default), or NONE. The distribution is even when no two zones differ by more than one.
    """
    off = group.policy.get("instanceRedistributionType") == "NONE"
    shape = group.data.get("distributionPolicy", {}).get("targetShape")
    if not group.regional or shape != "EVEN" or off:
        return
    if any(member.action != "NONE" for member in group.members.values()):
        return
    counts = group.spread()
    fullest = max(group.zones, key=lambda zone: counts[zone])
    if group.uneven():
        remove(world, group, next(m for m in group.live if m.zone == fullest))


def template_at(world: World, value: str, field: str) -> Resource:
    """The template of a link.

    Raises:
        GoogleError: there is none.
    """
    return world.store.at(link(value, field, "instanceTemplates"))
