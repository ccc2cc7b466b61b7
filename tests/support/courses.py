"""Rollouts on the simulated cloud in virtual time, and what a report makes of them."""

from __future__ import annotations

import asyncio

from attrs import evolve, frozen

from immutable import Fleet, Image, Limits, Revision, Rolling, open_journal
from immutable.backend import Group
from immutable.journal import Entry
from immutable.memory import Behaviour, Cloud, Laws, MemoryBackend, fixed, lognormal, vm
from immutable.model import Event, FleetState
from immutable.report.course import Course, course
from immutable.testing import LoopClock

LIMITS = Limits(max_surge="25%", min_ready=5, boot_timeout=300, drain_timeout=60)
SPREAD = Laws(boot=vm(75), drain=lognormal(15, 0.5), terminate=lognormal(20, 0.3))


@frozen
class Played:
    """A rollout as its journal has it.

    Attributes:
        entry: Its line in the history.
        events: Its records.
        now: The time when they were read.
        state: The fleet then.
    """

    entry: Entry
    events: list[Event]
    now: float
    state: FleetState

    @property
    def course(self) -> Course:
        """What a report makes of it."""
        return course(self.entry, self.events, self.now)


async def played(
    strategy=Rolling(),  # noqa: B008  # A frozen value.
    *,
    size=8,
    errors=0.001,
    to="v2",
    actor="ada",
    reason="a patch",
    stop=None,
    abort=None,
    spread=False,
) -> Played:
    """Replace v1 in a fleet of *size*; look after *stop* seconds, or abort after *abort*.

    With *spread* servers take as long as virtual machines do, each for itself: many small batches.
    """
    clock = LoopClock()
    laws = SPREAD if spread else Laws(boot=fixed(20), drain=fixed(5), terminate=fixed(5))
    cloud = Cloud(clock, laws=laws, seed=1)
    cloud.settled_fleet("web", Group(Revision(1, Image.of_artifact("memory", "v1")), 0), size)
    cloud.fleets["web"].clients.rate = 400.0
    cloud.behaviours["v1"] = Behaviour(errors=0.001)
    cloud.behaviours["v2"] = Behaviour(errors=errors)
    backend = MemoryBackend(cloud)
    backend.capabilities = evolve(
        backend.capabilities, limits=LIMITS, weighted_traffic=True, boot=20.0
    )
    journal = await open_journal(":memory:", clock=clock)
    how = {"backend": backend, "journal": journal, "clock": clock, "actor": actor}
    try:
        async with Fleet.connect("memory://web", **how) as web:
            rollout = web.apply(await web.plan(to, strategy), reason=reason)
            ending = asyncio.ensure_future(rollout.end())
            await asyncio.wait({ending}, timeout=abort or stop)
            if abort is not None:
                await rollout.abort(reason=f"{reason}, not this one")
                await ending
            entry = (await journal.entries(rollout=rollout.id))[-1]
            events = await journal.events(rollout.id)
            return Played(entry, events, clock.now(), await web.state())
    finally:
        await journal.close()
