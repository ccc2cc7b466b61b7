"""Looking at a fleet: a number of requests that grows with pages and target groups only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any

from attrs import define, evolve, field

from immutable.backend import (
    FleetState,
    Gone,
    Image,
    Instance,
    InstanceState,
    Revision,
    Transient,
    Trouble,
    from_json,
)
from immutable.toolkit.lasting import Lasting
from immutable.toolkit.packing import unpack
from immutable.toolkit.requests import read_listed, together
from immutable.toolkit.sights import Sight, remembered
from immutable.toolkit.weights import shares
from immutable_aws.asking import healths_of, launched, slots_seen, terminated
from immutable_aws.calls import Calls
from immutable_aws.checks import Checks
from immutable_aws.marks import FLEET, PREFIX, Marks, Rule, tags_of
from immutable_aws.moving import NOBODY, moved, names_of
from immutable_aws.policies import Scalings
from immutable_aws.reading import (
    Described,
    group_of,
    instance_of,
    is_calm,
    is_leaving,
    live,
    moves,
    size_of,
    state_of,
    trouble_of,
)
from immutable_aws.scaling import settings
from immutable_aws.traffic import table_of

__all__ = ["WHOLE", "Eyes", "one_of", "rules_of"]

WHOLE = f"{PREFIX}whole"
"""Under this name a launch template's tags keep the whole revision."""

_TRIES = 4


@define
class _Known:
    """What is remembered of a fleet; all of it can be had anew."""

    checks: Checks
    looks: int = 0
    sights: dict[str, Sight] = field(factory=dict)
    short: Lasting = field(factory=Lasting)
    odd: Lasting = field(factory=Lasting)


