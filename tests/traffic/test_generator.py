"""The load generator, against servers that misbehave in every way that it tells apart."""

import asyncio
import hashlib
import json
import math
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

SCRIPT = Path(__file__).parents[2] / "examples" / "traffic.py"
OK = b"HTTP/1.1 200 OK\r\nX-Version: 1\r\nImmutable-Instance: web-1\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\nX-Version: 1\r\nImmutable-Instance: web-1\r\n"

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def receive(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return a request's head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    return head, await reader.readexactly(65536) if head.startswith(b"POST") else b""


class Server:
    """A server in the test, that counts the requests that it gets.

    It gives each the next of some answers, and the last of them again and again; then it closes
    the connection if *close* says so. None is no answer at all.
    """

    def __init__(self, *answers: bytes | None, close: bool = False, pause: float = 0) -> None:
        self.answers = list(answers)
        self.close = close
        self.pause = pause
        self.heads: list[bytes] = []
        self.port = 0
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append((await receive(reader))[0])
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                await asyncio.sleep(self.pause)
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()
                if self.close:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self):
        server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await asyncio.sleep(0.01)  # The last connections are told that they are closed.


async def seen(traffic, enough: int) -> None:
    while traffic.since().requests < enough:
        await asyncio.sleep(0.01)


async def report_of(generator, server, client: str, *, enough=3, whole=True, **more):
    """Return what one client has to say of a server after some requests."""
    async with (
        server.running(),
        generator.Traffic("127.0.0.1", server.port, {client: 1}, **more) as traffic,
    ):
        await seen(traffic, enough)
        report = await traffic.stop()
    assert not whole or len(server.heads) == report.requests  # Nothing was sent twice.
    return report


FRESH = HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ECHO = HEAD + b"Content-Length: %d\r\n\r\n%s"
OTHER = hashlib.sha256(b"other").hexdigest().encode()


@pytest.mark.parametrize(
    ("client", "answer", "close", "reason"),
    [
        ("fresh", b"", True, "unanswered"),
        ("fresh", HEAD, True, "unanswered"),
        ("keepalive", HEAD + b"Content-Length: 9\r\n\r\nok", True, "truncated"),
        ("slow", HEAD + b"Content-Length: 9\r\n\r\n", True, "truncated"),
        ("stream", CHUNKED + b"4\r\nend\n\r\n", True, "truncated"),
        ("stream", CHUNKED + b"9\r\nend\n", True, "truncated"),
        ("stream", CHUNKED + b"2\r\n0\n\r\n0\r\n\r\n", True, "truncated"),
        ("keepalive", OK.replace(b"200 OK", b"500 Oh no"), False, "status"),
        ("keepalive", OK.replace(b"200 OK", b"302 Found"), False, "status"),
        ("keepalive", OK.replace(b"200 OK", b"503 Busy"), True, "status"),
        ("fresh", FRESH + b"!", True, "length"),
        ("post", ECHO % (69, b"3276 " + OTHER), False, "length"),
        ("post", ECHO % (70, b"65536 " + OTHER), False, "hash"),
        ("keepalive", OK.replace(b"\r\n", b"\r\nX-Request: 99\r\n", 1), False, "swapped"),
        ("keepalive", None, False, "timeout"),
        ("keepalive", HEAD, False, "timeout"),
        ("fresh", FRESH, False, "timeout"),
        ("keepalive", b"hello\r\n\r\n", False, "malformed"),
        ("keepalive", HEAD + b"\r\nok", True, "malformed"),
        ("keepalive", HEAD + b"Content-Length: -2\r\n\r\nok", True, "malformed"),
        ("stream", CHUNKED + b"2\r\nend\n\r\n", False, "malformed"),
        ("stream", CHUNKED + b"x\r\nend\n\r\n", False, "malformed"),
        ("keepalive", b"x" * 70000, False, "malformed"),
    ],
)
@pytest.mark.asyncio
async def test_each_misbehaviour_fails_for_its_own_reason(
    generator, client, answer, close, reason
) -> None:
    server = Server(answer, close=close)
    seconds = {"slow": 0, "stream": 0}
    report = await report_of(generator, server, client, timeout=0.2, seconds=seconds)
    assert report.by_reason == {reason: report.requests}
    assert report.failed == report.by_client[client].failed == report.requests >= 3
    failure = report.failures[0]
    assert (failure.client, failure.reason) == (client, reason)
    assert failure.detail
    # Who did it is known from where its head was whole.
    known = answer is not None and b"X-Version" in answer and b"\r\n\r\n" in answer
    assert (failure.version, failure.instance) == (("1", "web-1") if known else ("", ""))
    assert report.by_version.keys() == ({"1"} if known else set())


