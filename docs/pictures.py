"""Draws the pictures of docs/strategies.md and docs/reports.md, and fills in the tables.

Each is a run on the simulated cloud in virtual time, with fixed chances: `python docs/pictures.py`
makes the same files everywhere, and a test fails when they are not what is in the repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from drawing import picture
from scenes import SCENARIOS, Run, played
from writing import write

from immutable.model.records import Committed, Ended, Entered, Proved, Started, Turned
from immutable.report import charts
from immutable.testing import run

HERE = Path(__file__).parent
PAGE = HERE / "strategies.md"


def clock_time(seconds: float) -> str:
    """Return seconds as minutes and seconds: ``1:05``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def happened(made: Run) -> Iterator[tuple[float, str]]:
    """Yield what is worth a row."""
    steps = made.plan.steps

    def begins(number: int) -> str:
        return f"step {number + 1}: {str(steps[number]).split(' under ')[0]}"

    for at, event in made.events:
        match event.record:
            case Started():
                yield at, begins(0)
            case Entered(step):
                yield at, begins(step)
            case Proved():
                yield at, "the first instance has proven the image"
            case Committed():
                yield at, "point of no return"
            case Turned(reason):
                yield at, f"going back: {reason.split(' says ')[-1].split('. ')[0]}"
            case Ended(status):
                yield at, status.value.replace("_", " ")
    every = made.scenario.every
    if every is not None:
        yield from ((every * n, "") for n in range(1, int(made.end / every) + 1))


def table(made: Run) -> list[str]:
    """Return the run as a table in Markdown."""
    head = [
        "time",
        "what happens",
        "r1 ready",
        "r2 ready",
        "starting",
        "leaving",
        "traffic r1 : r2",
    ]
    rows = [head, ["---:", "---", *["---:"] * 5]]
    for at, what in sorted(happened(made), key=lambda row: row[0]):
        look = made.look(at)
        traffic = f"{100 - look.share:.0f} : {look.share:.0f}"
        numbers = [*look.ready, look.starting, sum(look.leaving), traffic]
        rows.append([clock_time(at), what, *map(str, numbers)])
    return [f"| {' | '.join(row)} |" for row in rows]


def files() -> dict[Path, str]:
    """Return all pictures and the page with its tables, as they should be."""
    page, found = PAGE.read_text(encoding="utf-8"), {}
    for name, scenario in SCENARIOS.items():
        made = run(played(scenario))
        found[HERE / "pictures" / f"{name}.svg"] = picture(made)
        shown = f"![{scenario.title}](pictures/{name}.svg)"
        block = "\n".join([f"<!-- {name} -->", "", shown, "", *table(made), "", "<!-- end -->"])
        place = re.compile(rf"<!-- {name} -->.*?<!-- end -->", re.DOTALL)
        page, times = place.subn(lambda _, block=block: block, page)
        assert times == 1, f"{PAGE} has {times} places for {name}"
        if name == "canary-failing":
            found.update(reported(made))
    return {**found, PAGE: page}


def reported(made: Run) -> dict[Path, str]:
    """Return pictures of a report, as files of their own."""
    told = made.course
    drawn = {"sizes": charts.sizes(told, 820), "traffic": charts.traffic(told, 820)}
    drawn["evidence"] = charts.evidence(told, told.gates[-1], 820)
    return {
        HERE / "pictures" / f"report-{name}.svg": charts.standalone(each)
        for name, each in drawn.items()
    }


if __name__ == "__main__":
    write(files())
