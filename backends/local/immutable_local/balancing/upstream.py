"""Connections to members: opened, kept for the next request, and given up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any, Final, Protocol, cast

from immutable_local.balancing.rotation import Server

__all__ = ["Owner", "Pool", "Upstream"]

_KEPT: Final = 1.5
_RECENT: Final = 1.0


class Owner(Protocol):
    """Who uses a connection to a member."""

    def answered(self, data: bytes) -> None:
        """Take what the member sent."""

    def ended(self) -> bool:
        """Take note that the member sends no more; return whether it may still be sent to."""

    def lost(self, error: Exception | None) -> None:
        """Take note that the connection is gone."""

    def hold_client(self, hold: bool) -> None:
        """Stop or go on reading from the client: the member takes no more for now."""


class Upstream(asyncio.Protocol):
    """One connection to a member.

    Args:
        server: The member.

    Attributes:
        owner: Who uses it; None while nobody does.
        transport: Its transport.
        netloc: Where it leads.
        used: Whether it has carried a request before the one that it carries.
        since: Since when nobody uses it, by the loop's clock.
    """

    __slots__ = ("netloc", "owner", "server", "since", "transport", "used")

    transport: asyncio.Transport

    def __init__(self, server: Server[Any]) -> None:
        self.server = server
        self.netloc = server.member.netloc
        self.owner: Owner | None = None
        self.used = False
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what the member sent; nobody asked for anything when nobody listens."""
        if self.owner is None:
            self.transport.abort()
        else:
            self.owner.answered(data)

    def eof_received(self) -> bool:
        """Tell the owner; the connection is closed unless it is a tunnel."""
        return self.owner is not None and self.owner.ended()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the owner."""
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.lost(error)

    def pause_writing(self) -> None:
        """Hold the client back."""
        if self.owner is not None:
            self.owner.hold_client(True)

    def resume_writing(self) -> None:
        """Let the client go on."""
        if self.owner is not None:
            self.owner.hold_client(False)


class Pool:
    """Connections that nobody uses at the moment, by server.

    They are kept for 1.5 s, which is shorter than servers keep theirs (2 to 5 s and more), so
    that few are used at the moment at which the server closes them.
    """

    def __init__(self) -> None:
        self._idle: defaultdict[Server[Any], list[Upstream]] = defaultdict(list)

    def take(self, server: Server[Any], now: float, *, recent: bool) -> Upstream | None:
        """Return a connection to *server*, None when there is none.

        Args:
            server: The member.
            now: The time, by the loop's clock.
            recent: Whether it must have been used within the last second, since the request
                can't be sent again if the connection should turn out closed.
        """
        idle = self._idle.get(server)
        while idle:
            upstream = idle.pop()
            if recent and now - upstream.since > _RECENT:
                idle.append(upstream)
                return None
            if upstream.transport.is_closing():
                continue
            if upstream.netloc == server.member.netloc:
                return upstream
            upstream.transport.close()
        return None

    def give(self, upstream: Upstream, now: float) -> None:
        """Keep a connection for the next request, or close it if there will be none."""
        upstream.owner = None
        if not upstream.server.serving or upstream.transport.is_closing():
            upstream.transport.close()
            return
        upstream.since = now
        upstream.used = True
        upstream.transport.resume_reading()
        self._idle[upstream.server].append(upstream)

    async def connect(self, server: Server[Any], timeout: float) -> Upstream:  # noqa: ASYNC109
        """Return a new connection.

        Raises:
            OSError: It is refused, or not accepted within *timeout* seconds.
        """
        async with asyncio.timeout(timeout):
            _, upstream = await asyncio.get_running_loop().create_connection(
                lambda: Upstream(server), server.member.host, server.member.port
            )
        return upstream

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long, or leads to a member that gets no requests."""
        for server in list(self._idle):
            kept = []
            for upstream in self._idle[server]:
                if upstream.transport.is_closing():
                    continue
                if now - upstream.since > _KEPT or not server.serving:
                    upstream.transport.close()
                else:
                    kept.append(upstream)
            if kept:
                self._idle[server] = kept
            else:
                del self._idle[server]
