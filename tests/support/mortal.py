"""Controllers that can be killed, or stopped for a while, at any call that they make.

A controller is a `Fleet` of its own on the world's cloud and journal. All that it does goes through
a `Life`, which counts its calls and ends, or freezes, where it is told to. A dead controller is
dead as after SIGKILL: what it was about to do is not done, its lease is not given back, and nobody
inside it learns of anything.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from enum import StrEnum
from typing import Any, TypeVar

from attrs import define, field, frozen

from immutable import ImmutableError
from immutable.backend import Backend, Context
from immutable.journal import Journal
from immutable.model import Record, Retire
from immutable.model.records import Intended

T = TypeVar("T")

READS = ("catalog", "checkpoints", "entries", "events", "frontier", "leaves", "orders", "stored")
"""Calls of a journal that change nothing: no points to die at."""


Stops = Callable[[int, "Moment"], float]


class Killed(BaseException):
    """The controller is dead. Nothing in the engine catches this."""


class Moment(StrEnum):
    """Where in a call a controller dies."""

    BEFORE = "before it"
    """The call is never made."""
    UNANSWERED = "before its answer"
    """It took effect, and nobody hears of it."""
    UNDER_WAY = "while under way"
    """It takes effect after the death, when a successor may already be at work."""
    AFTER = "after it"
    """The answer came; nothing was done with it."""


@frozen
class Point:
    """A place in the life of a controller.

    Attributes:
        call: The number of a call, from 0.
        moment: Where in that call.
        late: Seconds after which a call that was under way takes effect.
    """

    call: int
    moment: Moment
    late: float = 0.0


@define
class Witness:
    """What all controllers of one world have said and done, and what was wrong with it.

    Attributes:
        faults: What must not be.
    """

    faults: list[str] = field(factory=list)
    _announced: set[str] = field(factory=set)
    _leaving: set[str] = field(factory=set)
    _done: dict[str, tuple[str, tuple[Any, ...]]] = field(factory=dict)

    def wrote(self, records: list[Record]) -> None:
        """Take note of records that the journal has accepted."""
        for record in records:
            if isinstance(record, Intended):
                if record.token in self._announced:
                    self.faults.append(f"token {record.token} stands for two intents")
                self._announced.add(record.token)
                if isinstance(record.action, Retire):
                    self._leaving.update(record.action.ids)

    def acts(self, name: str, what: tuple[Any, ...], token: str) -> None:
        """Take note of a call that is about to change the fleet."""
        if self._done.setdefault(token, (name, what)) != (name, what):
            self.faults.append(f"token {token} of {self._done[token]} is used for {name} {what}")
        # A retirement that has begun is advanced by calls without records of their own.
        goes_on = name == "retire" and self._leaving.issuperset(what[2])
        if token not in self._announced and not goes_on:
            self.faults.append(f"{name} {what} is not in the journal")


class Life:
    """One controller's calls, and where they end.

    Args:
        witness: Who is told of what it does.
        end: Where it dies, if it does.
        stops: For how many seconds it is stopped, as by SIGSTOP, right before or after the call of
            this number; 0 for not at all.

    Attributes:
        calls: The names of the calls that it made.
        dead: Set when it is.
        stopped: Whether it has been stopped.
        accepted: How many writes the journal accepted from it after that.
        retired: How many calls after that have ended servers.
    """

    def __init__(
        self, witness: Witness, end: Point | None = None, stops: Stops = lambda *_: 0.0
    ) -> None:
        self.witness = witness
        self.calls: list[str] = []
        self.dead = asyncio.Event()
        self.stopped = False
        self.accepted = 0
        self.retired = 0
        self._end = end
        self._stops = stops
        self._landing: asyncio.Future[None] | None = None
        self._running = asyncio.Event()
        self._running.set()

    async def call(self, name: str, effect: Callable[[], Awaitable[T]]) -> T:
        """Make a call, or die at it."""
        await self._awake()
        number = len(self.calls)
        self.calls.append(name)
        moment = self._end.moment if self._end and self._end.call == number else None
        if self._end is not None and moment is Moment.UNDER_WAY:
            self._let_land(self._end.late, effect)
        if moment in (Moment.BEFORE, Moment.UNDER_WAY):
            self._die()
        await self._stop(self._stops(number, Moment.BEFORE))
        try:
            return await effect()
        finally:
            await self._stop(self._stops(number, Moment.AFTER))
            if moment is Moment.UNANSWERED:
                self._die()
            if moment is Moment.AFTER:
                self.dead.set()
            else:
                await self._awake()

    def doom(self, calls: int, moment: Moment, late: float = 0.0) -> None:
        """Let it die at a call that is still to come: the next one, when *calls* is 0."""
        self._end = Point(len(self.calls) + calls, moment, late)

    async def read(self, effect: Callable[[], Awaitable[T]]) -> T:
        """Make a call that changes nothing and at which nobody dies."""
        await self._awake()
        answer = await effect()
        await self._awake()
        return answer

    async def _awake(self) -> None:
        await self._running.wait()
        if self.dead.is_set():
            raise Killed

    async def _stop(self, seconds: float) -> None:
        if seconds:
            self.stopped = True
            self._running.clear()
            asyncio.get_running_loop().call_later(seconds, self._running.set)
            await self._running.wait()

    def _die(self) -> None:
        self.dead.set()
        raise Killed

    def _let_land(self, seconds: float, effect: Callable[[], Awaitable[object]]) -> None:
        """Let a call take effect whose caller is no more."""

        async def land() -> None:
            await asyncio.sleep(seconds)
            with suppress(ImmutableError):  # A refusal reaches nobody.
                await effect()

        self._landing = asyncio.ensure_future(land())


async def mortally(doing: Coroutine[Any, Any, object], life: Life) -> None:
    """Let a controller do something, until that is done or the controller dies."""
    task = asyncio.ensure_future(doing)
    dead = asyncio.ensure_future(life.dead.wait())
    try:
        await asyncio.wait({task, dead}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        dead.cancel()
        task.cancel()
        await asyncio.wait({task})
    error = None if task.cancelled() else task.exception()
    if error is not None and not life.dead.is_set():
        raise error


def say_unless_killed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A dead controller's tasks end without anybody who would ask them."""
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)


