"""Connections of clients: requests are read from them one by one, each answered on its own."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final, cast

from immutable_local.balancing.exchange import Exchange, Shared
from immutable_local.balancing.wire import REASONS, Refused, find_head, parse_request

__all__ = ["Client"]

_AHEAD: Final = 1 << 16
_LINGER: Final = 2.0
_RESET: Final = struct.pack("ii", 1, 0)


class Client(asyncio.Protocol):
    """One connection of a client.

    Args:
        shared: What all exchanges share.
        clients: All connections; it enters and removes itself.

    Attributes:
        address: The client's address.
        buffer: What it has sent beyond what has been taken.
        held: Whether it is slower than its answer.
        deadline: When something must have happened, by the loop's clock.
    """

    __slots__ = (
        "_clients",
        "_ended",
        "_exchange",
        "_idle",
        "_leaving",
        "_loop",
        "_shared",
        "_stopped",
        "_transport",
        "address",
        "buffer",
        "deadline",
        "held",
    )

    _transport: asyncio.Transport

    def __init__(self, shared: Shared, clients: set[Client]) -> None:
        self._shared = shared
        self._clients = clients
        self._loop = asyncio.get_running_loop()
        self._exchange: Exchange | None = None
        self._idle = False
        self._ended = False
        self._leaving = False
        self._stopped = False
        self.address = b""
        self.buffer = b""
        self.held = False
        self.deadline = 0.0

    # -- what the event loop calls -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self.address = str(transport.get_extra_info("peername")[0]).encode()
        self.deadline = self._loop.time() + self._shared.settings.header
        self._clients.add(self)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._leaving:
            return
        self.buffer = self.buffer + data if self.buffer else data
        if self._exchange is None:
            if self._idle:
                self._idle = False
                self.deadline = self._loop.time() + self._shared.settings.header
            self._next()
        else:
            self._touch(self._exchange)
            self._exchange.pump()
        if len(self.buffer) > _AHEAD:
            self.hold(True)

    def eof_received(self) -> bool:
        """Take note that the client sends no more; an answer that it waits for it still gets."""
        self._ended = True
        if self._leaving or self._exchange is None:
            return False
        return self._exchange.client_ended()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget about the client."""
        self._clients.discard(self)
        self._leaving = True
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.client_lost()

    def pause_writing(self) -> None:
        """Hold the member back."""
        self.held = True
        if self._exchange is not None:
            self._exchange.hold_member(True)

    def resume_writing(self) -> None:
        """Let the member go on."""
        self.held = False
        if self._exchange is not None:
            self._exchange.hold_member(False)

    # -- requests ------------------------------------------------------------------------------

    def _next(self) -> None:
        """Begin the next request, if its head has arrived."""
        if self._leaving or self._exchange is not None:
            return
        while self.buffer.startswith(b"\r\n"):
            # Some clients send an empty line after a body (RFC 9112, section 2.2).
            self.buffer = self.buffer[2:]
        try:
            end = find_head(self.buffer)
            if not end:
                return
            request = parse_request(self.buffer[:end])
        except Refused as refused:
            self.answer(refused.status, refused.reason, keep_alive=False)
            return
        self.buffer = self.buffer[end:]
        self._exchange = Exchange(self._shared, self, request, self._loop.time())
        self._touch(self._exchange)
        self._exchange.begin()

    def expire(self) -> None:
        """Do what is due when the deadline has passed."""
        if self._exchange is not None:
            self._exchange.expire()
        elif self._leaving or self._idle or not self.buffer:
            self._leaving = True
            self._transport.abort()
        else:
            self.answer(408, "the request's head does not arrive", keep_alive=False)

    def _touch(self, exchange: Exchange) -> None:
        settings = self._shared.settings
        patience = settings.tunnel if exchange.tunnel else settings.silence
        self.deadline = self._loop.time() + patience

    # -- what the exchange calls ---------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send to the client."""
        if self._exchange is not None:
            self._touch(self._exchange)
        if not self._transport.is_closing():
            self._transport.write(data)

    def hold(self, hold: bool) -> None:
        """Stop or go on reading."""
        if hold == self._stopped or self._transport.is_closing() or self._ended:
            return
        self._stopped = hold
        if hold:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def finished(self, *, keep_alive: bool) -> None:
        """Go on with the next request, or close once everything is sent."""
        self._exchange = None
        if not keep_alive or (self._ended and not self.buffer):
            self._leave()
            return
        now = self._loop.time()
        if self.buffer:
            self.deadline = now + self._shared.settings.header
            # Not from here: a thousand requests in one packet would be a thousand frames deep.
            self._loop.call_soon(self._next)
        else:
            self._idle = True
            self.deadline = now + self._shared.settings.idle
        self.hold(False)

    def answer(self, status: int, reason: str, *, keep_alive: bool, bodiless: bool = False) -> None:
        """Answer in the member's place."""
        text = f"{status} {REASONS[status].decode()}: {reason}\n".encode()
        close = b"" if keep_alive else b"Connection: close\r\n"
        self._transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%b\r\n%b"
            % (status, REASONS[status], len(text), close, b"" if bodiless else text)
        )
        self.finished(keep_alive=keep_alive)

    def end(self) -> None:
        """Send no more; go on reading."""
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def abort(self) -> None:
        """Reset the connection: an end without one looks like the end of some answers."""
        self._exchange = None
        self._leaving = True
        sock = self._transport.get_extra_info("socket")
        if sock is not None and not self._transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def _leave(self) -> None:
        """Close so that the client can read what it was sent.

        Closing while it still sends would reset the connection and throw away the answer. So only
        our side ends, and what comes is dropped for up to 2 s.
        """
        self._leaving = True
        self.buffer = b""
        self.deadline = self._loop.time() + _LINGER
        if self._ended or self._transport.is_closing():
            self._transport.close()
        else:
            self.hold(False)
            self.end()
