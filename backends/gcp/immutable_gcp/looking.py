"""Looking at a fleet: a number of requests that grows with groups and pages only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from attrs import define, field

from immutable.backend import (
    FleetState,
    Gone,
    Image,
    Instance,
    Invalid,
    Revision,
    Transient,
    from_json,
)
from immutable.toolkit.lasting import Lasting
from immutable.toolkit.requests import read_listed, together
from immutable.toolkit.sights import Sight, remembered
from immutable.toolkit.weights import shares
from immutable_gcp.calls import Answer, Calls
from immutable_gcp.copying import REVISION_KEY
from immutable_gcp.names import group_name, last_part, scope_of
from immutable_gcp.pools import Pools
from immutable_gcp.reading import (
    Described,
    exists,
    group_of,
    instance_of,
    is_leaving,
    live,
    member_at,
    moment,
    state_of,
    staying,
    trouble_of,
    zone_of,
)
from immutable_gcp.tables import path_of

__all__ = ["Eyes"]


_TORN = 5
"""So often a look begins anew because sizes changed while members were listed."""
_OUTDATED = (Gone, Invalid)
"""A group that was listed is gone meanwhile, or is out of its backend service."""

Healths = Mapping[str, Sequence[Mapping[str, str]] | None]


@define
class _Known:
    """What is remembered of a fleet; all of it can be had anew."""

    sights: dict[str, Sight] = field(factory=dict)
    odd: Lasting = field(factory=Lasting)


class Eyes:
    """How fleets are seen.

    Args:
        calls: The door to Compute Engine.
        staleness: Seconds by which an answer may be out of date.
        poll: Seconds between two looks.

    Attributes:
        pools: Which backend services groups are in.
    """

    def __init__(self, calls: Calls, staleness: float, poll: float) -> None:
        self._calls = calls
        self._patience = staleness + poll
        self._fleets: dict[str, _Known] = {}
        self._revisions: dict[str, Revision] = {}
        self._names: dict[tuple[str, int], str] = {}
        prefix = "region_" if calls.place.regional else ""
        self.managers = f"{prefix}instance_group_managers"
        self.autoscalers = f"{prefix}autoscalers"
        self.pools = Pools(calls, max(staleness, poll))

    # -- groups --------------------------------------------------------------------------------

    async def all(self) -> list[Described]:
        """Return every managed group of the place, whosever it is."""
        found = await self._calls.listed(self.managers, **self._calls.place.where)
        return [Described.of(group) for group in found]

    async def fleets(self) -> tuple[str, ...]:
        """Return the names of all fleets."""
        return tuple(sorted({g.marks.fleet for g in await self.all() if g.marks.revision}))

    async def groups(self, fleet: str) -> list[Described]:
        """Return the groups of a fleet.

        Raises:
            Gone: There is no such fleet.
        """
        found = [g for g in await self.all() if g.marks.fleet == fleet and g.marks.revision]
        if not found:
            place = f"{self._calls.place.project}/{self._calls.place.location}"
            raise Gone(f"no fleet {fleet} in {place}; adopt the group first, if it is one")
        for group in found:
            self._names[fleet, group.marks.revision] = group.name
        return sorted(found, key=lambda group: group.marks.revision)

    async def group(self, fleet: str, revision: int) -> Described:
        """Return one group as it is now.

        Raises:
            Gone: There is none.
        """
        name = self._names.get((fleet, revision), group_name(fleet, revision))
        group = await self.named(name)
        if group is not None and (group.marks.fleet, group.marks.revision) == (fleet, revision):
            return group
        for each in await self.groups(fleet):
            if each.marks.revision == revision:
                return each
        raise Gone(f"fleet {fleet} has no group of r{revision}")

    async def named(self, name: str) -> Described | None:
        """Return the group of that name, whosever it is; None when there is none."""
        try:
            found = await self._calls.ask(
                self.managers,
                "get",
                about=name,
                instance_group_manager=name,
                **self._calls.place.where,
            )
        except Gone:
            return None
        return Described.of(found)

    async def members(self, group: Described) -> list[Answer]:
        """Return a group's managed instances, those without a VM too."""
        return await self._calls.listed(
            self.managers,
            "list_managed_instances",
            instance_group_manager=group.name,
            **self._calls.place.where,
        )

    async def scalers(self) -> dict[str, Answer]:
        """Return the place's autoscalers, by the name of the group on which each acts."""
        found = await self._calls.listed(self.autoscalers, **self._calls.place.where)
        return {last_part(each["target"]): each for each in found}

    # -- the whole look ------------------------------------------------------------------------

    async def look(self, fleet: str) -> FleetState:
        """Return what there is of a fleet.

        Raises:
            Gone: There is no such fleet.
            Transient: A part of it can't be seen, or parts contradict each other.
        """
        return await read_listed(
            fleet,
            partial(self.groups, fleet),
            partial(self._look, fleet),
            torn=_OUTDATED,
            tries=_TORN,
        )

    async def _look(self, fleet: str, listed: list[Described]) -> FleetState:
        try:
            return await self._parts(fleet, listed)
        except _OUTDATED:
            self.pools.forget()
            raise

    async def _parts(self, fleet: str, listed: list[Described]) -> FleetState:
        known = self._fleets.setdefault(fleet, _Known())
        (groups, members, at), scalers = await together(self._whole(listed), self.scalers())
        revisions, pools = await together(
            self._all_revisions(groups),
            self.pools.of([group.instance_group for group in groups]),
        )
        self._check_sizes(known, groups, members)
        healths, _, weights = await together(
            self._healths(groups, pools),
            self._new_sights(known, groups, members),
            self._shares(groups, pools),
        )
        told = [
            group_of(
                group,
                revisions[group.id],
                scalers.get(group.name),
                at,
                trouble=trouble_of(members[group.name]),
                weight=weights.get(group.marks.revision),
            )
            for group in groups
        ]
        return FleetState(
            fleet=fleet,
            at=at,
            groups=tuple(told),
            instances=tuple(self._instances(known, groups, members, healths, at)),
            last_revision=max(max(g.marks.last[0], g.marks.revision) for g in groups),
        )

    # Size 3, then a retirement, then members a, b and c, of which c leaves: neither was ever true
    # together. Sizes 3 and 2 around the same members differ: read again. Sizes alike: believed.
    async def _whole(
        self, groups: list[Described]
    ) -> tuple[list[Described], dict[str, list[Answer]], float]:
        """Return groups with their members as they were at one time, and when that was."""
        fleet = groups[0].marks.fleet
        for _ in range(_TORN):
            at = self._calls.now()
            found = await together(*(self.members(group) for group in groups))
            members = dict(zip((group.name for group in groups), found, strict=True))
            if all(group.size == staying(members[group.name]) for group in groups):
                break
            again = await self.groups(fleet)
            if [(g.name, g.size) for g in again] == [(g.name, g.size) for g in groups]:
                groups = again
                break
            groups = again
        else:
            raise Transient(f"{fleet} changes faster than it can be looked at")
        return groups, members, at

    def _instances(
        self,
        known: _Known,
        groups: Sequence[Described],
        members: Mapping[str, Sequence[Answer]],
        healths: Healths,
        at: float,
    ) -> Iterable[Instance]:
        sights: dict[str, Sight] = {}
        for group in groups:
            told = healths[group.name]
            for member in members[group.name]:
                sight = known.sights.get(str(member.get("id")))
                if not exists(member) or sight is None:
                    continue  # It has no id that stays, or no stamp yet: it counts by the size.
                place = member_at(member["instance"])
                own = None if told is None else [each.get(place, "") for each in told]
                state = state_of(member, own, group.heals_by_check, sight)
                sight = sights[str(member["id"])] = sight.after(state, at)
                yield instance_of(member, group.marks.revision, state, sight)
        known.sights = remembered(known.sights, sights)

    def _check_sizes(
        self, known: _Known, groups: Sequence[Described], members: Mapping[str, Sequence[Answer]]
    ) -> None:
        """Refuse a size that the group's own members contradict, unless it stays so."""
        now = asyncio.get_running_loop().time()
        for group in groups:
            there = members[group.name]
            contradicts = group.size < live(there) and not any(map(is_leaving, there))
            lasts = known.odd.seconds(group.id, now, so=contradicts)
            if lasts is not None and lasts <= self._patience:
                raise Transient(
                    f"{group.name} is told with size {group.size} and {live(there)} members, of"
                    " which none leaves"
                )

    # -- parts of a look -----------------------------------------------------------------------

    async def _healths(
        self, groups: Sequence[Described], pools: Mapping[str, Sequence[Answer]]
    ) -> Healths:
        """Return each group's healths, one mapping a backend service; None for none."""
        asked = [
            (group.name, self.pools.health(service, group.instance_group))
            for group in groups
            for service in pools[group.instance_group]
        ]
        answers = await together(*(call for _, call in asked))
        told: dict[str, list[Mapping[str, str]] | None] = {group.name: None for group in groups}
        for (name, _), answer in zip(asked, answers, strict=True):
            told[name] = [*(told[name] or []), answer]
        return told

    async def _new_sights(
        self, known: _Known, groups: Sequence[Described], members: Mapping[str, Sequence[Answer]]
    ) -> None:
        """Ask about the members that nobody has seen before: when they were made."""
        wanted = {
            (zone_of(member["instance"]), str(group.group["base_instance_name"]))
            for group in groups
            for member in members[group.name]
            if exists(member) and str(member["id"]) not in known.sights
        }
        pages = await together(
            *(
                self._calls.listed("instances", zone=zone, filter=f'name eq "{base}-.*"')
                for zone, base in sorted(wanted)
            )
        )
        for each in (instance for page in pages for instance in page):
            cards = each.get("network_interfaces", ({},))
            address = str(cards[0].get("network_i_p", "")) if cards else ""
            sight = Sight(moment(each["creation_timestamp"]), address)
            known.sights.setdefault(str(each["id"]), sight)

    async def _shares(
        self, groups: Sequence[Described], pools: Mapping[str, Sequence[Answer]]
    ) -> dict[int, float]:
        services = {
            group.marks.revision: [each["self_link"] for each in pools[group.instance_group]]
            for group in groups
        }
        if len({link for links in services.values() for link in links}) < 2 or len(groups) < 2:
            return {}
        paths = {number: list(map(path_of, links)) for number, links in services.items()}
        return shares(paths, await self.pools.table(services))

    # -- what never changes --------------------------------------------------------------------

    async def _all_revisions(self, groups: Sequence[Described]) -> dict[str, Revision]:
        """Return each group's revision, by the group's id."""
        for group in groups:
            if group.id not in self._revisions:
                self._revisions[group.id] = await self._revision(group)
        return {group.id: self._revisions[group.id] for group in groups}

    async def _revision(self, group: Described) -> Revision:
        data = group.marks.image
        if data is None:
            template = await self.template(group.template)
            items = template.get("properties", {}).get("metadata", {}).get("items", ())
            text = next((i["value"] for i in items if i["key"] == REVISION_KEY), None)
            if text is None:
                # Somebody changed the template: the number is left, and what members start from.
                return Revision(group.marks.revision, Image.of_artifact("gcp", group.template))
            data = json.loads(text)
        revision: Revision = from_json(Revision, data)
        return revision

    async def template(self, link: str) -> Answer:
        """Return an instance template, global or regional."""
        where = scope_of(link)
        service = "region_instance_templates" if where else "instance_templates"
        name = last_part(link)
        return await self._calls.ask(service, "get", about=name, instance_template=name, **where)