def _journaled(name: str) -> Any:
    async def call(self: MortalJournal, *args: Any, **kwargs: Any) -> Any:
        async def effect() -> Any:
            # To give up a lease that is another's by now is no write.
            late = self.life.stopped and name in ("append", "renew")
            answer = await getattr(self.inner, name)(*args, **kwargs)
            self.life.accepted += late
            if name == "append":
                self.life.witness.wrote(args[1])
            return answer

        if name in READS:
            return await self.life.read(effect)
        return await self.life.call(f"journal.{name}", effect)

    return call


class MortalJournal(Journal):
    """A journal as one controller reaches it: another process, which hears no bell of this one."""

    def __init__(self, inner: Journal, life: Life) -> None:
        super().__init__()
        self.inner = inner
        self.life = life
        self.ttl = inner.ttl

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    for _name, _method in vars(Journal).items():
        if inspect.iscoroutinefunction(_method) and _name not in ("open", "close", "wait"):
            locals()[_name] = _journaled(_name)


def _called(name: str) -> Any:
    async def call(self: MortalBackend, *args: Any, **kwargs: Any) -> Any:
        async def effect() -> Any:
            context = kwargs.get("ctx") or (args[-1] if isinstance(args[-1], Context) else None)
            if context is not None:
                rest = tuple(each for each in args if each is not context)
                self.life.witness.acts(name, rest, context.token)
            late = self.life.stopped and name == "retire"
            answer = await getattr(self.inner, name)(*args, **kwargs)
            self.life.retired += late
            return answer

        return await self.life.call(name, effect)

    return call


class MortalBackend(Backend):
    """A backend as one controller reaches it."""

    contract = 1

    def __init__(self, inner: Backend, life: Life) -> None:
        self.inner = inner
        self.life = life
        self.capabilities = inner.capabilities

    @classmethod
    def from_url(cls, url, *, clock):
        raise NotImplementedError

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def changed(self, fleet, since):
        # Whoever dies in a wait dies as well before the call that follows it.
        await self.life.read(lambda: self.inner.changed(fleet, since))

    fleets = _called("fleets")
    observe = _called("observe")
    preflight = _called("preflight")
    resolve = _called("resolve")
    create_revision = _called("create_revision")
    grow = _called("grow")
    settle = _called("settle")
    retire = _called("retire")
    route = _called("route")
    delete_revision = _called("delete_revision")
    hold = _called("hold")
    release = _called("release")
    traffic = _called("traffic")
    inspect = _called("inspect")
    snapshot = _called("snapshot")
    create_stateful_fleet = _called("create_stateful_fleet")
    kept_slots = _called("kept_slots")
    remove_slots = _called("remove_slots")
