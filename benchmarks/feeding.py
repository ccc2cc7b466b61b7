"""What it is worth to be told of changes: the same replacements with polls, and with a feed.

The real engine on the simulated cloud, on virtual time, with a poll of 2 s. Polled, it looks when
the fleet's own boots say that something can have changed, and each poll otherwise; told, when
something has. A look is a call; a wait for changes is none, since nothing is asked while it lasts,
and is counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve

from benchmarks.bounds import bound
from benchmarks.common import Benchmark, Row, say
from benchmarks.makespan import MOST_CALLS
from benchmarks.replacing import Case, Measured, measured

__all__ = ["BENCHMARK", "broken", "row", "rows"]

MOST_TIMES = 1.005
"""In a stream of changes looks are as frequent either way, and either may meet more by luck."""
FEWER = 0.75
"""What part of the calls there may be in fleets of up to `SMALL`."""
SMALL = 100


def row(case: Case, seeds: int) -> Row:
    """Return the worst of several seeds, polled and told."""
    cases = [evolve(case, seed=seed) for seed in range(seeds)]
    polled = [measured(each) for each in cases]
    told = [measured(evolve(each, feed=True)) for each in cases]
    return {
        "boot": case.boot,
        "n": case.n,
        "surge": case.surge,
        "polled_ratio": _ratio(polled, case),
        "told_ratio": _ratio(told, case),
        "polled_calls": round(max(each.calls for each in polled) / case.n, 4),
        "told_calls": round(max(each.calls for each in told) / case.n, 4),
        "waits": round(max(each.waits for each in told) / case.n, 4),
        "described": round(max(each.described for each in told) / case.n, 2),
        "seeds": seeds,
    }


def _ratio(found: list[Measured], case: Case) -> float:
    return round(max(each.makespan / bound(each.boots, case.extra) for each in found), 4)


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield all rows; at a surge of 1 a large fleet takes a month."""
    for boot in ("vm", "lognormal"):
        for n in (10, 100) if quick else (10, 100, 1_000, 10_000):
            for surge in ("1", "5%"):
                if surge == "1" and n != 10:
                    continue
                if surge == "5%" and n == 10:
                    continue
                say(f"{boot} n={n} surge={surge}")
                yield row(Case(boot, n, surge), seeds=5 if n < 10_000 else 2)


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    found = []
    for each in listed:
        name, n = f"{each['boot']}, n={each['n']}, surge {each['surge']}", each["n"]
        if each["told_ratio"] > MOST_TIMES * each["polled_ratio"]:
            found.append(f"{name}: {each['told_ratio']} x the bound, polled {each['polled_ratio']}")
        if n <= SMALL and each["told_calls"] > FEWER * each["polled_calls"]:
            found.append(f"{name}: {each['told_calls']} calls, polled {each['polled_calls']}")
        if each["told_calls"] > MOST_CALLS.get(n, each["told_calls"]):
            found.append(f"{name}: {each['told_calls']} calls, at most {MOST_CALLS[n]}")
    return found


BENCHMARK = Benchmark(
    "What it is worth to be told of changes",
    f"""\
The same rollouts without a probe, polled as above, and on a cloud that tells when something has
happened (`SupportsChanges`), the worst of five seeds (of two for 10,000). *Waits* are how often a
change was waited for, for each instance; nothing is asked while a wait lasts, and they are in no
other figure. In a large fleet something happens all the time, so looks are as frequent either way:
one each poll.

Told, it may take {MOST_TIMES} times the time of polls, {FEWER} of their calls for up to {SMALL}
instances, and as many calls as above for more.""",
    {
        "boot": "boot",
        "n": "instances",
        "surge": "surge",
        "polled_ratio": "polled",
        "told_ratio": "told",
        "polled_calls": "calls each, polled",
        "told_calls": "told",
        "waits": "waits each",
        "described": "records each",
    },
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
