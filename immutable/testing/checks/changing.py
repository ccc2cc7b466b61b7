"""Checks of ``changed``: who waits is told what has happened, and nothing is missed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from immutable.backend import Gone, SupportsChanges
from immutable.testing.check import check
from immutable.testing.checks.observing import NEVER_A_CURSOR
from immutable.testing.stage import Stage

_NEEDS = ("changes", SupportsChanges)
_TRIES = 10
_ENDS = 5.0


async def _cursor(s: Stage) -> int:
    """Return the cursor of a look that shows everything."""
    state = await s.look()
    if state.cursor is None:
        s.must(False, "a look has no cursor, and the backend says that it tells of changes")
    assert state.cursor is not None
    return state.cursor


def _waits(s: Stage, since: int) -> asyncio.Task[None]:
    assert isinstance(s.backend, SupportsChanges)
    return asyncio.ensure_future(s.backend.changed(s.fleet, since))


async def _ends(s: Stage, *waits: asyncio.Task[None], what: str) -> None:
    """Fail unless all of *waits* are over in time."""
    try:
        async with asyncio.timeout(s.patience):
            await asyncio.gather(*waits)
    except TimeoutError:
        s.must(False, f"{what}, and a wait for changes did not end within {s.patience:g} s")


async def _quiet(s: Stage) -> int:
    """Return the cursor of a fleet in which nothing happens: of many waits one lasts."""
    poll = s.author.poll or s.backend.capabilities.poll
    for _ in range(_TRIES):
        since = await _cursor(s)
        wait = _waits(s, since)
        await asyncio.wait({wait}, timeout=poll)
        if not wait.done():
            await _given_up(s, wait)
            return since
        wait.result()
    s.must(False, f"nothing happens, and {_TRIES} waits of {_TRIES} ended within {poll:g} s")
    raise AssertionError


async def _given_up(s: Stage, wait: asyncio.Task[None]) -> None:
    wait.cancel()
    await asyncio.wait({wait}, timeout=_ENDS)
    s.must(wait.done(), f"a wait for changes goes on {_ENDS:g} s after it was cancelled")
    s.must(wait.cancelled(), "a wait for changes that was cancelled ended as if it was not")


async def _told(s: Stage, what: str, change: Callable[[], Awaitable[object]]) -> None:
    """Fail unless *change* ends a wait that has begun before."""
    since = await _quiet(s)
    wait = _waits(s, since)
    await asyncio.sleep(0)  # It has begun by now.
    await change()
    await _ends(s, wait, what=what)


@check("L1", "L3", size=2, needs=_NEEDS)
async def who_waits_is_told_of_launches_and_ends(s: Stage) -> None:
    """A size, a member that starts or is READY, one that leaves and is gone: each ends a wait."""
    await _told(s, "a group has grown", lambda: s.grow(3, expected=2))
    since = await _cursor(s)
    first, *_ = await s.ready(3)
    await _ends(s, _waits(s, since), what="a member became READY")
    await _told(s, "a member was retired", lambda: s.retire(first.id))
    since = await _cursor(s)
    await s.see_off(first.id)
    await _ends(s, _waits(s, since), what="a member was gone")


@check("L1", size=1, needs=_NEEDS)
async def who_waits_is_told_of_groups(s: Stage) -> None:
    """A group that is made, held, released or deleted ends a wait, though no member changes."""
    await _told(s, "a group was held", s.hold)
    await _told(s, "a group was made", s.create)
    await _told(s, "a group was deleted", lambda: s.delete(2))
    await _told(s, "a hold was released", s.release)


@check("L1", size=2, needs=_NEEDS, uses=("raw_kill",))
async def who_waits_is_told_of_a_death(s: Stage) -> None:
    """What nobody asked for is told, too."""
    first, _ = await s.ready(2)
    await _told(s, "a member died", lambda: s.author.raw_kill(s.fleet, first.id))


@check("L2", size=2, needs=_NEEDS)
async def nothing_is_missed_between_a_look_and_the_wait(s: Stage) -> None:
    """What has changed since the look ends the wait at once, though nothing happens any more."""
    first, _ = await s.ready(2)
    since = await _quiet(s)
    await s.see_off(first.id)
    await _quiet(s)
    for _ in range(2):  # Who asks first uses nothing up.
        await _ends(s, _waits(s, since), what="a member was gone before the wait")


@check("L2", size=1, needs=_NEEDS)
async def nobody_waits_for_a_cursor_that_is_not_known(s: Stage) -> None:
    """A cursor that nobody gave out, as after a restart, is told at once that there is news."""
    await _ends(s, _waits(s, NEVER_A_CURSOR), what="the cursor was none")


@check("L4", size=2, needs=_NEEDS)
async def waits_can_be_given_up_and_are_independent(s: Stage) -> None:
    """One that is cancelled ends; of those that stay each is told."""
    since = await _quiet(s)
    doomed, *rest = [_waits(s, since) for _ in range(3)]
    await asyncio.sleep(0)
    await _given_up(s, doomed)
    await s.grow(3, expected=2)
    await _ends(s, *rest, what="a group has grown, two waited")


@check("L5", size=None, needs=_NEEDS)
async def nobody_waits_for_a_fleet_that_is_not_there(s: Stage) -> None:
    """Gone, not a wait for ever."""
    assert isinstance(s.backend, SupportsChanges)
    what = "waiting for changes of a fleet that isn't there"
    try:
        async with asyncio.timeout(s.patience):
            await s.refused(s.backend.changed(f"{s.fleet}x", 0), Gone, what)
    except TimeoutError:
        s.must(False, f"{what}: it waits")
