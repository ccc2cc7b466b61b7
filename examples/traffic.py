"""Strict traffic: a bounded load generator that never retries and says why each request failed.

Against anything that has the routes of ``examples/webapp``, as a script or a module:

    python examples/traffic.py http://127.0.0.1:8000 --seconds 10 --json

    async with Traffic("127.0.0.1", 8000, rate=300) as traffic:
        mark = traffic.mark()
        ...  # Replace the fleet.
        print(traffic.since(mark))
        report = await traffic.stop()
    assert not report.failed, report

What a patient client would forgive counts as failed: a reused connection that the server closed
without having announced it by ``Connection: close``, an answer that is cut, too long, not 2xx, to
another request or late. See `Reason`.
"""

import argparse
import asyncio
import hashlib
import itertools
import json
import math
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["CLIENTS", "ClientFigures", "Failure", "Reason", "Report", "Seen", "Traffic"]

CLIENTS = MappingProxyType({"keepalive": 8, "fresh": 2, "post": 1, "slow": 4, "stream": 2})
"""How many clients of each class there are by default."""

SECONDS = MappingProxyType({"slow": 2.0, "stream": 5.0})  # How long a request takes by default.
POST_SIZE = 64 * 1024  # Bytes.
LISTED = 100  # How many failures between two marks are listed; all are counted.