class Eyes:
    """How fleets are seen.

    Args:
        calls: The door to AWS.
        staleness: Seconds by which an answer may be out of date.
        poll: Seconds between two looks.

    Attributes:
        cut: Members whose drain this process has cut short.
        delays: Deregistration delays in seconds, by target group, and when each was read.
        scalings: What scales the groups.
    """

    def __init__(self, calls: Calls, staleness: float, poll: float) -> None:
        self._calls = calls
        self._staleness = staleness
        self._poll = poll
        self._fleets: dict[str, _Known] = {}
        self._revisions: dict[str, Revision] = {}
        self.cut: set[str] = set()
        self.delays: dict[str, tuple[float, float]] = {}
        self.scalings = Scalings(calls)

    # -- groups --------------------------------------------------------------------------------

    async def groups(self, fleet: str) -> list[Described]:
        """Return the groups of a fleet, without those that are being deleted.

        Raises:
            Gone: There is no such fleet.
        """
        found = await self._described(Filters=[{"Name": f"tag:{FLEET}", "Values": [fleet]}])
        groups = [group for group in found if group.marks.fleet == fleet and group.marks.revision]
        if not groups:
            region = self._calls.place.region
            raise Gone(f"no fleet {fleet} in {region}; adopt the group first, if it is one")
        return sorted(groups, key=lambda group: group.marks.revision)

    async def named(self, name: str) -> Described | None:
        """Return the group of that name, whosever it is; None when there is none."""
        found = await self._described(AutoScalingGroupNames=[name])
        return found[0] if found else None

    async def fleets(self) -> tuple[str, ...]:
        """Return the names of all fleets."""
        found = await self._described(
            Filters=[{"Name": "tag-key", "Values": [FLEET]}], IncludeInstances=False
        )
        return tuple(sorted({group.marks.fleet for group in found if group.marks.revision}))

    async def _described(self, **question: Any) -> list[Described]:
        found = await self._calls.pages(
            "autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroups", **question
        )
        tagged = [(group, tags_of(group)) for group in found if not group.get("Status")]
        return [Described(group, tags, Marks.read(tags)) for group, tags in tagged]

    # -- the whole look ------------------------------------------------------------------------

    async def look(self, fleet: str, since: int | None = None) -> FleetState:
        """Return what there is of a fleet.

        Args:
            fleet: The fleet's name.
            since: The cursor of a look that this one goes on from: what scales groups is told as
                it was then, unless we have changed it.

        Raises:
            Gone: There is no such fleet.
            Transient: A part of it can't be seen, or parts contradict each other.
        """
        known = self._fleets.setdefault(fleet, _Known(Checks(self._calls, self._staleness)))
        goes_on = since is not None and since <= known.looks
        state = await read_listed(
            fleet,
            partial(self.groups, fleet),
            partial(self._look, fleet, known, inf if goes_on else self._staleness),
            tries=_TRIES,
        )
        known.looks += 1
        return evolve(state, cursor=known.looks)

    async def _look(
        self, fleet: str, known: _Known, age: float, first: list[Described]
    ) -> FleetState:
        groups, healths, at = await self._at_one_time(fleet, first)
        self._check_sizes(known, groups)
        revisions, _, scalings, troubles, table = await together(
            self.revisions(groups),
            self._new_sights(known, groups),
            together(*(self.scalings.read(group, age=age) for group in groups)),
            together(*(self._trouble(known, group) for group in groups)),
            self.table(groups),
        )
        ended = await self._ended(known, groups)
        pools = {group.marks.revision: group.target_groups for group in groups}
        weights = shares(pools, table or {})
        passed = await self._passed(known, groups)
        told = [
            group_of(
                group,
                revisions[group.arn],
                at,
                settings=settings(
                    group.group,
                    moved(scaling.policies, names_of(group), NOBODY),
                    scaling.schedules,
                    group.marks.saved,
                    group.marks.paused,
                ),
                trouble=trouble,
                weight=weights.get(group.marks.revision),
            )
            for group, scaling, trouble in zip(groups, scalings, troubles, strict=True)
        ]
        state = FleetState(
            fleet=fleet,
            at=at,
            groups=tuple(told),
            instances=tuple(
                each
                for each in self._instances(known, groups, healths, passed, at)
                if each.id not in ended
            ),
            last_revision=max(max(g.marks.last[0], g.marks.revision) for g in groups),
        )
        return await self._with_slots(state, groups)

    async def _with_slots(self, state: FleetState, groups: Sequence[Described]) -> FleetState:
        """Return a look with who has which slot; asked after the members, so all holders are known.

        Who got a slot in between is told with it, and who let go of one is without it: no slot is
        ever told of two.
        """
        volumes = next((g.marks.volumes for g in groups if g.marks.volumes), ())
        if not volumes:
            return state
        names = {name for group in groups for name in group.marks.slots}
        slots = await slots_seen(self._calls, state.fleet, names)
        held = {slot.holder: slot.name for slot in slots if slot.holder}
        members = tuple(evolve(each, slot=held.get(each.id, "")) for each in state.instances)
        return evolve(state, instances=members, volumes=volumes, slots=slots)

    async def _at_one_time(
        self, fleet: str, groups: list[Described]
    ) -> tuple[list[Described], dict[str, dict[str, str]], float]:
        """Return groups and the health of their members as they were together, and when.

        Two services tell them, one after the other. Somebody who is retired in between would be
        counted by the size and found draining. So while members move the groups are read again, and
        everything is if they have changed. Without target groups there is nothing to hold together.
        """
        at = self._calls.now()
        for _ in range(_TRIES):
            arns = {arn for group in groups for arn in group.target_groups}
            healths = await healths_of(self._calls, arns)
            if not arns or is_calm(groups, healths):
                break
            before, groups, at = groups, await self.groups(fleet), self._calls.now()
            if moves(before) == moves(groups):
                break
        return groups, healths, at

    def _instances(
        self,
        known: _Known,
        groups: Sequence[Described],
        healths: Mapping[str, Mapping[str, str]],
        passed: set[str],
        at: float,
    ) -> Iterable[Instance]:
        sights: dict[str, Sight] = {}
        for group in groups:
            for member in group.members:
                name = member["InstanceId"]
                sight = known.sights.get(name)
                if sight is None:
                    self._check_unseen(member)
                    continue  # EC2 doesn't show it yet: it counts by its group's size.
                told = [healths[arn].get(name, "") for arn in group.target_groups]
                has_pool = told if group.target_groups else None
                state = state_of(member, has_pool, name in passed, sight)
                sights[name] = sight.after(state, at)
                yield instance_of(member, group.marks.revision, state, sights[name])
        known.sights = remembered(known.sights, sights)

    @staticmethod
    def _check_unseen(member: Mapping[str, Any]) -> None:
        if member["LifecycleState"] == "InService":
            raise Transient(f"EC2 doesn't show {member['InstanceId']}, which is in service")

    def _check_sizes(self, known: _Known, groups: Sequence[Described]) -> None:
        """Refuse a size that its own members contradict, unless it stays so."""
        now = asyncio.get_running_loop().time()
        for group in groups:
            members = group.members
            contradicts = size_of(group) < live(members) == len(members)
            lasts = known.odd.seconds(group.arn, now, so=contradicts)
            if lasts is not None and lasts <= self._staleness + self._poll:
                raise Transient(
                    f"{group.name} is told with size {size_of(group)} and {len(members)} members,"
                    " of which none leaves"
                )

    # -- parts of a look -----------------------------------------------------------------------

    async def _new_sights(self, known: _Known, groups: Sequence[Described]) -> None:
        """Ask EC2 about the members that nobody has seen before: when they were launched."""
        members = [member["InstanceId"] for group in groups for member in group.members]
        new = [name for name in members if name not in known.sights]
        found = await launched(self._calls, new)
        # Another look may have replaced what is known meanwhile, and have seen more of them.
        known.sights = {**found, **known.sights}

    async def _passed(self, known: _Known, groups: Sequence[Described]) -> set[str]:
        """Return which members without a target group pass EC2's status checks."""
        serving = [
            member["InstanceId"]
            for group in groups
            for member in group.members
            if not group.target_groups and member["LifecycleState"] == "InService"
        ]
        return await known.checks.passed(serving)

    async def _ended(self, known: _Known, groups: Sequence[Described]) -> set[str]:
        """Return who is terminated, though the group still waits for the end of its drain.

        Only those are asked about whose drain somebody may have cut short: we, or whoever was here
        before this process.
        """
        doubtful = [
            member["InstanceId"]
            for group in groups
            for member in group.members
            if is_leaving(member) and self._is_doubtful(known, member["InstanceId"])
        ]
        return await terminated(self._calls, doubtful)

    def _is_doubtful(self, known: _Known, name: str) -> bool:
        sight = known.sights.get(name)
        return name in self.cut or (sight is not None and sight.first is InstanceState.DRAINING)

    async def _trouble(self, known: _Known, group: Described) -> Trouble | None:
        """Return why a group has been short of members for longer than a poll, if it is."""
        now = asyncio.get_running_loop().time()
        lasts = known.short.seconds(group.arn, now, so=size_of(group) > live(group.members))
        if lasts is None or lasts < self._poll:
            return None
        answer = await self._calls.ask(
            "autoscaling",
            "DescribeScalingActivities",
            about=group.name,
            AutoScalingGroupName=group.name,
            MaxRecords=20,
        )
        return trouble_of(answer.get("Activities", ()))

    # -- what never changes --------------------------------------------------------------------

    def born(self, group: Described, revision: Revision) -> None:
        """Note what a group is that has just been made: nothing about it needs to be read."""
        self._revisions[group.arn] = revision
        self.scalings.has_none(group)

    async def revisions(self, groups: Sequence[Described]) -> dict[str, Revision]:
        """Return each group's revision, by the group's ARN."""
        for group in groups:
            if group.arn not in self._revisions:
                self._revisions[group.arn] = await self._revision(group)
        return {group.arn: self._revisions[group.arn] for group in groups}

    async def _revision(self, group: Described) -> Revision:
        data = group.marks.image
        if data is None:
            answer = await self._calls.ask(
                "ec2",
                "DescribeLaunchTemplates",
                about=group.name,
                LaunchTemplateNames=[group.name],
            )
            (template,) = answer["LaunchTemplates"]
            data = unpack(WHOLE, tags_of(template))
        if data is None:
            # Somebody took the tags away: what is left is the number, and what it starts from.
            return Revision(group.marks.revision, Image.of_artifact("aws", group.name))
        revision: Revision = from_json(Revision, data)
        return revision

    async def table(self, groups: Sequence[Described]) -> dict[str, int] | None:
        """Return the weights of target groups as the load balancer has them; None without any."""
        rules = rules_of(groups)
        if not rules or len(groups) < 2:
            return None
        try:
            answer = await self._calls.ask(
                "elbv2", "DescribeRules", RuleArns=[rule.arn for rule in rules]
            )
        except Gone:
            return None  # Somebody removed a rule: nothing divides the traffic any more.
        # They are changed in this order: when the last one shows a table, all do.
        tables = {each["RuleArn"]: table_of(each["Actions"]) for each in answer["Rules"]}
        return tables.get(rules[-1].arn)


def one_of(groups: Iterable[Described], fleet: str, revision: int) -> Described:
    """Return the group of a revision.

    Raises:
        Gone: There is none.
    """
    for group in groups:
        if group.marks.revision == revision:
            return group
    raise Gone(f"fleet {fleet} has no group of r{revision}")


def rules_of(groups: Iterable[Described]) -> tuple[Rule, ...]:
    """Return the rules that divide a fleet's traffic, as its newest group knows them."""
    marked = [group.marks.rules for group in groups if group.marks.rules]
    return marked[-1] if marked else ()
