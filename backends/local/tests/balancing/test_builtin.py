"""What only our own proxy promises: strictness, and when it tries again."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from attrs import define, field

from backends.local.tests.balancing.conftest import NewSites
from backends.local.tests.balancing.support import Reader, Visitor, Writer, free_port, get, until
from immutable_local.balancing import Balancer, BuiltinBalancer, Member

pytestmark = pytest.mark.asyncio


@pytest.fixture
def kind() -> type[Balancer]:
    return BuiltinBalancer


@define(eq=False)
class Script:
    """A server that treats the numbered request of a numbered connection as a test wants it.

    Attributes:
        act: Called with the numbers of connection and request, from 0, and the writer; returns
            whether the connection stays open.
        requests: The first lines of requests as they arrived.
    """

    act: Callable[[int, int, Writer], bool]
    port: int = field(factory=free_port)
    connections: int = 0
    requests: list[bytes] = field(factory=list)
    writers: set[Writer] = field(factory=set)

    @property
    def member(self) -> Member:
        return Member("script", "127.0.0.1", self.port, 1)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            for writer in tuple(self.writers):
                writer.transport.abort()
            await until(self._quiet)

    async def _quiet(self) -> bool:
        return not self.writers

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self.writers.add(writer)
        connection = self.connections
        self.connections += 1
        request = 0
        while head := await self._head(reader):
            self.requests.append(head.split(b"\r\n")[0])
            if not self.act(connection, request, writer):
                break
            request += 1
        writer.close()
        self.writers.discard(writer)

    async def _head(self, reader: Reader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (OSError, EOFError):
            return b""


def fine(writer: Writer) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
    return True


def only_once(connection: int, request: int, writer: Writer) -> bool:
    """Answer the first request of a connection, and close on the second instead."""
    return fine(writer) if request == 0 else False


# -- strictness -----------------------------------------------------------------------------------

REQUESTS = {
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "folded": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "blank before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "gzip": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS.keys())
async def test_what_is_unclear_reaches_no_server_and_ends_the_connection(
    balancer: Balancer, sites: NewSites, data: bytes
) -> None:
    [site] = await sites("a")
    await balancer.apply({"a": site.member})
    async with Visitor.to(balancer) as visitor:
        await visitor.send(data + b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n")
        reply = await visitor.read()
        assert reply.status in {400, 505}
        assert reply.fields["connection"] == "close"
        assert await visitor.closed()
    assert site.requests == 0


async def test_a_bad_chunk_ends_the_request_and_the_connection(
    balancer: Balancer, sites: NewSites
) -> None:
    [site] = await sites("a")
    await balancer.apply({"a": site.member})
    async with Visitor.to(balancer) as visitor:
        await visitor.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await visitor.send(b"5\r\nhello\r\nX\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await visitor.read()).status == 400
        assert await visitor.closed()

    async def over() -> bool:
        return site.active == 0

    await until(over)
    seen = (await balancer.traffic())["a"]
    assert (site.requests, seen.requests, seen.failed, seen.in_flight) == (1, 1, 0, 0)


async def test_an_answer_before_the_body_ends_the_connection_but_arrives(
    balancer: Balancer,
) -> None:
    """A client that goes on sending would otherwise lose the answer to a reset."""

    def too_large(connection: int, request: int, writer: Writer) -> bool:
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        return True

    script = Script(too_large)
    async with script.running():
        await balancer.apply({"script": script.member})
        async with Visitor.to(balancer) as visitor:
            await visitor.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\nsome")
            reply = await visitor.read()
            await visitor.send(b"x" * 10_000)
            assert (reply.status, reply.fields["connection"]) == (413, "close")
            assert await visitor.closed()


async def test_a_server_that_changes_the_protocol_unasked_is_a_bad_gateway(
    balancer: Balancer, sites: NewSites
) -> None:
    [site] = await sites("a")
    await balancer.apply({"a": site.member})
    assert (await get(balancer, "/tunnel")).status == 502


async def test_a_thousand_requests_at_once_are_answered_one_by_one(balancer: Balancer) -> None:
    async with Visitor.to(balancer) as visitor:
        await visitor.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
        for _ in range(1000):
            assert (await visitor.read()).status == 503


async def test_what_the_proxy_answers_to_head_has_no_body(balancer: Balancer) -> None:
    async with Visitor.to(balancer) as visitor:
        assert (await visitor.get(method="HEAD")).status == 503
        assert (await visitor.get()).status == 503


async def test_an_end_that_is_no_end_resets_the_connection(balancer: Balancer) -> None:
    """For an old client the end of the connection is the end of the answer."""

    def half(connection: int, request: int, writer: Writer) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        return False

    script = Script(half)
    async with script.running():
        await balancer.apply({"script": script.member})
        async with Visitor.to(balancer) as visitor:
            await visitor.send(b"GET / HTTP/1.0\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                await visitor.reader.read()


# -- trying again ---------------------------------------------------------------------------------


async def test_a_get_on_a_connection_that_was_closed_is_sent_again(balancer: Balancer) -> None:
    script = Script(only_once)
    async with script.running():
        await balancer.apply({"script": script.member})
        async with Visitor.to(balancer) as visitor:
            for _ in range(5):
                assert (await visitor.get()).text == "fine"
    assert len(script.requests) == 9
    seen = (await balancer.traffic())["script"]
    assert (seen.requests, seen.failed) == (5, 0)


async def test_a_post_that_may_have_arrived_is_never_sent_again(balancer: Balancer) -> None:
    script = Script(only_once)
    async with script.running():
        await balancer.apply({"script": script.member})
        async with Visitor.to(balancer) as visitor:
            assert (await visitor.get()).text == "fine"
            for content in (b"", b"content"):
                await visitor.post(content)
        posts = [line for line in script.requests if line.startswith(b"POST")]
        assert len(posts) == 2


async def test_a_get_that_a_new_connection_swallows_is_not_sent_again(balancer: Balancer) -> None:
    """It may be what kills the server."""
    script = Script(lambda connection, request, writer: False)
    async with script.running():
        await balancer.apply({"script": script.member})
        assert (await get(balancer)).status == 502
    assert len(script.requests) == 1


async def test_a_get_that_was_answered_in_part_is_not_sent_again(balancer: Balancer) -> None:
    def partly(connection: int, request: int, writer: Writer) -> bool:
        if request == 0:
            return fine(writer)
        writer.write(b"HTTP/1.1 20")
        return False

    script = Script(partly)
    async with script.running():
        await balancer.apply({"script": script.member})
        async with Visitor.to(balancer) as visitor:
            assert (await visitor.get()).text == "fine"
            assert (await visitor.get()).status == 502
    assert len(script.requests) == 2


async def test_a_post_does_not_take_a_connection_that_may_be_closing(balancer: Balancer) -> None:
    """One that was idle for more than a second could be closed by its server at any time."""
    script = Script(lambda connection, request, writer: fine(writer))
    async with script.running():
        await balancer.apply({"script": script.member})
        async with Visitor.to(balancer) as visitor:
            await visitor.post(b"")
            await visitor.post(b"")
            assert script.connections == 1
            await asyncio.sleep(1.1)
            await visitor.post(b"")
            assert script.connections == 2


async def test_what_a_server_sends_unasked_closes_its_connection(balancer: Balancer) -> None:
    def chatty(connection: int, request: int, writer: Writer) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfineHTTP/1.1 200 OK\r\n")
        return True

    script = Script(chatty)
    async with script.running():
        await balancer.apply({"script": script.member})
        async with Visitor.to(balancer) as visitor:
            for _ in range(3):
                assert (await visitor.get()).text == "fine"
    assert script.connections == 3


async def test_a_removed_member_hands_over_what_it_has_not_got(fresh: Balancer) -> None:
    """Nobody takes connections from its listener, so that the next one isn't accepted."""
    script = Script(lambda connection, request, writer: fine(writer))
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        async with script.running():
            member = Member("full", "127.0.0.1", full.getsockname()[1], 1)
            await fresh.apply({"full": member})
            async with Visitor.to(fresh) as visitor:
                asked = asyncio.create_task(visitor.post(b"content"))

                async def assigned() -> bool:
                    return (await fresh.traffic())["full"].in_flight == 1

                await until(assigned)
                await fresh.apply({"script": script.member})
                assert (await asked).text == "fine"
    assert (await fresh.revisions())[1].requests == 1


