"""What a fleet's supervisor answers: the contract's calls on groups, and those of its own.

Each is level-set, and refused to whoever doesn't hold the group. What changes is written down
before it is answered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from immutable.backend import (
    CapacityShortage,
    Conflict,
    FleetState,
    FrozenMap,
    Gone,
    Group,
    Hold,
    Invalid,
    Pool,
    QuotaExceeded,
    Revision,
    Throttled,
    Transient,
    from_json,
    to_json,
)
from immutable_local.records import FleetRecord
from immutable_local.routing import check, with_group, without_group
from immutable_local.rpc import Handler
from immutable_local.supervisor import Supervisor

__all__ = ["VERSION", "handlers", "waits"]

VERSION = 2
"""Of the calls between backend and supervisor; a supervisor of another version is replaced."""

_AGAIN = 1.0


@frozen
class _Caller:
    """On whose behalf a call is made."""

    rollout: str
    plan: str
    fence: int

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> _Caller:
        return cls(arguments["rollout"], arguments["plan"], arguments["fence"])


class _Calls:
    """The calls, on one fleet."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    @property
    def _record(self) -> FleetRecord:
        return self._supervisor.record

    def _group(self, arguments: Mapping[str, Any], *, owned: bool = True) -> Group:
        number = arguments["revision"]
        group = self._record.group(number)
        if group is None:
            raise Gone(f"fleet {self._record.name} has no group of r{number}")
        if owned:
            self._check(group, _Caller.of(arguments))
        return group

    def _check(self, group: Group, caller: _Caller) -> None:
        hold = _alive(group.hold)
        if hold is None:
            return
        if hold.rollout != caller.rollout:
            raise Conflict(f"r{group.number} is held by {hold.rollout}", owner=hold.rollout)
        if hold.fence > caller.fence:
            raise Conflict(f"lease {caller.fence} is older than {hold.fence}", owner=hold.rollout)

    async def _put(
        self,
        group: Group,
        leaving: Mapping[str, float] | None = None,
        slots: tuple[str, ...] | None = None,
    ) -> None:
        """Write a group down that has changed, with those who leave from now on, and new slots."""
        record = evolve(
            self._record,
            groups=tuple(
                group if each.number == group.number else each for each in self._record.groups
            ),
            leaving=FrozenMap({**self._record.leaving, **(leaving or {})}),
            slots=self._record.slots if slots is None else slots,
        )
        await self._supervisor.change(record)

    # -- calls ---------------------------------------------------------------------------------

    async def hello(self, _: Mapping[str, Any]) -> Any:
        """Say which version this is."""
        return VERSION

    async def observe(self, _: Mapping[str, Any]) -> Any:
        """Return what there is, and what somebody should know."""
        cursor = self._supervisor.changes.cursor  # First: what happens meanwhile is to be told.
        groups = tuple(
            evolve(_told(group), trouble=self._supervisor.trouble(group.number))
            for group in self._record.groups
        )
        state = FleetState(
            fleet=self._record.name,
            at=time.time(),
            groups=groups,
            instances=self._supervisor.instances(),
            last_revision=self._record.last_revision,
            cursor=cursor,
            volumes=self._record.volumes,
            slots=await self._supervisor.slots.seen(self._record, self._supervisor.holders()),
        )
        return {"state": to_json(state), "notices": list(self._record.notices)}

    async def changed(self, arguments: Mapping[str, Any]) -> None:
        """Return when `observe` would tell anything else."""
        await self._supervisor.changes.since(arguments["since"])

    async def create_revision(self, arguments: Mapping[str, Any]) -> None:
        """Make the empty group of a new revision, held from its birth."""
        caller = _Caller.of(arguments)
        revision: Revision = from_json(Revision, arguments["new"])
        there = self._record.group(revision.number)
        if there is not None:
            if there.rollout != caller.rollout:
                raise Conflict(
                    f"r{revision.number} belongs to {there.rollout}", owner=there.rollout
                )
            return
        if self._record.last_revision >= revision.number:
            raise Conflict(f"number {revision.number} has been given out")
        until = arguments["until"]
        hold = Hold(caller.rollout, caller.fence, until, caller.plan, size=0, minimum=0)
        group = Group(
            revision,
            size=0,
            pool=Pool(arguments["pool"]),
            hold=hold,
            rollout=caller.rollout,
            plan=caller.plan,
        )
        groups = with_group(self._record.groups, group)
        record = evolve(
            self._record,
            groups=tuple(sorted(groups, key=lambda each: each.number)),
            last_revision=revision.number,
        )
        await self._supervisor.change(record)

    async def grow(self, arguments: Mapping[str, Any]) -> int:
        """Raise a group's size."""
        group, size = self._group(arguments), arguments["size"]
        if group.size >= size:
            return group.size
        if group.size != arguments["expected"]:
            expected = arguments["expected"]
            raise Conflict(f"r{group.number} has size {group.size}, not {expected}")
        wanted = sum(each.size for each in self._record.groups) - group.size + size
        slots = await self._supervisor.slots.make(self._record, wanted)
        await self._put(evolve(group, size=size), slots=slots)
        return int(size)

    async def snapshot(self, arguments: Mapping[str, Any]) -> str:
        """Save a slot that nobody holds."""
        for group in self._record.groups:
            self._check(group, _Caller.of(arguments))
        supervisor = self._supervisor
        return await supervisor.slots.save(self._record, arguments["slot"], supervisor.holders())

    async def settle(self, arguments: Mapping[str, Any]) -> int:
        """Lower a group's size to its members."""
        group = self._group(arguments)
        size = min(group.size, len(self._supervisor.live(group.number)))
        await self._put(evolve(group, size=size))
        return size

    async def retire(self, arguments: Mapping[str, Any]) -> int:
        """Lower the size by the members that are new to this, and let them drain."""
        group = self._group(arguments)
        live = set(self._supervisor.live(group.number))
        until = time.time() + arguments["drain_timeout"]
        leaving = {name: until for name in arguments["ids"] if name in live}
        size = max(0, group.size - len(leaving))
        await self._put(evolve(group, size=size), leaving)
        return size

    async def route(self, arguments: Mapping[str, Any]) -> None:
        """Set the whole table of weights."""
        groups, caller = self._record.groups, _Caller.of(arguments)
        weights = {int(number): weight for number, weight in arguments["weights"].items()}
        for group in groups:
            if group.number in weights:
                self._check(group, caller)
        check(groups, weights)
        if len(groups) == 1 or weights == self._record.weights:
            return
        ready = {number for number in weights if self._supervisor.ready(number)}
        for number, weight in weights.items():
            if weight > 0 and ready and number not in ready:
                raise Invalid(f"no member of r{number} is READY: it can't take {weight:g} %")
        routed = tuple(evolve(group, weight=float(weights[group.number])) for group in groups)
        await self._supervisor.change(evolve(self._record, groups=routed))

    async def traffic(self, _: Mapping[str, Any]) -> Any:
        """Return what went through to each instance."""
        return to_json(await self._supervisor.traffic())

    async def delete_revision(self, arguments: Mapping[str, Any]) -> None:
        """Remove an empty group."""
        group, caller = self._group(arguments), _Caller.of(arguments)
        members = [each for each in self._supervisor.instances() if each.revision == group.number]
        if group.size or members:
            raise Conflict(f"r{group.number} has members")
        if caller.rollout not in (group.rollout, group.hold.rollout if group.hold else None):
            raise Conflict(f"r{group.number} belongs to {group.rollout}", owner=group.rollout)
        rest = without_group(self._record.groups, group.number)
        await self._supervisor.change(evolve(self._record, groups=rest))

    async def hold(self, arguments: Mapping[str, Any]) -> None:
        """Write the holder and the end of the hold on the group."""
        group, caller = self._group(arguments), _Caller.of(arguments)
        old = group.hold
        size = old.size if old is not None and old.rollout == caller.rollout else group.size
        hold = Hold(
            caller.rollout,
            caller.fence,
            arguments["until"],
            caller.plan,
            size=size,
            minimum=group.minimum,
        )
        await self._put(evolve(group, hold=hold))

    async def release(self, arguments: Mapping[str, Any]) -> None:
        """End the hold."""
        await self._put(evolve(self._group(arguments), hold=None))

    async def quit(self, _: Mapping[str, Any]) -> None:
        """Stop, and leave everything running."""
        self._supervisor.stop()

    async def delete(self, _: Mapping[str, Any]) -> None:
        """End the balancer of an empty fleet, and stop."""
        if self._supervisor.instances() or any(group.size for group in self._record.groups):
            raise Conflict(f"fleet {self._record.name} has members")
        await self._supervisor.remove()
        self._supervisor.stop()


