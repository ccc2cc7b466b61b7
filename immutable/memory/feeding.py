"""Telling those who wait for it that a simulated fleet has changed, when it does.

Time goes on in a simulated cloud only when somebody looks at it: while anybody waits here, a timer
does so whenever something is due.
"""

from __future__ import annotations

import asyncio

from attrs import define, field

from immutable.backend import Gone
from immutable.memory.parts import SimulatedFleet
from immutable.memory.timeline import Timeline
from immutable.memory.volumes import shown

__all__ = ["Feed", "note_groups"]

_FINEST = 0.001


def note_groups(fleet: SimulatedFleet) -> None:
    """Give what changed of groups and slots a place among the changes of instances."""
    facts = (tuple(each.shown for each in fleet.groups.values()), shown(fleet.slots))
    if fleet.facts != facts:
        fleet.facts = facts
        fleet.log.append(None)


@define(eq=False)
class _Waiter:
    fleet: SimulatedFleet
    since: int
    told: asyncio.Future[None]


@define(eq=False)
class Feed:
    """Who waits for changes of a cloud's fleets, and what is wrong with how they are told.

    Attributes:
        time: The cloud's.
        fleets: Its fleets, by name.
        on: Whether changes are told at all.
        silent: Whether nobody is told, and nobody told so.
        spurious: Seconds after which everybody is told though nothing has changed; None for never.
    """

    time: Timeline
    fleets: dict[str, SimulatedFleet]
    on: bool = False
    silent: bool = False
    spurious: float | None = None
    _waiting: dict[str, list[_Waiter]] = field(factory=dict, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)

    async def changed(self, fleet: SimulatedFleet, since: int) -> None:
        """Return when a fleet is not as the look with that cursor has told it.

        Raises:
            Gone: It is deleted meanwhile.
        """
        waiter = _Waiter(fleet, since, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(fleet.name, []).append(waiter)
        try:
            self.notice(fleet.name)
            self.hurry()
            async with asyncio.timeout(self.spurious):
                await waiter.told
        except TimeoutError:
            pass
        finally:
            self._waiting[fleet.name].remove(waiter)
            if not self._waiting[fleet.name]:
                del self._waiting[fleet.name]
        if self.fleets.get(fleet.name) is not fleet:
            raise Gone(f"no fleet {fleet.name} any more")

    def notice(self, name: str | None = None) -> None:
        """Tell those whose fleet has changed: who waits for the fleet of that name, or for any."""
        if not self._waiting or self.silent:
            return
        names = list(self._waiting) if name is None else [name]
        for waiter in [each for n in names for each in self._waiting.get(n, ())]:
            if not waiter.told.done() and self._is_news(waiter):
                waiter.told.set_result(None)

    def _is_news(self, waiter: _Waiter) -> bool:
        fleet = waiter.fleet
        note_groups(fleet)
        there = self.fleets.get(fleet.name) is fleet
        return not there or fleet.dropped + len(fleet.log) != waiter.since

    def hurry(self) -> None:
        """Be there when the next thing is due, as long as anybody waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.time.next_due
        if not self._waiting or due is None:
            return
        seconds = max(due - self.time.clock.now(), _FINEST)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        self.time.advance()
        self.notice()
        self.hurry()