class Reason(StrEnum):
    """Why a request failed."""

    REFUSED = "refused"  # No connection could be made.
    REUSED = "reused"  # A reused connection was closed before the answer's head came.
    UNANSWERED = "unanswered"  # A new connection was.
    TRUNCATED = "truncated"  # The body ended early.
    STATUS = "status"  # The status is not 2xx.
    LENGTH = "length"  # More came than the answer, or the echo is of another length.
    HASH = "hash"  # The echo is not of what was sent.
    SWAPPED = "swapped"  # The answer is to another request.
    TIMEOUT = "timeout"  # The answer was not over in time.
    MALFORMED = "malformed"  # No HTTP/1 answer, or nothing marks its end.


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that failed.

    Attributes:
        at: When it failed, in Unix time.
        after: Seconds since it was begun.
        client: The class of its client.
        reason: Why it failed.
        detail: What exactly was wrong.
        version: The X-Version of the answer, "" when unknown.
        instance: The Immutable-Instance of the answer, "" when unknown.
    """

    at: float
    after: float
    client: str
    reason: Reason
    detail: str
    version: str
    instance: str

    def __str__(self) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(self.at))
        who = f" from {self.instance} version {self.version}" if self.version else ""
        return f"{when} {self.client}, {self.reason} after {self.after:.3f} s{who}: {self.detail}"


@dataclass(frozen=True, slots=True)
class ClientFigures:
    """What a class of clients saw; latencies of what did not fail, in seconds, within 3 %."""

    requests: int
    failed: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Seen:
    """How many answers a version gave, good or bad, and when; in Unix time."""

    answers: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Report:
    """What came of the requests that ended within a stretch of time.

    Attributes:
        seconds: How long the stretch was.
        requests: How many requests ended.
        failed: How many of them failed.
        by_client: What each class of clients saw; adds up to `requests` and `failed`.
        by_version: Which versions answered, by X-Version, in the order in which they appeared;
            a request without an answer is in none.
        by_reason: How many failed and why; adds up to `failed`.
        failures: The first failures, at most `LISTED` between two marks.
    """

    seconds: float
    requests: int
    failed: int
    by_client: dict[str, ClientFigures]
    by_version: dict[str, Seen]
    by_reason: dict[str, int]
    failures: tuple[Failure, ...]

    def __str__(self) -> str:
        each = self.requests / max(self.seconds, 1e-6)
        lines = [f"{self.requests} in {self.seconds:.1f} s ({each:.0f}/s), {self.failed} failed"]
        for name, one in self.by_client.items():
            line = f"{name:9} {one.requests:7} requests {one.failed:5} failed"
            lines.append(f"{line}   p50 {one.p50 * 1e3:7.1f} ms   p99 {one.p99 * 1e3:7.1f} ms")
        for name, seen in self.by_version.items():
            lines.append(f"version {name}: {seen.answers} in {seen.last - seen.first:.1f} s")
        lines += [f"{reason}: {count} failed" for reason, count in self.by_reason.items()]
        return "\n  ".join(lines + [f"  {failure}" for failure in self.failures[:10]])


# Latencies are counted in buckets that grow by 5 %, so that hours of them take no room.
_GROWTH = math.log(1.05)


@dataclass(slots=True)
class _Tally:
    """The counts of a stretch of time that begins with a mark."""

    at: float
    latencies: Counter[tuple[str, int]] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)
    versions: dict[str, Seen] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def succeed(self, client: str, latency: float) -> None:
        self.latencies[client, round(math.log(max(latency, 1e-6)) / _GROWTH)] += 1

    def fail(self, failure: Failure) -> None:
        self.failed[failure.client] += 1
        self.reasons[failure.reason] += 1
        if len(self.failures) < LISTED:
            self.failures.append(failure)

    def see(self, version: str, new: Seen) -> None:
        old = self.versions.get(version, Seen(0, new.first, new.last))
        first, last = min(old.first, new.first), max(old.last, new.last)
        self.versions[version] = Seen(old.answers + new.answers, first, last)

    def add(self, other: "_Tally") -> None:
        self.latencies.update(other.latencies)
        self.failed.update(other.failed)
        self.reasons.update(other.reasons)
        for version, seen in other.versions.items():
            self.see(version, seen)
        self.failures += other.failures

    def figures(self, client: str) -> ClientFigures:
        mine = sorted((at, n) for (whose, at), n in self.latencies.items() if whose == client)
        failed = self.failed[client]
        requests = sum(n for _, n in mine) + failed
        return ClientFigures(requests, failed, _quantile(mine, 0.5), _quantile(mine, 0.99))

    def report(self, until: float, clients: Iterable[str]) -> Report:
        return Report(
            until - self.at,
            self.latencies.total() + self.failed.total(),
            self.failed.total(),
            {client: self.figures(client) for client in clients},
            dict(sorted(self.versions.items(), key=lambda item: item[1].first)),
            {reason.value: count for reason, count in self.reasons.most_common()},
            tuple(self.failures),
        )


def _quantile(buckets: list[tuple[int, int]], share: float) -> float:
    # Of 10 latencies, the median is the 5th from below, the 99th percentile the 10th.
    rank = math.ceil(sum(n for _, n in buckets) * share)
    for at, n in buckets:
        rank -= n
        if rank <= 0:
            return math.exp(at * _GROWTH)
    return 0.0


class _Failed(Exception):
    """A request failed: its `Reason`, and the detail."""


class _Link:
    """A connection on which one request at a time is sent, once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.headers: dict[str, str] = {}
        self.keep, self._cut = False, Reason.UNANSWERED  # What it means if it is cut now.
        self._reader, self._writer = reader, writer

    def close(self) -> None:
        self._writer.transport.abort()

    async def ask(self, request: bytes) -> bytes:
        """Return the body of the answer to a request; its headers are in `headers`."""
        self.headers = {}
        self._writer.write(request)
        try:
            body = await self._answer(closing=b"\r\nConnection: close\r\n" in request)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise _Failed(self._cut, f"closed: {error}") from error
        except (ValueError, asyncio.LimitOverrunError) as error:
            raise _Failed(Reason.MALFORMED, f"no HTTP/1 answer: {error}") from error
        self._cut = Reason.REUSED
        return body

    async def _answer(self, *, closing: bool) -> bytes:
        status = 100
        while 100 <= status < 200:  # 100 Continue and the like come before the answer.
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            if self._cut is Reason.REUSED and not first.startswith("HTTP/"):
                raise _Failed(Reason.LENGTH, f"after the last answer's end: {first[:40]!r}")
            version, status = first[:9], int(first[9:12])
        pairs = (line.partition(":") for line in lines)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}
        self._cut = Reason.TRUNCATED
        closing |= "close" in self.headers.get("connection", "").lower()
        self.keep = not closing and version == "HTTP/1.1 "
        body = b"" if status in {204, 304} else await self._body()
        if not 200 <= status < 300:
            raise _Failed(Reason.STATUS, f"{first[9:]}: {body[:80].decode('latin-1').strip()}")
        if closing:
            with suppress(OSError):
                if extra := await self._reader.read(40):
                    raise _Failed(Reason.LENGTH, f"after the answer's end: {extra!r}")
        return body

    async def _body(self) -> bytes:
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            chunks = []
            while size := int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16):
                chunks.append(await self._reader.readexactly(size))
                if await self._reader.readexactly(2) != b"\r\n":
                    raise ValueError("a chunk is longer than it says")
            while (await self._reader.readuntil(b"\r\n")) != b"\r\n":
                pass  # Trailers.
            return b"".join(chunks)
        if "content-length" in self.headers:
            return await self._reader.readexactly(int(self.headers["content-length"]))
        raise ValueError("neither Content-Length nor chunks mark the body's end")


