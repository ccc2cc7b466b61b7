"""A builder that does what a test tells it, and a journal on virtual time to build with."""

from __future__ import annotations

import asyncio

import pytest
from attrs import define, field

from immutable import open_journal
from immutable.builders import BuildJob, BuildRequest, Product
from immutable.images import BuildOrder, build_image
from immutable.testing import LoopClock, run
from immutable.trust import Artifact, ImageSpec


@define
class Kiln:
    """Bakes for as long as it is told; what it makes and leaves can be looked at."""

    seconds: float = 5.0
    error: BaseException | None = None
    cleanup_error: BaseException | None = None
    cleanup_seconds: float = 0.0
    there: bool = True
    says: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    known: list[str] = field(factory=list)
    tree: object = None
    jobs: list[BuildJob] = field(factory=list)
    cleaned: list[str] = field(factory=list)
    span: tuple[float, float] = (0.0, 0.0)
    hot: set[str] = field(factory=set)

    async def plan(self, request: BuildRequest) -> ImageSpec:
        return ImageSpec(
            request.name or "web", "1", "kiln:test", parameters=request.parameters,
            tests=request.tests,
        )  # fmt: skip

    async def build(self, job, context):
        self.jobs.append(job)
        self.hot.add(job.id)
        for line in self.says:
            context.say(line)
        for name in self.notes:
            context.note(name)
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        self.hot.discard(job.id)
        artifact = Artifact("memory", "", f"{job.spec.name}-{len(self.jobs)}")
        return Product((artifact,), {"kiln": "7"}, tree=self.tree)

    async def present(self, artifacts):
        return self.there

    async def cleanup(self, traces):
        await asyncio.sleep(self.cleanup_seconds)
        if self.cleanup_error is not None:
            raise self.cleanup_error
        self.cleaned.append(traces.build)
        self.known = list(traces.names)
        self.span = (traces.begun, traces.ended)
        self.hot.discard(traces.build)
        return (f"the fire of {traces.build}",)


@define
class Bench:
    """Builds with one journal, as often as a test likes."""

    where: str
    kiln: Kiln = field(factory=Kiln)
    log: list[str] = field(factory=list)

    async def build(self, journal, *, kiln=None, request=None, **order):
        asked = BuildOrder(actor="ada", builder="kiln", say=self.log.append, **order)
        return await build_image(
            kiln or self.kiln, request or BuildRequest("./web"), journal, LoopClock(), asked
        )

    def run(self, main):
        """Run a test with the opened journal, on virtual time."""

        async def opened():
            journal = await open_journal(self.where, clock=LoopClock())
            try:
                await main(journal)
            finally:
                await journal.close()

        run(opened())


@pytest.fixture
def bench(tmp_path):
    return Bench(str(tmp_path / "journal.db"))
