"""The contract on the simulated cloud; the reference for authors of backends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Self, TypeVar
from weakref import WeakKeyDictionary

from attrs import evolve

from immutable.backend import (
    Backend,
    BackendError,
    Capabilities,
    Clock,
    Conflict,
    Context,
    FleetState,
    FleetURL,
    Gone,
    Group,
    Hold,
    Image,
    ImageState,
    Inspection,
    InstanceState,
    Invalid,
    Limits,
    Origin,
    Plan,
    Pool,
    Problem,
    Reading,
    Retiring,
    Revision,
    Slot,
    Volume,
)
from immutable.errors import InvalidValue
from immutable.memory import slots
from immutable.memory.cloud import Cloud
from immutable.memory.faults import When
from immutable.memory.inspecting import inspection
from immutable.memory.parts import SimulatedGroup
from immutable.memory.volumes import check_same, shown
from immutable.memory.weights import check_table, first_weight
from immutable.model import LoopClock

__all__ = ["MemoryBackend"]

T = TypeVar("T")

# One world for each event loop, since each has a time of its own.
_worlds: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Cloud]] = WeakKeyDictionary()


class MemoryBackend(Backend):
    """Fleets in the memory of this process.

    ``memory://web`` and ``memory://lab/web`` are fleets of two clouds, each made when first
    named, and gone with the event loop. Pass a `Cloud` of your own to set its laws and faults.

    Args:
        cloud: The cloud to work on.
    """

    contract = 1
    capabilities = Capabilities(
        create_fleet=True,
        weighted_traffic=True,
        weight_step=0.1,
        traffic_stats=True,
        volumes=True,
        snapshots=True,
        boot=30.0,
        drain=5.0,
        terminate=10.0,
        limits=Limits(boot_timeout=120, drain_timeout=60),
    )

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.capabilities = evolve(
            type(self).capabilities,
            staleness=cloud.faults.stale,
            heals=cloud.heals,
            changes=cloud.feed.on,
            launches=cloud.rates.launches,
            terminations=cloud.rates.terminations,
        )

    @classmethod
    def from_url(cls, url: FleetURL, *, clock: Clock) -> Self:
        """Return a backend on the cloud that the URL's location names.

        Raises:
            InvalidValue: The URL has options: there are none.
        """
        if url.options:
            named = ", ".join(url.options)
            raise InvalidValue("url", named, "memory:// has no options", "leave them out")
        clouds = _worlds.setdefault(asyncio.get_running_loop(), {})
        if url.location not in clouds:
            clouds[url.location] = Cloud(LoopClock(clock.now()))
        return cls(clouds[url.location])

    async def open(self) -> None:
        """Do nothing: memory is there."""

    async def close(self) -> None:
        """Do nothing: the cloud stays for others."""

    async def fleets(self) -> tuple[str, ...]:
        """Return the names of the fleets."""
        return self._call("fleets", lambda: tuple(sorted(self.cloud.fleets)))

    async def observe(self, fleet: str, *, since: int | None = None) -> FleetState:
        """Return what there is, or what changed since a cursor."""
        return self._call("observe", lambda: self.cloud.look(fleet, since))

    async def changed(self, fleet: str, since: int) -> None:
        """Return when a fleet is not as the look with that cursor has told it."""
        await self.cloud.feed.changed(self._call("changed", lambda: self.cloud.fleet(fleet)), since)

    async def inspect(self, fleet: str) -> Inspection:
        """Compare every server with its group's revision."""
        cloud = self.cloud
        return self._call(
            "inspect", lambda: inspection(cloud.fleet(fleet), cloud.at, cloud.altered)
        )

    async def preflight(self, fleet: str, plan: Plan) -> tuple[Problem, ...]:
        """Look for the image and for room."""
        return self._call("preflight", lambda: self._problems(fleet, plan))

    def _problems(self, fleet: str, plan: Plan) -> tuple[Problem, ...]:
        images = dict.fromkeys(each.image.artifact for each in (plan.candidate, plan.stable))
        found = [
            Problem(f"image {each} is withdrawn", "restore it, or name another one")
            for each in images
            if not self.cloud.withdrawn.get(each, True)
        ]
        artifact = plan.candidate.image.artifact
        if not self._is_there(artifact):
            found.append(Problem(f"image {artifact} does not exist", "register it first"))
        own = Counter(server.seen.zone for server in self.cloud.fleet(fleet).servers.values())
        room, need = self.cloud.room.most(own), plan.bounds.ceiling
        if room is not None and room < need:
            found.append(Problem(f"room for {room} servers, {need} needed", "lower max_surge"))
        return tuple(found)

    async def resolve(self, reference: str) -> Image:
        """Return the image of that name; every name exists unless the cloud lists its images."""

        def look_up() -> Image:
            if not self._is_there(reference):
                there = ", ".join(sorted(self.cloud.images or ())) or "none"
                raise Invalid(f"no image {reference}; there are: {there}")
            launchable = self.cloud.withdrawn.get(reference)
            if launchable is False:
                raise Invalid(f"image {reference} is withdrawn; restore it, or name another one")
            state = ImageState.AVAILABLE if launchable is None else ImageState.DEPRECATED
            return evolve(Image.of_artifact("memory", reference), state=state)

        return self._call("resolve", look_up)

    def _is_there(self, artifact: str) -> bool:
        known = self.cloud.images
        return known is None or artifact in known

    async def create_revision(
        self, fleet: str, revision: Revision, pool: Pool, until: float, ctx: Context
    ) -> None:
        """Mark the number, then make the group, held from its birth."""

        def create() -> None:
            home = self.cloud.fleet(fleet)
            there = home.groups.get(revision.number)
            if there is not None:
                if there.shown.rollout != ctx.rollout:
                    owner = there.shown.rollout
                    raise Conflict(f"r{revision.number} belongs to rollout {owner}", owner=owner)
                return
            if home.last_revision >= revision.number:
                raise Conflict(f"number {revision.number} has been given out", owner=home.marked_by)
            home.marked_by = ctx.rollout
            pattern = max(home.groups.values(), key=lambda group: group.shown.size).shown
            weight = first_weight([group.shown for group in home.groups.values()], pool)
            home.last_revision = max(home.last_revision, revision.number)
            if weight is not None:
                for other in home.groups.values():
                    if other.shown.weight is None:
                        other.shown = evolve(other.shown, weight=100.0)
            home.groups[revision.number] = SimulatedGroup(
                Group(
                    revision,
                    size=0,
                    pool=pool,
                    weight=weight,
                    maximum=pattern.maximum,
                    hold=Hold(ctx.rollout, ctx.fence, until, ctx.plan, size=0, minimum=0),
                    rollout=ctx.rollout,
                    plan=ctx.plan,
                )
            )

        self._call("create_revision", create)

    async def grow(
        self, fleet: str, revision: int, size: int, *, expected: int, ctx: Context
    ) -> int:
        """Raise the size and launch what is missing."""

        def raise_size() -> int:
            group = self._owned(fleet, revision, ctx)
            found = group.shown.size
            if found >= size:
                return found
            if group.shown.maximum is not None and size > group.shown.maximum:
                raise Invalid(
                    f"r{revision} can't have {size} members, {group.shown.maximum} at most"
                )
            if found != expected:
                raise Conflict(f"r{revision} has size {found}, not {expected}")
            group.shown = evolve(group.shown, size=size)
            short = self.cloud.heal(self.cloud.fleet(fleet), group)
            if short is not None:
                raise short.error()
            return size

        return self._call("grow", raise_size)

    async def settle(self, fleet: str, revision: int, ctx: Context) -> int:
        """Lower the size to the live members."""

        def lower() -> int:
            group = self._owned(fleet, revision, ctx)
            group.shown = evolve(group.shown, size=min(group.shown.size, group.live))
            return group.shown.size

        return self._call("settle", lower)

    async def retire(
        self,
        fleet: str,
        revision: int,
        ids: tuple[str, ...],
        *,
        drain_timeout: float,
        ctx: Context,
    ) -> Retiring:
        """Lower the size and let the members drain; the rest happens by itself."""

        def drain() -> Retiring:
            group = self._owned(fleet, revision, ctx)
            home = self.cloud.fleet(fleet)
            leaving = [n for n in dict.fromkeys(ids) if self._is_member(fleet, group, n)]
            size = max(0, group.shown.size - len(leaving))
            minimum = min(group.shown.minimum, size)
            group.shown = evolve(group.shown, size=size, minimum=minimum)
            for name in leaving:
                self.cloud.drain(home, name, drain_timeout=drain_timeout)
            return Retiring(size)

        return self._call("retire", drain)

    def _is_member(self, fleet: str, group: SimulatedGroup, name: str) -> bool:
        server = self.cloud.fleet(fleet).servers.get(name)
        return (
            server is not None
            and server.group is group
            and server.seen.state is not InstanceState.DRAINING
        )

    async def route(self, fleet: str, weights: Mapping[int, float], ctx: Context) -> None:
        """Set all weights at once."""

        def set_weights() -> None:
            home = self.cloud.fleet(fleet)
            for group in home.groups.values():
                self.cloud.check(group, ctx.rollout, ctx.fence)
            told = {number: group.shown for number, group in home.groups.items()}
            states = home.servers.values()
            ready = {s.seen.revision for s in states if s.seen.state is InstanceState.READY}
            check_table(told, weights, ready, divides=self.capabilities.divides_traffic)
            if len(home.groups) == 1:
                return
            self.cloud.weigh(home, weights)

        self._call("route", set_weights)

    async def traffic(self, fleet: str) -> Reading:
        """Return what the simulated clients have asked, and what came of it."""
        return self._call("traffic", lambda: self.cloud.traffic(fleet))

    async def delete_revision(self, fleet: str, revision: int, ctx: Context) -> None:
        """Delete the group, or retire an adopted one at size 0."""

        def delete() -> None:
            group = self._owned(fleet, revision, ctx)
            home = self.cloud.fleet(fleet)
            if group.shown.size or any(s.group is group for s in home.servers.values()):
                raise Conflict(f"r{revision} has members")
            holder = group.shown.hold.rollout if group.shown.hold else None
            if ctx.rollout not in (group.shown.rollout, holder):
                owner = holder or group.shown.rollout
                raise Conflict(f"r{revision} belongs to rollout {owner}", owner=owner)
            del home.groups[revision]
            if len(home.groups) == 1:
                for rest in home.groups.values():
                    rest.shown = evolve(rest.shown, weight=None)
            if group.shown.origin is Origin.ADOPTED and not group.deletable:
                home.retired.append(evolve(group.shown, hold=None))

        self._call("delete_revision", delete)

    async def hold(self, fleet: str, revision: int, until: float, ctx: Context) -> None:
        """Write the holder and the end of the hold on the group."""

        def take() -> None:
            group = self.cloud.group(fleet, revision)
            self.cloud.own(group, Hold(ctx.rollout, ctx.fence, until, ctx.plan))

        self._call("hold", take)

    async def release(self, fleet: str, revision: int, ctx: Context) -> None:
        """Move bounds and settings here, then end the hold."""

        def let_go() -> None:
            self.cloud.release(self.cloud.fleet(fleet), self._owned(fleet, revision, ctx))

        self._call("release", let_go)

    async def create_fleet(self, fleet: str, revision: Revision) -> None:
        """Make an empty fleet."""
        self._call("create_fleet", lambda: self._make(fleet, revision, ()))

    async def delete_fleet(self, fleet: str) -> None:
        """Remove an empty fleet."""

        def delete() -> None:
            if self.cloud.fleet(fleet).servers:
                raise Conflict(f"fleet {fleet} has members")
            left = self.cloud.fleets.pop(fleet).slots
            if left:
                self.cloud.kept[fleet] = left

        self._call("delete_fleet", delete)

    async def create_stateful_fleet(
        self, fleet: str, revision: Revision, volumes: tuple[Volume, ...]
    ) -> None:
        """Make an empty fleet whose slots have volumes; those of an earlier one are taken over."""
        self._call("create_stateful_fleet", lambda: self._make(fleet, revision, volumes))

    def _make(self, fleet: str, revision: Revision, volumes: tuple[Volume, ...]) -> None:
        if fleet in self.cloud.fleets:
            raise Conflict(f"there is a fleet {fleet} already")
        if volumes:
            check_same(fleet, self.cloud.kept.get(fleet, {}), volumes)
        self.cloud.add_fleet(fleet, Group(revision, 0), volumes=volumes)

    async def snapshot(self, fleet: str, slot: str, ctx: Context) -> str:
        """Save a slot, at once."""
        return self._call("snapshot", lambda: slots.saved(self.cloud, fleet, slot, ctx))

    async def kept_slots(self, fleet: str) -> tuple[Slot, ...]:
        """Return the slots of a fleet, or of one that is deleted."""
        return self._call("kept_slots", lambda: shown(slots.slots_of(self.cloud, fleet)))

    async def slot_snapshots(self, fleet: str, slot: str) -> tuple[str, ...]:
        """Return the snapshots of a slot, the newest first."""
        return self._call("slot_snapshots", lambda: slots.snapshots_of(self.cloud, fleet, slot))

    async def restore_slot(self, fleet: str, slot: str, snapshot: str) -> None:
        """Bring a slot back to a snapshot, at once."""
        self._call("restore_slot", lambda: slots.restored(self.cloud, fleet, slot, snapshot))

    async def remove_slots(self, fleet: str, names: tuple[str, ...]) -> None:
        """Forget slots of a deleted fleet."""
        self._call("remove_slots", lambda: slots.remove(self.cloud, fleet, names))

    async def adopt_fleet(self, fleet: str, *, delete_when_replaced: bool) -> None:
        """Take a fleet whose one group was made by somebody else."""

        def adopt() -> None:
            groups = list(self.cloud.fleet(fleet).groups.values())
            if len(groups) != 1 or groups[0].shown.origin is not Origin.ADOPTED:
                raise Invalid(f"{fleet} is no single group that somebody else made")
            groups[0].deletable = delete_when_replaced

        self._call("adopt_fleet", adopt)

    def _owned(self, fleet: str, revision: int, ctx: Context) -> SimulatedGroup:
        group = self.cloud.group(fleet, revision)
        self.cloud.check(group, ctx.rollout, ctx.fence)
        return group

    async def withdraw_image(self, artifact: str, *, launchable: bool) -> bool:
        """Mark an image as deprecated, or let nothing be launched from it."""

        def withdraw() -> bool:
            self._known(artifact)
            before = self.cloud.withdrawn.get(artifact)
            self.cloud.withdrawn[artifact] = launchable and before is not False
            return self.cloud.withdrawn[artifact] is not before

        return self._call("withdraw_image", withdraw)

    async def restore_image(self, artifact: str) -> bool:
        """Let an image be as it was."""

        def restore() -> bool:
            self._known(artifact)
            return self.cloud.withdrawn.pop(artifact, None) is not None

        return self._call("restore_image", restore)

    def _known(self, artifact: str) -> None:
        if not self._is_there(artifact):
            raise Gone(f"no image {artifact}")

    def _call(self, name: str, effect: Callable[[], T]) -> T:
        cloud = self.cloud
        cloud.advance()
        cloud.calls[name] += 1
        cloud.rates.call(name, cloud.at)
        fault = cloud.faults.pick(name)
        if fault is None:
            return self._take(effect)
        if fault.when is When.AFTER:
            self._quietly(effect)
        elif fault.when is When.LATE:
            cloud.after(fault.delay, lambda: self._quietly(effect))
        raise fault.error()

    def _take(self, effect: Callable[[], T]) -> T:
        try:
            return effect()
        finally:
            self.cloud.remember()

    def _quietly(self, effect: Callable[[], object]) -> None:
        """Let a call take effect whose answer nobody will get."""
        with suppress(BackendError):
            self._take(effect)
