"""The life of one instance, from its launch to its end.

One coroutine, readable from top to bottom: start, ask until it serves, join the balancer, keep
asking; when it is to leave: drain, ask it to end, make it end. Whatever happens in between, when
its process is gone the life is over. After a crash of the supervisor a new one lives it on from
what is written down.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any, Protocol

from attrs import evolve

from immutable.backend import BackendError, InstanceState, Revision
from immutable_local import processes
from immutable_local.identities import Identity
from immutable_local.images import LocalImage
from immutable_local.launches import Isolation, Launch
from immutable_local.probing import serves
from immutable_local.records import InstanceRecord
from immutable_local.running import Process
from immutable_local.volumes import Grip

__all__ = ["House", "Life"]

_log = logging.getLogger("immutable_local")

_ASK_AGAIN = 0.03
_KEEP_ASKING = 1.0
_FAILURES = 3
_DRAINED = 0.05
_GRACE = 5.0


class House(Protocol):
    """What a life needs of the fleet that it is part of."""

    async def write(self, record: InstanceRecord) -> None:
        """Write a record down."""
        ...

    async def publish(self) -> bool:
        """Bring the balancer to the present membership; False when that doesn't work now."""
        ...

    async def in_flight(self, instance: str) -> int:
        """Return how many requests an instance has in flight."""
        ...

    def leaves_at(self, instance: str) -> float | None:
        """Return when an instance is to be gone at the latest; None while it stays."""
        ...


class Life:
    """One instance while it lives.

    Args:
        record: What it is.
        house: The fleet.

    Attributes:
        record: What it is now.
        joined: Whether the balancer shall know it.
        failure: Why it could not be started, if so.
    """

    def __init__(self, record: InstanceRecord, house: House) -> None:
        self.record = record
        self.joined = record.state is not InstanceState.STARTING
        self.failure: BackendError | None = None
        self._house = house
        self._unwritten = False
        self._told = asyncio.Event()

    def tell(self) -> None:
        """Let it know that something concerns it: that it is to leave."""
        self._told.set()

    def _leaving(self) -> bool:
        return self._house.leaves_at(self.record.id) is not None

    def _too_late(self) -> bool:
        return time.time() >= (self._house.leaves_at(self.record.id) or 0.0)

    # -- from the beginning --------------------------------------------------------------------

    async def begin(
        self,
        revision: Revision,
        image: LocalImage,
        fleet: str,
        state: Path,
        log: Path,
        isolation: Isolation,
        bwrap: Path | None,
        grip: Grip,
    ) -> Process | None:
        """Start the instance; returns None, and keeps the failure, when that doesn't work."""
        await self._house.write(self.record)  # The intent; a process without it is nobody's.
        launch = Launch(
            instance=self.record.id,
            fleet=fleet,
            revision=revision.number,
            image=image,
            port=self.record.port,
            state=state,
            log=log,
            environment=revision.config.environment,
            references=revision.config.secrets,
            slot=grip.slot,
            mounts=grip.mounts,
            lock=grip.descriptor,
        )
        try:
            process = await processes.spawn(launch, isolation, bwrap=bwrap)
        except BackendError as error:
            self.failure = error
            return None
        self.record = evolve(self.record, identity=process.identity.to_dict())
        try:
            await self._house.write(self.record)
        except BackendError as error:
            self.failure = error  # Nobody could find it again.
            await process.kill()
            await process.wait_dead()
            return None
        return process

    async def resume(self) -> Process | None:
        """Find the instance again after a crash of the supervisor; None when it is gone."""
        if self.record.identity is None:
            return None  # It was never written down; whoever it may be is ended by its marks.
        return await processes.adopt(Identity.from_dict(self.record.identity))

    async def live(self, process: Process, health: str) -> None:
        """Live until the process is gone, however it goes."""
        dying = asyncio.ensure_future(process.wait_dead())
        serving = asyncio.ensure_future(self._serve(process, health))
        try:
            await asyncio.wait({dying, serving}, return_when=asyncio.FIRST_COMPLETED)
            if not dying.done():
                await dying  # It was asked, then made, to end.
            if serving.done():
                serving.result()
        finally:
            for task in (dying, serving):
                task.cancel()
            await asyncio.gather(dying, serving, return_exceptions=True)

    async def _serve(self, process: Process, health: str) -> None:
        await self._become_ready(health)
        await self._stay_ready(health)
        await self._leave(process)

    async def _become_ready(self, health: str) -> None:
        while self.record.state is InstanceState.STARTING and not self._leaving():
            if await serves(self.record.port, health, self.record.id):
                # In the balancer first: READY means that it serves.
                self.joined = True
                if await self._house.publish():
                    await self._note(state=InstanceState.READY, ready_since=time.time())
                    return
            await self._pause(_ASK_AGAIN)

    async def _stay_ready(self, health: str) -> None:
        failures = 0
        while not self._leaving():
            await self._pause(_KEEP_ASKING)
            if self._leaving():
                return
            well = await serves(self.record.port, health, self.record.id)
            failures = 0 if well else failures + 1
            if failures == _FAILURES:
                await self._note(state=InstanceState.UNREADY, ready_since=None)
                await self._house.publish()
            elif well and self.record.state is InstanceState.UNREADY:
                await self._note(state=InstanceState.READY, ready_since=time.time())
                await self._house.publish()
            elif self._unwritten:
                await self._note()

    async def _leave(self, process: Process) -> None:
        """Get no new requests, finish those in flight, end; in this order."""
        while not await self._house.publish() and not self._too_late():
            await asyncio.sleep(_DRAINED)
        while not self._too_late():
            if not self.joined or not await self._house.in_flight(self.record.id):
                break
            await asyncio.sleep(_DRAINED)
        await process.terminate()
        # It may finish what came past the balancer, for as long as draining may take.
        rest = (self._house.leaves_at(self.record.id) or 0.0) - time.time()
        await asyncio.sleep(max(_GRACE, rest))
        await process.kill()

    async def _pause(self, seconds: float) -> None:
        self._told.clear()
        if self._leaving():
            return
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            pass

    async def _note(self, **facts: Any) -> None:
        """Take facts in; a full disk doesn't end an instance: they are written down later."""
        self.record = evolve(self.record, **facts)
        try:
            await self._house.write(self.record)
            self._unwritten = False
        except BackendError as error:
            self._unwritten = True
            _log.warning("%s can't be written down: %s", self.record.id, error)
