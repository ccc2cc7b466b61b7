"""Writes ``docs/performance.md``, from runs of the benchmarks.

``python -m benchmarks.performance`` makes all of the page anew, in some twenty minutes; with names
of sections only those, and the others stay as they are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import (
    canary,
    engine,
    feeding,
    fleets,
    hedging,
    importing,
    journal,
    makespan,
    mixed,
    polling,
    rates,
    rehearse,
    report,
    scanning,
    takeover,
    trust,
)
from benchmarks.common import Benchmark, Row, say

__all__ = ["PAGE", "SECTIONS", "line", "page", "text"]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"

_BEGINNING = """\
# Performance: limits, and how near they are

Made by `python -m benchmarks.performance` from runs of the benchmarks; `make bench` prints all of
them, each with a line of JSON, and fails if something that is required doesn't hold. What takes
time in a rollout is virtual, and chances are seeded: makespans, calls, takeovers and the judgement
of canaries come out the same on every machine, and CI holds a part of them against this page.
Processor time, memory and what a disk takes are of one core of a small machine, with others at
work on it.
"""


SECTIONS = {
    "makespan": makespan.BENCHMARK,
    "hedging": hedging.BENCHMARK,
    "polling": polling.BENCHMARK,
    "mixed": mixed.BENCHMARK,
    "feeding": feeding.BENCHMARK,
    "rates": rates.BENCHMARK,
    "engine": engine.BENCHMARK,
    "fleets": fleets.BENCHMARK,
    "importing": importing.BENCHMARK,
    "journal": journal.BENCHMARK,
    "takeover": takeover.BENCHMARK,
    "canary": canary.BENCHMARK,
    "rehearse": rehearse.BENCHMARK,
    "trust": trust.BENCHMARK,
    "scanning": scanning.BENCHMARK,
    "report": report.BENCHMARK,
}
"""What is on the page, in its order, by the module's name."""


def line(section: Benchmark, row: Mapping[str, Any]) -> str:
    """Return a row as it stands on the page."""
    return "| " + " | ".join(_cell(row[key]) for key in section.columns) + " |"


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.3f}" if 0 < abs(value) < 0.1 else f"{value:,.2f}"
    return str(value)


def text(section: Benchmark, rows: Iterable[Row]) -> str:
    """Return a section as it stands on the page."""
    listed = list(rows)
    wrong = section.broken(listed)
    said = [f"- Does not hold: {each}" for each in wrong] or ["All of it holds in this run."]
    head = [
        "| " + " | ".join(section.columns.values()) + " |",
        "|" + " ---: |" * len(section.columns),
    ]
    table = [line(section, row) for row in listed if section.on_page(row)]
    return "\n".join([f"## {section.title}", "", section.about, "", *head, *table, "", *said, ""])


def page(parts: Mapping[str, str]) -> str:
    """Return the page of all sections."""
    return "\n".join([_BEGINNING, *(parts[name] for name in SECTIONS if name in parts)])


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
        began = time.monotonic()
        parts[name] = text(SECTIONS[name], SECTIONS[name].rows(quick=False))
        say(f"-- {name}: {time.monotonic() - began:.0f} s")
    PAGE.write_text(page(parts))


if __name__ == "__main__":
    main()
