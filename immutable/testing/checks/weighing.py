"""Checks of ``route`` and ``traffic``."""

from __future__ import annotations

from collections.abc import Mapping

from immutable.backend import Conflict, Invalid, Pool, SupportsTraffic, Transient
from immutable.testing.accessors import Mishap
from immutable.testing.check import check
from immutable.testing.outcome import Skipped
from immutable.testing.stage import OURS, THEIRS, Stage

_WEIGHTED = ("weighted_traffic",)
_REQUESTS = 200
_NEAR = 0.15


def _part(s: Stage, share: float) -> float:
    """Return the percentage nearest to *share* that the backend has: more than none."""
    step = s.backend.capabilities.weight_step
    return max(step, round(share / step) * step)


async def _two_pools(s: Stage) -> None:
    """Put a READY member in a pool of its own beside the group that serves, at weight 0."""
    await s.create(pool=Pool.OWN)
    await s.grow(1, expected=0, number=2)
    await s.ready(1, 2)


async def _weights(s: Stage) -> dict[int, float | None]:
    return {group.number: group.weight for group in (await s.look()).groups}


async def _route(s: Stage, weights: Mapping[int, float], rollout: str = OURS) -> None:
    await s.backend.route(s.fleet, weights, s.ctx(rollout))


@check("R7", "W1", needs=_WEIGHTED)
async def a_pool_of_its_own_begins_at_0(s: Stage) -> None:
    """The serving group has 100, the new one 0, and its members become READY all the same."""
    s.same(await _weights(s), {1: None}, "the weight of a group that is alone")
    await _two_pools(s)
    s.same(await _weights(s), {1: 100, 2: 0}, "the weights beside a pool of its own")


@check("W1", needs=_WEIGHTED)
async def a_further_group_has_weight_0(s: Stage) -> None:
    """Once there are weights every group has one, whatever its pool."""
    await s.create(pool=Pool.OWN)
    await s.create(3, pool=Pool.SHARED)
    s.same(await _weights(s), {1: 100, 2: 0, 3: 0}, "the weights of three groups")


@check("W2", "E11", needs=_WEIGHTED)
async def the_whole_table_is_set(s: Stage) -> None:
    """Every group has the weight that was asked for, however often it is asked."""
    await _two_pools(s)
    for share in (_part(s, 25), 100, 0):
        table = {1: 100 - share, 2: share}
        for _ in range(2):
            await _route(s, table)
            s.same(await _weights(s), table, f"the weights after routing {share:g} % to r2")


@check("W3", "W4", needs=_WEIGHTED, uses=("send",))
async def requests_are_divided_by_weight(s: Stage) -> None:
    """New requests follow the table, not the numbers of members; at 0 there are none."""
    await _two_pools(s)
    for share in sorted({0, _part(s, 50), 100}):
        await _route(s, {1: 100 - share, 2: share})
        answered = await s.author.send(s.fleet, _REQUESTS)
        (new,) = await s.ready(1, 2)
        part = answered.get(new.id, 0) / max(1, sum(answered.values()))
        s.must(
            abs(part - share / 100) <= (_NEAR if 0 < share < 100 else 0),
            f"at {share:g} % r2 answered {part:.0%} of {sum(answered.values())} requests",
        )


@check("W5", "X4", needs=_WEIGHTED)
async def tables_that_make_no_sense_are_refused(s: Stage) -> None:
    """Other groups, weights that aren't percentages, sums that aren't 100."""
    await _two_pools(s)
    tables: tuple[Mapping[int, float], ...] = (
        {1: 100},
        {1: 50, 2: 25, 3: 25},
        {1: 50, 2: 49},
        {1: 150, 2: -50},
        {},
    )
    for table in tables:
        await s.refused(_route(s, table), Invalid, f"routing {dict(table)} with groups 1 and 2")
        s.same(await _weights(s), {1: 100, 2: 0}, f"the weights after {dict(table)} was refused")


@check("W5", needs=_WEIGHTED)
async def a_shared_pool_has_no_weights(s: Stage) -> None:
    """Groups in one pool can't be told apart."""
    await s.create()
    await s.grow(1, expected=0, number=2)
    await s.ready(1, 2)
    await s.refused(_route(s, {1: 50, 2: 50}), Invalid, "routing between groups that share a pool")
    s.same(await _weights(s), {1: None, 2: None}, "the weights after it")


