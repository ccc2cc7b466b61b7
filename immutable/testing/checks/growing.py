"""Checks of ``grow`` and ``settle``."""

from __future__ import annotations

from contextlib import suppress

from immutable.backend import (
    CapacityShortage,
    Conflict,
    Invalid,
    QuotaExceeded,
    Throttled,
    Transient,
)
from immutable.testing.accessors import Mishap
from immutable.testing.check import check
from immutable.testing.stage import Stage


@check("G1", "E11")
async def a_size_is_absolute(s: Stage) -> None:
    """A growth that is repeated launches nothing twice."""
    ctx = s.ctx()
    for _ in range(2):
        s.same(await s.grow(3, expected=2, ctx=ctx), 3, "what grow(size=3) returns")
    s.same((await s.group()).size, 3, "the size after growing to 3 twice")
    await s.ready(3)
    await s.spared({each.id for each in await s.ready(3)})


@check("G1")
async def growing_never_lowers(s: Stage) -> None:
    """A growth to less than the size changes nothing."""
    before = {each.id for each in await s.ready(2)}
    s.same(await s.grow(1, expected=2), 2, "what grow(size=1) returns at size 2")
    s.same((await s.group()).size, 2, "the size after it")
    await s.spared(before)


@check("G2", "X4")
async def an_unexpected_size_is_a_conflict(s: Stage) -> None:
    """A growth that was decided on another size is refused, and changes nothing."""
    before = {each.id for each in await s.ready(2)}
    await s.refused(s.grow(4, expected=1), Conflict, "grow(size=4, expected=1) at size 2")
    s.same((await s.group()).size, 2, "the size after the refusal")
    await s.spared(before)


@check("G5", uses=("raw_bounds",))
async def the_maximum_is_kept(s: Stage) -> None:
    """A size above the maximum is Invalid."""
    await s.author.raw_bounds(s.fleet, 1, 0, 3)
    await s.refused(s.grow(4, expected=2), Invalid, "grow(size=4) with a maximum of 3")
    group = await s.group()
    s.same((group.size, group.maximum), (2, 3), "size and maximum after the refusal")
    s.same(await s.grow(3, expected=2), 3, "what grow returns up to the maximum")


@check("G6", "E11")
async def settling_a_whole_group_changes_nothing(s: Stage) -> None:
    """A size that is met is left as it is."""
    before = {each.id for each in await s.ready(2)}
    for _ in range(2):
        s.same(await s.backend.settle(s.fleet, 1, s.ctx()), 2, "what settle returns at 2 of 2")
    s.same((await s.group()).size, 2, "the size after it")
    await s.spared(before)


@check("G4", "G6", uses=("no_room",))
async def settling_lowers_to_the_members(s: Stage) -> None:
    """Without room the size is lowered to who is there, nobody is ended, nobody comes later."""
    before = {each.id for each in await s.ready(2)}
    await s.author.no_room(s.fleet, full=True)
    with suppress(CapacityShortage, QuotaExceeded):
        await s.grow(4, expected=2)
    size = (await s.group()).size
    s.must(size in (2, 4), f"the size is {size} after a growth from 2 to 4 without room")
    s.same(await s.backend.settle(s.fleet, 1, s.ctx()), 2, "what settle returns with 2 members")
    await s.author.no_room(s.fleet, full=False)
    s.same((await s.group()).size, 2, "the size after settling")
    await s.spared(before)


@check("G1", "E11", uses=("mishap",))
async def a_growth_without_an_answer_may_be_repeated(s: Stage) -> None:
    """A growth that took effect, and whose answer was lost, is done once."""
    await s.author.mishap("grow", Mishap.LOST)
    ctx = s.ctx()
    await s.refused(s.grow(3, expected=2, ctx=ctx), Transient, "a growth whose answer is lost")
    s.same(await s.grow(3, expected=2, ctx=ctx), 3, "what its repetition returns")
    s.same((await s.group()).size, 3, "the size after both")
    await s.spared({each.id for each in await s.ready(3)})


@check("G1", "O4", uses=("mishap",))
async def a_growth_that_comes_late_adds_nothing(s: Stage) -> None:
    """A growth that takes effect after its repetition launches nothing more."""
    await s.author.mishap("grow", Mishap.LATE)
    ctx = s.ctx()
    await s.refused(s.grow(3, expected=2, ctx=ctx), Transient, "a growth that comes late")
    s.same(await s.grow(3, expected=2, ctx=ctx), 3, "what its repetition returns")
    start = await s.now()
    await s.until(lambda state: state.at > start + s.author.late, "the late growth")
    s.same((await s.group()).size, 3, "the size after both")
    await s.spared({each.id for each in await s.ready(3)})


@check("X2", uses=("mishap",))
async def a_throttled_growth_did_nothing(s: Stage) -> None:
    """Throttled says that nothing happened."""
    before = {each.id for each in await s.ready(2)}
    await s.author.mishap("grow", Mishap.THROTTLED)
    await s.refused(s.grow(3, expected=2), Throttled, "a growth that the cloud throttles")
    s.same((await s.group()).size, 2, "the size after it")
    await s.spared(before)
    s.same(await s.grow(3, expected=2), 3, "what its repetition returns")


@check("G4", "X5", uses=("no_room",))
async def a_shortage_is_said(s: Stage) -> None:
    """Without room the answer is a shortage, or the group shows its trouble."""
    await s.author.no_room(s.fleet, full=True)
    try:
        await s.grow(3, expected=2)
    except (CapacityShortage, QuotaExceeded):
        return
    await s.until(
        lambda state: bool((group := state.group(1)) and group.trouble),
        "a group that has no room for a member shows its trouble",
    )
