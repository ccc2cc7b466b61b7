"""How long a fleet's servers took to boot, as far as anybody has written it down.

Three sources, the best first:

1. The ends of earlier rollouts: each keeps how long its servers took from launch to READY, and
   how long those that it retired took to be gone.
2. The servers that are there: launched when, READY since when. One that was not READY for a while
   tells nothing: it can't be told from one that booted slowly, so what took longer than
   ``boot_timeout`` is left out.
3. Rollouts that were written down by earlier versions: the first server of each proved the image
   ``min_ready`` seconds after it was READY, and was asked for when the group was first grown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from immutable.backend import FleetState, InstanceState
from immutable.journal import Journal
from immutable.model import Event, Grow, Limits
from immutable.model.records import Ended, Intended, Proved
from immutable.simulation.spans import FEW

__all__ = ["Known", "known_of", "probe_boots", "seen_boots"]

_ROLLOUTS = 10


@frozen
class Known:
    """What is known of a fleet's servers, in seconds.

    Attributes:
        boots: From launch to READY.
        source: Where they come from, in words.
        goings: From being sent to retire to being gone.
    """

    boots: tuple[float, ...]
    source: str
    goings: tuple[float, ...] = ()


async def known_of(journal: Journal, fleet: str, state: FleetState, limits: Limits) -> Known:
    """Return how long the fleet's servers took.

    Args:
        journal: Where the fleet's rollouts are written down.
        fleet: Its address.
        state: The fleet as it is now.
        limits: How long a boot may take.
    """
    entries = (await journal.entries(fleet=fleet))[-_ROLLOUTS:]
    histories = [await journal.events(entry.rollout) for entry in entries]
    ends = [each for events in histories for each in _ends(events)]
    kept = [boot for end in ends for boot in end.boots]
    goings = tuple(going for end in ends for going in end.goings)
    if len(kept) >= FEW:
        of = sum(bool(end.boots) for end in ends)
        return Known(tuple(kept), f"{len(kept)} boots of {of} rollouts in the journal", goings)
    seen = seen_boots(state, limits)
    if len(seen) >= FEW:
        return Known(seen, f"{len(seen)} boots, of the servers that are there", goings)
    pairs = zip(entries, histories, strict=True)
    probes = [b for entry, h in pairs for b in probe_boots(h, entry.plan.limits.min_ready)]
    told = tuple(boot for boot in probes if 0 < boot <= limits.boot_timeout)
    source = f"{len(told)} boots of first servers in the journal, as far as its records tell"
    return Known(told, source, goings)


def _ends(events: Iterable[Event]) -> list[Ended]:
    return [event.record for event in events if isinstance(event.record, Ended)]


def seen_boots(state: FleetState, limits: Limits) -> tuple[float, ...]:
    """Return how long the READY servers of an observation took from launch to READY."""
    boots = [
        each.ready_since - each.launched_at
        for each in state.instances
        if each.state is InstanceState.READY and each.ready_since is not None and each.launched_at
    ]
    return tuple(boot for boot in boots if 0 < boot <= limits.boot_timeout)


def probe_boots(events: Sequence[Event], min_ready: float) -> list[float]:
    """Return the boot that a rollout's first server had, if its records tell; to the nearest look.

    Args:
        events: Its records.
        min_ready: How long it had to be READY to prove the image.
    """
    asked: float | None = None
    for event in events:
        record = event.record
        if isinstance(record, Intended) and isinstance(record.action, Grow) and asked is None:
            asked = event.at
        elif isinstance(record, Proved) and asked is not None:
            return [event.at - asked - min_ready]
    return []
