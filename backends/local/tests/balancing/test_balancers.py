"""What both balancers do alike: members, weights, drains, switches, counts."""

import asyncio
import math
from collections import Counter
from contextlib import AsyncExitStack, suppress

import pytest
from attrs import evolve

from backends.local.tests.balancing.conftest import NewBalancer, NewSites
from backends.local.tests.balancing.support import Site, Visitor, get, until
from immutable.errors import InvalidValue
from immutable_local.balancing import Balancer, Member, Settings

pytestmark = pytest.mark.asyncio


def named(*members: Member) -> dict[str, Member]:
    return {member.id: member for member in members}


def of(sites: list[Site], **changes: object) -> dict[str, Member]:
    return named(*(evolve(site.member, **changes) for site in sites))


async def ask(balancer: Balancer, times: int, connections: int = 8) -> Counter[str]:
    """Ask that often over kept connections; return who answered how often."""
    assert times % connections == 0
    answers: Counter[str] = Counter()

    async def some() -> None:
        async with Visitor.to(balancer) as visitor:
            for _ in range(times // connections):
                reply = await visitor.get()
                assert reply.status == 200, reply.text
                answers[reply.text] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(some())
    return answers


async def test_without_members_it_answers_503(balancer: Balancer) -> None:
    assert (await get(balancer)).status == 503


async def test_what_is_applied_is_there_at_once(balancer: Balancer, sites: NewSites) -> None:
    a, b = await sites("a", "b")
    await balancer.apply(of([a, b]))
    assert set(await ask(balancer, 16)) == {"a", "b"}


async def test_equal_members_get_equally_much(balancer: Balancer, sites: NewSites) -> None:
    three = await sites("a", "b", "c")
    await balancer.apply(of(three))
    assert set((await ask(balancer, 96)).values()) == {32}


@pytest.mark.parametrize(("new", "old"), [(5, 95), (25, 75), (50, 50)])
async def test_weights_decide_about_shares(
    balancer: Balancer, sites: NewSites, new: int, old: int
) -> None:
    """The candidate's part of 4,000 requests is within three standard deviations of its weight."""
    [stable], [candidate] = await sites("s"), await sites("c", revision=2)
    await balancer.apply(
        named(evolve(stable.member, weight=old), evolve(candidate.member, weight=new))
    )
    answers = await ask(balancer, 4000)
    share = new / 100
    deviation = math.sqrt(4000 * share * (1 - share))
    assert answers.total() == 4000
    assert abs(answers["c"] - 4000 * share) <= 3 * deviation


async def test_weight_zero_gets_nothing(balancer: Balancer, sites: NewSites) -> None:
    a, b = await sites("a", "b")
    await balancer.apply(named(a.member, evolve(b.member, weight=0)))
    assert await ask(balancer, 40) == {"a": 40}
    await balancer.apply(named(evolve(a.member, weight=0), evolve(b.member, weight=256)))
    assert await ask(balancer, 40) == {"b": 40}


async def test_a_draining_member_gets_nothing_and_can_come_back(
    balancer: Balancer, sites: NewSites
) -> None:
    a, b = await sites("a", "b")
    await balancer.apply(named(a.member, evolve(b.member, draining=True)))
    assert await ask(balancer, 40) == {"a": 40}
    await balancer.apply(of([a, b]))
    assert await ask(balancer, 40) == {"a": 20, "b": 20}


async def test_when_all_drain_it_answers_503(balancer: Balancer, sites: NewSites) -> None:
    await balancer.apply(of(await sites("a", "b"), draining=True))
    assert (await get(balancer)).status == 503


async def test_applying_the_same_again_changes_nothing(balancer: Balancer, sites: NewSites) -> None:
    members = of(await sites("a", "b", "c"), weight=7)
    await balancer.apply(members)
    before = await ask(balancer, 16)
    for _ in range(3):
        await balancer.apply(members)
    after = await ask(balancer, 32)
    assert set((before + after).values()) == {16}
    seen = await balancer.traffic()
    assert [seen[name].requests for name in "abc"] == [16, 16, 16]


async def test_a_member_can_move(balancer: Balancer, sites: NewSites) -> None:
    a, b = await sites("a", "b")
    await balancer.apply(named(a.member))
    assert await ask(balancer, 16) == {"a": 16}
    await balancer.apply(named(evolve(a.member, port=b.port)))
    assert await ask(balancer, 16) == {"b": 16}
    assert (await balancer.traffic())["a"].requests == 32


async def test_another_revision_under_the_same_id_is_another_member(
    fresh: Balancer, sites: NewSites
) -> None:
    a, b = await sites("a", "b")
    await fresh.apply(named(a.member))
    await ask(fresh, 16)
    await fresh.apply(named(evolve(a.member, port=b.port, revision=2)))
    assert await ask(fresh, 24) == {"b": 24}
    seen = await fresh.traffic()
    assert (seen["a"].revision, seen["a"].requests) == (2, 24)
    by_revision = await fresh.revisions()
    assert (by_revision[1].requests, by_revision[2].requests) == (16, 24)


async def test_a_key_must_be_its_members_id(balancer: Balancer) -> None:
    with pytest.raises(InvalidValue, match="names the member 'a'"):
        await balancer.apply({"b": Member("a", "127.0.0.1", 80, 1)})


async def test_a_hundred_members_are_more_than_one_line(
    balancer: Balancer, sites: NewSites
) -> None:
    [a] = await sites("a")
    many = [evolve(a.member, id=f"member-with-a-rather-long-name-{n}") for n in range(100)]
    await balancer.apply(named(*many))
    assert await ask(balancer, 200) == {"a": 200}
    assert {seen.requests for seen in (await balancer.traffic()).values()} == {2}
    await balancer.apply(named(*many[:3]))
    assert set(await balancer.traffic()) == {member.id for member in many[:3]}


# -- switches -------------------------------------------------------------------------------------


async def test_after_a_switch_no_old_member_answers_on_any_connection(
    balancer: Balancer, sites: NewSites
) -> None:
    """There and back ten times, under load, with connections that stay open all the time."""
    blue = await sites("b1", "b2", "b3", "b4")
    green = await sites("g1", "g2", "g3", "g4", revision=2)
    await balancer.apply(of(blue) | of(green, draining=True))
    over = asyncio.Event()

    async def visit() -> None:
        async with Visitor.to(balancer) as visitor:
            while not over.is_set():
                assert (await visitor.get()).status == 200

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(visit())
        kept = [await stack.enter_async_context(Visitor.to(balancer)) for _ in range(10)]
        for switch in range(10):
            old, new = (blue, green) if switch % 2 == 0 else (green, blue)
            await balancer.apply(of(new) | of(old, draining=True))
            replies = await asyncio.gather(*(visitor.get() for visitor in kept))
            replies += await asyncio.gather(*(get(balancer) for _ in range(10)))
            assert {reply.text[0] for reply in replies} == {new[0].name[0]}
        over.set()


async def test_a_switch_to_new_members_happens_with_their_arrival(
    balancer: Balancer, sites: NewSites
) -> None:
    blue = await sites("b1", "b2", "b3", "b4")
    green = await sites("g1", "g2", "g3", "g4", revision=2)
    await balancer.apply(of(blue))
    await ask(balancer, 16)
    await balancer.apply(of(green) | of(blue, draining=True))
    assert {name[0] for name in await ask(balancer, 64)} == {"g"}


# -- drain and removal ----------------------------------------------------------------------------


async def test_requests_in_flight_count_until_they_are_answered(
    balancer: Balancer, sites: NewSites
) -> None:
    a, b = await sites("a", "b")
    await balancer.apply(named(a.member))
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(get(balancer, "/wait")) for _ in range(5)]

        async def all_there() -> bool:
            return a.active == 5

        await until(all_there)
        assert (await balancer.traffic())["a"].in_flight == 5
        await balancer.apply(named(evolve(a.member, draining=True), b.member))
        assert (await balancer.traffic())["a"].in_flight == 5
        assert await ask(balancer, 16) == {"b": 16}
        a.gate.set()
    assert {(await task).text for task in waiting} == {"a"}

    async def nothing() -> bool:
        return (await balancer.traffic())["a"].in_flight == 0

    await until(nothing)