@pytest.mark.asyncio
async def test_a_reused_connection_that_is_closed_without_notice_is_a_failure(generator) -> None:
    # It answers, as if it would go on, and closes: every second request finds that out.
    report = await report_of(generator, Closing(), "keepalive", enough=6)
    assert report.by_reason == {"reused": report.requests // 2}


class Closing(Server):
    """Answers one request on each connection, waits for the next, and closes then."""

    def __init__(self) -> None:
        super().__init__(OK)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append((await receive(reader))[0])
            writer.write(OK)
            self.heads.append((await receive(reader))[0])
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.mark.asyncio
async def test_a_connection_that_was_closed_while_idle_is_a_failure_too(generator) -> None:
    server = Server(OK, close=True)
    report = await report_of(generator, server, "keepalive", enough=4, rate=20, whole=False)
    assert report.by_reason == {"reused": report.requests // 2}
    assert len(server.heads) == math.ceil(report.requests / 2)  # And was not asked again.


@pytest.mark.asyncio
async def test_a_connection_that_is_closed_with_notice_is_none(generator) -> None:
    server = Server(FRESH, close=True)
    report = await report_of(generator, server, "keepalive", enough=5)
    assert report.failed == 0
    assert server.connections == report.requests


@pytest.mark.asyncio
async def test_a_failure_is_not_put_down_to_who_answered_before(generator) -> None:
    report = await report_of(generator, Server(OK, None), "keepalive", timeout=0.2)
    assert report.by_reason == {"timeout": report.requests - 1}
    assert report.by_version["1"].answers == 1
    assert {failure.version for failure in report.failures} == {""}


@pytest.mark.asyncio
async def test_bytes_between_two_answers_are_a_failure(generator) -> None:
    report = await report_of(generator, Server(OK + b"more"), "keepalive", enough=4)
    assert report.by_reason == {"length": report.requests // 2}


@pytest.mark.asyncio
async def test_a_server_that_does_not_listen_is_a_failure(generator) -> None:
    async with Server(OK).running() as server:
        port = server.port
    async with generator.Traffic("127.0.0.1", port, {"keepalive": 2}) as traffic:
        await seen(traffic, 4)
        report = await traffic.stop()
    assert report.by_reason == {"refused": report.requests}


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nSum: 1\r\n\r\n",
        HEAD.replace(b"200 OK", b"204 No Content") + b"\r\n",
    ],
)
@pytest.mark.asyncio
async def test_what_http_allows_is_no_failure(generator, answer) -> None:
    server = Server(answer)
    report = await report_of(generator, server, "keepalive", enough=5)
    assert report.failed == 0
    assert server.connections == 1


@pytest.mark.asyncio
async def test_failures_are_all_counted_and_not_all_listed(generator) -> None:
    server = Server(OK.replace(b"200", b"500"))
    report = await report_of(generator, server, "keepalive", enough=150, rate=10000)
    assert report.failed == report.requests >= 150
    assert len(report.failures) == generator.LISTED == 100
    assert "150" in str(report) or str(report.failed) in str(report)


# -- against the application -----------------------------------------------------------------------


@pytest.fixture
def app(start):
    return start(IMMUTABLE_ID="web-1-a").listening()


QUICK = {"slow": 0.3, "stream": 0.6}


@pytest.mark.asyncio
async def test_nothing_fails_on_a_good_server_and_the_totals_add_up(generator, app) -> None:
    async with generator.Traffic("127.0.0.1", app.port, seconds=QUICK) as traffic:
        await seen(traffic, 300)
        report = await traffic.stop()
    assert report.failed == 0, report
    assert report.failures == ()
    assert report.by_reason == {}
    assert report.by_client.keys() == generator.CLIENTS.keys()
    assert sum(one.requests for one in report.by_client.values()) == report.requests >= 300
    assert min(one.requests for one in report.by_client.values()) >= 1
    assert [(name, one.answers) for name, one in report.by_version.items()] == [
        ("1", report.requests)
    ]
    for one in report.by_client.values():
        assert 0 < one.p50 <= one.p99
    assert report.by_client["slow"].p50 >= 0.3 * 0.97
    assert report == traffic.since()
    assert json.loads(json.dumps(asdict(report)))["requests"] == report.requests


@pytest.mark.asyncio
async def test_errors_on_purpose_are_found(generator, start) -> None:
    app = start(APP_ERROR_RATE="0.1").listening()
    async with generator.Traffic("127.0.0.1", app.port, {"keepalive": 1}) as traffic:
        await seen(traffic, 40)
        report = await traffic.stop()
    assert report.by_reason == {"status": report.requests // 10}
    assert report.by_version["1"].answers == report.requests
    assert report.failures[0].instance == "web-1-a"
    assert "web-1-a version 1: 500 Internal Server Error" in str(report)


@pytest.mark.asyncio
async def test_stopping_lets_requests_in_flight_finish(generator, app) -> None:
    more = {"seconds": {"slow": 1, "stream": 1}, "timeout": 0.9}  # On top of the second.
    clients = {"slow": 3, "stream": 2}
    async with generator.Traffic("127.0.0.1", app.port, clients, **more) as traffic:
        await asyncio.sleep(0.1)
        assert traffic.since().requests == 0
        report = await traffic.stop()
    assert (report.requests, report.failed) == (5, 0)


@pytest.mark.asyncio
async def test_an_error_in_the_block_ends_the_traffic_at_once(generator, app) -> None:
    begun = time.monotonic()

    async def scenario() -> None:
        async with generator.Traffic("127.0.0.1", app.port, seconds={"slow": 30}):
            await asyncio.sleep(0.1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await scenario()
    assert time.monotonic() - begun < 20
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.asyncio
async def test_the_rate_is_not_exceeded(generator, app) -> None:
    begun = time.monotonic()
    async with generator.Traffic("127.0.0.1", app.port, rate=50, seconds=QUICK) as traffic:
        await seen(traffic, 40)
        report = await traffic.stop()
    assert report.requests <= 50 * (time.monotonic() - begun) + 1


@pytest.mark.asyncio
async def test_stopping_does_not_wait_for_a_turn(generator, app) -> None:
    begun = time.monotonic()
    async with generator.Traffic("127.0.0.1", app.port, {"keepalive": 8}, rate=0.02) as traffic:
        await seen(traffic, 1)
        report = await traffic.stop()
    assert report.requests == 1
    assert time.monotonic() - begun < 20  # The second turn would have come after 50 s.


@pytest.mark.asyncio
async def test_figures_since_a_mark_are_those_of_what_ended_since(generator) -> None:
    server = Server(OK)
    async with (
        server.running(),
        generator.Traffic("127.0.0.1", server.port, {"keepalive": 2}) as traffic,
    ):
        await seen(traffic, 20)
        second = traffic.mark()
        before = traffic.since()
        server.answers = [OK.replace(b"X-Version: 1", b"X-Version: 2")]
        await seen(traffic, 40)
        third = traffic.mark()
        server.answers = [OK.replace(b"200", b"500")]
        await seen(traffic, 60)
        whole = await traffic.stop()
    assert traffic.since(third).failed == whole.failed > 0
    assert before.requests + traffic.since(second).requests == whole.requests
    assert list(before.by_version) == ["1"]
    assert list(whole.by_version) == ["1", "2"]
    assert "2" in traffic.since(second).by_version
    one, two = whole.by_version.values()
    assert one.answers + two.answers == whole.requests
    assert before.by_version["1"].first == one.first <= two.first <= two.last <= one.last
    assert traffic.since(third).by_version["1"].first > two.first
    assert traffic.since(third).seconds < traffic.since(second).seconds < whole.seconds


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"clients": {"websocket": 1}}, "no class websocket; there are keepalive"),
        ({"seconds": {"post": 1}}, "no class post"),
        ({"rate": 0}, "rate=0"),
        ({"timeout": -1}, "timeout=-1"),
        ({"clients": {"post": -1}}, "'post': -1"),
    ],
)
def test_a_wrong_argument_is_named(generator, arguments, why) -> None:
    with pytest.raises(ValueError, match=why):
        generator.Traffic("127.0.0.1", 1, **arguments)


