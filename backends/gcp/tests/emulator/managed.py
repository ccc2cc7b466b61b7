"""Methods about members of managed groups: listing, making, deleting, recreating, updating."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .calls import Call, answers
from .errors import NotEmulated, OperationFailed, invalid, required
from .groups import Group, Member
from .kinds import changed
from .managing import act, add, instance_link, recreate, remove
from .migs import both, found
from .names import NAME
from .paging import page
from .updating import ORDER, apply, needed

if TYPE_CHECKING:
    from .world import World

URL = re.compile(r"(?:https?://[^/]+/compute/v1/|/)?(?:projects/[^/]+/)?zones/([^/]+)/instances/([^/]+)")  # fmt: skip

MOST = 1000
"""So many instances a request, say the pages of deleteInstances and its like."""


def shown(world: World, group: Group, member: Member) -> dict[str, Any]:
    """A managed instance: no id and no status while there is no VM."""
    said: dict[str, Any] = {
        "name": member.name,
        "instance": instance_link(world, member),
        "currentAction": member.action,
        "version": {"instanceTemplate": member.template},
    }
    if member.version:
        said["version"]["name"] = member.version
    vm = member.vm
    if vm is not None and vm.id in world.lives.all:
        said["id"] = str(vm.id)
        said["instanceStatus"] = vm.status
        if health := _health(world, group, member):
            said["instanceHealth"] = [health]
    if member.errors:
        said["lastAttempt"] = {"errors": {"errors": member.errors}}
    return said


def _health(world: World, group: Group, member: Member) -> dict[str, str] | None:
    """By the autohealing health check, if there is one."""
    check = world.probing.check(group.healer) if group.healer else None
    if check is None or member.vm is None or member.vm.running is None:
        return None
    if member.vm.draining is not None:
        state = "DRAINING"
    else:
        healthy = world.probing.state(member.vm, check)
        state = {True: "HEALTHY", False: "UNHEALTHY", None: "UNKNOWN"}[healthy]
    return {"healthCheck": check.link, "detailedHealthState": state}


@answers(*both("listManagedInstances"))
def managed(world: World, call: Call) -> Any:
    """All members; in pages only where `listManagedInstancesResults` is PAGINATED."""
    group = found(world, call)
    told = [shown(world, group, member) for member in group.members.values()]
    paginated = group.data["listManagedInstancesResults"] == "PAGINATED"
    if not paginated and call.query.get("pageToken"):
        raise invalid("pageToken", call.query["pageToken"], "The group's results are PAGELESS.")
    return page(call, told, None, "managedInstances", pages=paginated)


@answers(*both("listErrors"))
def errors(world: World, call: Call) -> Any:
    """What went wrong with members; the newest first."""
    group = found(world, call)
    return page(call, list(reversed(group.errors)), None)


@answers(*both("listPerInstanceConfigs"))
def configs(world: World, call: Call) -> Any:
    """None: nothing here makes a per-instance config, so every member is stateless."""
    found(world, call)
    return page(call, [], None)


def _members(group: Group, call: Call) -> tuple[list[Member], list[str]]:
    """Members that a body names by URL, and what is none or leaves already.

    Raises:
        GoogleError: none, too many, or something that is no URL of an instance in these zones.
    """
    urls = call.body.get("instances", [])
    if not urls:
        raise required("instances")
    if len(urls) > MOST:
        raise invalid("instances", len(urls), f"At most {MOST} instances a request.")
    members, strangers = [], []
    for url in urls:
        parts = URL.fullmatch(url)
        if parts is None or parts[1] not in group.zones:
            raise invalid("instances", url, "No URL of an instance where the group is.")
        member = group.members.get(parts[2])
        if member is None or member.zone != parts[1] or not member.stays:
            strangers.append(url)
        else:
            members.append(member)
    return members, strangers


def _named(
    world: World, call: Call, do: Callable[[Group, list[Member]], None], *, skips: bool = False
) -> Any:
    """Do something with members that a body names, when the operation ends.

    With `skipInstancesOnValidationError` what is no member, or leaves already, is left out;
    without it, "the operation fails".
    """
    group = found(world, call)
    _members(group, call)

    def change() -> None:
        members, strangers = _members(group, call)
        if strangers and not (skips and call.body.get("skipInstancesOnValidationError")):
            said = f"Instance '{strangers[0]}' is not a member of '{group.resource.path}'."
            raise OperationFailed("CONDITION_NOT_MET", said, 412)
        do(group, members)
        act(world, group)

    return changed(world, call, group.resource, change)


@answers(*both("deleteInstances"))
def delete(world: World, call: Call) -> Any:
    """Delete members by URL; lowers the target size by as many as it deletes."""

    def do(group: Group, members: list[Member]) -> None:
        group.data["targetSize"] = max(0, group.target - len(members))
        for member in members:
            remove(world, group, member)

    return _named(world, call, do, skips=True)


@answers(*both("abandonInstances"))
def abandon(world: World, call: Call) -> Any:
    """Let members go as VMs of their own; lowers the target size."""

    def do(group: Group, members: list[Member]) -> None:
        group.data["targetSize"] = max(0, group.target - len(members))
        for member in members:
            member.action = "ABANDONING"

    return _named(world, call, do, skips=True)


@answers(*both("recreateInstances"))
def recreated(world: World, call: Call) -> Any:
    """Make members anew under their names, of the group's current configuration."""

    def do(group: Group, members: list[Member]) -> None:
        for member in members:
            recreate(world, group, member, drain=True, latest=True)

    return _named(world, call, do)


