"""A fleet's twin on the simulated cloud: what was observed, and how the backend is known to be."""

from __future__ import annotations

from collections import Counter
from itertools import count

from attrs import evolve, frozen

from immutable.backend import Capabilities, FleetState, Instance, InstanceState
from immutable.memory import Behaviour, Cloud, Laws, MemoryBackend
from immutable.memory.parts import SimulatedFleet, SimulatedGroup, SimulatedServer
from immutable.simulation.spans import Spans

__all__ = ["Twin", "built", "settle"]


@frozen
class Twin:
    """All that a rehearsal knows of the fleet and its cloud.

    Attributes:
        state: The fleet as it was observed.
        able: What the backend says that it can do.
        spans: How long things take.
        traffic: Requests per second that the fleet gets; 0 when unknown.
        errors: The share of requests that fail in stable.
    """

    state: FleetState
    able: Capabilities
    spans: Spans
    traffic: float = 0.0
    errors: float = 0.0


def built(twin: Twin, cloud: Cloud) -> MemoryBackend:
    """Settle the twin on *cloud*, and return the backend that it is driven by.

    It says that it can do what the twin's own backend can.
    """
    able, spans = twin.able, twin.spans
    cloud.laws = Laws(spans.boot, spans.drain, spans.terminate)
    cloud.rates.launches, cloud.rates.terminations = able.launches, able.terminations
    cloud.heals, cloud.feed.on = able.heals, able.changes
    cloud.faults.stale = able.staleness
    if twin.errors:
        for group in twin.state.groups:
            cloud.behaviours[group.revision.image.artifact] = Behaviour(errors=twin.errors)
    fleet = settle(cloud, twin.state)
    fleet.clients.rate, fleet.clients.by_zone, fleet.clients.at = twin.traffic, True, cloud.at
    backend = MemoryBackend(cloud)
    backend.capabilities = able
    return backend


def settle(cloud: Cloud, state: FleetState) -> SimulatedFleet:
    """Put a fleet on *cloud* as it was observed, with its servers' lives going on from there.

    Args:
        cloud: The cloud; its time is the observation's.
        state: The observation, a complete one.
    """
    fleet = cloud.fleets[state.fleet] = SimulatedFleet(
        state.fleet, last_revision=state.last_revision
    )
    for shown in state.groups:
        fleet.groups[shown.number] = SimulatedGroup(shown)
    cloud.names = (f"twin-{number:06d}" for number in count(1))
    for each in state.instances:
        if each.revision in fleet.groups and each.state is not InstanceState.GONE:
            _place(cloud, fleet, each)
    fleet.reset_marks()
    cloud.remember()
    return fleet


def _place(cloud: Cloud, fleet: SimulatedFleet, seen: Instance) -> None:
    group = fleet.groups[seen.revision]
    leaving = seen.state is InstanceState.DRAINING
    # What is leaving leaves from here on: nobody has seen since when.
    first = evolve(seen, state=InstanceState.UNREADY) if leaving else seen
    fleet.servers[seen.id] = SimulatedServer(first, group)
    group.live += 1
    group.zones[seen.zone] += 1
    cloud.used[seen.zone] += 1
    if seen.state is InstanceState.READY:
        fleet.ready += 1
        fleet.serving.setdefault(seen.revision, Counter())[seen.zone] += 1
    elif seen.state is InstanceState.STARTING:
        rest = max(0.0, cloud.laws.boot(cloud.random) - (cloud.at - seen.launched_at))
        cloud.after(
            rest,
            lambda: cloud.set_state(fleet, seen.id, InstanceState.READY, InstanceState.STARTING),
        )
    elif leaving:
        cloud.drain(fleet, seen.id, drain_timeout=cloud.laws.drain(cloud.random))