async def test_a_member_that_is_no_longer_named_loses_what_is_in_flight(
    balancer: Balancer, sites: NewSites
) -> None:
    a, b = await sites("a", "b")
    await balancer.apply(named(a.member))
    async with Visitor.to(balancer) as visitor:
        asked = asyncio.create_task(visitor.get("/wait"))

        async def there() -> bool:
            return a.active == 1

        await until(there)
        await balancer.apply(named(b.member))
        assert set(await balancer.traffic()) == {"b"}
        with suppress(OSError, EOFError):
            assert (await asked).status == 502
        assert await ask(balancer, 16) == {"b": 16}


async def test_idle_connections_of_clients_survive_a_removal(
    balancer: Balancer, sites: NewSites
) -> None:
    a, b = await sites("a", "b")
    await balancer.apply(named(a.member))
    async with AsyncExitStack() as stack:
        kept = [await stack.enter_async_context(Visitor.to(balancer)) for _ in range(10)]
        assert {(await visitor.get()).text for visitor in kept} == {"a"}
        await balancer.apply(named(evolve(a.member, draining=True), b.member))
        await balancer.apply(named(b.member))
        await a.stop()
        assert {(await visitor.get()).text for visitor in kept} == {"b"}


# -- failures of members --------------------------------------------------------------------------


async def test_a_member_whose_port_is_closed_costs_nobody_a_request(
    balancer: Balancer, sites: NewSites
) -> None:
    a, b = await sites("a", "b")
    await balancer.apply(of([a, b]))
    await ask(balancer, 16)
    await b.stop()
    assert await ask(balancer, 40) == {"a": 40}
    async with Visitor.to(balancer) as visitor:
        for _ in range(4):
            assert (await visitor.post(b"x" * 100)).status == 200
    seen = await balancer.traffic()
    assert seen["a"].requests + seen["b"].requests == 60
    assert (seen["a"].failed, seen["b"].failed) == (0, 0)


