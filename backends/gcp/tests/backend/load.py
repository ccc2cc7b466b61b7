"""Clients of a load balancer that try nothing twice, and time that waits for them.

Emulated time stands still but for steps, and no step is made while a request is under way that was
sent so many steps ago. So a draining time is as long for a request on a busy machine as on a fast
one: none can be cut off because this test was slow.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from attrs import define, field

from backends.local.tests.balancing.support import Visitor

STEP = 0.02
"""Seconds of the cloud that pass at once."""
OLDEST = 5
"""Steps for which a request may be under way."""


@define(eq=False)
class Load:
    """Requests of several kinds, all the time.

    Attributes:
        answers: How many were answered, by the instance template that the server was made of.
        kinds: The same by kind of request.
        failures: What was not answered with 200.
    """

    emulator: object
    host: str = field(init=False)
    port: int = field(init=False)
    answers: Counter = field(factory=Counter)
    kinds: Counter = field(factory=Counter)
    failures: list = field(factory=list)
    steps: int = 0
    under_way: Counter = field(factory=Counter)
    over: bool = False

    def __attrs_post_init__(self):
        address = urlsplit(self.emulator.front(url_map="front"))
        self.host, self.port = address.hostname, address.port

    @asynccontextmanager
    async def running(self):
        """Let them come, and time pass."""
        self.emulator.freeze()
        kinds = (self._keep, self._keep, self._new, self._slow, self._slow)
        async with asyncio.TaskGroup() as tasks:
            for kind in kinds:
                tasks.create_task(self._repeat(kind))
            tasks.create_task(self._pass())
            try:
                await self.more(20)
                yield self
            finally:
                self.over = True
        self.emulator.thaw()

    async def more(self, number):
        """Wait for so many more answers; who gave them."""
        before = Counter(self.answers)
        while (self.answers - before).total() < number:
            assert not self.failures, self.failures
            await asyncio.sleep(0.01)
        return self.answers - before

    async def _pass(self):
        while not self.over or self.under_way.total():
            if all(step > self.steps - OLDEST for step in +self.under_way):
                self.steps += 1
                await asyncio.to_thread(self.emulator.skip, seconds=STEP)
            await asyncio.sleep(0.005)

    async def _repeat(self, kind):
        while not self.over:
            try:
                await kind()
            except (OSError, EOFError, ValueError) as error:
                self.failures.append(f"{kind.__name__}: {error!r}")
            await asyncio.sleep(0.01)

    async def _ask(self, visitor, kind, path="/"):
        step = self.steps
        self.under_way[step] += 1
        try:
            reply = await visitor.get(path)
        finally:
            self.under_way[step] -= 1
        if reply.status == 200:
            self.answers[json.loads(reply.content)["template"]] += 1
            self.kinds[kind] += 1
        else:
            self.failures.append(f"{kind}: {reply.status} {reply.text}")

    async def _keep(self):
        async with Visitor.to(self) as visitor:
            for _ in range(20):
                await self._ask(visitor, "keep-alive")
                await asyncio.sleep(0.01)

    async def _new(self):
        async with Visitor.to(self) as visitor:
            await self._ask(visitor, "new")

    async def _slow(self):
        async with Visitor.to(self) as visitor:
            await self._ask(visitor, "slow", "/slow?40")
