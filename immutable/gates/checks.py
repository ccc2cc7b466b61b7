"""Functions of the user's as gates: found by name, called, and understood."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from itertools import count

from attrs import frozen

from immutable.errors import InvalidValue
from immutable.model import Check, Reactions, Verdict

__all__ = ["CheckLook", "Function", "call", "check", "find"]


@frozen
class CheckLook:
    """What a check is told.

    Attributes:
        fleet: The fleet's address.
        rollout: The rollout's identifier.
        step: The number of the step, from 0.
        stable: Stable's revision number.
        candidate: The candidate's.
        share: The candidate's percentage of the traffic, where there are weights.
        ready: How many of the candidate's instances are READY.
    """

    fleet: str
    rollout: str
    step: int
    stable: int
    candidate: int
    share: float | None
    ready: int


Function = Callable[[CheckLook], Awaitable[Verdict | bool]]
"""A check: PASS or True, FAIL or False, INCONCLUSIVE, ERROR; an exception is an ERROR."""

_local: dict[str, Function] = {}
_numbers = count(1)


def check(
    function: Function, *, interval: float = 15.0, timeout: float = 10.0, local: bool = False
) -> Check:
    """Return a gate that calls *function*.

    Args:
        function: What to call; at a module's top level, or anything with ``local=True``.
        interval: Seconds between two calls.
        timeout: Seconds that one call may take.
        local: Whether it need not be importable: then no other process can carry the rollout on
            past this gate, which says ERROR there. The plan says so.

    Raises:
        InvalidValue: It can't be imported by its name, and *local* is not set.
    """
    name = f"{function.__module__}:{function.__qualname__}"
    if local:
        name = f"local:{function.__qualname__}#{next(_numbers)}"
        _local[name] = function
    elif "<" in function.__qualname__ or function.__module__ == "__main__":
        way_out = "move it to a module's top level, or pass local=True"
        raise InvalidValue("function", name, "another process could not import it", way_out)
    return Check(name, interval, timeout, Reactions())


def find(gate: Check) -> Function:
    """Return the function of a check.

    Raises:
        InvalidValue: There is none; says where it was looked for.
    """
    if gate.call in _local:
        return _local[gate.call]
    module, _, name = gate.call.partition(":")
    if module == "local":
        raise InvalidValue("check", gate.call, "it exists only in the process that made the plan")
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InvalidValue("check", gate.call, f"can't be imported: {error}") from error
    if not callable(found):
        raise InvalidValue("check", gate.call, "is no function")
    return found


async def call(gate: Check, look: CheckLook) -> tuple[Verdict, str]:
    """Call a check and return what it says, and why."""
    try:
        # On a thread: a module that is imported for the first time may take its time.
        said = await (await asyncio.to_thread(find, gate))(look)
        if isinstance(said, bool):
            return (Verdict.PASS if said else Verdict.FAIL), ""
        return Verdict(said), ""
    except Exception as error:  # noqa: BLE001  # Whatever a user's function raises is its answer.
        return Verdict.ERROR, f"{type(error).__name__}: {error}"
