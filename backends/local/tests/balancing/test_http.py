"""HTTP/1.1 through both balancers: bodies, tunnels, and connections that break."""

import asyncio
import hashlib
import os

import pytest
from attrs import evolve

from backends.local.tests.balancing.conftest import NewBalancer, NewSites
from backends.local.tests.balancing.support import Site, Visitor, get, until
from immutable_local.balancing import Balancer, HAProxyBalancer, Settings

pytestmark = pytest.mark.asyncio


@pytest.fixture
def big() -> int:
    """More than all the buffers between a server and a client have room for."""
    return 48 << 20


async def one(balancer: Balancer, sites: NewSites) -> Site:
    [site] = await sites("a")
    await balancer.apply({"a": site.member})
    return site


# -- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
async def test_bodies_with_a_length_arrive_whole(
    balancer: Balancer, sites: NewSites, size: int
) -> None:
    await one(balancer, sites)
    content = os.urandom(size)
    async with Visitor.to(balancer) as visitor:
        for _ in range(2):
            reply = await visitor.post(content)
            assert reply.text == f"{size} {hashlib.sha256(content).hexdigest()}"


async def test_bodies_in_chunks_arrive_whole(balancer: Balancer, sites: NewSites) -> None:
    await one(balancer, sites)
    parts = [os.urandom(size) for size in (1, 10, 70_000, 3, 300_000)]
    digest = hashlib.sha256(b"".join(parts)).hexdigest()
    async with Visitor.to(balancer) as visitor:
        for _ in range(2):
            await visitor.send(
                b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for part in parts:
                await visitor.send(b"%X;ext=1\r\n%b\r\n" % (len(part), part))
                await asyncio.sleep(0.01)
            await visitor.send(b"0\r\nTrailer: x\r\n\r\n")
            assert (await visitor.read()).text == f"{sum(map(len, parts))} {digest}"


async def test_a_stream_arrives_while_it_is_sent(balancer: Balancer, sites: NewSites) -> None:
    site = await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        await visitor.send(b"GET /stream?8 HTTP/1.1\r\nHost: x\r\n\r\n")
        await visitor.reader.readuntil(b"piece 1 of a")
        assert site.active == 1
        await visitor.reader.readuntil(b"piece 7 of a")
        # HAProxy passes trailers on.
        await visitor.reader.readuntil(b"\r\n0\r\n")
        while await visitor.reader.readline() != b"\r\n":
            pass
        assert (await visitor.get()).text == "a"


async def test_a_client_that_does_not_read_holds_its_server_back(
    balancer: Balancer, sites: NewSites, big: int
) -> None:
    site = await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        visitor.writer.transport.pause_reading()  # type: ignore[attr-defined] # It is a socket.
        await visitor.send(b"GET /big?%d HTTP/1.1\r\nHost: x\r\n\r\n" % big)

        async def stalled() -> bool:
            before = site.sent
            await asyncio.sleep(0.2)
            return 0 < before == site.sent

        await until(stalled)
        assert site.sent < big
        visitor.writer.transport.resume_reading()  # type: ignore[attr-defined] # It is one.
        reply = await visitor.read()
        assert len(reply.content) == big == site.sent
        assert (await visitor.get()).text == "a"


async def test_a_server_that_does_not_read_holds_its_client_back(
    balancer: Balancer, sites: NewSites, big: int
) -> None:
    site = await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        await visitor.send(b"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % big)
        visitor.writer.write(b"x" * big)
        transport = visitor.writer.transport

        async def stalled() -> bool:
            before = transport.get_write_buffer_size()
            await asyncio.sleep(0.2)
            return before == transport.get_write_buffer_size()

        await until(stalled)
        assert transport.get_write_buffer_size() > 0
        transport.abort()
    site.gate.set()


async def test_an_answer_that_ends_with_its_connection_is_whole(
    balancer: Balancer, sites: NewSites
) -> None:
    await one(balancer, sites)
    assert (await get(balancer, "/until_close")).text == "to the end"


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body_have_none(
    balancer: Balancer, sites: NewSites, status: int
) -> None:
    await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        assert (await visitor.get(f"/status?{status}")).status == status
        assert (await visitor.get()).text == "a"


async def test_the_answer_to_head_has_a_length_and_no_body(
    balancer: Balancer, sites: NewSites
) -> None:
    await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        reply = await visitor.get(method="HEAD")
        assert (reply.fields["content-length"], reply.content) == ("1", b"")
        assert (await visitor.get()).text == "a"


async def test_a_client_may_ask_before_it_sends_its_body(
    balancer: Balancer, sites: NewSites
) -> None:
    await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        await visitor.send(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
        assert (await visitor.read()).status == 100
        await visitor.send(b"hello")
        assert (await visitor.read()).text.startswith("5 ")
        assert (await visitor.get()).text == "a"


async def test_early_hints_are_passed_on(balancer: Balancer, sites: NewSites) -> None:
    await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        await visitor.send(b"GET /hints HTTP/1.1\r\nHost: x\r\n\r\n")
        hints = await visitor.read()
        assert (hints.status, hints.fields["link"]) == (103, "</a.css>")
        assert (await visitor.read()).text == "a"


# -- connections ----------------------------------------------------------------------------------


async def test_each_request_of_a_connection_is_balanced(
    balancer: Balancer, sites: NewSites
) -> None:
    three = await sites("a", "b", "c")
    await balancer.apply({site.name: site.member for site in three})
    async with Visitor.to(balancer) as visitor:
        asked = [(await visitor.get()).text for _ in range(9)]
    assert asked[:3] == asked[3:6] == asked[6:]
    assert set(asked) == {"a", "b", "c"}


async def test_requests_that_were_sent_ahead_are_answered_in_order(
    balancer: Balancer, sites: NewSites
) -> None:
    await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        ahead = b"GET /slow?0.05 HTTP/1.1\r\nHost: x\r\n\r\n"
        body = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
        await visitor.send(ahead + body + ahead + body)
        answers = [(await visitor.read()).text[:2] for _ in range(4)]
    assert answers == ["a", "2 ", "a", "2 "]


async def test_connections_to_servers_are_used_again(balancer: Balancer, sites: NewSites) -> None:
    site = await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        for _ in range(50):
            assert (await visitor.get()).status == 200
    # HAProxy's checks open some too, five a second.
    assert site.opened < 25


async def test_an_old_client_is_answered_and_left(balancer: Balancer, sites: NewSites) -> None:
    await one(balancer, sites)
    for path in (b"/", b"/stream?3", b"/until_close"):
        async with Visitor.to(balancer) as visitor:
            await visitor.send(b"GET %b HTTP/1.0\r\nHost: x\r\n\r\n" % path)
            answer = await visitor.reader.read()
            assert answer.partition(b" ")[2].startswith(b"200")
            assert isinstance(balancer, HAProxyBalancer) or b"chunked" not in answer


async def test_a_client_that_has_said_all_is_still_answered(
    balancer: Balancer, sites: NewSites
) -> None:
    await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        await visitor.send(b"GET /slow?0.2 HTTP/1.1\r\nHost: x\r\n\r\n")
        visitor.writer.write_eof()
        assert (await visitor.read()).text == "a"


async def test_a_server_learns_who_asks_and_nothing_of_the_hop(
    balancer: Balancer, sites: NewSites
) -> None:
    await one(balancer, sites)
    reply = await get(balancer, "/head", "X-Forwarded-For: 192.0.2.1", "Keep-Alive: 5", "X-A: b")
    assert reply.text.startswith("GET /head HTTP/1.1\r\n")
    lines = reply.text.lower().split("\r\n")
    assert "host: site.test" in lines
    assert "x-a: b" in lines
    forwarded = [line for line in lines if line.startswith("x-forwarded-for")]
    assert forwarded == ["x-forwarded-for: 192.0.2.1", "x-forwarded-for: 127.0.0.1"]
    assert not any(line.startswith("connection") for line in lines)


async def test_a_head_that_does_not_arrive_is_waited_for_in_vain(
    drivers: NewBalancer,
) -> None:
    balancer = drivers(settings=Settings(header=0.3))
    await balancer.start()
    async with Visitor.to(balancer) as visitor:
        await visitor.send(b"GET / HTTP/1.1\r\nHost: ")
        assert (await visitor.read()).status == 408
        assert await visitor.closed()


async def test_a_connection_that_is_idle_is_closed(drivers: NewBalancer, sites: NewSites) -> None:
    balancer = drivers(settings=Settings(idle=0.3))
    await balancer.start()
    await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        assert (await visitor.get()).status == 200
        assert await visitor.closed()


async def test_a_body_that_does_not_arrive_is_waited_for_in_vain(
    drivers: NewBalancer, sites: NewSites
) -> None:
    balancer = drivers(settings=Settings(silence=0.3))
    await balancer.start()
    site = await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        await visitor.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        assert (await visitor.read()).status in {400, 408}
        assert await visitor.closed()

    async def over() -> bool:
        return site.active == 0

    await until(over)


async def test_a_head_that_is_too_long_is_refused(balancer: Balancer, sites: NewSites) -> None:
    site = await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        reply = await visitor.get("/", f"X: {'x' * 20_000}")
        assert reply.status in {400, 431}
        assert await visitor.closed()
    assert site.requests == 0


# -- what breaks ----------------------------------------------------------------------------------


async def test_a_client_that_leaves_within_an_answer_frees_its_server(
    balancer: Balancer, sites: NewSites, big: int
) -> None:
    site = await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        await visitor.send(b"GET /big?%d HTTP/1.1\r\nHost: x\r\n\r\n" % big)
        await visitor.reader.readexactly(100_000)
        visitor.writer.transport.abort()

    async def over() -> bool:
        return site.active == 0 and (await balancer.traffic())["a"].in_flight == 0

    await until(over)
    assert site.sent < big
    assert (await balancer.traffic())["a"].failed == 0
    assert (await get(balancer)).text == "a"


@pytest.mark.parametrize("path", ["/half", "/half?chunked"])
async def test_an_answer_that_is_cut_looks_cut(
    balancer: Balancer, sites: NewSites, path: str
) -> None:
    await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        with pytest.raises((OSError, EOFError)):
            await visitor.get(path)
    assert (await get(balancer)).text == "a"


# -- tunnels --------------------------------------------------------------------------------------


async def test_a_tunnel_carries_bytes_both_ways(balancer: Balancer, sites: NewSites) -> None:
    await one(balancer, sites)
    async with Visitor.to(balancer) as visitor:
        head = await visitor.upgrade()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nupgrade: websocket\r\n" in head.lower()
        assert await visitor.reader.readline() == b"hello from a\n"
        for number in range(20):
            await visitor.send(b"message %d\n" % number)
            assert await visitor.reader.readline() == b"MESSAGE %d\n" % number
        content = os.urandom(300_000).replace(b"\n", b"") + b"\n"
        sending = asyncio.create_task(visitor.send(content))
        assert await visitor.reader.readexactly(len(content)) == content.upper()
        await sending
        visitor.writer.write_eof()
        assert await visitor.reader.read() == b"goodbye\n"

    async def over() -> bool:
        return (await balancer.traffic())["a"].in_flight == 0

    await until(over)
    seen = (await balancer.traffic())["a"]
    assert (seen.requests, seen.failed, seen.latency.total) == (1, 0, 0)


async def test_a_tunnel_is_in_flight_and_survives_a_drain(
    balancer: Balancer, sites: NewSites
) -> None:
    a, b = await sites("a", "b")
    await balancer.apply({"a": a.member})
    async with Visitor.to(balancer) as visitor:
        await visitor.upgrade()
        await visitor.reader.readline()
        await balancer.apply({"a": evolve(a.member, draining=True), "b": b.member})
        assert (await balancer.traffic())["a"].in_flight == 1
        await visitor.send(b"still here\n")
        assert await visitor.reader.readline() == b"STILL HERE\n"
        await balancer.apply({"b": b.member})
        assert await visitor.closed()
