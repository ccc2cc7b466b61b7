"""The source `prometheus` against the real server, where one is installed.

Debian: ``apt install prometheus``. The server scrapes an exporter of ours on loopback.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from attrs import define, field

from immutable import Canary, Fleet, RolledBack
from immutable.errors import MetricError
from immutable.gates import Analysis, since, total
from immutable.gates.counts import Arm
from immutable.memory import Cloud, Laws, MemoryBackend, fixed
from immutable.metrics import PrometheusAddress
from immutable.metrics.prometheus import PrometheusSource
from immutable.model import Group, Traffic
from immutable.testing import LoopClock
from tests.support.world import NAME, URL, revision

SERVER = shutil.which("prometheus")
pytestmark = pytest.mark.skipif(SERVER is None, reason="no prometheus on PATH")

BOUNDS = (0.1, 0.5)


@define
class Process:
    """One server that counts, as a client library shows it.

    Attributes:
        ok: Requests that went well.
        bad: Requests that failed; None when no such counter is shown.
        buckets: How many took how long, between the bounds.
        up: Whether it can be scraped.
    """

    ok: int = 0
    bad: int | None = 0
    buckets: tuple[int, int, int] = (0, 0, 0)
    up: bool = True

    def page(self) -> str:
        lines = [
            "# TYPE http_requests_total counter",
            f'http_requests_total{{status="200"}} {self.ok}',
        ]
        if self.bad is not None:
            lines.append(f'http_requests_total{{status="503"}} {self.bad}')
        lines.append("# TYPE took_seconds histogram")
        below = 0
        for bound, count in zip((*BOUNDS, "+Inf"), self.buckets, strict=True):
            below += count
            lines.append(f'took_seconds_bucket{{le="{bound}"}} {below}')
        lines += [f"took_seconds_sum {below / 10}", f"took_seconds_count {below}"]
        return "\n".join(lines) + "\n"


@define
class Exporter:
    """All processes, each under a path of its own, and what they do at each scrape."""

    processes: dict[str, Process] = field(factory=dict)
    port: int = 0
    grow: bool = False

    def answer(self, name: str) -> tuple[int, str]:
        process = self.processes.get(name)
        if process is None or not process.up:
            return 500, ""
        if self.grow:
            process.ok, process.bad = process.ok + 700, (process.bad or 0) + 700
        return 200, process.page()


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    exporter = Exporter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, page = exporter.answer(self.path.strip("/"))
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    exporter.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield exporter
    server.shutdown()
    server.server_close()


TARGETS = (("web", 1, "a"), ("web", 1, "b"), ("web", 2, "c"), ("shop", 1, "d"))


def configuration(port: int) -> str:
    """What it scrapes, five times a second; the labels are as service discovery would set them."""
    text = "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\nscrape_configs:\n"
    text += "- job_name: fleets\n  static_configs:\n"
    for fleet, number, name in TARGETS:
        labels = f'fleet: {fleet}, revision: "{number}", instance: {name}'
        text += f"  - targets: ['127.0.0.1:{port}']\n"
        text += f"    labels: {{{labels}, __metrics_path__: /{name}}}\n"
    return text


@pytest.fixture(scope="module")
def server(exporter, tmp_path_factory) -> Iterator[str]:
    """A real Prometheus; its address."""
    folder: Path = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(configuration(exporter.port))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                SERVER,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _until(lambda: httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _until(true, seconds=20.0) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except (httpx.HTTPError, MetricError) as error:
            last = error
        else:
            last = None
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {last}")
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def processes(exporter, monkeypatch):
    """Two servers of revision 1, one of 2, and one of another fleet."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    exporter.grow = False
    exporter.processes = {
        "a": Process(90, 10, (50, 30, 20)),
        "b": Process(80, 0, (40, 30, 10)),
        "c": Process(9, 1, (3, 4, 3)),
        "d": Process(7, 7, (14, 0, 0)),
    }
    return exporter.processes


FIRST = {
    1: {"a": Traffic(100, 10, (50, 30, 20)), "b": Traffic(80, 0, (40, 30, 10))},
    2: {"c": Traffic(10, 1, (3, 4, 3))},
}


def address(server, **changed) -> PrometheusAddress:
    options = {
        "requests": "http_requests_total",
        "errors": 'http_requests_total{status=~"5.."}',
        "latency": "took_seconds_bucket",
    }
    return PrometheusAddress(server, **(options | changed))


class Reader:
    """One source, read from outside of an event loop."""

    def __init__(self, where: PrometheusAddress) -> None:
        self._runner = asyncio.Runner()
        self._source = PrometheusSource.from_address(str(where))

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._source.close())
        self._runner.close()

    def read(self, fleet="web"):
        return self._runner.run(self._source.read(fleet, (1, 2)))

    def until(self, wanted, fleet="web") -> None:
        _until(lambda: self.read(fleet).revisions == wanted)


def new_reading(server):
    with Reader(address(server)) as reader:
        return reader.read()


def arms(reading, number):
    return {
        name: Arm(each.requests, each.errors, each.latency)
        for name, each in reading.revisions[number].items()
    }


