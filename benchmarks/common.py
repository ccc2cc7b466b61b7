"""What every benchmark shares: its options, its table, its last line."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Any

__all__ = ["options", "peak_mb", "say", "show", "timed"]


def options(text: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON line")
    parser.add_argument("--quick", action="store_true", help="the small sizes only")
    return parser


def say(line: str) -> None:
    """Print a line that is no result."""
    print(line, file=sys.stderr, flush=True)


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB.

    As Linux tells it of the program alone: ``getrusage`` counts what the parent had, too.
    """
    (line,) = (
        each
        for each in Path("/proc/self/status").read_text().splitlines()
        if each.startswith("VmHWM:")
    )
    return int(line.split()[1]) / 1024


def timed(do: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the median and the 95th percentile of the milliseconds that a call takes."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        do()
        took.append(1000 * (time.perf_counter() - began))
    return median(took), quantiles(took, n=20)[-1]


def show(rows: Iterable[Mapping[str, Any]], *, as_json: bool, **more: Any) -> None:
    """Print rows as a table, unless only JSON is wanted, and as one line of JSON."""
    listed = list(rows)
    if not as_json and listed:
        columns = list(listed[0])
        texts = [[_text(row[column]) for column in columns] for row in listed]
        widths = [max(map(len, each)) for each in zip(columns, *texts, strict=True)]
        for line in (columns, *texts):
            print("  ".join(word.rjust(width) for word, width in zip(line, widths, strict=True)))
    print(json.dumps({"rows": listed, **more}))


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
