"""Checks of ``create_revision`` and ``delete_revision``."""

from __future__ import annotations

import asyncio

from immutable.backend import Conflict, Gone, Hold, Pool, Throttled, Transient
from immutable.testing.accessors import Mishap
from immutable.testing.check import check
from immutable.testing.stage import OURS, PLAN, THEIRS, Stage

_VALUE = "nobody-else-needs-to-know-this"


@check("R3", "H10")
async def a_group_is_born_empty_marked_and_held(s: Stage) -> None:
    """A new group has no members, tells whose it is, and nobody else can touch it."""
    until = await s.now() + 600
    await s.create(until=until)
    group = await s.group(2)
    s.same((group.size, group.rollout, group.plan), (0, OURS, PLAN), "size, rollout and plan")
    s.must(group.hold, "the new group is not held")
    mark = group.hold or Hold("", 0, 0)
    s.same((mark.rollout, mark.fence), (OURS, 1), "holder and fence of the new group")
    s.must(abs(mark.until - until) < 1, f"held until {mark.until}, and asked for {until}")
    s.same(group.minimum, 0, "the minimum of the new group")
    await s.refused(
        s.grow(1, expected=0, number=2, ctx=s.ctx(THEIRS, 9)),
        Conflict,
        "growing the new group by another rollout",
        owner=OURS,
    )
    await s.spared(set(), number=2)


@check("R3", "E13")
async def a_creation_leaves_the_serving_group_alone(s: Stage) -> None:
    """The group that serves is as it was."""
    before = {each.id for each in await s.ready(2)}
    group = await s.group(1)
    await s.create()
    s.same(await s.group(1), group, "the group that serves, after another was made")
    await s.spared(before)


@check("R4", "E6")
async def a_revision_is_told_as_it_was_given(s: Stage) -> None:
    """What create_revision got is what observe tells, to the last field."""
    revision = await s.revision(2, SETTING=_VALUE)
    await s.backend.create_revision(s.fleet, revision, Pool.SHARED, await s.now() + 600, s.ctx())
    s.same((await s.group(2)).revision, revision, "the revision that is told")
    error = await s.refused(
        s.backend.create_revision(
            s.fleet, revision, Pool.SHARED, await s.now() + 600, s.ctx(THEIRS)
        ),
        Conflict,
        "creating it again for another rollout",
    )
    told = f"{error} {' '.join(s.backend.notes(s.fleet))}"
    s.must(_VALUE not in told, f"a value of the configuration is in a message: {told}")


@check("R6", "E11")
async def the_same_rollout_may_create_twice(s: Stage) -> None:
    """A repetition changes nothing."""
    ctx, until = s.ctx(), await s.now() + 600
    await s.create(ctx=ctx, until=until)
    first = await s.group(2)
    await s.create(ctx=ctx, until=until)
    s.same(await s.group(2), first, "the group after a repeated creation")
    await s.grow(1, expected=0, number=2)
    members = {each.id for each in await s.ready(1, 2)}
    await s.create(ctx=ctx, until=until)
    s.same((await s.group(2)).size, 1, "the size after a creation repeated late")
    await s.spared(members, number=2)


@check("R8", "R6", "K5")
async def another_rollout_may_not_create_it(s: Stage) -> None:
    """A group of this number that another rollout has made is a Conflict that names it."""
    await s.create()
    before = await s.group(2)
    what = "creating r2, which another rollout has made"
    await s.refused(s.create(ctx=s.ctx(THEIRS)), Conflict, what, owner=OURS)
    s.same(await s.group(2), before, "the group after the refusal")


@check("R1", "R8")
async def of_two_creators_one_wins(s: Stage) -> None:
    """Two rollouts that create the same number at once: one has it, the other is told who."""
    rollouts, until = (OURS, THEIRS), await s.now() + 600
    revision = await s.revision(2)

    def creation(rollout: str) -> asyncio.Task[None]:
        call = s.backend.create_revision(s.fleet, revision, Pool.SHARED, until, s.ctx(rollout))
        return asyncio.ensure_future(call)

    answers = await asyncio.gather(*map(creation, rollouts), return_exceptions=True)
    winner = (await s.group(2)).rollout
    s.must(winner in rollouts, f"the group belongs to {winner!r}")
    for rollout, answer in zip(rollouts, answers, strict=True):
        if rollout == winner:
            s.same(answer, None, f"the answer to {rollout}, whose group it is")
        else:
            s.must(
                isinstance(answer, Conflict),
                f"{rollout} lost, and its answer is {answer!r}: it would think that it had won",
            )
            s.same(getattr(answer, "owner", None), winner, f"the owner that {rollout} is told")


@check("R2")
async def a_number_is_given_out_once(s: Stage) -> None:
    """The number of a group that is gone is given to no other rollout."""
    await s.create()
    await s.delete(2)
    state = await s.look()
    s.same(state.last_revision, 2, "last_revision after r2 was made and deleted")
    await s.refused(s.create(ctx=s.ctx(THEIRS)), Conflict, "creating r2 again")
    s.same([g.number for g in (await s.look()).groups], [1], "the groups after the refusal")


@check("R2")
async def a_lower_number_is_refused(s: Stage) -> None:
    """A number below one that was given out to another rollout is a Conflict."""
    await s.create(3)
    what = "creating r2 after another rollout's r3"
    await s.refused(s.create(2, ctx=s.ctx(THEIRS)), Conflict, what)


