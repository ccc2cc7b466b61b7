"""Checks of ``retire``."""

from __future__ import annotations

import asyncio

from immutable.backend import InstanceState, Throttled, Transient
from immutable.testing.accessors import Mishap
from immutable.testing.check import check
from immutable.testing.stage import Stage

DRAINING = InstanceState.DRAINING
_SECONDS = 15.0


@check("T1", "T5", size=4)
async def exactly_the_named_ones_go(s: Stage) -> None:
    """Who is named goes, everybody else stays, and nobody is started in their place."""
    one, two, three, four = (each.id for each in await s.ready(4))
    state = await s.see_off(four, two)
    s.same({i.id for i in state.instances}, {one, three}, "who is listed after retiring two")
    await s.spared({one, three})
    s.same((await s.group()).size, 2, "the size after retiring two of four")


@check("T2", "V4", size=3)
async def the_size_falls_at_once(s: Stage) -> None:
    """The size is lower before the member is gone, in the answer and in the next look."""
    first, *_ = await s.ready(3)
    left = await s.retire(first.id)
    s.same(left.size, 2, "the size that retire returns for one of three")
    s.same((await s.group()).size, 2, "the size that the next look tells")


@check("T2", size=3, uses=("raw_bounds",))
async def a_minimum_in_the_way_falls_too(s: Stage) -> None:
    """The minimum is lowered when it is in the way."""
    await s.author.raw_bounds(s.fleet, 1, 3, None)
    first, *_ = await s.ready(3)
    await s.retire(first.id)
    group = await s.group()
    s.must(group.minimum <= 2, f"the minimum is {group.minimum} at size {group.size}")


@check("T3", "T8", "E11", size=3)
async def who_is_leaving_lowers_nothing_again(s: Stage) -> None:
    """A repeated retirement lowers the size once."""
    first, *_ = await s.ready(3)
    ctx = s.ctx()
    for _ in range(3):
        s.same((await s.retire(first.id, ctx=ctx)).size, 2, "what each of three calls returns")
    s.same((await s.retire(first.id)).size, 2, "what a call with a new token returns")
    s.same((await s.group()).size, 2, "the size after them")


@check("T3", size=3)
async def who_is_gone_or_unknown_is_no_error(s: Stage) -> None:
    """Members that are gone, or never were, change nothing."""
    first, second, third = await s.ready(3)
    await s.see_off(first.id)
    s.same((await s.retire(first.id)).size, 2, "what retiring one that is gone returns")
    s.same((await s.retire("i-unknown")).size, 2, "what retiring an unknown one returns")
    await s.spared({second.id, third.id})
    s.same((await s.group()).size, 2, "the size after them")


@check("T3", "T1")
async def a_member_of_another_group_is_not_ended(s: Stage) -> None:
    """A member of another revision is unknown here."""
    await s.create()
    await s.grow(1, expected=0, number=2)
    (other,) = await s.ready(1, 2)
    s.same((await s.retire(other.id, number=1)).size, 2, "what retiring r2's member of r1 returns")
    state = await s.look()
    sizes = {group.number: group.size for group in state.groups}
    s.same(sizes, {1: 2, 2: 1}, "the sizes after it")
    await s.spared({other.id}, number=2)


@check("T10", uses=("raw_protect",))
async def a_protected_member_goes_when_named(s: Stage) -> None:
    """An owner's protection is told, and does not stop a retirement."""
    first, _ = await s.ready(2)
    await s.author.raw_protect(s.fleet, first.id)
    told = {each.id for each in (await s.look()).instances if each.protected}
    s.same(told, {first.id}, "who is told as protected")
    await s.see_off(first.id)


@check("E2", "T5")
async def it_returns_within_seconds(s: Stage) -> None:
    """Calls return at once, whatever goes on after them."""
    loop = asyncio.get_running_loop()
    first, _ = await s.ready(2)
    began = loop.time()
    await s.grow(3, expected=2)
    await s.retire(first.id)
    took = loop.time() - began
    s.must(
        took <= _SECONDS, f"grow and retire took {took:.0f} s together; observe watches the rest"
    )


