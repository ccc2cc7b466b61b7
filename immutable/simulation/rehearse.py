"""From a fleet and a plan to a rehearsal: looking, taking for granted, running, adding up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypedDict, Unpack

from attrs import evolve

from immutable.backend import Backend, Capabilities, FleetState, SupportsTraffic
from immutable.engine.retrying import patiently
from immutable.errors import InvalidValue
from immutable.journal import Journal
from immutable.model import Plan
from immutable.simulation.history import known_of
from immutable.simulation.preparing import analysed, rehearsable
from immutable.simulation.rehearsal import Rehearsal, median
from immutable.simulation.scenarios import BadImage, ControllerCrash, NoRoom, Scenario, parse
from immutable.simulation.spans import Spans
from immutable.simulation.trial import Job, attempt
from immutable.simulation.twin import Twin
from immutable.simulation.workers import default_workers, trials_of

__all__ = ["Rehearsing", "rehearse"]

_ATTEMPTS = 10
_MOST = 100_000
_ONCE = (BadImage, ControllerCrash)


class Rehearsing(TypedDict, total=False):
    """How a rehearsal is to be done; all of it may be left out.

    Attributes:
        trials: How many trials; default 100.
        spans: How long things take; default what the fleet's history tells.
        faults: What goes wrong, as values (`BadImage`) or in words (``"bad-image:errors=5%"``).
        traffic: Requests per second; default what the backend counts, looked at twice.
        seed: Equal seeds give equal trials; default 0.
        workers: How many processes; 0 for a thread of this one; default one for each core.
        told: Called with the number of trials that are done, on some thread.
    """

    trials: int
    spans: Spans | None
    faults: Iterable[Scenario | str]
    traffic: float | None
    seed: int
    workers: int | None
    told: Callable[[int], None] | None


async def rehearse(
    backend: Backend, journal: Journal, name: str, plan: Plan, **how: Unpack[Rehearsing]
) -> Rehearsal:
    """Rehearse *plan* and return what came of it. Touches nothing.

    Args:
        backend: Where the fleet lives.
        journal: Where its history is.
        name: Its name there.
        plan: What would be carried out.
        how: As in `Rehearsing`.

    Raises:
        InvalidValue: Something of *how* makes no sense.
        BackendError: The fleet can't be seen.
    """
    trials, workers, traffic = how.get("trials", 100), how.get("workers"), how.get("traffic")
    seed, spans, told = how.get("seed", 0), how.get("spans"), how.get("told")
    _check(trials, workers, traffic)
    state = await patiently(lambda: backend.observe(name), attempts=_ATTEMPTS)
    scenarios = _checked(how.get("faults", ()), state)
    able = backend.capabilities
    if spans is None:
        known = await known_of(journal, plan.fleet, state, plan.limits)
        spans = Spans.usual(able, known.boots, known.source, known.goings)
    rate, failing, said = await _traffic(backend, name, able, traffic)
    ready, assumed = rehearsable(plan)
    if analysed(plan):
        able = evolve(able, traffic_stats=True)
    job = Job(ready, Twin(state, able, spans, rate, failing), scenarios, seed)
    many = default_workers(trials) if workers is None else min(workers, trials)
    done = await trials_of(job, range(trials), workers=many, told=told)
    shown = await asyncio.get_running_loop().run_in_executor(
        None, lambda: attempt(job, median(done).number, keeps=True)
    )
    notes = (*assumed, *said)
    return Rehearsal(plan, spans, rate, scenarios, seed, notes, done, shown.course)


def _check(trials: int, workers: int | None, traffic: float | None) -> None:
    if not 1 <= trials <= _MOST:
        raise InvalidValue("trials", trials, f"between 1 and {_MOST:,} can be run", "pass 100")
    if workers is not None and workers < 0:
        raise InvalidValue("workers", workers, "not a number of processes", "pass 0 or more")
    if traffic is not None and traffic < 0:
        raise InvalidValue("traffic", traffic, "requests per second are not negative")


def _checked(faults: Iterable[Scenario | str], state: FleetState) -> tuple[Scenario, ...]:
    scenarios = tuple(parse(each) if isinstance(each, str) else each for each in faults)
    zones = sorted({each.zone for each in state.instances})
    for each in scenarios:
        if not isinstance(each, Scenario):
            raise InvalidValue("faults", each, "not a scenario", 'pass BadImage() or "bad-image"')
        if isinstance(each, NoRoom) and each.zone and each.zone not in zones:
            there = ", ".join(filter(None, zones)) or "none"
            raise InvalidValue("zone", each.zone, "the fleet has no server there", f"has: {there}")
    for kind in _ONCE:
        if sum(isinstance(each, kind) for each in scenarios) > 1:
            raise InvalidValue("faults", kind.__name__, "given twice", "put its fields into one")
    return scenarios


async def _traffic(
    backend: Backend, name: str, able: Capabilities, given: float | None
) -> tuple[float, float, tuple[str, ...]]:
    """Return requests per second, the share of them that fails, and how that was come by."""
    if given is not None:
        return given, 0.0, ()
    if not (able.traffic_stats and isinstance(backend, SupportsTraffic)):
        return (
            0.0,
            0.0,
            ("nobody asks the fleet: the backend counts no traffic, and none was given",),
        )
    began = asyncio.get_running_loop().time()
    first = await patiently(lambda: _counted(backend, name), attempts=_ATTEMPTS)
    await asyncio.sleep(max(1.0, able.poll))
    last = await patiently(lambda: _counted(backend, name), attempts=_ATTEMPTS)
    seconds = asyncio.get_running_loop().time() - began
    requests, errors = (max(0, b - a) for a, b in zip(first, last, strict=True))
    rate = requests / seconds
    return (
        rate,
        errors / requests if requests else 0.0,
        (f"traffic as counted for {seconds:.0f} s: {rate:.3g} requests a second",),
    )


async def _counted(backend: SupportsTraffic, name: str) -> tuple[int, int]:
    reading = await backend.traffic(name)
    every = [each for series in reading.revisions.values() for each in series.values()]
    return sum(each.requests for each in every), sum(each.errors for each in every)
