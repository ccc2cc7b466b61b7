"""Requests of which one answer is made: at the same time, or one part after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from immutable.errors import BackendError, Gone, Transient

__all__ = ["part_by_part", "parts_of", "read_listed", "together"]

T = TypeVar("T")
G = TypeVar("G")


async def together(*calls: Awaitable[Any]) -> list[Any]:
    """Return what all calls answer, in order; the first one that fails ends the others."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


# Five, at most two: [a, b], [c, d], [e].
def parts_of(items: Sequence[T], most: int) -> list[list[T]]:
    """Return *items* in parts of at most so many as one request may name."""
    return [list(items[start : start + most]) for start in range(0, len(items), most)]


async def part_by_part(
    parts: Sequence[Sequence[T]], send: Callable[[Sequence[T]], Awaitable[object]], what: str
) -> None:
    """Send one request for each part, one after the other.

    Args:
        parts: What each request is about.
        send: Makes one.
        what: What the parts are of, for the message of an error.

    Raises:
        Transient: A later one failed, whatever it said: nobody may say that nothing happened.
        BackendError: The first one failed.
    """
    begun, whole = 0, sum(map(len, parts))
    for part in parts:
        try:
            await send(part)
        except BackendError as error:
            if not begun or isinstance(error, Transient):
                raise
            raise Transient(f"{begun} of {whole} {what}: {error}") from error
        begun += len(part)


async def read_listed(
    fleet: str,
    listed: Callable[[], Awaitable[G]],
    read: Callable[[G], Awaitable[T]],
    *,
    torn: tuple[type[BackendError], ...] = (Gone,),
    tries: int = 4,
) -> T:
    """Return what is read of a fleet's groups; listed anew when one of them goes meanwhile.

    Two requests are never at one time: somebody may delete a group between its being listed and
    its members' being asked for. The fleet is still there, and who looks at it wants to hear so.

    Args:
        fleet: The fleet's name, for the message of an error.
        listed: Lists the groups.
        read: Asks for all else, by what was listed.
        torn: What *read* says of a group that was listed and is gone.
        tries: How often it is listed at most.

    Raises:
        Transient: It changes faster than it can be read.
        BackendError: Whatever *listed* says, and of *read* what is none of *torn*.
    """
    why: BackendError | None = None
    for _ in range(tries):
        groups = await listed()
        try:
            return await read(groups)
        except torn as error:
            why = error
    raise Transient(f"{fleet} changes while it is looked at: {why}") from why
