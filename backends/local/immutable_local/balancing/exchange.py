"""One request on its way to a member and its answer on the way back."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from attrs import define, field

from immutable_local.balancing.bodies import Body, Endless, body, chunks
from immutable_local.balancing.members import Settings
from immutable_local.balancing.rotation import Rotation, Server
from immutable_local.balancing.upstream import Pool, Upstream
from immutable_local.balancing.wire import (
    CHUNKED,
    UNTIL_CLOSE,
    Refused,
    Request,
    Response,
    find_head,
    for_client,
    for_member,
    parse_response,
)

__all__ = ["Exchange", "Front", "Shared"]

_MOST_TRIED: Final = 4
_SHUNNED: Final = 0.2


class Front(Protocol):
    """The client's side, as an exchange needs it.

    Attributes:
        address: The client's address.
        buffer: What it has sent beyond what has been taken.
        held: Whether the client is slower than its answer.
    """

    address: bytes
    buffer: bytes
    held: bool

    def write(self, data: bytes) -> None:
        """Send to the client."""

    def hold(self, hold: bool) -> None:
        """Stop or go on reading from the client."""

    def finished(self, *, keep_alive: bool) -> None:
        """Go on with the client's next request, or close when everything is sent."""

    def answer(self, status: int, reason: str, *, keep_alive: bool, bodiless: bool) -> None:
        """Answer in the member's place and be finished."""

    def end(self) -> None:
        """Send no more; go on reading."""

    def abort(self) -> None:
        """Cut the connection so that the client sees that its answer isn't whole."""


@define(eq=False)
class Shared:
    """What all exchanges share.

    Attributes:
        settings: How patient the proxy is.
        rotation: The members.
        pool: Connections to them.
    """

    settings: Settings
    rotation: Rotation[Exchange] = field(factory=Rotation)
    pool: Pool = field(factory=Pool)


