"""Writes ``docs/performance.md``, from runs of the benchmarks.

``python -m benchmarks.performance`` makes all of the page anew, in some twenty minutes; with names
of sections only those, and the others stay as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks import engine, feeding, fleets, importing, makespan, rates
from benchmarks.common import say

__all__ = ["PAGE", "SECTIONS", "Section", "line", "page", "text"]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"

_BEGINNING = """\
# Performance: limits, and how near they are

Made by `python -m benchmarks.performance` from runs of the benchmarks; `make bench` prints all of
them, each with a line of JSON. Times of rollouts are virtual and chances are seeded: the first
two tables come out the same on every machine, and CI holds a part of them against this page.
Processor time and memory are of one core of a small machine, with others at work on it.
"""


@frozen
class Section:
    """One part of the page.

    Attributes:
        title: Its heading.
        about: What its columns mean, and what has to hold.
        columns: The rows' keys, and what they are called here.
        rows: Runs the benchmark.
        broken: Says which of the rows are not as they have to be.
    """

    title: str
    about: str
    columns: Mapping[str, str]
    rows: Callable[[], Iterable[dict[str, Any]]]
    broken: Callable[[Iterable[dict[str, Any]]], list[str]] = lambda _: []


SECTIONS = {
    "makespan": Section(
        "How long a replacement takes, by the least possible time",
        """\
The real engine, a poll of 2 s, `min_ready` 30 s, drain 20 s, terminate 30 s, mean boot 90 s: `vm`
is 35 s and a lognormal rest, `lognormal` has a sigma of 0.9. The worst of five seeds. The bound
is the larger of sum(W) / surge, W being boot, `min_ready`, drain and terminate of one, and of the
longest single replacement; *ours* is the makespan by the bound (and the first boot with a probe).
The *barrier* is an ideal one: it launches a batch, waits for all of it, drains it, and pays for
no look and no call. *Kubernetes* is the arithmetic of its Deployments with looks each 10 s, on
instances: what terminates isn't counted there, so it may be quicker than the bound, and exceeds
the ceiling by the *peak*. *Extra* is what is paid above the fleet's size, by sum(W).

With `vm` boots ours has to be at most 1.06 (1.08 for 10,000) at a surge of up to 5 %, and calls
for each instance at most 4 for 1,000 and 0.6 for 10,000. At 5 % it has to be 1.4 times faster
than the barrier for 1,000 or more, 2.5 times with `lognormal`. Extra may be 1.03.""",
        {
            "boot": "boot",
            "n": "instances",
            "surge": "surge",
            "probe": "probe",
            "ratio": "ours",
            "barrier_ratio": "barrier",
            "k8s_ratio": "Kubernetes",
            "k8s_peak": "its peak",
            "calls_per_replacement": "calls each",
            "described": "records each",
            "extra": "extra",
        },
        lambda: makespan.rows(quick=False),
        makespan.broken,
    ),
    "feeding": Section(
        "What it is worth to be told of changes",
        """\
The same rollouts without a probe, polled as above, and on a cloud that tells when something has
happened (`SupportsChanges`), the worst of five seeds (of two for 10,000). *Waits* are how often a
change was waited for, for each instance; nothing is asked while a wait lasts, and they are in no
other figure. In a large fleet something happens all the time, so looks are as frequent either way:
one each poll.

Told, it has to take 1.005 times the time of polls at most; three quarters of their calls for up to
100 instances, and calls as above for more.""",
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
        lambda: feeding.rows(quick=False),
        feeding.broken,
    ),
    "rates": Section(
        "Where the cloud's rates are the limit",
        """\