@answers(*both("applyUpdatesToInstances"))
def updates(world: World, call: Call) -> Any:
    """Bring members up to date that somebody names, or all of them."""
    group = found(world, call)
    least = call.body.get("minimalAction", "NONE")
    most = call.body.get("mostDisruptiveAllowedAction", "REPLACE")
    if call.body.get("allInstances"):
        if call.body.get("instances"):
            raise invalid("instances", "", "Not together with allInstances.")

        def change() -> None:
            _bring(world, group, group.live, least, most)
            act(world, group)

        return changed(world, call, group.resource, change)
    return _named(world, call, lambda g, members: _bring(world, g, members, least, most))


def _bring(world: World, group: Group, members: list[Member], least: str, most: str) -> None:
    old = group.outdated()
    for member in members:
        action = needed(group, member, old)
        if ORDER.index(action) > ORDER.index(most):
            said = f"Instance '{member.name}' needs {action}, and at most {most} is allowed."
            raise OperationFailed("CONDITION_NOT_MET", said, 412)
    for member in members:
        apply(world, group, member, least, most, old)


@answers(*both("createInstances"))
def create(world: World, call: Call) -> Any:
    """Make members with given names; raises the target size.

    Not with an autoscaler, and not where the update policy is PROACTIVE with SUBSTITUTE: names
    would not last ("Manually create VMs with specific names",
    https://cloud.google.com/compute/docs/instance-groups/add-remove-vms-in-mig#create_vms).
    """
    group = found(world, call)
    names = _names(group, call)

    def change() -> None:
        _may_create(world, group)
        if taken := [name for name in names if name in group.members]:
            said = f"Instance '{taken[0]}' already exists in '{group.resource.path}'."
            raise OperationFailed("CONDITION_NOT_MET", said, 412)
        for name in names:
            add(world, group, name)
        group.data["targetSize"] = group.target + len(names)
        act(world, group)

    return changed(world, call, group.resource, change)


def _names(group: Group, call: Call) -> list[str]:
    asked = call.body.get("instances", [])
    if not asked:
        raise required("instances")
    if len(asked) > MOST:
        raise invalid("instances", len(asked), f"At most {MOST} instances a request.")
    names = []
    for each in asked:
        if set(each) - {"name"}:
            raise NotEmulated("a per-instance config")
        if not NAME.fullmatch(each.get("name", "")):
            raise invalid("instances[].name", each.get("name"), "Must be a RFC 1035 name.")
        names.append(each["name"])
    if len(set(names)) < len(names):
        raise invalid("instances", names, "Names must differ.")
    return names


def _may_create(world: World, group: Group) -> None:
    policy = group.policy
    substitutes = policy.get("replacementMethod") == "SUBSTITUTE"
    why = ""
    if world.groups.autoscaled(group):
        why = "the group is autoscaled"
    elif policy["type"] == "PROACTIVE" and substitutes:
        why = "the update policy is PROACTIVE and SUBSTITUTE"
    if why:
        said = f"Instances can't be created with names in '{group.resource.path}': {why}."
        raise OperationFailed("CONDITION_NOT_MET", said, 412)
