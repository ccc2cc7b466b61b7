"""How often canaries are rejected, and how soon: the gates' tests beside others.

Each row is 10,000 simulated canaries, judged after every look by all tests side by side. Errors: a
base rate of 1 %, 1000 requests to each arm at each look. Latencies: 500 requests, 48 buckets, 97 %
lognormal around 100 ms and 3 % around a second. Noise: the canary and each half of stable have a
rate of their own at every look, gamma around the true one (latencies: a median of their own,
lognormal), with this coefficient of variation for an arm; half as many servers have twice its
variance. Stable alone is looked at 5 times before the canary serves, except where a test is called
cold; other tests have no use for that.

``ratio`` is how many times as many errors the canary has, or how many times as long it takes.
``p_reject`` is the part that was rejected at any look (for ``passes`` tests: that passed), and
``mean_checks`` how many looks it took, all of them where nothing was rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from math import log, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from attrs import define, frozen

from benchmarks.common import Benchmark, Row, options, say
from benchmarks.sequential import (
    Histograms,
    Kayenta,
    Numbers,
    Scores,
    SequentialTest,
    Threshold,
    Z,
)

WARM, REQUESTS, RATE = 5, 1000, 0.01
COMMAND = "python -m benchmarks.canary --markdown > docs/canary-figures.md"

CANARIES, FEW = 10_000, 500
"""How many a row has, and how many a quick one."""

ALPHA = 0.05
"""How often a canary that is no worse may be rejected, whenever it is looked at."""

MOST_CHECKS = {1.5: 12, 2.0: 6}
"""How many looks may be needed on average to reject so many times as many errors."""

OURS = ("ours", "ours, cold", "ours, margin 25 %", "ours, latency")
"""Tests whose false alarms are held to alpha, with noise or without."""

SLOW_REQUESTS, BUCKETS = 500, 48
EDGES = 10.0 ** np.linspace(1, 4, BUCKETS + 1)[1:-1]
"""Upper ends of all buckets but the last, in milliseconds: 10 ms to 10 s."""


@frozen
class Setting:
    """What canaries are like.

    Attributes:
        ratio: How much worse they are.
        looks: How often each is looked at.
        noise: The coefficient of variation of an arm's rate or latency, drawn anew at each look.
    """

    ratio: float
    looks: int = 60
    noise: float = 0.0


SETTINGS = (
    *(Setting(ratio) for ratio in (1.0, 1.2, 1.5, 2.0, 5.0)),
    Setting(1.25),
    Setting(1.0, looks=600),
    Setting(1.0, noise=0.3),
    Setting(1.0, looks=600, noise=0.3),
    Setting(2.0, noise=0.3),
)
LATENCIES = (
    *(Setting(ratio) for ratio in (1.0, 1.02, 1.05, 1.1)),
    Setting(1.0, noise=0.03),
    Setting(1.1, noise=0.03),
)


@define
class Watched:
    """One test and what became of its canaries."""

    name: str
    test: SequentialTest
    ended: Numbers
    cold: bool = False


def error_tests(setting: Setting, canaries: int) -> dict[str, SequentialTest]:
    """Return the tests of errors by name, for one setting."""
    tests: dict[str, SequentialTest] = {
        "ours": Scores(canaries),
        "ours, cold": Scores(canaries),
        "ours, not tempered": Scores(canaries, tempered=False),
        "ours, margin 25 %": Scores(canaries, ratio=1.25),
        "ours passes, tolerance 25 %": Scores(canaries, ratio=1.25, tolerable=True),
        "z, peeking": Z(canaries),
        "z, Bonferroni": Z(canaries, looks=setting.looks),
        "threshold 1.5x, 1 failed check": Threshold(canaries, 1),
        "threshold 1.5x, 5 failed checks": Threshold(canaries, 5),
    }
    if setting.looks <= 60:
        tests["Kayenta's rule, every 5 checks"] = Kayenta(canaries)
    return tests


def errors(setting: Setting, dice: np.random.Generator, canaries: int) -> Callable[..., Numbers]:
    """Return what draws the errors of some requests at a *ratio*, in a *part* of an arm."""

    def drawn(ratio: float, part: float) -> Numbers:
        rates = np.full(canaries, RATE * ratio)
        if setting.noise:
            variance = setting.noise**2 / part
            rates = np.minimum(1.0, rates * dice.gamma(1 / variance, variance, canaries))
        return dice.binomial(round(REQUESTS * part), rates).astype(float)

    return drawn


def latencies(setting: Setting, dice: np.random.Generator, canaries: int) -> Callable[..., Numbers]:
    """Return what draws histograms of requests that take *ratio* times as long."""

    def drawn(ratio: float, part: float) -> Numbers:
        shifts = np.full(canaries, log(ratio))
        if setting.noise:
            shifts += dice.normal(0, setting.noise / sqrt(part), canaries)
        return dice.multinomial(round(SLOW_REQUESTS * part), chances(shifts)).astype(float)

    return drawn


DEVIATES = np.linspace(-8, 8, 3201)
BELOW = np.array([NormalDist().cdf(each) for each in DEVIATES])


def chances(shifts: Numbers) -> Numbers:
    """Return the chance of each bucket, for each *shift* of the logarithm of latencies."""
    usual = (np.log(EDGES / 100) - shifts[:, None]) / 0.5
    slow = (np.log(EDGES / 1000) - shifts[:, None]) / 0.3
    up_to = 0.97 * np.interp(usual, DEVIATES, BELOW) + 0.03 * np.interp(slow, DEVIATES, BELOW)
    return np.diff(up_to, axis=1, prepend=0.0, append=1.0)


def watched(
    setting: Setting, tests: Mapping[str, SequentialTest], draw: Callable[..., Numbers]
) -> Iterator[Row]:
    """Look at all canaries with all tests until nothing is left to see; yield their rows."""
    never = float(setting.looks + 1)
    all_ = [
        Watched(name, test, np.full(test.canaries, never), "cold" in name)
        for name, test in tests.items()
    ]
    for look in range(1 - WARM, setting.looks + 1):
        first, second = draw(1.0, 0.5), draw(1.0, 0.5)
        if look < 1:
            for each in all_:
                if not each.cold:
                    each.test.warm(first, second)
            continue
        canary = draw(setting.ratio, 1.0)
        for each in all_:
            if (each.ended < never).all():
                continue
            now = each.test.after(canary, first, second) & (each.ended == never)
            each.ended[now] = look
    for each in all_:
        yield {
            "test": each.name,
            "ratio": setting.ratio,
            "looks": setting.looks,
            "noise_cv": setting.noise,
            "p_reject": round(float((each.ended < never).mean()), 4),
            "mean_checks": round(float(np.minimum(each.ended, setting.looks).mean()), 2),
            "canaries": each.test.canaries,
        }


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield all rows; the same every time."""
    canaries = FEW if quick else CANARIES
    for number, setting in enumerate(SETTINGS):
        say(f"errors: {setting}")
        dice = np.random.default_rng([number, 1])
        tests = error_tests(setting, canaries)
        yield from watched(setting, tests, errors(setting, dice, canaries))
    for number, setting in enumerate(LATENCIES):
        say(f"latencies: {setting}")
        dice = np.random.default_rng([number, 2])
        ours = {"ours, latency": Histograms(canaries, BUCKETS)}
        yield from watched(setting, ours, latencies(setting, dice, canaries))