@check("W5", needs=_WEIGHTED)
async def a_group_without_ready_members_gets_no_traffic(s: Stage) -> None:
    """Where nobody is READY nothing is sent; the table that stands is no error."""
    await s.create(pool=Pool.OWN)
    what, share = "routing to a group without a READY member", _part(s, 50)
    await s.refused(_route(s, {1: 100 - share, 2: share}), Invalid, what)
    await _route(s, {1: 100, 2: 0})
    s.same(await _weights(s), {1: 100, 2: 0}, "the weights after it")


@check("W5", "K5", needs=_WEIGHTED)
async def a_table_with_a_held_group_is_the_holders(s: Stage) -> None:
    """Each group of the table has to be the caller's."""
    await _two_pools(s)
    what = "routing by another rollout, with r2 held"
    await s.refused(_route(s, {1: 0, 2: 100}, THEIRS), Conflict, what, owner=OURS)
    s.same(await _weights(s), {1: 100, 2: 0}, "the weights after the refusal")
    await s.hold(ctx=s.ctx(OURS, 5))
    await s.refused(_route(s, {1: 0, 2: 100}), Conflict, "routing under an older lease, r1 held")
    s.same(await _weights(s), {1: 100, 2: 0}, "the weights after both")


@check("D6", needs=_WEIGHTED, uses=("send",))
async def who_is_left_alone_has_no_weight(s: Stage) -> None:
    """The last group has all traffic, whatever its weight was."""
    await _two_pools(s)
    (new,) = await s.ready(1, 2)
    share = _part(s, 75)
    await _route(s, {1: 100 - share, 2: share})
    await s.see_off(new.id, number=2)
    await s.delete(2)
    s.same(await _weights(s), {1: None}, "the weight of the group that is left")
    answered = await s.author.send(s.fleet, 20)
    s.must(sum(answered.values()) >= 10, "the group that is left answers no requests")


@check("W2", "E11", needs=_WEIGHTED, uses=("mishap",))
async def a_switch_without_an_answer_may_be_repeated(s: Stage) -> None:
    """A table that was set, and whose answer was lost, is there."""
    await _two_pools(s)
    await s.author.mishap("route", Mishap.LOST)
    what = "a switch whose answer is lost"
    await s.refused(_route(s, {1: 0, 2: 100}), Transient, what)
    s.same(await _weights(s), {1: 0, 2: 100}, "the weights after it")
    await _route(s, {1: 0, 2: 100})


@check("W6", needs=_WEIGHTED)
async def the_finest_weight_is_kept(s: Stage) -> None:
    """A weight of one step is told as it was asked for."""
    await _two_pools(s)
    step = s.backend.capabilities.weight_step
    await _route(s, {1: 100 - step, 2: step})
    s.same(await _weights(s), {1: 100 - step, 2: step}, "the weights after routing one step")


@check("W6", "X4", needs=_WEIGHTED)
async def what_can_only_be_switched_is_not_divided(s: Stage) -> None:
    """With a weight_step of 100 a table that gives two groups a part is refused."""
    if s.backend.capabilities.divides_traffic:
        raise Skipped("capabilities.weight_step is below 100: the traffic can be divided")
    await _two_pools(s)
    await s.refused(_route(s, {1: 50, 2: 50}), Invalid, "dividing what can only be switched")
    s.same(await _weights(s), {1: 100, 2: 0}, "the weights after it")


@check("W7", "W8", needs=("traffic_stats",), uses=("send",))
async def requests_are_counted(s: Stage) -> None:
    """What was answered is counted by the member that answered, in buckets that fit."""
    assert isinstance(s.backend, SupportsTraffic)
    answered = await s.author.send(s.fleet, 50)
    reading = await s.backend.traffic(s.fleet)
    counted = reading.revisions.get(1, {})
    for name, times in answered.items():
        found = counted[name].requests if name in counted else 0
        s.must(found >= times, f"{name} answered {times} requests, {found} are counted")
    for name, each in counted.items():
        s.same(len(each.latency), len(reading.bounds) + 1, f"the latency buckets of {name}")
        s.same(sum(each.latency), each.requests, f"requests in the latency buckets of {name}")
