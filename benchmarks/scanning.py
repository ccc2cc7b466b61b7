"""Secrets: what it costs to look at user data, warm and cold.

``python -m benchmarks.scanning`` looks at cloud-init user data of 16 KiB, plain, in base64, and
compressed in base64. ``ms`` is the median of looking at it in a process that has been started,
``p95`` what one in twenty takes longer than; less than 50 ms are asked for. ``gate`` is what a plan
or a build waits for all together when it has to start the process first: starting Python, loading
the rules, looking, ending it.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import random
import time
from collections.abc import Iterable, Iterator

from benchmarks.common import Benchmark, Row, say, timed
from immutable.scanning import Document, Verdict, scanned
from immutable.scanning.looking import look

SIZE = 16 * 1024
MOST = 50.0
"""Milliseconds that the scan itself may take."""


def user_data() -> bytes:
    """Return 16 KiB of settings, scripts, checksums and references, without a secret."""
    chance, lines = random.Random(16), ["#cloud-config", "write_files:"]
    while sum(map(len, lines)) + len(lines) < SIZE:
        digest = chance.randbytes(32).hex()
        lines += [
            f"  - path: /etc/web/{digest[:8]}.env",
            "    content: |",
            f"      RELEASE={digest}",
            "      DB_PASSWORD=vault://kv/web#password",
            f"      WORKERS={chance.randint(1, 64)}",
            f"      export PATH=/srv/{digest[:6]}/bin:$PATH && exec web --port 8080",
        ]
    return "\n".join(lines).encode()[:SIZE]


def row(what: str, data: bytes, rounds: int) -> Row:
    """Return what it costs to look at one document."""
    document = Document("user-data", data)
    report = asyncio.run(scanned([document]))
    assert report.verdict is Verdict.CLEAN, report.findings
    warm = timed(lambda: look(document), rounds)
    again = max(3, rounds // 10)
    cold = timed(lambda: asyncio.run(scanned([document])), again, time.perf_counter)
    return {
        "what": what,
        "bytes": len(data),
        "rounds": rounds,
        "ms": round(warm[0], 2),
        "p95": round(warm[1], 2),
        "gate": round(cold[0], 1),
    }


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield a row for each way in which user data comes."""
    plain = user_data()
    packed = base64.b64encode(gzip.compress(plain, mtime=0))
    ways = {"plain": plain, "base64": base64.b64encode(plain), "gzip in base64": packed}
    for what, data in ways.items():
        say(what)
        yield row(what, data, 20 if quick else 100)


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    return [
        f"{each['what']}: {each['ms']} ms, less than {MOST:g} asked"
        for each in listed
        if each["ms"] >= MOST
    ]


BENCHMARK = Benchmark(
    "Looking for secrets",
    f"""\
User data of 16 KiB: the processor time of looking at it, by the median, and what one in twenty
takes longer than; less than {MOST:g} ms are asked for. *With start* is what a plan waits for when
the process that looks has to be started first.""",
    {"what": "what", "ms": "ms", "p95": "p95, ms", "gate": "with start, ms"},
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
