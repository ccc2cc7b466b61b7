"""Checks of ``hold`` and ``release``, and of who may change a group."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from immutable.backend import Conflict, Context, Hold, Transient
from immutable.testing.accessors import Mishap
from immutable.testing.check import check
from immutable.testing.stage import OURS, PLAN, THEIRS, Stage

CALLS = ("grow", "settle", "retire", "hold", "release", "delete_revision")


async def _changes(s: Stage, ctx: Context) -> dict[str, Callable[[], Awaitable[object]]]:
    """Return every call that changes a group, as *ctx* would make it."""
    first, *_ = await s.ready(2)
    size = (await s.group()).size
    return {
        "grow": lambda: s.grow(size + 1, expected=size, ctx=ctx),
        "settle": lambda: s.backend.settle(s.fleet, 1, ctx),
        "retire": lambda: s.retire(first.id, ctx=ctx),
        "hold": lambda: s.hold(1, ctx=ctx),
        "release": lambda: s.release(ctx=ctx),
        "delete_revision": lambda: s.delete(1, ctx=ctx),
    }


async def _all_refused(s: Stage, ctx: Context, who: str) -> None:
    before, members = await s.group(), {each.id for each in await s.ready(2)}
    for name, call in (await _changes(s, ctx)).items():
        await s.refused(call(), Conflict, f"{name} by {who}", owner=OURS)
        s.same(await s.group(), before, f"the group after {name} by {who} was refused")
    await s.spared(members)


@check("K5", "X4", "T11")
async def a_held_group_is_changed_by_nobody_else(s: Stage) -> None:
    """Every mutating call of another rollout is refused, with the holder as owner."""
    await s.hold(ctx=s.ctx(OURS, 2))
    await _all_refused(s, s.ctx(THEIRS, 9), "another rollout")


@check("K5", "H4", "X4")
async def an_older_lease_changes_nothing(s: Stage) -> None:
    """Every mutating call under a lower fence of the same rollout is refused."""
    await s.hold(ctx=s.ctx(OURS, 2))
    await _all_refused(s, s.ctx(OURS, 1), "an older lease")


@check("K5", size=3)
async def the_holder_and_a_later_lease_may_change_it(s: Stage) -> None:
    """The holder's calls work, and under a higher fence too."""
    await s.hold(ctx=s.ctx(OURS, 2))
    s.same(await s.grow(4, expected=3, ctx=s.ctx(OURS, 2)), 4, "what the holder's grow returns")
    await s.ready(4)
    await s.hold(ctx=s.ctx(OURS, 3))
    mark = (await s.group()).hold
    s.same(mark and mark.fence, 3, "the fence that is told after a later lease has held it")
    first, *_ = await s.ready(4)
    s.same((await s.retire(first.id, ctx=s.ctx(OURS, 3))).size, 3, "the size after its retire")
    await s.release(ctx=s.ctx(OURS, 3))
    s.same((await s.group()).hold, None, "the hold after its release")


@check("H10", "H1", size=3)
async def a_hold_is_told_with_what_it_found(s: Stage) -> None:
    """The mark names rollout, fence, end, plan, and the size at the first hold."""
    until = await s.hold()
    first, *_ = await s.ready(3)
    await s.retire(first.id)
    await s.hold(ctx=s.ctx(OURS, 2))
    mark = (await s.group()).hold
    s.must(mark, "a group that is held is told without a hold")
    mark = mark or Hold("", 0, 0)
    told = (mark.rollout, mark.fence, mark.plan, mark.size)
    s.same(told, (OURS, 2, PLAN, 3), "rollout, fence, plan and first size of the mark")
    s.must(mark.until >= until - 1, f"the end went back from {until} to {mark.until}")


@check("H5", "K5")
async def an_expired_hold_binds_nobody(s: Stage) -> None:
    """A hold whose time is over isn't told, and stops no other rollout."""
    until = await s.hold(s.author.short)
    await s.past(until)
    group = await s.group()
    s.same(group.hold, None, "the hold that is told after its time")
    s.same(await s.grow(3, expected=2, ctx=s.ctx(THEIRS)), 3, "what another rollout's grow returns")
    await s.hold(ctx=s.ctx(THEIRS))
    mark = (await s.group()).hold
    s.same(mark and mark.rollout, THEIRS, "the holder after another rollout has taken it")


@check("H10", "H6")
async def an_expired_hold_is_told_as_lapsed(s: Stage) -> None:
    """Its mark can be seen until a release, which anybody may make, undoes it."""
    until = await s.hold(s.author.short)
    await s.past(until)
    lapsed = (await s.group()).lapsed
    s.same(lapsed and lapsed.rollout, OURS, "the holder of the lapsed hold")
    await s.release(ctx=s.ctx(THEIRS))
    group = await s.group()
    s.same((group.hold, group.lapsed), (None, None), "hold and lapsed hold after the release")