def _alive(hold: Hold | None) -> Hold | None:
    return hold if hold is not None and hold.until > time.time() else None


def _told(group: Group) -> Group:
    """Return a group as observers see it: a hold that is over binds nobody."""
    alive = _alive(group.hold)
    return evolve(group, hold=alive, lapsed=None if alive else group.hold)


def handlers(supervisor: Supervisor) -> dict[str, Handler]:
    """Return what answers each call."""
    calls = _Calls(supervisor)

    def changing(handler: Handler) -> Handler:
        """Let nobody else change the record between the handler's look at it and its change."""

        async def alone(arguments: dict[str, Any]) -> Any:
            async with supervisor.changing:
                return await handler(arguments)

        return alone

    def busy(handler: Handler) -> Handler:
        """The same; a full disk is no lack of room for instances: nothing happened, ask again."""

        async def alone(arguments: dict[str, Any]) -> Any:
            try:
                return await changing(handler)(arguments)
            except (CapacityShortage, QuotaExceeded) as error:
                raise Throttled(error.message, retry_after=_AGAIN) from error

        return alone

    def published(handler: Handler) -> Handler:
        """Answer only when the balancer does what was written down."""

        async def done(arguments: dict[str, Any]) -> Any:
            answer = await handler(arguments)
            if not await supervisor.publish():
                raise Transient("the load balancer can't be told its members' weights")
            return answer

        return done

    return {
        "hello": calls.hello,
        "observe": calls.observe,
        "create_revision": busy(calls.create_revision),
        "grow": changing(calls.grow),
        "snapshot": calls.snapshot,
        "settle": busy(calls.settle),
        "retire": busy(calls.retire),
        "route": published(busy(calls.route)),
        "traffic": calls.traffic,
        "delete_revision": published(busy(calls.delete_revision)),
        "hold": busy(calls.hold),
        "release": busy(calls.release),
        "quit": calls.quit,
        "delete": changing(calls.delete),
    }


def waits(supervisor: Supervisor) -> dict[str, Handler]:
    """Return what answers calls that last as long as who calls stays."""
    return {"changed": _Calls(supervisor).changed}
