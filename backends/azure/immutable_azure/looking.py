"""Seeing a fleet: its sets, their members, what their load balancer and autoscaling say."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import evolve

from immutable.backend import (
    FleetState,
    Gone,
    Image,
    Instance,
    Invalid,
    Revision,
    Throttled,
    Transient,
    Trouble,
    from_json,
)
from immutable.toolkit.requests import read_listed, together
from immutable.toolkit.sights import Sight, remembered
from immutable_azure.balancing import weights_of
from immutable_azure.calls import MEMBERS, SETS, Calls
from immutable_azure.marks import Marks
from immutable_azure.names import key, member_name
from immutable_azure.pools import Pools
from immutable_azure.reading import (
    Described,
    created_at,
    group_of,
    instance_of,
    is_husk,
    is_leaving,
    member_id,
    nic_ids,
    size_of,
    state_of,
    trouble_of,
)
from immutable_azure.scaling import bounds_of, settings_of, target_of

__all__ = ["Eyes"]

_TRIES = 3
_MINUTE = 60.0
_SELDOM = 0.5
_OURS = "immutable"


class Eyes:
    """Sees fleets. What it remembers can't change, or may start anew.

    Args:
        calls: The door to Azure.
        staleness: How old what is seen may be, in seconds.

    Attributes:
        still: Holds of which this process knows that everything was stopped that fights with them.
    """

    def __init__(self, calls: Calls, staleness: float) -> None:
        self.calls = calls
        self.pools = Pools(calls)
        self._fresh = min(staleness, _MINUTE)
        self._sights: dict[str, dict[str, Sight]] = {}
        self._revisions: dict[str, Revision] = {}
        self._repairs: dict[str, tuple[float, str]] = {}
        self.still: set[str] = set()
        self._scaling: tuple[float, dict[str, Any]] | None = None

    # -- sets ----------------------------------------------------------------------------------

    async def sets(self) -> list[Described]:
        """Return all scale sets of the resource group that aren't being deleted."""
        place = self.calls.place.group
        found = await self.calls.pages(f"{SETS}.list", place, about=place)
        told = [Described(each, Marks.read(each.get("tags") or {})) for each in found]
        return [each for each in told if each.state != "deleting"]

    async def fleets(self) -> tuple[str, ...]:
        """Return the names of the fleets, sorted."""
        return tuple(sorted({each.marks.fleet for each in await self.sets() if each.marks.fleet}))

    async def groups(self, fleet: str) -> list[Described]:
        """Return the sets of a fleet, without their members.

        Raises:
            Gone: There is none.
        """
        found = [each for each in await self.sets() if each.marks.fleet == fleet]
        if not found:
            raise Gone(f"no fleet {fleet} in resource group {self.calls.place.group}")
        return sorted(found, key=lambda each: each.marks.revision)

    async def named(self, name: str) -> Described | None:
        """Return the set of a name as it is now, without members; None when there is none."""
        try:
            told = await self.calls.ask(f"{SETS}.get", self.calls.place.group, name, about=name)
        except Gone:
            return None
        described = Described(told, Marks.read(told.get("tags") or {}))
        return None if described.state == "deleting" else described

    async def group(self, fleet: str, revision: int) -> Described:
        """Return one set of a fleet, without members.

        Raises:
            Gone: There is none.
        """
        for each in await self.groups(fleet):
            if each.marks.revision == revision:
                return each
        raise Gone(f"fleet {fleet} has no scale set of r{revision}")

    async def members(self, group: Described) -> list[dict[str, Any]]:
        """Return the members of a set, with their instance views; those of a deletion too."""
        place = self.calls.place.group
        if group.flexible:
            found: list[dict[str, Any]] = await self.calls.pages(
                "compute.virtual_machines.list",
                place,
                about=group.name,
                filter=f"'virtualMachineScaleSet/id' eq '{group.id}'",
                expand="instanceView",
            )
            return found
        return await self.calls.pages(
            f"{MEMBERS}.list", place, group.name, about=group.name, expand="instanceView"
        )

    async def whole(self, fleet: str, revision: int) -> Described:
        """Return one set as it is now, with members that fit to what is told of it.

        Raises:
            Gone: There is none.
            Transient: It changes faster than it can be read.
        """
        group = await self.group(fleet, revision)
        for _ in range(_TRIES):
            members = await self.members(group)
            again = await self.named(group.name)
            if again is None or again.marks.fleet != fleet:
                raise Gone(f"scale set {group.name} is being deleted")
            if _alike(group, again):
                return evolve(again, members=members)
            group = again
        raise Transient(f"scale set {group.name} changes faster than it can be read")

    # -- the whole fleet -----------------------------------------------------------------------

    async def look(self, fleet: str) -> FleetState:
        """Return everything that there is of a fleet.

        Raises:
            Gone: There is none.
            Transient: What is told doesn't fit together.
        """
        return await read_listed(
            fleet, partial(self.groups, fleet), partial(self._look, fleet), tries=_TRIES
        )

    async def _look(self, fleet: str, listed: list[Described]) -> FleetState:
        groups = await self._consistent(fleet, listed)
        scaling = await self.scaling()
        revisions = await together(*(self.revision(each) for each in groups))
        pools = await self.pools.read(groups)
        ups = await together(*(self.pools.up(each, pools) for each in groups))
        weights = weights_of(groups, pools)
        troubles = await together(*(self._trouble(each) for each in groups))
        repairs = await together(*(self.repairs(each) for each in groups))
        at = self.calls.now()
        told, instances = [], []
        known, sights = self._sights.get(fleet, {}), dict[str, Sight]()
        for number, group in enumerate(groups):
            setting = scaling.get(key(group.id))
            told.append(
                group_of(
                    group,
                    revisions[number],
                    at,
                    bounds=bounds_of(setting, group.marks, at),
                    settings=settings_of(setting, group.marks, repairs[number]),
                    trouble=troubles[number],
                    weight=weights.get(group.marks.revision),
                )
            )
            instances += self._instances(group, ups[number], at, known, sights)
        self._sights[fleet] = remembered(known, sights)
        numbers = [max(each.marks.last[0], each.marks.revision) for each in groups]
        return FleetState(
            fleet,
            at,
            tuple(told),
            tuple(sorted(instances, key=lambda each: each.id)),
            last_revision=max(numbers),
        )

    async def _consistent(self, fleet: str, listed: list[Described]) -> list[Described]:
        """Return the sets with members; asked for once more if they changed meanwhile."""
        groups = listed
        for _ in range(_TRIES):
            members = await together(*(self.members(each) for each in groups))
            seen = [
                evolve(each, members=found) for each, found in zip(groups, members, strict=True)
            ]
            still = all(not each.marks.draining and not each.busy for each in groups)
            if still and all(_fits(each) for each in seen):
                return seen
            again = await self.groups(fleet)
            if len(again) == len(groups) and all(map(_alike, groups, again)):
                for each in seen:
                    if not _fits(each):
                        raise Transient(
                            f"scale set {each.name}: a capacity of {each.capacity} doesn't fit"
                            f" to {len(each.members)} members"
                        )
                return seen
            groups = again
        raise Transient(f"fleet {fleet} changes faster than it can be read")

    @staticmethod
    def _instances(
        group: Described,
        up: set[str] | None,
        at: float,
        known: Mapping[str, Sight],
        sights: dict[str, Sight],
    ) -> list[Instance]:
        found = []
        for member in group.members:
            if is_husk(member):
                continue
            name = member_id(member)
            sight = known.get(name) or Sight(created_at(member))
            state = state_of(
                member,
                draining=member_name(group.name, member) in group.marks.draining,
                watched=group.watched,
                probed=None if up is None else bool(up & set(nic_ids(member))),
                sight=sight,
            )
            sights[name] = sight.after(state, at)
            found.append(instance_of(member, group.marks.revision, state, sights[name]))
        return found

    async def _trouble(self, group: Described) -> Trouble | None:
        """Return why a set doesn't get its members: of a launch, or of the whole change."""
        for member in group.members:
            if is_husk(member):
                return trouble_of((member["properties"].get("instanceView") or {})["statuses"])
        if group.state != "failed":
            return None
        try:
            view = await self._view(group)
        except Throttled:
            return None  # It explains; the missing members are counted without it.
        return trouble_of(view.get("statuses") or ())

    async def repairs(self, group: Described, *, anew: bool = False) -> str:
        """Return the state of a set's automatic repairs; empty where there are none.

        Azure tells it in the instance view, of which it gives ten a minute and set.

        Args:
            group: The set.
            anew: Whether something is decided by it: then it is asked for, and not remembered.

        Raises:
            Throttled: It was to be asked for, and can't be now.
        """
        policy = group.properties.get("automaticRepairsPolicy") or {}
        if not policy.get("enabled"):
            return ""
        now, unique = asyncio.get_running_loop().time(), key(group.id)
        at, known = self._repairs.get(unique, (float("-inf"), "Running"))
        if not anew and now - at < max(self._fresh, _SELDOM):
            return known
        try:
            services = (await self._view(group)).get("orchestrationServices") or ()
        except Throttled:
            if anew:
                raise
            return known
        states = [e["serviceState"] for e in services if e["serviceName"] == "AutomaticRepairs"]
        found = str(states[0]) if states else "Running"
        self._repairs[unique] = now, found
        return found

    def forget_repairs(self, group: Described) -> None:
        """Ask for the state of a set's repairs at the next look: it was changed."""
        self._repairs.pop(key(group.id), None)

    async def _view(self, group: Described) -> Mapping[str, Any]:
        name = f"{SETS}.get_instance_view"
        told: Mapping[str, Any] = await self.calls.ask(
            name, self.calls.place.group, group.name, about=group.name
        )
        return told

    # -- what can't change, or changes seldom ---------------------------------------------------

    async def scaling(self, *, anew: bool = False) -> dict[str, Any]:
        """Return the resource group's autoscale settings by what they scale."""
        now = asyncio.get_running_loop().time()
        if self._scaling is not None and not anew and now - self._scaling[0] < self._fresh:
            return self._scaling[1]
        place = self.calls.place.group
        found = await self.calls.pages(
            "monitor.autoscale_settings.list_by_resource_group", place, about=place
        )
        told = {target_of(each): each for each in found}
        self._scaling = now, told
        return told

    async def permissions(self, place: str) -> list[Any]:
        """Return what the caller may do in a resource group.

        "Permissions - List For Resource Group", of Microsoft.Authorization.
        """
        above = f"/subscriptions/{self.calls.place.subscription}/resourceGroups/{place}"
        path = f"{above}/providers/Microsoft.Authorization/permissions"
        return await self.calls.read(path, "2022-04-01")

    async def revision(self, group: Described) -> Revision:
        """Return the revision of a set: from its tags, the configuration from its user data."""
        unique = f"{key(group.id)}/{group.properties.get('uniqueId', '')}"
        if unique not in self._revisions:
            self._revisions[unique] = await self._read_revision(group)
        return self._revisions[unique]

    async def _read_revision(self, group: Described) -> Revision:
        what = group.marks.what
        if not isinstance(what, dict):
            image = (group.profile.get("storageProfile") or {}).get("imageReference") or {}
            return Revision(group.marks.revision, Image.of_artifact("azure", str(image.get("id"))))
        if what.pop("configured", False):
            told = await self.user_data(group)
            try:
                what["config"] = json.loads(base64.b64decode(told))[_OURS]
            except (ValueError, KeyError, TypeError) as error:
                raise Invalid(f"scale set {group.name}: its user data isn't ours") from error
        found: Revision = from_json(Revision, what)
        return found

    async def user_data(self, group: Described) -> str:
        """Return a set's user data, in Base64; empty for none."""
        told = await self.calls.ask(
            f"{SETS}.get", self.calls.place.group, group.name, about=group.name, expand="userData"
        )
        profile = (told.get("properties") or {}).get("virtualMachineProfile") or {}
        return str(profile.get("userData") or "")


def _alike(one: Described, other: Described) -> bool:
    """Return whether nothing happened between two looks at a set that would change its size."""
    facts = [(each.name, each.etag, each.state, each.capacity) for each in (one, other)]
    return facts[0] == facts[1]


def _fits(group: Described) -> bool:
    """Return whether a set's size and its members can be true at the same time."""
    if group.marks.draining or group.busy or any(is_leaving(each) for each in group.members):
        return True
    live = sum(not is_husk(each) for each in group.members)
    return size_of(group) >= live
