"""How much longer a replacement takes, and how many calls less, the more seldom it looks.

The same as ``benchmarks.makespan``, for one size and several polls. Where nothing can have changed
the engine looks less often than each poll whatever it is, and where something is about to, more
often for as long as it has saved looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks.bounds import DRAIN, MIN_READY, TERMINATE
from benchmarks.common import Benchmark, Row, say
from benchmarks.makespan import MOST, named, row
from benchmarks.replacing import Case

__all__ = ["BENCHMARK", "POLLS", "broken", "rows"]

POLLS = (1.0, 2.0, 5.0, 15.0)
WHOLE = 90 + MIN_READY + DRAIN + TERMINATE
"""Seconds that one replacement takes on average."""


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield all rows."""
    for boot in ("vm", "lognormal"):
        for poll in POLLS:
            case = Case(boot, 100 if quick else 1_000, "5%", poll=poll)
            say(str(case))
            yield row(case)


# 2 s: 1.06; 15 s: 1.06 + 1.5 * 13 / 170 = 1.17. Boots end at any time, so they are seen half a poll
# late on average; drain and termination always take the same, so their end may be a whole one.
def most(poll: float, n: int) -> float:
    """Return by how much of the bound a replacement with `vm` boots may take."""
    return MOST[n] + 1.5 * max(0.0, poll - 2.0) / WHOLE


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    found: list[str] = []
    calls: dict[str, float] = {}
    for each in listed:
        limit = most(each["poll"], each["n"])
        if each["boot"] == "vm" and each["ratio"] > limit:
            found.append(f"{named(each)}: {each['ratio']} x the bound, at most {limit:.2f}")
        fewer = calls.get(each["boot"])
        if fewer is not None and each["calls_per_replacement"] >= fewer:
            found.append(f"{named(each)}: no fewer calls than with a shorter poll")
        calls[each["boot"]] = each["calls_per_replacement"]
    return found


BENCHMARK = Benchmark(
    "By which poll",
    f"""\
1,000 instances and a surge of 5 %, looked at every so many seconds. With `vm` boots ours may be
{MOST[1_000]} at 2 s, and longer by one and a half polls' share of one replacement ({WHOLE:g} s):
{most(15.0, 1_000):.2f} at 15 s. A longer poll has to save calls.""",
    {
        "boot": "boot",
        "poll": "poll, s",
        "ratio": "ours",
        "calls_per_replacement": "calls each",
        "described": "records each",
        "extra": "extra",
    },
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
