"""How the conformance suite gets at the simulated cloud, past the backend on it."""

from __future__ import annotations

import asyncio

from attrs import evolve

from immutable import Image, Revision
from immutable.backend import (
    CapacityShortage,
    Denied,
    Group,
    InstanceState,
    Origin,
    QuotaExceeded,
    Throttled,
    Transient,
)
from immutable.memory import Cloud, Fault, Laws, MemoryBackend, When, fixed
from immutable.testing import Accessors, LoopClock, Mishap

LAWS = Laws(boot=fixed(20), drain=fixed(5), terminate=fixed(10))


class CutShort(MemoryBackend):
    """A cloud that takes members one by one, and can break off in between."""

    cut = False

    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        cut, self.cut = self.cut, False
        some = ids[: len(ids) // 2] if cut else ids
        left = await super().retire(fleet, revision, some, drain_timeout=drain_timeout, ctx=ctx)
        if cut:
            raise self.broken_off(ids[len(some) :])
        return left

    def broken_off(self, rest):
        return Transient(f"not begun: {', '.join(rest)}")


class MemoryAuthor(Accessors):
    """What the author of the memory backend declares."""

    url = "memory://{fleet}"
    release = "0.1"
    virtual = True

    def make(self, kind: type[MemoryBackend] = MemoryBackend, *, stale: float = 0.0):
        """Return a backend on a cloud of its own, which tells of changes."""
        whole = kind is MemoryBackend
        self.kind = CutShort if whole else type(kind.__name__, (kind, CutShort), {})
        self.cloud = Cloud(LoopClock(), laws=LAWS)
        self.cloud.images = {"v1", "v2"}
        self.cloud.faults.stale = stale
        self.cloud.feed.on = True
        self.made = self.kind(self.cloud)
        return self.made

    def second(self):
        return self.kind(self.cloud)

    # -- what there really is ------------------------------------------------------------------

    async def raw_members(self, fleet, revision):
        servers = self.cloud.fleets[fleet].servers.values()
        return {s.seen.id for s in servers if s.group.shown.number == revision}

    async def raw_serving(self, fleet):
        self.cloud.advance()
        servers = self.cloud.fleets[fleet].servers.values()
        return {s.seen.id for s in servers if s.seen.state is InstanceState.READY}

    async def raw_kept(self, fleet):
        return next((group.size for group in self.cloud.fleets[fleet].retired), None)

    async def raw_writers(self, fleet):
        self.cloud.advance()
        found = {}
        for server in self.cloud.fleets[fleet].servers.values():
            found.setdefault(server.seen.slot, set()).add(server.seen.id)
        return found

    async def send(self, fleet, count):
        self.cloud.advance()
        place, before = self.cloud.fleets[fleet], self._answered(fleet)
        place.clients.rate = count
        await asyncio.sleep(1)
        self.cloud.advance()
        after = self._answered(fleet)
        place.clients.rate = 0
        return {name: after[name] - before.get(name, 0) for name in after}

    def _answered(self, fleet):
        series = self.cloud.traffic(fleet).revisions.values()
        return {name: each.requests for members in series for name, each in members.items()}

    # -- what others do ------------------------------------------------------------------------

    async def raw_kill(self, fleet, instance):
        self.cloud.advance()
        self.cloud.kill(fleet, instance)

    async def raw_fail_health(self, fleet, instance):
        self.cloud.advance()
        self.cloud.set_state(self.cloud.fleets[fleet], instance, InstanceState.UNREADY)

    async def raw_resize(self, fleet, revision, size):
        self.cloud.resize(fleet, revision, size)

    async def raw_scale_in(self, fleet, revision):
        self.cloud.resize(fleet, revision, self.cloud.group(fleet, revision).shown.size - 1)

    async def raw_protect(self, fleet, instance):
        self.cloud.protect(fleet, instance)

    async def raw_bounds(self, fleet, revision, minimum, maximum):
        self.cloud.change(fleet, revision, minimum=minimum, maximum=maximum)

    async def raw_scaling(self, fleet, revision):
        self.cloud.change(fleet, revision, settings={"policy": "cpu 50 %"})

    async def raw_foreign_group(self, name, size):
        group = Group(Revision(1, Image.of_artifact("memory", "v1")), 0, origin=Origin.ADOPTED)
        self.cloud.add_fleet(name, group, size=size)

    async def raw_lose_volume(self, fleet, slot, volume):
        self.cloud.advance()
        del self.cloud.fleets[fleet].slots[slot].volumes[volume]
        self.cloud._remember(self.cloud.fleets[fleet])  # Late looks show it, late.

    async def raw_write(self, fleet, slot, volume, text):
        self.cloud.fleets[fleet].slots[slot].data[volume] = text

    async def raw_read(self, fleet, slot, volume):
        return self.cloud.fleets[fleet].slots[slot].data[volume]

    # -- what goes wrong -----------------------------------------------------------------------

    async def mishap(self, call, kind):
        errors = {
            Mishap.THROTTLED: lambda: Throttled("too many calls", retry_after=1),
            Mishap.SHORTAGE: lambda: CapacityShortage("no room in zone a", zone="a"),
            Mishap.QUOTA: lambda: QuotaExceeded("20 servers at most"),
            Mishap.DENIED: lambda: Denied(f"not allowed: {call}"),
            Mishap.MISSING_PAGE: lambda: Transient("page 2 of the members is missing"),
        }
        if kind in errors:
            self.cloud.faults.add(Fault(call, errors[kind]))
        elif kind is Mishap.PARTLY:
            self.made.cut = True
        elif kind is Mishap.LOST:
            self.cloud.faults.add(Fault(call, when=When.AFTER))
        elif kind is Mishap.LATE:
            self.cloud.faults.add(Fault(call, when=When.LATE, delay=self.late))
        else:
            await super().mishap(call, kind)

    async def no_room(self, fleet, full):
        self.cloud.capacity = dict.fromkeys(self.cloud.zones, 0) if full else {}

    async def slow_drains(self, fleet, seconds):
        self.cloud.laws = evolve(self.cloud.laws, drain=fixed(seconds))