class Exchange:
    """A request, the member that it is given to, and the answer.

    Args:
        shared: What all exchanges share.
        front: The client's side.
        request: The head of the request.
        now: The time, by the loop's clock.
    """

    __slots__ = (
        "_answer",
        "_body",
        "_chunked",
        "_connecting",
        "_ends",
        "_front",
        "_head",
        "_interim",
        "_keep_alive",
        "_loop",
        "_request",
        "_response",
        "_server",
        "_shared",
        "_started",
        "_tried",
        "_upstream",
        "tunnel",
    )

    def __init__(self, shared: Shared, front: Front, request: Request, now: float) -> None:
        self._shared = shared
        self._front = front
        self._request = request
        self._started = now
        self._loop = asyncio.get_running_loop()
        self._body: Body = body(request.length)
        self._server: Server[Exchange] | None = None
        self._tried: set[Server[Exchange]] = set()
        self._connecting: asyncio.Task[None] | None = None
        self._upstream: Upstream | None = None
        self._head = b""
        self._interim = False
        self._response: Response | None = None
        self._answer: Body | None = None
        self._chunked = False
        self._keep_alive = False
        self._ends = 0
        self.tunnel = False

    # -- finding a member ----------------------------------------------------------------------

    def begin(self) -> None:
        """Give the request to the member whose turn it is."""
        now = self._loop.time()
        server = self._shared.rotation.pick(now, self._tried)
        if server is None:
            self._fail(503, "no server takes requests" if self._server is None else "refused")
            return
        self._server = server
        server.active.add(self)
        server.requests += 1
        recent = self._request.length != 0 or not self._request.idempotent
        upstream = self._shared.pool.take(server, now, recent=recent)
        if upstream is None:
            self._connecting = self._loop.create_task(self._connect(server))
        else:
            self._send(server, upstream)

    async def _connect(self, server: Server[Exchange]) -> None:
        try:
            upstream = await self._shared.pool.connect(server, self._shared.settings.connect)
        except OSError:
            self._connecting = None
            server.active.discard(self)
            server.requests -= 1
            server.shunned = self._loop.time() + _SHUNNED
            self._tried.add(server)
            if len(self._tried) < _MOST_TRIED:
                self.begin()
            else:
                self._fail(503, "four servers refused")
        else:
            self._connecting = None
            self._send(server, upstream)

    def _send(self, server: Server[Exchange], upstream: Upstream) -> None:
        self._upstream = upstream
        upstream.owner = self
        # It may have sent more than is kept for a member that isn't there yet.
        self._front.hold(False)
        member = server.member.netloc.encode()
        upstream.transport.write(for_member(self._request, self._front.address, member))
        if self._front.held:
            upstream.transport.pause_reading()
        self.pump()

    # -- towards the member --------------------------------------------------------------------

    def pump(self) -> None:
        """Pass on what the client has sent of the body, or of anything in a tunnel."""
        upstream, front = self._upstream, self._front
        if upstream is None or not front.buffer:
            return
        if self.tunnel:
            data, front.buffer = front.buffer, b""
            upstream.transport.write(data)
        elif not self._body.done:
            try:
                content, front.buffer = self._body.feed(front.buffer)
            except Refused as refused:
                self._give_up(refused.status, refused.reason)
                return
            if self._request.length == CHUNKED:
                content = chunks(content, self._body)
            if content:
                upstream.transport.write(content)

    def hold_client(self, hold: bool) -> None:
        """Stop or go on reading from the client."""
        self._front.hold(hold)

    def hold_member(self, hold: bool) -> None:
        """Stop or go on reading from the member."""
        if self._upstream is not None and not self._upstream.transport.is_closing():
            if hold:
                self._upstream.transport.pause_reading()
            else:
                self._upstream.transport.resume_reading()

    # -- towards the client --------------------------------------------------------------------

    def answered(self, data: bytes) -> None:
        """Take what the member sent."""
        try:
            if self.tunnel:
                self._front.write(data)
            elif self._response is None:
                self._read_head(data)
            else:
                self._pass_on(data)
        except Refused as refused:
            self._fail(502, refused.reason)

    def _read_head(self, data: bytes) -> None:
        data = self._head + data if self._head else data
        while end := find_head(data):
            response = parse_response(data[:end], self._request.method)
            data = data[end:]
            if response.status == 101:
                self._open_tunnel(response, data)
                return
            if response.status >= 200:
                self._start_answer(response, data)
                return
            self._interim = True
            if self._request.minor:
                self._front.write(for_client(response, self._request, keep_alive=True))
        self._head = data

    def _start_answer(self, response: Response, data: bytes) -> None:
        self._answer = body(response.length)
        self._keep_alive = self._request.keep_alive and self._body.done
        if response.length in {CHUNKED, UNTIL_CLOSE}:
            self._chunked = bool(self._request.minor)
            self._keep_alive = self._keep_alive and self._chunked
            response.length = CHUNKED if self._chunked else UNTIL_CLOSE
        self._response = response
        head = for_client(response, self._request, keep_alive=self._keep_alive)
        self._pass_on(data, head)

    def _pass_on(self, data: bytes, head: bytes = b"") -> None:
        answer = self._answer
        assert answer is not None
        content, rest = answer.feed(data)
        if self._chunked:
            content = chunks(content, answer)
        if head or content:
            self._front.write(head + content)
        if answer.done:
            self._finish(reusable=not rest)

    def _open_tunnel(self, response: Response, data: bytes) -> None:
        if self._request.upgrade is None:
            raise Refused(502, "the server changes the protocol unasked")
        self._response = response
        self.tunnel = True
        self._front.write(for_client(response, self._request, keep_alive=False) + data)
        self.pump()

    # -- the end -------------------------------------------------------------------------------

    def _finish(self, *, reusable: bool) -> None:
        """The answer is whole."""
        response, upstream = self._response, self._upstream
        assert response is not None
        assert upstream is not None
        assert self._server is not None
        now = self._loop.time()
        self._server.answered(response.status, now - self._started)
        self._leave()
        if reusable and response.keep_alive and self._body.done:
            self._shared.pool.give(upstream, now)
        else:
            upstream.owner = None
            upstream.transport.close()
        self._front.finished(keep_alive=self._keep_alive)

    def ended(self) -> bool:
        """Take note that the member sends no more; a tunnel can still be sent into."""
        if self.tunnel:
            self._front.end()
            return self._half_closed()
        if isinstance(self._answer, Endless):
            self._answer.done = True
            self._pass_on(b"")
        else:
            self.lost(None)
        return False

    def lost(self, error: Exception | None) -> None:
        """Take note that the connection to the member is gone."""
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return
        upstream.owner = None
        again = upstream.used and not self._request.length and self._request.idempotent
        if self.tunnel:
            self._leave()
            self._front.finished(keep_alive=False)
        elif again and self._response is None and not self._head and not self._interim:
            # It was closed while it was idle, most likely: the same member, a new connection.
            assert self._server is not None
            self._connecting = self._loop.create_task(self._connect(self._server))
        else:
            self._upstream = upstream
            self._fail(502, "the server broke the connection")

    def cut(self) -> None:
        """Take the member away: another one gets the request if this one got nothing of it."""
        if self._connecting is None:
            self._fail(502, "the server was taken away")
            return
        self._leave()
        if self._server is not None:
            self._server.requests -= 1
        self.begin()

    def expire(self) -> None:
        """Give up on whoever has been silent for too long."""
        if self.tunnel:
            self.client_lost()
            self._front.abort()
        elif not self._body.done and self._connecting is None:
            self._give_up(408, "the request's body does not arrive")
        elif self._front.held:
            self._give_up(408, "the answer is not read")
        else:
            self._fail(504, "the server does not answer")

    def client_lost(self) -> None:
        """Take note that the client is gone, and with it the request."""
        self._leave()
        if self._upstream is not None:
            self._upstream.owner = None
            if self.tunnel:
                self._upstream.transport.close()
            else:
                self._upstream.transport.abort()

    def client_ended(self) -> bool:
        """Take note that the client sends no more; return whether it gets an answer still."""
        if not self.tunnel:
            return self._body.done
        if self._upstream is not None and self._upstream.transport.can_write_eof():
            self._upstream.transport.write_eof()
        return self._half_closed()

    def _half_closed(self) -> bool:
        """Return whether a tunnel is still open one way; close what is left of it otherwise."""
        self._ends += 1
        if self._ends < 2:
            return True
        self.client_lost()
        self._front.finished(keep_alive=False)
        return False

    def _give_up(self, status: int, reason: str) -> None:
        """End what the client has spoilt."""
        self.client_lost()
        self._end(status, reason, keep_alive=False)

    def _fail(self, status: int, reason: str) -> None:
        """End what the member has spoilt."""
        server = self._server
        if server is not None:
            if self not in server.active:
                # The last one that refused has it on its account.
                server.requests += 1
            server.broke(self._loop.time() - self._started)
        self.client_lost()
        keep_alive = self._request.keep_alive and self._body.done and self._request.minor == 1
        self._end(status, reason, keep_alive=keep_alive)

    def _end(self, status: int, reason: str, *, keep_alive: bool) -> None:
        if self._response is None:
            bodiless = self._request.method == b"HEAD"
            self._front.answer(status, reason, keep_alive=keep_alive, bodiless=bodiless)
        else:
            self._front.abort()

    def _leave(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if self._server is not None:
            self._server.active.discard(self)