def test_counters_are_read_as_they_are_shown(server):
    with Reader(address(server)) as reader:
        reader.until(FIRST)
        assert reader.read().bounds == BOUNDS
        reader.until({1: {"d": Traffic(14, 7, (14, 0, 0))}, 2: {}}, "shop")


def test_a_process_that_starts_again_is_told_from_its_counters(server, processes):
    with Reader(address(server)) as reader:
        reader.until(FIRST)
        before = reader.read()
        processes["a"] = Process(190, 10, (150, 30, 20))
        processes["c"] = Process(3, 2, (5, 0, 0))
        reader.until({
            1: {**FIRST[1], "a": Traffic(200, 10, (150, 30, 20))},
            2: {"c": Traffic(5, 2, (5, 0, 0))},
        })  # fmt: skip
        after = reader.read()
    stable = total(since(arms(before, 1), arms(after, 1)).values())
    candidate = total(since(arms(before, 2), arms(after, 2), fresh=True).values())
    assert stable == Arm(100, 0, (100, 0, 0))
    assert candidate == Arm(5, 2, (5, 0, 0))


def test_a_process_that_can_not_be_scraped_for_a_while_keeps_its_figures(server, processes):
    with Reader(address(server)) as reader:
        reader.until(FIRST)
        processes["c"].up = False
        # One that comes new sees that it is missing.
        _until(lambda: new_reading(server).revisions == {1: FIRST[1], 2: {}})
        assert reader.read().revisions == FIRST
        processes["c"] = Process(19, 1, (13, 4, 3))
        reader.until({1: FIRST[1], 2: {"c": Traffic(20, 1, (13, 4, 3))}})


def test_what_is_read_is_of_one_moment_while_counters_grow(server, exporter):
    for process in exporter.processes.values():
        process.ok, process.bad = 0, 0
    with Reader(address(server, latency=None)) as reader:
        nothing = {1: {"a": Traffic(), "b": Traffic()}, 2: {"c": Traffic()}}
        reader.until(nothing)
        exporter.grow = True
        seen = set()
        end = time.monotonic() + 3
        while time.monotonic() < end or len(seen) <= 5:
            # On a busy machine a scrape comes too late, and until the next one there is no data.
            with suppress(MetricError):
                for each in reader.read().revisions[1].values():
                    assert each.requests == 2 * each.errors
                    seen.add(each.requests)


def test_a_fleet_without_a_failed_request_so_far_has_no_errors(server, processes):
    for process in processes.values():
        process.bad = None
    with Reader(address(server, latency=None)) as reader:
        reader.until({1: {"a": Traffic(90), "b": Traffic(80)}, 2: {"c": Traffic(9)}})


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"requests": "http_request_total"}, "no data: no series of http_request_total has fleet"),
        ({"errors": 'http_requests_total{code=~"5.."}'}, 'no series http_requests_total{code!=""}'),
        ({"errors": 'http_requests_total{status=~"("}'}, "answered 400, bad_data: .*regexp"),
        ({"latency": "took_seconds_sum"}, "is 10, which|no label le|which is no count"),
        ({"latency": "took_seconds_bucket{le='0.1'}"}, "no latency bucket [+]Inf"),
        ({"fleet": "service"}, "no data: no series of http_requests_total has service"),
        ({"series": "pod"}, "requests without a label pod"),
        (
            {"requests": 'http_requests_total{status="200"}', "errors": "http_requests_total"},
            "a has",
        ),
    ],
)
def test_what_is_wrong_with_an_address_is_said(server, changed, says):
    with Reader(address(server)) as right:
        right.until(FIRST)
    with Reader(address(server, **changed)) as reader, pytest.raises(MetricError, match=says):
        reader.read()


def test_a_path_that_is_not_the_api_is_said(server):
    with (
        Reader(address(f"{server}/prometheus")) as reader,
        pytest.raises(MetricError, match=r"answered 404 .*is a path missing in the URL\?"),
    ):
        reader.read()


@pytest.mark.slow
def test_a_canary_whose_errors_a_prometheus_saw_is_rolled_back(server, exporter):
    """All is real but the cloud: the rollout, its time, the server, and what is scraped."""

    async def main():
        clock = LoopClock()
        cloud = Cloud(clock, laws=Laws(boot=fixed(0.2), drain=fixed(0.1), terminate=fixed(0.1)))
        cloud.settled_fleet(NAME, Group(revision(), 0), 2)
        gates = (Analysis(source=address(server, latency=None).source, interval=0.3),)
        async with Fleet.connect(
            URL, backend=MemoryBackend(cloud), journal=":memory:", clock=clock
        ) as fleet:
            growing = asyncio.ensure_future(grow())
            try:
                with pytest.raises(RolledBack, match="worse than stable: errors"):
                    await fleet.replace("v2", Canary(("50%",), bake=30, gates=gates))
            finally:
                growing.cancel()

    async def grow():
        while True:
            exporter.processes["a"].ok += 50
            exporter.processes["b"].ok += 50
            exporter.processes["c"].ok += 70
            exporter.processes["c"].bad += 30
            await asyncio.sleep(0.05)

    asyncio.run(main())
