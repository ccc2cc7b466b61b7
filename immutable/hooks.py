"""Functions of yours that are told what a rollout does while it does it.

A hook is any callable that takes a `Notice`. It is installed for a block, and told of every rollout
that is driven through fleets and controllers which were made inside of the block:

>>> import asyncio, immutable
>>> from immutable.hooks import Waited, hooked
>>> from immutable.testing import run
>>> seen = []
>>> async def main():
...     with hooked(on_event=lambda notice: seen.append(notice.what)):
...         async with immutable.Fleet.create("memory://docs", "v1", 1, journal=":memory:") as web:
...             await web.replace("v2")
>>> run(main())
>>> sorted({what.cause.value for what in seen if isinstance(what, Waited)})
['boot', 'drain', 'look', 'proof']

Hooks cost nothing where none is installed. One that raises is logged and passed over: no hook can
stop a rollout or change what it does. They run in the rollout's own task, so one that takes long
has to hand its work on to somebody else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum

from attrs import evolve, frozen

from immutable.model import Event, Plan

__all__ = [
    "Called",
    "Calling",
    "Cause",
    "Drifted",
    "Driving",
    "Hooks",
    "LetGo",
    "Notice",
    "OnEvent",
    "Waited",
    "hooked",
    "installed",
    "tell",
]

_log = logging.getLogger(__name__)
# A library is quiet until somebody says where its log goes.
logging.getLogger("immutable").addHandler(logging.NullHandler())


class Cause(StrEnum):
    """What a rollout waits for between two looks at the fleet; the first that holds, in order."""

    PAUSE = "pause"
    """Somebody's word: it was paused, or a gate wants to be answered."""
    ANSWER = "answer"
    """A call got no answer, and may take effect yet."""
    BAKE = "bake"
    """The time of a bake."""
    KEEP = "keep"
    """The time for which stable is kept after the point of no return."""
    ROOM = "room"
    """The cloud had no room for a launch; it is tried again."""
    BOOT = "boot"
    """Instances that are launched and not READY."""
    PROOF = "proof"
    """Instances that are READY, and not yet for as long as ``min_ready``."""
    DRAIN = "drain"
    """Instances that finish their requests, or terminate."""
    LOOK = "look"
    """None of these: what was done has to be seen, or time has to pass."""


@frozen(eq=False)
class Driving:
    """A controller begins to drive the rollout, or carries it on.

    Attributes:
        plan: What is carried out.
        actor: On whose behalf, as claimed.
        controller: Who drives it.
        fence: The number of its lease; above 1 others may have driven it before.
        events: What the journal has of it so far.
    """

    plan: Plan
    actor: str
    controller: str
    fence: int
    events: tuple[Event, ...]


@frozen(eq=False)
class LetGo:
    """The controller drives it no more.

    Attributes:
        error: The class of what stopped it; empty when the rollout has ended.
    """

    error: str = ""


@frozen(eq=False)
class Calling:
    """One attempt of a call to the backend begins.

    Attributes:
        operation: The method's name, such as ``grow``.
        revision: Whose group it is about; None for the whole fleet.
    """

    operation: str
    revision: int | None = None


@frozen(eq=False)
class Called:
    """The attempt is over.

    Attributes:
        call: How it began.
        seconds: How long it took, by the loop's time.
        error: The class of what it raised, such as ``Throttled``; empty for an answer.
    """

    call: Calling
    seconds: float
    error: str = ""


@frozen(eq=False)
class Waited:
    """A wait between two looks is over.

    Attributes:
        cause: What it waited for.
        seconds: For how long, by the loop's time.
    """

    cause: Cause
    seconds: float


@frozen(eq=False)
class Drifted:
    """Somebody looked for drift, and found some.

    Attributes:
        instances: Which instances have drifted.
        strays: What looks like a member of the fleet and is none.
    """

    instances: tuple[str, ...]
    strays: tuple[str, ...]


@frozen(eq=False)
class Notice:
    """Something that a rollout does, or that was found of a fleet.

    Attributes:
        rollout: The rollout's identifier; empty for what belongs to none.
        fleet: The fleet's address.
        at: When it happened, in seconds since 1970, by the controller's clock.
        what: What it is. An `Event` is told once it is in the journal, with the time at which it
            happened; the journal has that at which it was written down, which may be later.
    """

    rollout: str
    fleet: str
    at: float
    what: Driving | Event | Calling | Called | Waited | LetGo | Drifted


OnEvent = Callable[[Notice], object]
"""A hook that is told what happens; what it returns is not looked at."""


@frozen
class Hooks:
    """The hooks that are installed.

    Attributes:
        on_event: Told of everything, in this order.
    """

    on_event: tuple[OnEvent, ...] = ()


_installed: ContextVar[Hooks] = ContextVar("hooks", default=Hooks())  # noqa: B039  # It is frozen.


def installed() -> Hooks:
    """Return the hooks that are installed here."""
    return _installed.get()


def tell(notice: Notice, hooks: tuple[OnEvent, ...]) -> None:
    """Tell *hooks*; what one raises is logged, by its class: nobody knows what its text holds."""
    for hook in hooks:
        try:
            hook(notice)
        except Exception as error:  # noqa: BLE001  # A user's function, which may raise anything.
            kind = type(notice.what).__name__
            _log.warning("a hook failed at %s: %s", kind, type(error).__name__)


@contextmanager
def hooked(on_event: OnEvent) -> Iterator[None]:
    """Install hooks for a block, beside those that are installed already.

    Args:
        on_event: Told of everything that a rollout does.
    """
    before = _installed.get()
    token = _installed.set(evolve(before, on_event=(*before.on_event, on_event)))
    try:
        yield
    finally:
        _installed.reset(token)
