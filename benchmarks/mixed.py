"""Surge and unavailability: a replacement that may have more, fewer, or both meanwhile.

The same as ``benchmarks.makespan``, for one size. The bound knows only their sum, and so has the
engine to: whether a new one comes before an old one goes or after it is the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks.common import Benchmark, Row, say
from benchmarks.makespan import MOST, named, row
from benchmarks.replacing import Case

__all__ = ["BENCHMARK", "broken", "rows"]

APART = 1.03
"""How far apart those of one sum may be."""


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield all rows, those of one sum after one another."""
    n, few = (100, 5) if quick else (1_000, 50)
    for boot in ("vm", "lognormal"):
        for surge, unavailable in ((few, 0), (0, few), (2 * few, 0), (few, few)):
            case = Case(boot, n, str(surge), unavailable)
            say(str(case))
            yield row(case)


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    found: list[str] = []
    sums: dict[tuple[str, int], float] = {}
    for each in listed:
        total = int(each["surge"]) + each["unavailable"]
        few = total <= each["n"] // 20
        if few and each["boot"] == "vm" and each["ratio"] > MOST[each["n"]]:
            found.append(f"{named(each)}: {each['ratio']} x the bound, at most {MOST[each['n']]}")
        first = sums.setdefault((each["boot"], total), each["ratio"])
        if each["ratio"] > APART * first:
            found.append(f"{named(each)}: more than {APART} x what {total} more take ({first})")
    return found


BENCHMARK = Benchmark(
    "Surge and unavailability",
    f"""\
1,000 instances, of which there may be *more* and may serve *fewer* meanwhile. The bound, the
ideal barrier and Kubernetes' arithmetic are those for both together. Only their sum may matter:
ours may be at most {APART} times what it is with as many more and none fewer, and with `vm` boots
{MOST[1_000]} of the bound for 50.""",
    {
        "boot": "boot",
        "surge": "more",
        "unavailable": "fewer",
        "ratio": "ours",
        "barrier_ratio": "barrier",
        "k8s_ratio": "Kubernetes",
        "k8s_peak": "its peak",
        "calls_per_replacement": "calls each",
    },
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
