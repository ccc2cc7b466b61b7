"""Trying an image out: a throw-away fleet of one is made from it, tested, and gone afterwards.

The fleet's name says that it is one, and until when it may be there. So whoever sees it, without
any journal, can tell one that is left over by a killed process from one that is in use.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from attrs import evolve, field, frozen

from immutable.backend import Backend
from immutable.builders.contract import silent
from immutable.errors import FleetNotFound, ImmutableError, NothingToRecover
from immutable.fleet import Fleet
from immutable.images.redacting import redactor
from immutable.images.trials import BOOT, Stand, Trial, trial
from immutable.journal import Journal
from immutable.model import Clock, Limits, RolloutEnded
from immutable.trust import Artifact, ImageManifest, TestResult

__all__ = ["TryOrder", "expiry", "remove_fleet", "try_image"]

_NAME = re.compile(r"image-test-([0-9a-f]{8})-[0-9a-f]{6}")
_LIFETIME = 1800.0
_SPARE = 5.0
_REMOVAL = 900.0
"""Seconds that removing the fleet may take; then it is left to `immutable sweep`."""


@frozen
class TryOrder:
    """Who wants an image tried out, and how.

    Attributes:
        actor: On whose behalf, as claimed.
        template: How instances are launched, in the backend's own words.
        limits: How long an instance may take to boot; default the backend's.
        lifetime: Seconds that all tests together may take.
        environment: Variables that commands may see, with their values.
        say: Takes what happens, line by line, without any of those values.
    """

    actor: str | None = None
    template: Mapping[str, str] = field(factory=dict)
    limits: Limits | None = None
    lifetime: float = _LIFETIME
    environment: Mapping[str, str] = field(factory=dict, repr=False)
    say: Callable[[str], None] = silent


async def try_image(
    manifest: ImageManifest,
    artifact: Artifact,
    backend: Backend,
    place: Callable[[str], str],
    journal: Journal,
    clock: Clock,
    *,
    tests: Iterable[str] = (),
    order: TryOrder | None = None,
) -> ImageManifest:
    """Return the manifest with what the tests of an artifact have said.

    The fleet of one is removed whatever happens: also when this is cancelled. When the process is
    killed, it is left, and ``immutable sweep`` removes it once its time is over.

    Args:
        manifest: The image.
        artifact: Which of its artifacts is launched.
        backend: Where, opened.
        place: Returns the address of a fleet by its name.
        journal: Where the fleet's life is written down.
        clock: The wall clock.
        tests: What to test; default what its specification asks for, and always ``boot``.
        order: Who wants it, and how.

    Raises:
        InvalidValue: A test is none, or the backend can't make fleets.
        BackendError: The fleet can't be made.
    """
    order = order or TryOrder()
    words = dict.fromkeys([BOOT, *(tests or manifest.spec.tests)])
    trials = [trial(word) for word in words]
    until = int(clock.now() + order.lifetime)
    address = place(f"image-test-{until:08x}-{os.urandom(3).hex()}")
    bench = _Bench(artifact, backend, address, journal, clock, order)
    results = await bench.results(trials)
    others = [each for each in manifest.tests if each.artifact != artifact.address]
    return evolve(manifest, tests=(*others, *results))


def expiry(name: str) -> float | None:
    """Return when a throw-away fleet's time is over, in seconds since 1970.

    Args:
        name: The fleet's name.

    Returns:
        None for every other fleet.
    """
    match = _NAME.fullmatch(name)
    return float(int(match[1], 16)) if match else None


@frozen
class _Bench:
    """Where one artifact is tried out."""

    artifact: Artifact
    backend: Backend
    address: str
    journal: Journal
    clock: Clock
    order: TryOrder

    async def results(self, trials: list[Trial]) -> list[TestResult]:
        """Return what the tests said; the fleet is gone."""
        found: list[TestResult] = []
        self.order.say(f"launching {self.artifact} as {self.address}")
        try:
            async with asyncio.timeout(self.order.lifetime):
                await self._tested(trials, found)
        except TimeoutError:
            reason = f"all tests together took longer than {self.order.lifetime:g} s"
            found += [self._result(each, False, reason) for each in trials[len(found) :]]
        finally:
            await asyncio.shield(self._removed())
        return found

    async def _tested(self, trials: list[Trial], found: list[TestResult]) -> None:
        began = time.monotonic()
        make = Fleet.create(
            self.address,
            self.artifact.id,
            1,
            template=dict(self.order.template),
            limits=self._limits(),
            backend=self.backend,
            journal=self.journal,
            actor=self.order.actor,
            clock=self.clock,
        )
        try:
            async with make as fleet:
                stand = await self._stand(fleet)
                for each in trials:
                    found.append(self._result(each, *await each.run(stand), began))
                    began = time.monotonic()
        except RolloutEnded as error:
            found.append(self._result(trials[0], False, str(error), began))
            found += [self._result(each, False, "it did not boot") for each in trials[1:]]

    def _limits(self) -> Limits:
        """Return limits under which a first instance that hangs is not waited for twice."""
        limits = self.order.limits or self.backend.capabilities.limits
        if limits.progress_deadline is not None:
            return limits
        return evolve(limits, progress_deadline=limits.boot_timeout + limits.min_ready + _SPARE)

    async def _stand(self, fleet: Fleet) -> Stand:
        await fleet.state()
        said = " ".join(self.backend.notes(fleet.name))
        front = re.search(r"https?://[^\s/,;]+", said)
        safe = redactor(self.order.environment)
        return Stand(
            fleet.address,
            front[0] if front else "",
            self.artifact.id,
            self.order.environment,
            lambda line: self.order.say(safe(line)),
        )

    def _result(
        self, each: Trial, passed: bool, detail: str, began: float | None = None
    ) -> TestResult:
        took = 0 if began is None else round((time.monotonic() - began) * 1000)
        safe = redactor(self.order.environment)(detail)
        self.order.say(f"{each.word}: {'passed' if passed else 'FAILED'}, {safe}")
        return TestResult(each.word, passed, self.artifact.address, took, safe)

    async def _removed(self) -> None:
        try:
            async with asyncio.timeout(_REMOVAL):
                await remove_fleet(self.address, self.backend, self.journal, self.clock)
        except (ImmutableError, TimeoutError) as error:
            when = f"immutable sweep {self.address} removes it when its time is over"
            self.order.say(f"{self.address} could not be removed: {error}; {when}")
            raise
        self.order.say(f"{self.address} is gone")


async def remove_fleet(address: str, backend: Backend, journal: Journal, clock: Clock) -> bool:
    """Remove a throw-away fleet with all that it has; return whether it was there.

    A rollout that is unfinished on it is cancelled first; one that its first journal knew, and this
    one does not, is brought back to where it began.

    Raises:
        FleetBusy: Somebody else is at work on it.
        BackendError: It can't be removed.
    """
    with suppress(FleetNotFound):
        async with Fleet.connect(address, backend=backend, journal=journal, clock=clock) as fleet:
            for entry in await fleet.history():
                if not entry.status.ended:
                    rollout = await fleet.rollout(entry.rollout)
                    await rollout.cancel(reason="the fleet is thrown away")
            with suppress(RolloutEnded, NothingToRecover):
                # One that this journal doesn't know may hold the fleet for longer than its life.
                await fleet.recover(to_stable=True, reason="the fleet is thrown away")
            await fleet.delete()
            return True
    return False