# 500: 0.079; 10,000: 0.057.
def tolerated(canaries: int) -> float:
    """Return the part of canaries that may be judged wrongly: alpha, and three deviations."""
    return ALPHA + 3 * sqrt(ALPHA * (1 - ALPHA) / canaries)


def broken(listed: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what has to hold and doesn't."""
    found = []
    for row in listed:
        rejects, passes = row["test"] in OURS, row["test"].startswith("ours passes")
        wrong = (rejects and row["ratio"] == 1) or (passes and row["ratio"] >= 1.25)
        if wrong and row["p_reject"] > tolerated(row["canaries"]):
            found.append(f"{row}: wrong more often than {ALPHA:.0%}")
        most = MOST_CHECKS.get(row["ratio"], row["looks"])
        if row["test"] == "ours" and row["noise_cv"] == 0 and row["mean_checks"] > most:
            found.append(f"{row}: more than {most} checks")
    return found


def markdown(listed: list[Row], canaries: int) -> str:
    """Return the page of figures."""
    lines = [
        "# Canaries: false alarms and how soon harm is noticed",
        "",
        f"Made by `{COMMAND}`: {canaries:,} canaries a row, alpha 5 %.",
        "Each cell: the part that was rejected at any look / how many looks it took on average.",
        "",
        *chain.from_iterable(_table(*each) for each in _tables(listed)),
    ]
    lines += [*(__doc__ or "").split("\n\n", 1)[1].replace("``", "`").strip().splitlines(), ""]
    return "\n".join(lines)


def _tables(listed: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    slow = [row for row in listed if "latency" in row["test"]]
    rest = [row for row in listed if row not in slow]
    plain = [row for row in rest if row["looks"] == 60 and row["noise_cv"] == 0]
    yield "Errors: 60 looks, by ratio of error rates", sorted(plain, key=lambda row: row["ratio"])
    yield "Errors: 600 looks, and arms that are noisy", [row for row in rest if row not in plain]
    yield "Latencies: 60 looks, by how many times as long requests take", slow


def _table(title: str, listed: list[Row]) -> Iterator[str]:
    cells: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    for row in listed:
        column = f"x{row['ratio']:g}"
        if row["looks"] != 60:
            column += f", {row['looks']} looks"
        if row["noise_cv"]:
            column += f", noise {row['noise_cv']:g}"
        columns[column] = None
        cells.setdefault(row["test"], {})[column] = (
            f"{row['p_reject']:.3f} / {row['mean_checks']:.1f}"
        )
    yield f"## {title}"
    yield ""
    yield "| test | " + " | ".join(columns) + " |"
    yield "| --- |" + " --- |" * len(columns)
    for test, found in cells.items():
        yield f"| {test} | " + " | ".join(found.get(column, "") for column in columns) + " |"
    yield ""


BENCHMARK = Benchmark(
    "Canaries",
    f"""\
{CANARIES:,} simulated canaries in each row, looked at so often, with so many times as many errors
(a base rate of 1 %, 1,000 requests to each arm at each look) or so many times as slow: the part
that was *rejected* at any look, and the *looks* that it took on average. *Noise* moves one arm
alone. One that is no worse may be rejected as often as alpha says, {100 * ALPHA:g} % (and three
deviations of so many), at 60 looks and at 600. Twice the errors may need {MOST_CHECKS[2.0]} looks,
and 1.5 times {MOST_CHECKS[1.5]}. [All tests, beside those of others](canary-figures.md).""",
    {
        "test": "test",
        "ratio": "times",
        "looks": "looks at most",
        "noise_cv": "noise",
        "p_reject": "rejected",
        "mean_checks": "looks",
    },
    rows,
    broken,
    on_page=lambda row: row["test"] in {"ours", "ours, latency"},
)


def main() -> None:
    """Print the table, or the page of figures."""
    parser = options()
    parser.add_argument("--markdown", action="store_true", help="print the page of figures instead")
    chosen = parser.parse_args()
    found = rows(quick=chosen.quick)
    if chosen.markdown:
        print(markdown(list(found), FEW if chosen.quick else CANARIES), end="")
    else:
        BENCHMARK.finish(found, as_json=chosen.json)


if __name__ == "__main__":
    main()
