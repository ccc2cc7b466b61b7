"""Duplicates of late boots: what they gain when a few slow ones decide, and what they cost.

The same as ``benchmarks.makespan``, with ``Limits.hedge``. Of the bound only the work is left, for
a boot that takes an hour is none that has to be waited for; it is that of the first N boots that
were drawn, as is what the duplicates' cost is held against.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve

from benchmarks.bounds import DRAIN, MIN_READY, TERMINATE, barrier
from benchmarks.common import Benchmark, Row, say
from benchmarks.makespan import MOST_EXTRA, SEEDS
from benchmarks.replacing import Case, Measured, measured

__all__ = ["BENCHMARK", "broken", "row", "rows"]

MOST = 1.25
"""By the work, with `vm` boots, a surge of 25 %, and 1,000 or more."""

FASTER = 4.0
"""Times as fast as an ideal barrier, with `pareto` boots and a surge of 5 %."""

_LARGE = 1_000


def row(case: Case, seeds: int = SEEDS) -> Row:
    """Return the worst of several seeds, beside the same without duplicates."""
    plain, hedged = (
        [measured(evolve(case, seed=seed, hedge=hedge)) for seed in range(seeds)]
        for hedge in (False, True)
    )
    return {
        "boot": case.boot,
        "n": case.n,
        "surge": case.surge,
        "ratio": round(max(each.makespan / _work(each, case, case.extra) for each in hedged), 4),
        "plain_ratio": round(
            max(each.makespan / _work(each, case, case.extra) for each in plain), 4
        ),
        "faster": round(
            min(barrier(each.boots[: case.n], case.extra) / each.makespan for each in hedged), 4
        ),
        "duplicates": round(max(len(each.boots) for each in hedged) / case.n - 1, 4),
        "extra": round(max(each.paid / _work(each, case) for each in hedged), 4),
        "plain_extra": round(max(each.paid / _work(each, case) for each in plain), 4),
        "calls_per_replacement": round(max(each.calls for each in hedged) / case.n, 4),
        "seeds": seeds,
    }


def _work(found: Measured, case: Case, together: int = 1) -> float:
    """Return the sum of W of the first N, by how many can be under way together."""
    return (sum(found.boots[: case.n]) + case.n * (MIN_READY + DRAIN + TERMINATE)) / together


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield all rows."""
    for boot in ("vm", "lognormal", "pareto"):
        for n in (100,) if quick else (100, 1_000, 10_000):
            for surge in ("5%", "25%"):
                case = Case(boot, n, surge)
                say(str(case))
                yield row(case)


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    return [
        f"{each['boot']}, n={each['n']}, surge {each['surge']}: {wrong}"
        for each in listed
        for wrong in _wrong(each)
    ]


def _wrong(each: Row) -> Iterator[str]:
    kind = each["boot"], each["surge"]
    if each["n"] >= _LARGE and kind == ("vm", "25%") and each["ratio"] > MOST:
        yield f"{each['ratio']} x the work, at most {MOST}"
    if each["n"] >= _LARGE and kind == ("pareto", "5%") and each["faster"] < FASTER:
        yield f"{each['faster']} x faster than a barrier, at least {FASTER}"
    if each["n"] >= _LARGE and each["extra"] > MOST_EXTRA:
        yield f"{each['extra']} x the work is paid, at most {MOST_EXTRA}"


BENCHMARK = Benchmark(
    "Duplicates of slow boots at the end",
    f"""\
The same with `Limits(hedge=True)`, without a probe: once nothing else is left to launch, boots
that take half as long again as most get duplicates in what the surge leaves. *Ours* is by the work
alone, sum(W) / surge of the first N boots, since no single boot has to be waited for; *without*
is the same without duplicates, which are *more* by so much of N. *Faster* is how many times as
fast as an ideal barrier. *Extra* is paid above the fleet's size, by sum(W).

With `vm` boots and a surge of 25 % ours may be at most {MOST} for {_LARGE:,} or more; with
`pareto` boots and 5 % it has to be {FASTER:g} times as fast as the barrier. Extra may be
{MOST_EXTRA}; of few servers, a few duplicates are more.""",
    {
        "boot": "boot",
        "n": "instances",
        "surge": "surge",
        "ratio": "ours",
        "plain_ratio": "without",
        "faster": "faster",
        "duplicates": "more",
        "extra": "extra",
        "plain_extra": "extra without",
        "calls_per_replacement": "calls each",
    },
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