The same with a surge of 5 %, on clouds that launch and terminate no faster than these do by
default. The bound is the time until the last launch there is a token for, a fifth of the bucket
being kept for ways back, and one replacement. Ours has to be at most 1.03 (`gce` 1.10) of it, and
no call one too many. 100,000 instances in one account and region of EC2 take half a day by any
strategy; `plan` says so. `small` is a hundredth of EC2's bucket.""",
        {
            "cloud": "cloud",
            "n": "instances",
            "bound_s": "bound, s",
            "makespan_s": "makespan, s",
            "ratio": "ours",
            "throttled": "calls too many",
            "calls_per_replacement": "calls each",
        },
        lambda: rates.rows(quick=False),
        rates.broken,
    ),
    "engine": Section(
        "What the engine costs",
        """\
One rolling replacement with a surge of 5 %, a poll of 2 s, and the journal in a file, written
through to disk. *CPU* is of the whole process, *of it cloud* what the simulated cloud takes;
memory is that of the process, the cloud included (Python and the SDK alone take 34 MB). 100,000
have to take less than 10 s (without the cloud) and 150 MB, at most 12 times what 10,000 take, and
0.12 calls each.""",
        {
            "n": "instances",
            "cpu": "CPU, s",
            "cloud": "of it cloud, s",
            "us_per_replacement": "µs each",
            "rss_mb": "memory, MB",
            "calls": "calls",
        },
        lambda: engine.rows((1_000, 10_000, 100_000), (("file", 2),)),
        engine.broken,
    ),
    "fleets": Section(
        "Many rollouts at once",
        """\
So many fleets of 20 instances, all replaced at the same time with a surge of 2 by one controller,
one process and one journal in a file. *Time* is until the last one ends, by that of one alone
(whose boots are no worse than usual); *broken* are fleets whose floor or ceiling did not hold at
some moment.""",
        {
            "fleets": "fleets",
            "succeeded": "succeeded",
            "broken": "broken",
            "ratio": "time",
            "calls_per_replacement": "calls each",
            "cpu": "CPU, s",
            "ms": "CPU of a fleet, ms",
            "rss_mb": "memory, MB",
        },
        lambda: fleets.rows((1, 50, 1000)),
        fleets.broken,
    ),
    "importing": Section(
        "What an import costs",
        """\
Above bare Python, whose own figures are the first row; the least of ten. `import immutable` may
take 150 ms.""",
        {"what": "what", "cpu_ms": "CPU, ms", "rss_mb": "memory, MB"},
        lambda: importing.rows(10),
        importing.broken,
    ),
}


def line(section: Section, row: Mapping[str, Any]) -> str:
    """Return a row as it stands on the page."""
    return "| " + " | ".join(_cell(row[key]) for key in section.columns) + " |"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def text(section: Section, rows: Iterable[dict[str, Any]]) -> str:
    """Return a section as it stands on the page."""
    listed = list(rows)
    wrong = section.broken(listed)
    said = [f"- Does not hold: {each}" for each in wrong] or ["All of it holds in this run."]
    head = [
        "| " + " | ".join(section.columns.values()) + " |",
        "|" + " ---: |" * len(section.columns),
    ]
    table = [line(section, row) for row in listed]
    return "\n".join([f"## {section.title}", "", section.about, "", *head, *table, "", *said, ""])


def page(parts: Mapping[str, str]) -> str:
    """Return the page of all sections."""
    return "\n".join([_BEGINNING, *(parts[name] for name in SECTIONS)])


def _kept() -> dict[str, str]:
    """Return the sections of the page as they are."""
    _, *parts = PAGE.read_text().split("\n## ")
    titles = {section.title: name for name, section in SECTIONS.items()}
    kept = {part.split("\n", 1)[0]: f"## {part.rstrip()}\n" for part in parts}
    return {titles[title]: part for title, part in kept.items() if title in titles}


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    chosen = parser.parse_args().sections or list(SECTIONS)
    if unknown := set(chosen) - SECTIONS.keys():
        parser.error(f"no section {', '.join(sorted(unknown))}; there are: {', '.join(SECTIONS)}")
    parts = {} if set(chosen) == SECTIONS.keys() else _kept()
    for name in chosen:
        say(f"-- {name}")
        parts[name] = text(SECTIONS[name], SECTIONS[name].rows())
    PAGE.write_text(page(parts))


if __name__ == "__main__":
    main()