@check("T9", uses=("slow_drains",))
async def a_slow_drain_ends_with_its_timeout(s: Stage) -> None:
    """Who still has something in flight after drain_timeout is terminated all the same."""
    first, second = await s.ready(2)
    await s.author.slow_drains(s.fleet, 100 * s.patience)
    await s.see_off(first.id)  # Advanced as the backend wishes, within drain_timeout and patience.
    await s.spared({second.id})


@check("T9", "E11", uses=("slow_drains",))
async def a_repeated_retirement_drains_for_no_longer(s: Stage) -> None:
    """The time of a drain runs from its beginning, not from the last call."""
    first, _ = await s.ready(2)
    await s.author.slow_drains(s.fleet, 100 * s.patience)
    limit, loop = s.author.drain_timeout, asyncio.get_running_loop()
    end = loop.time() + limit + s.patience
    while first.id in {each.id for each in (await s.look()).instances}:
        s.must(loop.time() < end, f"{first.id} is there after drain_timeout, retired repeatedly")
        await s.retire(first.id, drain=limit)
        await asyncio.sleep(min(limit / 4, s.patience / 4))


@check("T9", size=3, uses=("send", "slow_drains"))
async def who_drains_gets_no_new_request(s: Stage) -> None:
    """A draining member is out of the pool."""
    first, *_ = await s.ready(3)
    await s.author.slow_drains(s.fleet, s.author.drain_timeout / 2)
    await s.retire(first.id)
    state = await s.until(
        lambda state: (
            any(i.id == first.id and i.state is DRAINING for i in state.instances)
            or first.id not in {i.id for i in state.instances}
        ),
        f"{first.id} DRAINING",
    )
    s.must(state.members(1), "the fleet is empty")
    answered = await s.author.send(s.fleet, 60)
    s.same(answered.get(first.id, 0), 0, f"requests that {first.id} answered while it drained")
    s.must(sum(answered.values()), "nobody answered any request")


@check("T3", "E11", size=3, uses=("mishap",))
async def a_retirement_without_an_answer_may_be_repeated(s: Stage) -> None:
    """A retirement that took effect, and whose answer was lost, lowers the size once."""
    first, second, third = await s.ready(3)
    await s.author.mishap("retire", Mishap.LOST)
    ctx = s.ctx()
    await s.refused(s.retire(first.id, ctx=ctx), Transient, "a retirement whose answer is lost")
    s.same((await s.retire(first.id, ctx=ctx)).size, 2, "what its repetition returns")
    await s.see_off(first.id)
    await s.spared({second.id, third.id})


@check("X2", size=3, uses=("mishap",))
async def a_throttled_retirement_did_nothing(s: Stage) -> None:
    """Throttled says that nothing happened."""
    members = await s.ready(3)
    await s.author.mishap("retire", Mishap.THROTTLED)
    await s.refused(s.retire(members[0].id), Throttled, "a retirement that the cloud throttles")
    s.same((await s.group()).size, 3, "the size after it")
    await s.spared({each.id for each in members})
    s.same((await s.retire(members[0].id)).size, 2, "what its repetition returns")


@check("T4", size=3, uses=("mishap",))
async def a_part_that_was_begun_is_transient(s: Stage) -> None:
    """Where only some of the members could be begun with, the whole is in doubt."""
    first, second, third = await s.ready(3)
    await s.author.mishap("retire", Mishap.PARTLY)
    what = "a retirement of which a part was begun"
    await s.refused(s.retire(first.id, second.id), Transient, what)
    s.same((await s.retire(first.id, second.id)).size, 1, "what its repetition returns")
    await s.see_off(first.id, second.id)
    await s.spared({third.id})
