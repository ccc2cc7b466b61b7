"""One rehearsal of a rollout: the engine itself on a twin of the fleet, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from random import Random

from attrs import evolve, field, frozen

from immutable.backend import Throttled
from immutable.engine.beginning import begin, take_over
from immutable.engine.driver import drive
from immutable.engine.keeper import Keeper
from immutable.engine.places import Place
from immutable.engine.retrying import jitter
from immutable.errors import BackendError, LeaseLost
from immutable.hooks import Hooks
from immutable.memory import Behaviour, Cloud, Fault, MemoryBackend, When
from immutable.memory.laws import LATENCY
from immutable.model import LoopClock, Plan, Status
from immutable.model.frozenmap import FrozenMap
from immutable.simulation.meter import Meter, Point
from immutable.simulation.notebook import Notebook
from immutable.simulation.scenarios import (
    Autoscaler,
    BadImage,
    ControllerCrash,
    LostAnswers,
    NoRoom,
    Scenario,
    Throttling,
)
from immutable.simulation.spans import Spans
from immutable.simulation.twin import Twin, built
from immutable.virtual import run

__all__ = ["Job", "Point", "Trial", "attempt"]

_LONGEST = 30 * 86_400.0
_CHANGES = ("grow", "settle", "retire", "route", "create_revision", "delete_revision", "hold")
_LEASE, _LONE_LEASE = 10.0, 3_600.0
"""A lease's life; of one that nobody else wants it is long, for a beat costs time."""


def _calls(value: Mapping[str, int]) -> FrozenMap[str, int]:
    return FrozenMap(dict(sorted(value.items())))


@frozen
class Trial:
    """What became of one trial.

    Attributes:
        number: Its number, from 0.
        end: ``succeeded``, ``rolled_back``, ``failed``, ``cancelled``; ``paused`` when it waits for
            somebody, which ends a trial; ``unfinished`` after 30 days.
        seconds: How long it took, what stable is kept for included.
        reason: Why it ended so; empty for a success.
        extra: Instance-seconds above the fleet's size at rest.
        calls: How often each method of the backend was called, attempts that failed included.
        lowest: The fewest READY servers at any time.
        exposed: Requests that the new image got; 0 without traffic.
        failed: How many of those failed.
        course: The fleet over time, of the trial that is shown; else empty.
    """

    number: int
    end: str
    seconds: float
    reason: str
    extra: float
    calls: FrozenMap[str, int] = field(converter=_calls)
    lowest: int
    exposed: float
    failed: float
    course: tuple[Point, ...] = ()


@frozen
class Job:
    """What all trials of a rehearsal have in common.

    Attributes:
        plan: What is carried out.
        twin: The fleet.
        scenarios: What goes wrong.
        seed: Equal seeds give equal trials.
    """

    plan: Plan
    twin: Twin
    scenarios: tuple[Scenario, ...]
    seed: int


def attempt(job: Job, number: int, *, keeps: bool = False) -> Trial:
    """Run a trial on an event loop of its own.

    Args:
        job: What is rehearsed.
        number: Which trial; each has chances of its own.
        keeps: Whether to keep its course.
    """
    return run(_Attempt(job, number, keeps).run())


