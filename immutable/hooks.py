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

Hooks cost nothing where none is installed. One that raises is logged and passed over: none of these
can stop a rollout or change what it does. They run in the rollout's own task, so one that takes
long has to hand its work on to somebody else.

A drain hook is waited for: it is called before instances are sent to drain, with time to take them
out of whatever the backend knows nothing of, such as a queue or a service registry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum

from attrs import evolve, field, frozen

from immutable.errors import InvalidValue
from immutable.model import Event, Plan

__all__ = [
    "BeforeDrain",
    "Called",
    "Calling",
    "Cause",
    "DrainHook",
    "Draining",
    "Drifted",
    "Driving",
    "Hooks",
    "LetGo",
    "Notice",
    "OnEvent",
    "OnFailure",
    "Waited",
    "hooked",
    "installed",
    "tell",
]

_LONGEST_DEADLINE = 60.0
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
    SHARE = "share"
    """Launches wait for others': all rollouts of a place share how fast it launches, and how many
    servers there may be above what their fleets want."""
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
class Draining:
    """Instances are about to be sent to drain, and then to terminate.

    Attributes:
        rollout: The rollout's identifier.
        fleet: The fleet's address.
        revision: The number of their revision.
        instances: Which.
    """

    rollout: str
    fleet: str
    revision: int
    instances: tuple[str, ...]


BeforeDrain = Callable[[Draining], object]
"""A hook that is called before instances drain; what it returns is awaited if it can be."""


class OnFailure(StrEnum):
    """What becomes of a rollout whose drain hook raises, or takes longer than its deadline."""

    CONTINUE = "continue"
    """It goes on, and the failure is logged."""
    TURN = "turn"
    """Nothing drains, and the rollout goes back to stable; where there is no way back, or it is on
    it already, it goes on."""


def _policy(value: OnFailure | str) -> OnFailure:
    try:
        return OnFailure(value)
    except ValueError as error:
        words = " or ".join(OnFailure)
        raise InvalidValue("on_failure", value, "no policy", f"use {words}") from error


@frozen
class DrainHook:
    """A drain hook, as it was installed.

    Attributes:
        call: The hook.
        deadline: Seconds that it may take; 60 at most.
        on_failure: What becomes of the rollout when it fails.
    """

    call: BeforeDrain
    deadline: float = 30.0
    on_failure: OnFailure = field(default=OnFailure.CONTINUE, converter=_policy)

    def __attrs_post_init__(self) -> None:
        if not 0 < self.deadline <= _LONGEST_DEADLINE:
            way_out = f"give seconds above 0, and {_LONGEST_DEADLINE:g} at most"
            raise InvalidValue("deadline", self.deadline, "a rollout waits for it", way_out)


@frozen
class Hooks:
    """The hooks that are installed.

    Attributes:
        on_event: Told of everything, in this order.
        before_drain: Waited for before instances are sent to drain, all at the same time.
    """

    on_event: tuple[OnEvent, ...] = ()
    before_drain: tuple[DrainHook, ...] = ()


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
def hooked(
    on_event: OnEvent | None = None,
    *,
    before_drain: BeforeDrain | None = None,
    deadline: float = 30.0,
    on_failure: OnFailure | str = OnFailure.CONTINUE,
) -> Iterator[None]:
    """Install hooks for a block, beside those that are installed already.

    Args:
        on_event: Told of everything that a rollout does.
        before_drain: Called, and waited for, before instances are sent to drain. Who may go is
            decided anew after one that took its time, so not all of them need go then. Who carries
            a rollout on after a crash calls it again.
        deadline: Seconds that *before_drain* may take; 60 at most.
        on_failure: What becomes of the rollout when *before_drain* fails: ``"continue"`` or
            ``"turn"``.

    Raises:
        InvalidValue: *deadline* is too long, or no time; *on_failure* is neither.
    """
    now = _installed.get()
    if on_event is not None:
        now = evolve(now, on_event=(*now.on_event, on_event))
    if before_drain is not None:
        added = DrainHook(before_drain, deadline, on_failure)
        now = evolve(now, before_drain=(*now.before_drain, added))
    token = _installed.set(now)
    try:
        yield
    finally:
        _installed.reset(token)