class Traffic:
    """Clients of several classes that use a server at the same time until they are stopped.

    ``keepalive`` asks for ``/`` on connections that it reuses, ``fresh`` on a new connection each
    time, ``post`` sends 64 kB to ``/echo`` and checks what it heard, ``slow`` waits for ``/slow``,
    ``stream`` reads ``/stream`` to its last line, on a new connection each time.

    Args:
        host: Where the server is.
        port: On which port.
        clients: How many clients of each class; one that is not named has none.
        rate: The most requests that are begun in a second, by all clients together.
        timeout: Seconds until a request has failed, on top of those that it is meant to take.
        seconds: How long requests of the classes slow and stream take.

    Raises:
        ValueError: There is no such class, or a number is not positive.
    """

    def __init__(
        self,
        host: str,
        port: int,
        clients: Mapping[str, int] = CLIENTS,
        *,
        rate: float = 300.0,
        timeout: float = 10.0,
        seconds: Mapping[str, float] = SECONDS,
    ) -> None:
        if unknown := (set(clients) - set(CLIENTS)) | (set(seconds) - set(SECONDS)):
            raise ValueError(f"no class {', '.join(unknown)}; there are {', '.join(CLIENTS)}")
        if not (rate > 0 and timeout > 0 and all(n >= 0 for n in clients.values())):
            raise ValueError(f"rate={rate}, timeout={timeout}, {clients}: they must be positive")
        self._host, self._port, self._clients = host, port, dict(clients)
        self._seconds = {**SECONDS, **seconds}
        self._gap, self._next, self._timeout = 1 / rate, 0.0, timeout
        self._numbers, self._filler = itertools.count(1), os.urandom(POST_SIZE - 16)
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._links: set[_Link] = set()
        self._tallies, self._ended = [_Tally(time.time())], 0.0

    async def __aenter__(self) -> Self:
        self._tallies[0].at = time.time()
        for client, count in self._clients.items():
            self._tasks += [asyncio.create_task(self._run(client)) for _ in range(count)]
        return self

    async def __aexit__(self, kind: object, *rest: object) -> None:
        try:
            if kind is None:
                await self.stop()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for link in self._links:
                link.close()

    def mark(self) -> int:
        """Return the number of this point in time, for `since`."""
        self._tallies.append(_Tally(time.time()))
        return len(self._tallies) - 1

    def since(self, mark: int = 0) -> Report:
        """Return the figures of the requests that ended since a mark; 0 is the beginning."""
        total = _Tally(self._tallies[mark].at)
        for tally in self._tallies[mark:]:
            total.add(tally)
        return total.report(self._ended or time.time(), self._clients)

    async def stop(self) -> Report:
        """Begin no more requests, wait for those in flight, and return the figures of all."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        self._ended = self._ended or time.time()
        return self.since()

    async def _run(self, client: str) -> None:
        link = None
        while await self._turn():
            link = await self._request(client, link)

    async def _turn(self) -> bool:
        self._next = max(self._next + self._gap, asyncio.get_running_loop().time())
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._next):
                await self._stopping.wait()
        return not self._stopping.is_set()

    async def _request(self, client: str, link: _Link | None) -> _Link | None:
        """Make one request, count it, and return the connection if it can be used again."""
        number, begun = next(self._numbers), time.monotonic()
        limit = self._timeout + self._seconds.get(client, 0)
        failed = None
        try:
            async with asyncio.timeout(limit):
                link = link or await self._open()
                await self._exchange(client, link, number)
        except TimeoutError:
            failed = _Failed(Reason.TIMEOUT, f"not over within {limit:g} s")
        except _Failed as error:
            failed = error
        self._count(client, time.monotonic() - begun, link, failed)
        if link is None or (link.keep and not failed):
            return link
        self._links.discard(link)
        link.close()
        return None

    async def _open(self) -> _Link:
        try:
            link = _Link(*await asyncio.open_connection(self._host, self._port))
        except OSError as error:
            raise _Failed(Reason.REFUSED, str(error)) from error
        self._links.add(link)
        return link

    async def _exchange(self, client: str, link: _Link, number: int) -> None:
        """Send a request and see whether the answer is to it."""
        method, path, body, headers = "GET", "/", b"", f"X-Request: {number}\r\n"
        if client in self._seconds:
            path = f"/{client}?s={self._seconds[client]:g}"
        if client == "post":
            # Another body each time: an echo of an earlier one is found out.
            method, path, body = "POST", "/echo", b"%016d" % number + self._filler
            headers += f"Content-Length: {len(body)}\r\n"
        if client in {"fresh", "stream"}:
            headers += "Connection: close\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{headers}\r\n"
        answer = await link.ask(head.encode() + body)
        to = link.headers.get("x-request", str(number))
        if to != str(number):
            raise _Failed(Reason.SWAPPED, f"the answer to request {to}, not to {number}")
        if client == "stream" and not answer.endswith(b"end\n"):
            raise _Failed(Reason.TRUNCATED, f"no last line; it ends in {answer[-20:]!r}")
        right = b"%d %s\n" % (len(body), hashlib.sha256(body).hexdigest().encode())
        if client == "post" and answer != right:
            reason = Reason.HASH if answer.split()[:1] == right.split()[:1] else Reason.LENGTH
            raise _Failed(reason, f"sent {right!r}, heard {answer[:99]!r}")

    def _count(self, client: str, after: float, link: _Link | None, failed: _Failed | None) -> None:
        now, tally, headers = time.time(), self._tallies[-1], link.headers if link else {}
        version, instance = headers.get("x-version", ""), headers.get("immutable-instance", "")
        if version:
            tally.see(version, Seen(1, now, now))
        if failed is None:
            tally.succeed(client, after)
        else:
            reason, detail = failed.args
            tally.fail(Failure(now, after, client, reason, detail, version, instance))


async def _main() -> int:
    parser = argparse.ArgumentParser(description="Strict traffic; exits with 1 if any failed.")
    parser.add_argument("url", help="like http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=10.0, help="for how long (10)")
    parser.add_argument("--rate", type=float, default=300.0, help="most requests a second (300)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    arguments = parser.parse_args()
    url = urlsplit(arguments.url)
    if url.scheme != "http" or not url.hostname or url.path not in {"", "/"}:
        parser.error(f"{arguments.url} is no address like http://127.0.0.1:8000")
    enough = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, enough.set)
    async with Traffic(url.hostname, url.port or 80, rate=arguments.rate) as traffic:
        with suppress(TimeoutError):
            await asyncio.wait_for(enough.wait(), arguments.seconds)
        report = await traffic.stop()
    print(json.dumps(asdict(report), indent=2) if arguments.json else report)
    return 1 if report.failed or not report.requests else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