class _Attempt:
    """One trial while it runs."""

    def __init__(self, job: Job, number: int, keeps: bool) -> None:
        self._job = job
        self._number = number
        self._keeps = keeps

    async def run(self) -> Trial:
        job, dice = self._job, Random(f"{self._job.seed}/{self._number}")  # noqa: S311
        jitter.set(Random(dice.getrandbits(64)))  # noqa: S311
        state = job.twin.state
        clock = LoopClock(state.at)
        zones = tuple(sorted({each.zone for each in state.instances})) or ("",)
        cloud = Cloud(clock, zones=zones, seed=dice.getrandbits(64))
        backend = built(job.twin, cloud)
        meter = Meter(
            cloud, cloud.fleets[state.fleet], job.plan.candidate.number, keeps=self._keeps
        )
        if job.twin.errors:
            usual = Behaviour(errors=job.twin.errors)
            cloud.behaviours[job.plan.candidate.image.artifact] = usual
        for scenario in job.scenarios:
            self._bring(scenario, cloud, meter)
        crash = next((each for each in job.scenarios if isinstance(each, ControllerCrash)), None)
        book = Notebook(clock, _LEASE if crash is not None else _LONE_LEASE)
        end, reason = await self._carried_out(backend, book, clock, crash)
        cloud.advance()
        meter.tick()
        return self._told(end, reason, cloud, meter)

    def _told(self, end: str, reason: str, cloud: Cloud, meter: Meter) -> Trial:
        job = self._job
        exposed = meter.served * job.twin.traffic
        behaviour = cloud.behaviours.get(job.plan.candidate.image.artifact, Behaviour())
        return Trial(
            number=self._number,
            end=end,
            seconds=round(asyncio.get_running_loop().time(), 3),
            reason=reason,
            extra=round(meter.extra, 3),
            calls=cloud.calls,
            lowest=meter.lowest,
            exposed=round(exposed, 3),
            failed=round(exposed * behaviour.errors, 3),
            course=meter.points() if self._keeps else (),
        )

    # -- what goes wrong -----------------------------------------------------------------------

    def _bring(self, scenario: Scenario, cloud: Cloud, meter: Meter) -> None:
        job = self._job
        match scenario:
            case BadImage():
                artifact = job.plan.candidate.image.artifact
                cloud.behaviours[artifact] = _behaviour(scenario, job.twin.spans)
            case NoRoom():
                _fill(scenario, cloud)
            case Throttling(share, wait):
                error = _throttled(wait)
                cloud.faults.add(Fault("*", error, When.BEFORE, times=None, chance=share))
            case LostAnswers(share):
                for call in _CHANGES:
                    lost = Fault(call, when=When.AFTER, times=None, chance=share)
                    cloud.faults.add(lost)
            case Autoscaler(to, after):

                def scale() -> None:
                    meter.tick()
                    meter.rest = to
                    fleet = cloud.fleets[job.twin.state.fleet]
                    number = job.plan.stable.number
                    if number not in fleet.groups:
                        number = max(fleet.groups)
                    cloud.resize(fleet.name, number, to)

                cloud.after(after, scale)

    # -- carrying it out -----------------------------------------------------------------------

    async def _carried_out(
        self,
        backend: MemoryBackend,
        book: Notebook,
        clock: LoopClock,
        crash: ControllerCrash | None,
    ) -> tuple[str, str]:
        driving = asyncio.ensure_future(self._drive(backend, book, clock, first=True))
        try:
            async with asyncio.timeout(_LONGEST):
                if crash is not None:
                    driving = await self._crashed(driving, backend, book, clock, crash)
                halted = asyncio.ensure_future(book.halted.wait())
                await asyncio.wait({driving, halted}, return_when=asyncio.FIRST_COMPLETED)
                halted.cancel()
                return await driving if driving.done() else ("paused", book.paused)
        except TimeoutError:
            return "unfinished", "it did not end within 30 days"
        finally:
            driving.cancel()
            await asyncio.gather(driving, return_exceptions=True)

    async def _crashed(
        self,
        driving: asyncio.Task[tuple[str, str]],
        backend: MemoryBackend,
        book: Notebook,
        clock: LoopClock,
        crash: ControllerCrash,
    ) -> asyncio.Task[tuple[str, str]]:
        """Let the first controller die, and return the one that takes its rollout up."""
        await asyncio.wait({driving}, timeout=crash.after)
        if driving.done():
            return driving
        book.kill()
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        await asyncio.sleep(crash.back_after)
        return asyncio.ensure_future(self._drive(backend, book, clock, first=False))

    async def _drive(
        self, backend: MemoryBackend, book: Notebook, clock: LoopClock, *, first: bool
    ) -> tuple[str, str]:
        plan, name = self._job.plan, self._job.twin.state.fleet
        keeper = Keeper(book)
        keeper.hooks = Hooks()  # Nothing of a trial is anybody's news.
        keeper.name = "first" if first else "second"
        try:
            if first:
                turn = await begin(
                    backend, name, book, clock, plan,
                    rollout="rehearsal", controller=keeper.name, actor="", reason="",
                )  # fmt: skip
            else:
                turn = await take_over(book, plan.fleet, keeper.name)
            place = Place()  # That it has for itself.
            place.limit(backend.capabilities.launches)
            result = await drive(backend, name, turn, keeper, clock, place)
        except (BackendError, LeaseLost) as error:
            return Status.FAILED.value, str(error)
        return result.status.value, result.reason


def _throttled(wait: float | None) -> Callable[[], BackendError]:
    return lambda: Throttled("too many calls", retry_after=wait)


def _behaviour(bad: BadImage, spans: Spans) -> Behaviour:
    boot, dies = spans.boot, bad.dies_after
    return Behaviour(
        ready=not bad.never_ready,
        boot=(lambda random: bad.slow_boot * boot(random)) if bad.slow_boot != 1 else None,
        errors=bad.errors,
        latency=evolve(LATENCY, mean=bad.slow * LATENCY.mean),
        dies_after=(lambda _: dies) if dies is not None else None,
    )


def _fill(full: NoRoom, cloud: Cloud) -> None:
    zones = (full.zone,) if full.zone else cloud.zones

    def begin_it() -> None:
        for zone in zones:
            cloud.capacity[zone] = 0

    def end_it() -> None:
        for zone in zones:
            cloud.capacity.pop(zone, None)

    cloud.after(full.after, begin_it)
    cloud.after(full.after + full.lasts, end_it)
