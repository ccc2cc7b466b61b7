"""Hearing of changes: the wait between two looks ends when something has happened.

A feed is a hint. One that breaks, lies or keeps silent costs time and nothing else: timers go on,
and no wait is longer than without it.
"""

from __future__ import annotations

import asyncio
import logging

from immutable.backend import Backend, SupportsChanges
from immutable.engine.pacing import Pace

__all__ = ["Feed"]

_log = logging.getLogger("immutable.engine")

_SETTLING = 1 / 16
_PROOF = 5.0
_LONGEST_AWAY = 60.0


class Feed:
    """What a backend tells of changes of one fleet, as long as it does.

    Changes that follow each other closely, such as many servers that become READY, are one: a
    sixteenth of a poll is waited for more of them. How soon one look follows another is up to
    `Pace`.

    One that breaks is asked again later, each time after twice as long, a minute at most. One that
    has missed a change is not heard any more: a look that nobody asked for has found something, and
    `changed` says within 5 s that there was nothing.

    Args:
        backend: Who may be able to tell.
        fleet: The fleet's name there.
        pace: How close looks may follow.
    """

    def __init__(self, backend: Backend, fleet: str, pace: Pace) -> None:
        self._source: SupportsChanges | None = None
        if backend.capabilities.changes and isinstance(backend, SupportsChanges):
            self._source = backend
        self._fleet = fleet
        self._pace = pace
        self._since: int | None = None
        self._missed: int | None = None
        self._silent = False
        self._failures = 0
        self._again = 0.0

    @property
    def tells(self) -> bool:
        """Whether changes are told now, so that nobody has to look for them."""
        return self._source is not None and self._since is not None and _now() >= self._again

    def looked(self, cursor: int | None) -> None:
        """Note where the newest look stands: what happens from there on is to be told."""
        if self._silent and cursor != self._since:
            self._missed = self._since  # Or it came in the same moment: that will be asked.
        self._silent, self._since = False, cursor

    async def rest(self, bell: asyncio.Event, seconds: float) -> None:
        """Wait for *seconds*, or until an order arrives, or something has changed.

        Args:
            bell: Rings when there is an order.
            seconds: For how long at most. If the feed breaks meanwhile, for a poll at most.
        """
        if not self.tells:
            await _ordered(bell, seconds)
            return
        self._silent, began = True, _now()
        hearing = asyncio.ensure_future(self._hear(began))
        tasks: set[asyncio.Future[bool]] = {hearing, asyncio.ensure_future(bell.wait())}
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._pace.waited(_now() - began)
            heard = hearing.done()
            await self._end(tasks)
        if heard and not hearing.result():
            await _ordered(bell, min(seconds, self._pace.poll) - (_now() - began))

    async def _end(self, tasks: set[asyncio.Future[bool]]) -> None:
        """Leave no task behind."""
        for task in tasks:
            task.cancel()
        _, stuck = await asyncio.wait(tasks, timeout=_PROOF)
        if stuck:
            self._distrust("a wait can't be cancelled")

    async def _hear(self, began: float) -> bool:
        """Wait for a change, and for those that come with it; False when nobody tells."""
        try:
            if not await self._change():
                return False
        except Exception as error:  # noqa: BLE001  # Whatever it is, there is another way to see.
            self._failures += 1
            away = min(_LONGEST_AWAY, self._pace.poll * 2.0 ** min(self._failures, 9))
            self._again, self._silent = _now() + away, False
            _log.warning("changes of %s are not told for %g s: %r", self._fleet, away, error)
            return False
        self._failures, self._silent = 0, False
        earliest = began + self._pace.least
        await asyncio.sleep(max(self._pace.poll * _SETTLING, earliest - _now()))
        return True

    async def _change(self) -> bool:
        """Return when something has changed since the newest look; False when that is not told."""
        source, since, missed = self._source, self._since, self._missed
        assert source is not None, "nobody tells"
        assert since is not None, "nobody has looked"
        if missed is not None:
            proof = asyncio.timeout(_PROOF)
            try:
                async with proof:
                    await source.changed(self._fleet, missed)
            except TimeoutError:
                if not proof.expired():
                    raise
                self._distrust("a change was not told")
                return False
            self._missed = None
        await source.changed(self._fleet, since)
        return True

    def _distrust(self, why: str) -> None:
        self._source = None
        _log.warning("changes of %s are looked for from here on, not heard: %s", self._fleet, why)


async def _ordered(bell: asyncio.Event, seconds: float) -> None:
    """Wait for *seconds*, or until an order arrives."""
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        pass


def _now() -> float:
    return asyncio.get_running_loop().time()
