"""The crash matrix: every place at which a controller can die, and what came of it.

``python -m tests.support.matrix`` plays all of it and writes ``docs/crash-matrix.md``.
"""

from __future__ import annotations

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from attrs import frozen

from tests.support.crashes import LOOKS, SCENARIOS, Run, play, points
from tests.support.mortal import Moment, Point
from tests.support.steady import run_steadily

KINDS = ("journal", "lease", "look", "change")


@frozen
class Death:
    """One death of one controller, and what came of it.

    Attributes:
        scenario: The number of the scenario.
        point: Where it died.
        call: The name of that call.
        faults: What was wrong at the end, if anything was.
    """

    scenario: int
    point: Point
    call: str
    faults: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"{self.point.moment.value}, {self.call} (call {self.point.call})"
        return f"{SCENARIOS[self.scenario]}; killed {where}: {'; '.join(self.faults) or 'fine'}"

    @property
    def kind(self) -> str:
        """What kind of call it was."""
        if self.call in LOOKS:
            return "look"
        if not self.call.startswith("journal."):
            return "change"
        return "journal" if self.call in ("journal.append", "journal.begin") else "lease"


@cache
def undisturbed(scenario: int) -> Run:
    """Return the run in which nobody dies."""
    return run_steadily(play(SCENARIOS[scenario]))


def places(scenario: int) -> list[Point]:
    """Return every place at which the controller of a scenario can die."""
    return points(undisturbed(scenario).lives[0])


def die(scenario: int, point: Point) -> Death:
    """Let a controller die there, and another one carry on."""
    known = undisturbed(scenario)
    faults = run_steadily(play(SCENARIOS[scenario], [point])).unlike(known)
    return Death(scenario, point, known.lives[0][point.call], faults)


def deaths(scenario: int, where: Sequence[Point], pool: Executor) -> Iterator[Death]:
    """Let a controller die at each of some places, one for each."""
    return pool.map(die, [scenario] * len(where), where, chunksize=8)


def workers() -> ProcessPoolExecutor:
    """Return as many processes as there are processors, to play in."""
    return ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))


# -- tables ---------------------------------------------------------------------------------------


def tables(played: Iterable[Death]) -> str:
    """Return the matrix in words: strategy and way by moment, and kind of call by moment."""
    played = tuple(played)
    by_way = _table(("strategy", "end"), played, lambda each: _way(each.scenario))
    by_kind = _table(("call",), played, lambda each: (_KINDS[each.kind],))
    return f"{by_way}\n\n{by_kind}"


_KINDS = {
    "journal": "records written",
    "lease": "leases kept and given back",
    "look": "looks at the cloud",
    "change": "changes of the fleet",
}


def _way(scenario: int) -> tuple[str, ...]:
    return SCENARIOS[scenario].strategy, SCENARIOS[scenario].ending


def _table(
    titles: tuple[str, ...], played: Sequence[Death], row: Callable[[Death], tuple[str, ...]]
) -> str:
    rows: defaultdict[tuple[str, ...], list[Death]] = defaultdict(list)
    for each in played:
        rows[row(each)].append(each)
    head = (*titles, *(f"killed {moment.value}" for moment in Moment), "same end", "not")
    lines = [_line(head), _line(["---"] * len(titles) + ["---:"] * (len(head) - len(titles)))]
    lines += [_line((*names, *_counts(some))) for names, some in rows.items()]
    total = ("all", *[""] * (len(titles) - 1))
    return "\n".join([*lines, _line((*total, *_counts(played)))])


def _counts(some: Sequence[Death]) -> list[str]:
    moments = Counter(each.point.moment for each in some)
    wrong = sum(bool(each.faults) for each in some)
    numbers = [*(moments[moment] for moment in Moment), len(some) - wrong, wrong]
    return [f"{number:,}" for number in numbers]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


PAGE = Path(__file__).parents[2] / "docs" / "crash-matrix.md"


def main() -> int:
    """Play it all and write the tables into the page; returns how many deaths cost something."""
    with workers() as pool:
        played = [
            death
            for number in range(len(SCENARIOS))
            for death in deaths(number, pool.submit(places, number).result(), pool)
        ]
    words = PAGE.read_text().partition("\n|")[0]
    PAGE.write_text(f"{words}\n{tables(played)}\n")
    wrong = [str(death) for death in played if death.faults]
    sys.stderr.write("".join(f"{each}\n" for each in wrong))
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
