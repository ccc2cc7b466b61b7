"""Building an image once: looked up, entered, leased, made, written down.

The journal knows a build by its specification's digest. A finished one is not done again while what
it made is still there; an unfinished one that nobody works on is carried on; one that somebody
works on is left to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from attrs import evolve, field, frozen

from immutable.builders import BuildContext, Builder, BuildJob, BuildRequest, Product, Traces
from immutable.builders.contract import silent
from immutable.engine.beginning import new_rollout_id
from immutable.engine.keeper import controller_name
from immutable.errors import (
    BackendError,
    BuildBusy,
    BuildFailed,
    FleetBusy,
    ImmutableError,
    InvalidValue,
    LeaseLost,
)
from immutable.images.billing import bill_of_materials, digest_of_bytes
from immutable.images.inspecting import inspected
from immutable.images.leasing import leased
from immutable.images.noting import Notes, traces
from immutable.images.redacting import named, redactor
from immutable.journal import Build, Journal, Lease
from immutable.model import Clock, Status
from immutable.model.records import Built, Ended
from immutable.scanning import Exceptions
from immutable.trust import ImageManifest, ImageSpec

__all__ = ["BuildOrder", "BuiltImage", "build_image"]

_TIMEOUT = 2 * 3600.0
_CLEANUP = 300.0
"""Seconds that the removal of what a build left may take."""


@frozen
class BuildOrder:
    """Who wants a build, and how it is done.

    Attributes:
        actor: On whose behalf, as claimed.
        reason: Why, in the actor's words.
        builder: What the builder is called.
        place: Where it works, such as ``aws://eu-west-1``.
        again: Whether to build although there is an image of the same specification.
        timeout: Seconds that the builder may take.
        say: Takes the build's log, line by line, without any value of a secret variable.
        exceptions: Which findings of the scan for secrets somebody has answered for.
        scanned: Whether to refuse, too, what could not be scanned for secrets, or not wholly.
    """

    actor: str = ""
    reason: str = ""
    builder: str = "local"
    place: str = ""
    again: bool = False
    timeout: float = _TIMEOUT
    say: Callable[[str], None] = silent
    exceptions: Exceptions = field(factory=Exceptions)
    scanned: bool = False


@frozen
class BuiltImage:
    """An image that was built, now or before.

    Attributes:
        manifest: What it is.
        build: The identifier of the build that made it.
        reused: Whether an earlier build had made it.
        sbom: Its software bill of materials; empty where none was made, or it was made before.
    """

    manifest: ImageManifest
    build: str
    reused: bool = False
    sbom: bytes = field(default=b"", repr=False)


async def build_image(
    builder: Builder,
    request: BuildRequest,
    journal: Journal,
    clock: Clock,
    order: BuildOrder | None = None,
) -> BuiltImage:
    """Return the image that a request asks for, built unless there is one of its specification.

    Args:
        builder: What makes it.
        request: What is wanted.
        journal: Where it is written down.
        clock: The wall clock.
        order: Who wants it, and how it is done.

    Raises:
        SecretsFound: What it is to be made of holds some; nothing was begun.
        BuildFailed: It could not be made; what was begun is removed.
        BuildBusy: Somebody else is making the same image now.
        InvalidValue: The request makes no sense, or names a variable that is not set.
        BackendError: The source can't become an image.
        JournalError: The journal can't be read or written.
    """
    order = order or BuildOrder()
    values = named(request.environment)
    spec = await builder.plan(request)
    order.say(f"{spec} is {spec.digest}")
    if not order.again and (made := await _made(builder, journal, spec)) is not None:
        order.say(f"built before, by {made.build}: nothing to do")
        return made
    looked, wholly = order.exceptions, order.scanned
    scan = await inspected(builder, request, spec, looked, order.say, wholly=wholly)
    build, lease = await _entered(journal, clock, spec, order)
    safe = redactor(values)
    left = await traces(journal, build)
    notes = Notes(journal, lease, list(left.names))
    context = BuildContext(lambda line: order.say(safe(line)), notes.add, values)
    job = BuildJob(build.id, spec, request)
    work = _Work(builder, job, context, notes, journal, lease, clock, build.started_at, scan)
    return await work.done(order.timeout, safe, left if lease.fence > 1 else None)


async def _made(builder: Builder, journal: Journal, spec: ImageSpec) -> BuiltImage | None:
    """Return the image of a specification, if a build has made it and it is still there."""
    for build in reversed(await journal.builds(spec=spec.digest)):
        if build.status is not Status.SUCCEEDED:
            continue
        for event in await journal.events(build.id):
            if isinstance(event.record, Built):
                manifest = ImageManifest.load(event.record.manifest)
                there = await builder.present(manifest.artifacts)
                return BuiltImage(manifest, build.id, reused=True) if there else None
    return None


async def _entered(
    journal: Journal, clock: Clock, spec: ImageSpec, order: BuildOrder
) -> tuple[Build, Lease]:
    """Enter a build, or take over an unfinished one of the same specification.

    Raises:
        BuildBusy: Somebody works on it.
    """
    new = Build(
        id=new_rollout_id(clock),
        spec=spec.digest,
        name=spec.name,
        version=spec.version,
        builder=order.builder,
        actor=order.actor,
        reason=order.reason,
        place=order.place,
        started_at=clock.now(),
        controller=controller_name(),
    )
    try:
        for old in await journal.builds(spec=spec.digest, unfinished=True):
            lease = await journal.claim(old.id, new.controller)
            order.say(f"carrying on build {old.id}, which {old.controller} has left")
            return old, lease
        return new, await journal.begin_build(new)
    except FleetBusy as busy:
        raise BuildBusy(str(spec), busy.rollout) from busy


@frozen
class _Work:
    """A build that is this process's to do."""

    builder: Builder
    job: BuildJob
    context: BuildContext
    notes: Notes
    journal: Journal
    lease: Lease
    clock: Clock
    begun: float
    scan: tuple[str, ...]

    async def done(
        self, seconds: float, safe: Callable[[str], str], left: Traces | None
    ) -> BuiltImage:
        """Return the image; whatever happens, how it ended goes on record.

        Args:
            seconds: How long it may take.
            safe: Takes secrets out of a text.
            left: What is known of who had the build before, and was killed.
        """
        started = self.clock.now()
        try:
            async with leased(self.journal, self.lease):
                async with asyncio.timeout(seconds):
                    if left is not None:
                        await self._cleaned(left)
                    product = await self.builder.build(self.job, self.context)
                sbom = await bill_of_materials(product, self.context.say)
        except LeaseLost:
            raise  # It is somebody else's now, and so is what is left.
        except TimeoutError:
            reason = f"it took longer than {seconds:g} s"
            raise await self._failed(Status.FAILED, reason) from None
        except (BackendError, InvalidValue, OSError) as error:
            raise await self._failed(Status.FAILED, safe(str(error))) from error
        except BaseException as stop:
            await self._failed(Status.CANCELLED, f"stopped: {type(stop).__name__}")
            raise
        await self.notes.settled()
        manifest = self._manifest(product, sbom)
        ended = Ended(Status.SUCCEEDED, seconds=self.clock.now() - started)
        await self.journal.append(self.lease, [Built(manifest.dump().decode(), self.scan), ended])
        return BuiltImage(manifest, self.job.id, sbom=sbom)

    def _manifest(self, product: Product, sbom: bytes) -> ImageManifest:
        return ImageManifest(
            spec=self.job.spec,
            artifacts=product.artifacts,
            built_at=datetime.fromtimestamp(self.clock.now(), UTC),
            sbom=digest_of_bytes(sbom),
            tools=product.tools,
        )

    async def _failed(self, status: Status, reason: str) -> BuildFailed:
        """Remove what was begun, write down how it ended, and return what to raise."""
        failure = BuildFailed(str(self.job.spec), self.job.id, reason)
        return await asyncio.shield(self._ended(status, failure))

    async def _cleaned(self, left: Traces) -> None:
        """Remove what this build, or the process that had it before, has left."""
        for each in await self.builder.cleanup(left):
            self.context.say(f"removed {each}")

    async def _ended(self, status: Status, failure: BuildFailed) -> BuildFailed:
        now = self.clock.now()
        try:
            async with leased(self.journal, self.lease), asyncio.timeout(_CLEANUP):
                await self.notes.settled()
                await self._cleaned(Traces(self.job.id, self.notes.names, self.begun, now))
        except (ImmutableError, OSError, TimeoutError) as error:
            way_out = "immutable image sweep removes it"
            failure = evolve(failure, left=f"what it left is still there: {error}; {way_out}")
        left = (failure.left,) if failure.left else ()
        await self.journal.append(self.lease, [Ended(status, failure.reason, left)])
        return failure