async def test_when_nobody_listens_it_answers_503(balancer: Balancer, sites: NewSites) -> None:
    a, b = await sites("a", "b")
    await balancer.apply(of([a, b]))
    await a.stop()
    await b.stop()
    assert (await get(balancer)).status == 503
    seen = (await balancer.traffic()).values()
    assert sum(traffic.in_flight for traffic in seen) == 0
    assert sum(traffic.requests for traffic in seen) <= 1


async def test_counts_tell_what_happened(balancer: Balancer, sites: NewSites) -> None:
    [a] = await sites("a")
    await balancer.apply(named(a.member))
    for path in ("/", "/", "/", "/status?204", "/status?302", "/status?404", "/status?503"):
        await get(balancer, path)
    seen = (await balancer.traffic())["a"]
    assert (seen.revision, seen.requests, seen.in_flight, seen.failed) == (1, 7, 0, 1)
    assert seen.responses == (0, 4, 1, 1, 1)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/status?500", 500),
        ("/break", 502),
        ("/nonsense", 502),
        ("/half", None),
        ("/half?chunked", None),
    ],
)
async def test_every_way_to_fail_counts_once(
    balancer: Balancer, sites: NewSites, path: str, answer: int | None
) -> None:
    [a] = await sites("a")
    await balancer.apply(named(a.member))
    for expected in range(1, 4):
        if answer is None:
            with pytest.raises((OSError, EOFError)):
                await get(balancer, path)
        else:
            assert (await get(balancer, path)).status == answer
        seen = (await balancer.traffic())["a"]
        assert (seen.requests, seen.failed, seen.in_flight) == (expected, expected, 0)


async def test_a_break_on_a_kept_connection_counts_too(balancer: Balancer, sites: NewSites) -> None:
    """HAProxy then closes instead of answering; the request has failed either way."""
    [a] = await sites("a")
    await balancer.apply(named(a.member))
    for _ in range(3):
        async with Visitor.to(balancer) as visitor:
            assert (await visitor.get()).status == 200
            with pytest.raises((OSError, EOFError, AssertionError)):
                assert (await visitor.post(b"", "/break")).status == 200
    seen = (await balancer.traffic())["a"]
    assert (seen.requests, seen.failed, seen.in_flight) == (6, 3, 0)


async def test_latencies_are_counted_in_their_buckets(fresh: Balancer, sites: NewSites) -> None:
    a, b = await sites("a", "b")
    await fresh.apply(named(a.member))
    await asyncio.gather(*(get(fresh, "/slow?0.3") for _ in range(10)))
    await fresh.apply(of([a, b]))
    await ask(fresh, 96)

    async def complete() -> bool:
        seen = await fresh.traffic()
        return sum(traffic.latency.total for traffic in seen.values()) == 106

    await until(complete)
    seen = (await fresh.traffic())["a"]
    slow = seen.latency.quantile(1.0)
    assert slow is not None
    assert slow >= 0.3
    await fresh.apply(named(b.member))
    assert (await fresh.revisions())[1].latency.total == 106
    assert (await fresh.revisions())[1].requests == 106


async def test_a_client_that_gives_up_is_no_failure(fresh: Balancer, sites: NewSites) -> None:
    [a] = await sites("a")
    await fresh.apply(named(a.member))
    async with Visitor.to(fresh) as visitor:
        await visitor.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")

        async def there() -> bool:
            return a.active == 1

        await until(there)

    async def over() -> bool:
        return a.active == 0 and (await fresh.traffic())["a"].in_flight == 0

    await until(over)
    seen = (await fresh.traffic())["a"]
    assert (seen.requests, seen.failed, seen.latency.total) == (1, 0, 0)


async def test_a_member_that_is_silent_is_answered_for(
    drivers: NewBalancer, sites: NewSites
) -> None:
    [a] = await sites("a")
    balancer = drivers(settings=Settings(silence=0.3))
    await balancer.start()
    await balancer.apply(named(a.member))
    assert (await get(balancer, "/wait")).status == 504
    assert (await balancer.traffic())["a"].failed == 1


async def test_a_member_whose_check_fails_gets_nothing_until_it_is_well(
    drivers: NewBalancer, sites: NewSites
) -> None:
    a, b = await sites("a", "b")
    balancer = drivers(settings=Settings(check="/healthz"))
    await balancer.start()
    await balancer.apply(of([a, b]))
    b.well = False

    async def only_a() -> bool:
        return await ask(balancer, 16) == {"a": 16}

    async def both() -> bool:
        return set(await ask(balancer, 16)) == {"a", "b"}

    await until(only_a)
    assert await ask(balancer, 40) == {"a": 40}
    b.well = True
    await until(both)
