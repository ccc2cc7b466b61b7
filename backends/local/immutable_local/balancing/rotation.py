"""Which member gets the next request, and what went to each. No effects.

Members take turns by virtual deadlines: one of weight w is due at 1/2w, 3/2w, 5/2w … and whoever
is due first is next. In every stretch of virtual time of length 1 a member of weight w is chosen
exactly w times, evenly spread: smooth weighted round robin for the price of a heap. Times are
whole numbers (multiples of 1/2w for all weights at once), so that nothing is ever rounded.

With weights 3 and 1, deadlines are 1/6, 3/6, 5/6 and 1/2: a, then a or b, …: a a b a, a a b a.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from heapq import heapify, heapreplace
from math import lcm
from typing import Generic, TypeVar

from attrs import define, field

from immutable_local.balancing.latency import BOUNDS, Latency, bucket
from immutable_local.balancing.members import Member, Traffic, total

__all__ = ["Rotation", "Server"]

W = TypeVar("W")


@define(eq=False)
class Server(Generic[W]):
    """A member as the proxy has it; changed in place.

    Attributes:
        member: What it is.
        active: Who waits for it: one for each request or tunnel in flight.
        gone: Whether it is no longer named.
        ailing: Whether its check fails.
        shunned: Until when it isn't chosen if another can be, by the loop's clock.
        requests: How many it got.
        failed: How many of those failed.
        responses: How many answers of each class it gave.
        latencies: How many fell into each bucket.
    """

    member: Member
    active: set[W] = field(factory=set)
    gone: bool = False
    ailing: bool = False
    shunned: float = 0.0
    requests: int = 0
    failed: int = 0
    responses: list[int] = field(factory=lambda: [0] * 5)
    latencies: list[int] = field(factory=lambda: [0] * (len(BOUNDS) + 1))
    stride: int = 0

    @property
    def serving(self) -> bool:
        """Whether it gets new requests."""
        return self.member.serving and not self.gone

    def answered(self, status: int, seconds: float) -> None:
        """Count a complete answer."""
        self.responses[status // 100 - 1] += 1
        self.failed += status >= 500
        self.latencies[bucket(seconds)] += 1

    def broke(self, seconds: float) -> None:
        """Count a request that it didn't answer, or not completely."""
        self.failed += 1
        self.latencies[bucket(seconds)] += 1

    @property
    def traffic(self) -> Traffic:
        """What went through to it."""
        one, two, three, four, five = self.responses
        return Traffic(
            self.member.revision,
            in_flight=len(self.active),
            requests=self.requests,
            failed=self.failed,
            responses=(one, two, three, four, five),
            latency=Latency(self.latencies),
        )


class Rotation(Generic[W]):
    """The servers that the proxy has, and whose turn it is."""

    def __init__(self) -> None:
        self.servers: dict[str, Server[W]] = {}
        self._gone: dict[int, Traffic] = {}
        self._leaving: list[Server[W]] = []
        # Deadline, then order among equals.
        self._heap: list[tuple[int, int, Server[W]]] = []
        self._now = 0

    def apply(self, members: Mapping[str, Member]) -> list[Server[W]]:
        """Make *members* the whole membership; return the servers that are gone."""
        before = self.servers
        self.servers = {}
        for name, member in members.items():
            server = before.get(name)
            if server is None or server.member.revision != member.revision:
                server = Server(member)
            self.servers[name] = server
        gone = [server for name, server in before.items() if self.servers.get(name) is not server]
        for server in gone:
            server.gone = True
        self._leaving += gone
        changed = bool(gone) or len(before) != len(self.servers)
        for name, member in members.items():
            old, self.servers[name].member = self.servers[name].member, member
            changed |= (old.weight, old.draining) != (member.weight, member.draining)
        if changed:
            self._plan()
        return gone

    def _plan(self) -> None:
        """Set new deadlines; who waited for part of its turn has waited for that part of it."""
        waited = {
            server: (deadline - self._now, server.stride) for deadline, _, server in self._heap
        }
        serving = [server for server in self.servers.values() if server.serving]
        period = 2 * lcm(*(server.member.weight for server in serving))
        self._now = 0
        self._heap = []
        for order, server in enumerate(serving):
            left, stride = waited.get(server, (1, 2))
            server.stride = period // server.member.weight
            self._heap.append((left * server.stride // stride, order, server))
        heapify(self._heap)

    def pick(self, now: float, tried: Collection[Server[W]] = ()) -> Server[W] | None:
        """Return the server for the next request, None when there is none that wasn't *tried*."""
        if not self._heap:
            return None
        deadline, order, server = self._heap[0]
        if tried or server.ailing or server.shunned > now:
            return self._pick_around(now, tried)
        self._now = deadline
        heapreplace(self._heap, (deadline + server.stride, order, server))
        return server

    def _pick_around(self, now: float, tried: Collection[Server[W]]) -> Server[W] | None:
        """Return whose turn it is among those that are well, or else among all."""
        left = [entry for entry in self._heap if entry[2] not in tried]
        well = [e for e in left if not e[2].ailing and e[2].shunned <= now]
        if not left:
            return None
        deadline, _, server = min(well or left)
        # Turns that the others miss aren't made up for.
        self._heap = [
            (deadline + server.stride if other is server else max(due, deadline), number, other)
            for due, number, other in self._heap
        ]
        heapify(self._heap)
        self._now = max(self._now, deadline)
        return server

    # -- counts --------------------------------------------------------------------------------

    def traffic(self) -> dict[str, Traffic]:
        """Return what went through to each present member."""
        return {name: server.traffic for name, server in self.servers.items()}

    def revisions(self) -> dict[int, Traffic]:
        """Return the same by revision, members that are gone included."""
        finished = [server for server in self._leaving if not server.active]
        self._leaving = [server for server in self._leaving if server.active]
        for server in finished:
            number = server.member.revision
            self._gone[number] = total(
                number, (self._gone.get(number, Traffic(number)), server.traffic)
            )
        parts = {number: [past] for number, past in self._gone.items()}
        for server in (*self._leaving, *self.servers.values()):
            parts.setdefault(server.member.revision, []).append(server.traffic)
        return {number: total(number, some) for number, some in parts.items()}