@check("R5", uses=("raw_bounds",))
async def a_new_group_has_the_maximum_of_the_serving_one(s: Stage) -> None:
    """The maximum is copied, the minimum is not."""
    await s.author.raw_bounds(s.fleet, 1, 1, 7)
    await s.create()
    group = await s.group(2)
    s.same((group.minimum, group.maximum), (0, 7), "minimum and maximum of the new group")


@check("R5", "R4", uses=("raw_serving",))
async def members_start_from_their_own_revision(s: Stage) -> None:
    """What a group launches is told under its own revision, and joins beside the others."""
    await s.create()
    await s.grow(1, expected=0, number=2)
    (new,) = await s.ready(1, 2)
    await s.spared({new.id}, number=2)
    s.must(new.id in await s.author.raw_serving(s.fleet), f"{new.id} is READY and not served")


@check("E11", "R6", uses=("mishap",))
async def a_creation_without_an_answer_may_be_repeated(s: Stage) -> None:
    """A creation that took effect, and whose answer was lost, is found done."""
    await s.author.mishap("create_revision", Mishap.LOST)
    ctx, until = s.ctx(), await s.now() + 600
    what = "a creation whose answer is lost"
    await s.refused(s.create(ctx=ctx, until=until), Transient, what)
    await s.create(ctx=ctx, until=until)
    s.same((await s.group(2)).rollout, OURS, "whose the group is")


@check("R6", uses=("mishap",))
async def what_is_half_made_is_completed(s: Stage) -> None:
    """A creation that was cut off is completed by the same rollout, and refused to others."""
    await s.author.mishap("create_revision", Mishap.HALF_MADE)
    ctx, until = s.ctx(), await s.now() + 600
    await s.refused(s.create(ctx=ctx, until=until), Transient, "a creation that is cut off")
    what = "creating what another rollout has half made"
    await s.refused(s.create(ctx=s.ctx(THEIRS)), Conflict, what)
    await s.create(ctx=ctx, until=until)
    s.same((await s.group(2)).rollout, OURS, "whose the group is")


@check("X2", uses=("mishap",))
async def a_throttled_creation_did_nothing(s: Stage) -> None:
    """Throttled says that nothing happened: another rollout may still have the number."""
    await s.author.mishap("create_revision", Mishap.THROTTLED)
    await s.refused(s.create(), Throttled, "a creation that the cloud throttles")
    s.same((await s.look()).group(2), None, "the group after it")
    await s.create(ctx=s.ctx(THEIRS))


# -- delete_revision -------------------------------------------------------------------------------


@check("D1", "X4", size=1)
async def a_group_with_members_is_not_deleted(s: Stage) -> None:
    """Members keep a group."""
    await s.create()
    await s.grow(1, expected=0, number=2)
    (member,) = await s.ready(1, 2)
    await s.refused(s.delete(2), Conflict, "deleting a group with a READY member")
    await s.spared({member.id}, number=2)
    await s.see_off(member.id, number=2)
    await s.delete(2)
    s.same((await s.look()).group(2), None, "the group, deleted once it was empty")


@check("D1", size=1, uses=("slow_drains",))
async def a_group_whose_last_member_drains_is_not_deleted(s: Stage) -> None:
    """A draining member has requests in flight, which a deletion would end."""
    await s.create()
    await s.grow(1, expected=0, number=2)
    (member,) = await s.ready(1, 2)
    await s.author.slow_drains(s.fleet, s.author.drain_timeout / 2)
    await s.retire(member.id, number=2)
    await s.refused(s.delete(2), Conflict, "deleting a group whose member drains")
    await s.spared({member.id}, number=2)
    await s.see_off(member.id, number=2)


@check("D1", size=1)
async def a_group_that_is_to_have_members_is_not_deleted(s: Stage) -> None:
    """A size without members yet is as good as members: they would come after the deletion."""
    await s.create()
    await s.grow(1, expected=0, number=2)
    await s.refused(s.delete(2), Conflict, "deleting a group of size 1")


@check("D3", "D5", "E11")
async def a_deleted_group_is_gone_at_once(s: Stage) -> None:
    """From the answer on it isn't told; deleting it again is Gone."""
    await s.create()
    before = {each.id for each in await s.ready(2)}
    await s.delete(2)
    state = await s.look()
    s.same([group.number for group in state.groups], [1], "the groups after the deletion")
    await s.refused(s.delete(2), Gone, "deleting it again")
    await s.spared(before)


@check("D2")
async def a_group_of_another_rollout_is_not_deleted(s: Stage) -> None:
    """Neither its maker nor its last holder: refused, also after its hold has expired."""
    until = await s.now() + s.author.short
    await s.create(until=until)
    await s.past(until)
    what = "deleting a group that another rollout has made"
    await s.refused(s.delete(2, ctx=s.ctx(THEIRS)), Conflict, what, owner=OURS)
    await s.hold(number=2, ctx=s.ctx(THEIRS))
    await s.delete(2, ctx=s.ctx(THEIRS))
    s.same((await s.look()).group(2), None, "the group, deleted by its last holder")


@check("E11", "D5", uses=("mishap",))
async def a_deletion_without_an_answer_may_be_repeated(s: Stage) -> None:
    """A deletion that took effect, and whose answer was lost, is found done."""
    await s.create()
    await s.author.mishap("delete_revision", Mishap.LOST)
    await s.refused(s.delete(2), Transient, "a deletion whose answer is lost")
    await s.refused(s.delete(2), Gone, "its repetition")
    s.same((await s.look()).group(2), None, "the group after both")