async def test_a_member_that_does_not_accept_is_passed_over(
    balancer: Balancer, sites: NewSites
) -> None:
    [site] = await sites("a")
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        member = Member("full", "127.0.0.1", full.getsockname()[1], 1)
        await balancer.apply({"full": member, "a": site.member})
        async with Visitor.to(balancer) as visitor:
            assert {(await visitor.post(b"content")).status for _ in range(3)} == {200}


async def test_the_log_stays_empty(fresh: Balancer, sites: NewSites, tmp_path: Path) -> None:
    """Whatever clients and servers do is no exception."""
    [site] = await sites("a")
    await fresh.apply({"a": site.member})
    for path in ("/", "/break", "/nonsense", "/half", "/until_close"):
        with suppress(OSError, EOFError):
            await get(fresh, path)
    async with Visitor.to(fresh) as visitor:
        await visitor.send(b"GET /big?40000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        await visitor.reader.readexactly(1000)
        visitor.writer.transport.abort()
    async with Visitor.to(fresh) as visitor:
        await visitor.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        visitor.writer.transport.abort()
    async with Visitor.to(fresh) as visitor:
        await visitor.upgrade()
        visitor.writer.transport.abort()

    async def over() -> bool:
        return (await fresh.traffic())["a"].in_flight == 0

    await until(over)
    assert (tmp_path / "fleet" / "proxy.log").read_text() == ""
