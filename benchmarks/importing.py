"""What an import costs above bare Python: processor time and memory, the least of several.

``immutable`` loads what is asked for when it is, so the second row asks for what most programs use.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable

from benchmarks.common import Benchmark, Row

__all__ = ["BENCHMARK", "MOST", "broken", "rows"]

MOST = 150.0
"""Milliseconds that `import immutable` may take above bare Python."""

ROUNDS = 10

_WHAT = {
    "bare Python": "pass",
    "import immutable": "import immutable",
    "from immutable import Fleet": "from immutable import Fleet",
    "import immutable_local": "import immutable_local",
    "import immutable_aws": "import immutable_aws",
    "import immutable_azure": "import immutable_azure",
    "import immutable_gcp": "import immutable_gcp",
}
_TELL = """
import json, resource
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(json.dumps([used.ru_utime + used.ru_stime, int(peak.split()[1]) / 1024]))
"""


def _least(code: str, rounds: int) -> tuple[float, float]:
    told = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", f"{code}\n{_TELL}"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for _ in range(rounds)
    ]
    return min(each[0] for each in told), min(each[1] for each in told)


def rows(*, quick: bool) -> list[Row]:
    """Return a row for each import; the first is bare Python, from which the others count."""
    found: list[Row] = []
    bare = 0.0, 0.0
    for what, code in _WHAT.items():
        seconds, size = _least(code, 3 if quick else ROUNDS)
        found.append(
            {
                "what": what,
                "cpu_ms": round(1000 * (seconds - bare[0]), 1),
                "rss_mb": round(size - bare[1], 1),
            }
        )
        bare = bare if bare[0] else (seconds, size)
    return found


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    return [
        f"{row['what']}: {row['cpu_ms']} ms, at most {MOST:g}"
        for row in listed
        if row["what"] == "import immutable" and row["cpu_ms"] > MOST
    ]


BENCHMARK = Benchmark(
    "What an import costs",
    f"""\
Above bare Python, whose own figures are the first row; the least of {ROUNDS}. `import immutable`
may take {MOST:g} ms.""",
    {"what": "what", "cpu_ms": "CPU, ms", "rss_mb": "memory, MB"},
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
