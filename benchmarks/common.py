"""What every benchmark shares: its options, its table, its last line, and how it fails."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from attrs import field, frozen

__all__ = ["Benchmark", "Row", "alone", "options", "peak_mb", "say", "show", "timed"]

Row = dict[str, Any]
"""What was measured of one case, by name."""

_ALONE = """
import json, pkgutil, sys
measure, args = pkgutil.resolve_name(sys.argv[1]), json.loads(sys.argv[2])
print(json.dumps(measure(*args)))
"""


@frozen
class Benchmark:
    """One benchmark: what is measured, what it means, and what has to hold.

    Attributes:
        title: What it asks; its heading on the page of figures.
        about: What the columns mean and what is required, in Markdown. Written beside what checks
            it, and with the same constants, so that neither says what the other doesn't.
        columns: The rows' keys that are on the page, and what they are called there.
        rows: Measures; takes ``quick``, whether only the small sizes are wanted.
        broken: Says what of the rows has to hold and doesn't.
        on_page: Which of the rows are on the page.
    """

    title: str
    about: str
    columns: Mapping[str, str]
    rows: Callable[..., Iterable[Row]]
    broken: Callable[[Iterable[Row]], list[str]] = field(default=lambda _: [])
    on_page: Callable[[Row], bool] = field(default=lambda _: True)

    def main(self) -> None:
        """Be the program: measure, print, and exit with 1 if something doesn't hold."""
        chosen = options().parse_args()
        self.finish(self.rows(quick=chosen.quick), as_json=chosen.json)

    def finish(self, rows: Iterable[Row], *, as_json: bool, **more: Any) -> None:
        """Print rows, and exit with 1 if something doesn't hold.

        Args:
            rows: What was measured.
            as_json: Whether nothing but the line of JSON is wanted.
            more: What else is in that line.
        """
        listed = list(rows)
        wrong = self.broken(listed)
        show(listed, as_json=as_json, **more, broken=wrong)
        for each in wrong:
            say(f"does not hold: {each}")
        sys.exit(bool(wrong))


def options() -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has, and the program's own text."""
    parser = argparse.ArgumentParser(
        description=sys.modules["__main__"].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON line")
    parser.add_argument("--quick", action="store_true", help="the small sizes only")
    return parser


def say(line: str) -> None:
    """Print a line that is no result."""
    print(line, file=sys.stderr, flush=True)


def alone(what: str, *args: Any) -> Row:
    """Return what a function measures in a process of its own: its memory is nobody else's.

    Args:
        what: The function, as ``package.module:name``.
        args: What it is called with; JSON has to be able to carry it.
    """
    command = [sys.executable, "-c", _ALONE, what, json.dumps(args)]
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Row = json.loads(made.stdout)
    return found


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


def timed(
    do: Callable[[], object], rounds: int, clock: Callable[[], float] = time.process_time
) -> tuple[float, float]:
    """Return the median and the 95th percentile of the milliseconds that a call takes.

    Of processor time by default: what others do on the machine is no part of it.
    """
    took = []
    for _ in range(rounds):
        began = clock()
        do()
        took.append(1000 * (clock() - began))
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
