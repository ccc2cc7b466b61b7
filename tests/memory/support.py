"""A simulated cloud with one fleet, and short ways to ask and tell it things."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import wraps

from immutable import Image, Revision
from immutable.backend import Context, Group, Instance, InstanceState, Pool
from immutable.memory import Cloud, Laws, MemoryBackend, fixed
from immutable.testing import LoopClock, run

NAME = "web"
STARTING, READY, UNREADY, DRAINING, GONE = InstanceState
BOOT, DRAIN, TERMINATE = 20, 5, 10
LAWS = Laws(boot=fixed(BOOT), drain=fixed(DRAIN), terminate=fixed(TERMINATE))


def virtual(test):
    """Run a test on virtual time."""

    @wraps(test)
    def runs(*args, **named):
        run(test(*args, **named))

    return runs


def revision(number: int = 1, artifact: str = "v1") -> Revision:
    return Revision(number, Image.of_artifact("memory", artifact))


def context(rollout: str = "ours", fence: int = 1) -> Context:
    return Context(rollout=rollout, plan="plan", fence=fence, token="t", deadline=60)


class Place:
    """A cloud, a backend on it, and a fleet of *size* servers that have long been READY."""

    def __init__(self, size=3, *, laws=LAWS, stale=0.0, group=None, **settings):
        self.cloud = Cloud(LoopClock(), laws=laws, **settings)
        self.cloud.settled_fleet(NAME, group or Group(revision(), 0), size)
        self.cloud.faults.stale = stale
        self.backend = MemoryBackend(self.cloud)

    # -- what a rollout would do ---------------------------------------------------------------

    async def grow(self, size, *, expected, number=1, ctx=None):
        ctx = ctx or context()
        return await self.backend.grow(NAME, number, size, expected=expected, ctx=ctx)

    async def retire(self, *ids, number=1, drain_timeout=60, ctx=None):
        return await self.backend.retire(
            NAME, number, ids, drain_timeout=drain_timeout, ctx=ctx or context()
        )

    async def create(self, number=2, artifact="v2", *, until=None, ctx=None):
        end = self.now + 3600 if until is None else until
        new = revision(number, artifact)
        await self.backend.create_revision(NAME, new, Pool.SHARED, end, ctx or context())

    # -- what there is -------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.cloud.clock.now()

    async def members(self, state=None, number=None) -> list[Instance]:
        seen = (await self.backend.observe(NAME)).instances
        return [i for i in seen if state in (None, i.state) and number in (None, i.revision)]

    async def names(self, state=None, number=None) -> list[str]:
        return [each.id for each in await self.members(state, number)]

    async def states(self) -> Counter:
        return Counter(each.state for each in await self.members())

    async def group(self, number=1) -> Group:
        return (await self.backend.observe(NAME)).group(number)

    async def at(self, seconds: float) -> None:
        """Let time pass until so many seconds after the test's beginning."""
        await asyncio.sleep(seconds - asyncio.get_running_loop().time())