@check("H4", "E11", size=3, uses=("raw_bounds",))
async def a_repeated_hold_keeps_the_first_originals(s: Stage) -> None:
    """Its end moves; the minimum that it restores is the one that was there at first."""
    await s.author.raw_bounds(s.fleet, 1, 3, None)
    until = await s.hold(600)
    first, *_ = await s.ready(3)
    await s.see_off(first.id)
    later = await s.hold(1200)
    group = await s.group()
    mark = group.hold or Hold("", 0, 0)
    s.must(mark.until > until + 1, f"a repeated hold ends at {mark.until}, asked for {later}")
    s.same(mark.minimum, 3, "the minimum that the mark has saved")
    await s.grow(3, expected=2)
    await s.ready(3)
    await s.release()
    s.same((await s.group()).minimum, 3, "the minimum after the release")


@check("H5", size=3, uses=("raw_bounds",))
async def an_expired_hold_is_told_as_restored(s: Stage) -> None:
    """The minimum is told as it will be; who takes the hold over keeps the originals."""
    await s.author.raw_bounds(s.fleet, 1, 3, None)
    until = await s.hold(s.author.short)
    first, *_ = await s.ready(3)
    await s.retire(first.id, ctx=s.ctx())
    await s.grow(3, expected=2)
    await s.see_off(first.id)
    await s.ready(3)
    await s.past(until)
    s.same((await s.group()).minimum, 3, "the minimum that is told after the hold's time")
    await s.hold(ctx=s.ctx(THEIRS))
    mark = (await s.group()).hold or Hold("", 0, 0)
    s.same(mark.minimum, 3, "the minimum that the next holder's mark has saved")
    await s.release(ctx=s.ctx(THEIRS))
    s.same((await s.group()).minimum, 3, "the minimum after its release")


@check("H2", size=3, uses=("raw_scale_in",))
async def a_hold_stops_scale_in(s: Stage) -> None:
    """Automatic scaling takes no member of a held group."""
    before = {each.id for each in await s.ready(3)}
    await s.hold()
    await s.author.raw_scale_in(s.fleet, 1)
    state = await s.look()
    s.same((await s.group()).size, 3, "the size of a held group that scaling wants smaller")
    s.same({each.id for each in state.members(1)}, before, "its members")
    await s.spared(before)


@check("H7", "H8", "O10", size=1, uses=("raw_bounds", "raw_scaling"))
async def releasing_brings_the_settings_here(s: Stage) -> None:
    """Scaling settings and minimum end up on the group that is released, however often."""
    await s.author.raw_bounds(s.fleet, 1, 1, 5)
    await s.author.raw_scaling(s.fleet, 1)
    settings = (await s.group()).settings
    s.must(settings, "raw_scaling left nothing in Group.settings")
    await s.hold()
    await s.create()
    s.same(dict((await s.group(2)).settings), {}, "the new group's settings before the release")
    await s.grow(1, expected=0, number=2)
    await s.ready(1, 2)
    (old,) = await s.ready(1)
    await s.see_off(old.id)
    ctx, before = s.ctx(), await s.look()
    for _ in range(2):
        await s.release(2, ctx=ctx)
        # First as the engine looks in the midst of a rollout, then as one does who begins.
        going_on = await s.going_on(before)
        s.same(going_on[2].settings, settings, "its settings in a look that goes on from before")
        one, two = await s.group(1), await s.group(2)
        s.same(two.settings, settings, "the settings of the released group")
        s.same((two.minimum, two.hold), (1, None), "its minimum and its hold")
        s.same(dict(one.settings), {}, "the settings of the group that they were on")
        s.must(one.hold, "the other group's hold ended too")


@check("E11", "H8")
async def a_release_may_be_repeated(s: Stage) -> None:
    """Releasing what isn't held changes nothing."""
    before = await s.group()
    await s.hold()
    for _ in range(2):
        await s.release()
        s.same(await s.group(), before, "the group after hold and release")


@check("E11", "H1", uses=("mishap",))
async def a_hold_without_an_answer_may_be_repeated(s: Stage) -> None:
    """A hold that took effect, and whose answer was lost, is there."""
    await s.author.mishap("hold", Mishap.LOST)
    await s.refused(s.hold(), Transient, "a hold whose answer is lost")
    mark = (await s.group()).hold
    s.same(mark and mark.rollout, OURS, "the holder")
    await s.hold()
    await s.refused(s.hold(ctx=s.ctx(THEIRS)), Conflict, "another rollout's hold", owner=OURS)


@check("K5", "T11", "O4", uses=("mishap",))
async def a_late_call_is_held_against_the_fence(s: Stage) -> None:
    """A retirement that arrives after a later lease's hold ends nobody."""
    members = await s.ready(2)
    await s.author.mishap("retire", Mishap.LATE)
    what = "a retirement that comes late"
    await s.refused(s.retire(members[0].id, ctx=s.ctx(OURS, 1)), Transient, what)
    await s.hold(ctx=s.ctx(OURS, 2))
    start = await s.now()
    await s.until(lambda state: state.at > start + s.author.late, "the late retirement")
    s.same((await s.group()).size, 2, "the size after a retirement of an older lease")
    await s.spared({each.id for each in members})