@given(st.lists(st.floats(0.0001, 100), min_size=1))
def test_quantiles_are_right_within_3_percent(generator, latencies) -> None:
    tally = generator._Tally(0)
    for latency in latencies:
        tally.succeed("fresh", latency)
    figures = tally.figures("fresh")
    exact = sorted(latencies)
    for share, found in ((0.5, figures.p50), (0.99, figures.p99)):
        assert found == pytest.approx(exact[math.ceil(len(exact) * share) - 1], rel=0.03)


# -- the script ------------------------------------------------------------------------------------


async def script(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, SCRIPT, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


@pytest.mark.asyncio
async def test_the_script_reports_as_text_or_json(app) -> None:
    url = f"http://127.0.0.1:{app.port}/"
    (code, text, _), (json_code, data, _) = await asyncio.gather(
        script(url, "--seconds", "0.2"), script(url, "--seconds", "0.2", "--json")
    )
    assert code == json_code == 0
    assert ", 0 failed\n" in text
    report = json.loads(data)
    assert report["requests"] > report["failed"] == 0
    assert report["by_client"]["stream"]["requests"] == 2


@pytest.mark.asyncio
async def test_the_script_fails_when_a_request_failed(start) -> None:
    async with Server(OK).running() as server:
        port = server.port
    code, text, _ = await script(f"http://127.0.0.1:{port}", "--seconds", "0.2", "--rate", "50")
    assert code == 1
    assert "refused" in text


@pytest.mark.asyncio
async def test_the_script_names_an_address_that_it_does_not_take() -> None:
    code, _, errors = await script("https://example.org/x")
    assert code == 2
    assert "https://example.org/x is no address like http://" in errors
