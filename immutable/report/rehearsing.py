"""A rehearsal as a document, as rows for a table, and as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from immutable.model.serial import digest, to_json
from immutable.report.drawing import Frame, area, document, ticks
from immutable.report.previewing import capacity_words, duration_words
from immutable.simulation import Point, Rehearsal, spelled

__all__ = ["comparison_rows", "course_rows", "length_rows", "picture", "rehearsal", "summary_rows"]

_BINS = 24
_LEFT, _RIGHT, _WIDTH = 52, 150, 820
_TOP, _LOW, _GAP, _HIGH = 62, 90, 70, 190
_FULL = _TOP + _LOW + _GAP + _HIGH + 40
_COURSE_ROWS = 16


def rehearsal(made: Rehearsal) -> dict[str, Any]:
    """Return a rehearsal.

    ``fleet``, ``strategy`` and ``plan`` (its digest) say what was rehearsed; ``trials``, ``seed``
    and ``faults`` how. ``laws`` has ``boot``, ``drain`` and ``terminate`` in words, ``known`` says
    where that of boots comes from and ``boots`` from how many. ``ends`` counts trials by their end,
    ``reasons`` why some did not succeed. ``seconds`` has ``p50``, ``p95`` and ``worst``;
    ``extra_instance_hours``, ``requests_to_candidate`` and ``failed_requests`` the same. ``calls``
    are means by method. ``lowest_ready`` is the fewest READY servers in any trial, and
    ``lowest_share`` the same by the fleet's size. ``assumed`` says what was taken for granted.
    ``course`` is the fleet over time in the trial of median length: ``at`` in seconds, READY
    servers of ``stable`` and ``candidate``, ``existing`` ones of both, the candidate's ``share`` of
    the traffic. ``lengths`` lists the seconds of all trials.
    """

    def spread(of: Any) -> dict[str, float]:
        return {"p50": of(0.5), "p95": of(0.95), "worst": of(1)}

    spans = made.spans
    return {
        "fleet": made.plan.fleet,
        "strategy": made.plan.strategy,
        "image": str(made.plan.candidate.image),
        "plan": digest(made.plan),
        "wanted": made.plan.bounds.wanted,
        "trials": len(made.trials),
        "seed": made.seed,
        "faults": [_told(each) for each in made.scenarios],
        "traffic": made.traffic,
        "laws": {
            "boot": str(spans.boot),
            "drain": str(spans.drain),
            "terminate": str(spans.terminate),
            "known": spans.known,
            "boots": spans.boots,
        },
        "assumed": list(made.assumed),
        "ends": made.ends,
        "reasons": made.reasons,
        "seconds": spread(made.length),
        "extra_instance_hours": spread(made.capacity),
        "requests_to_candidate": spread(made.exposed),
        "failed_requests": spread(made.failed),
        "calls": made.calls,
        "lowest_ready": made.lowest,
        "lowest_share": made.available,
        "lengths": [trial.seconds for trial in made.trials],
        "course": [to_json(point) for point in made.course],
    }


def _told(scenario: object) -> dict[str, Any]:
    return {"fault": type(scenario).__name__, **to_json(scenario)}


def summary_rows(made: Rehearsal) -> Iterator[tuple[str, str]]:
    """Yield names and what a rehearsal answers to them, in words."""
    count, bounds = len(made.trials), made.plan.bounds
    yield "rehearsed", f"{made.plan.strategy} to {made.plan.candidate.image}, {count} trials"
    spans = made.spans
    yield "boots", f"{spans.boot} ({spans.known})"
    yield "going", f"drain {spans.drain}, terminate {spans.terminate}"
    for scenario in made.scenarios:
        yield "fault", spelled(scenario)
    yield "ends", _ends(made.ends)
    for reason, many in made.reasons.items():
        yield "why", f"{many} times: {reason}"
    yield "length", _spread(made.length, duration_words)
    yield "extra capacity", _spread(made.capacity, capacity_words)
    low = f"{made.lowest} of {bounds.wanted} READY at least, {made.available:.1%}"
    yield "availability", low
    calls = made.calls
    each = ", ".join(f"{name} {many:,.0f}" for name, many in calls.items() if many >= 0.5)
    yield "calls", f"{sum(calls.values()):,.0f} a trial: {each}"
    if made.traffic:
        yield "new image gets", _spread(made.exposed, lambda many: f"{many:,.0f} requests")
        yield "of them fail", _spread(made.failed, lambda many: f"{many:,.0f}")
    for note in made.assumed:
        yield "taken for granted", note


def _spread(of: Any, words: Any) -> str:
    return f"{words(of(0.5))} (p50), {words(of(0.95))} (p95), {words(of(1))} (worst)"


def comparison_rows(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield a head, then a row for each figure of what `immutable.simulation.compare` returns.

    Strategies stand side by side: there are fewer of them than figures, and their names are long.
    """
    figures: dict[str, Callable[[dict[str, Any]], str]] = {
        "length, p50": lambda row: duration_words(row["p50"]),
        "p95": lambda row: duration_words(row["p95"]),
        "worst": lambda row: duration_words(row["worst"]),
        "extra capacity": lambda row: capacity_words(row["extra_hours"]),
        "calls": lambda row: f"{row['calls']:,.0f}",
        "lowest READY": lambda row: str(row["lowest"]),
        "new image gets": lambda row: f"{row['exposed']:,.0f}",
        "of them fail": lambda row: f"{row['failed']:,.0f}",
        "ends": lambda row: _ends(row["ends"]),
    }
    yield "", *(row["strategy"] for row in rows)
    for name, words in figures.items():
        yield name, *(words(row) for row in rows)


def _ends(ends: Mapping[str, int]) -> str:
    return ", ".join(f"{end.replace('_', ' ')} {many}" for end, many in ends.items())


# -- the picture, and the same as rows -------------------------------------------------------------


def _bins(made: Rehearsal) -> tuple[float, float, list[int]]:
    """Return the least length, the width of a bin, and how many trials fall into each."""
    lengths = [trial.seconds for trial in made.trials]
    least, most = min(lengths), max(lengths)
    wide = (most - least) / _BINS or 1.0
    counted = Counter(min(_BINS - 1, int((each - least) / wide)) for each in lengths)
    return least, wide, [counted[number] for number in range(_BINS)]


def length_rows(made: Rehearsal) -> list[tuple[str, str]]:
    """Return the bars of the picture as rows: between which lengths, how many trials."""
    least, wide, counted = _bins(made)
    return [
        (
            f"{duration_words(least + n * wide)} to {duration_words(least + (n + 1) * wide)}",
            str(many),
        )
        for n, many in enumerate(counted)
        if many
    ]


def course_rows(made: Rehearsal) -> list[tuple[str, ...]]:
    """Return the course of the median trial as rows, at even distances in time."""
    if not made.course:
        return []
    end = made.course[-1].at
    rows: list[tuple[str, ...]] = []
    for number in range(_COURSE_ROWS + 1):
        at = end * number / _COURSE_ROWS
        point = [each for each in made.course if each.at <= at][-1]
        rows.append((
            duration_words(at), str(point.stable), str(point.candidate), str(point.existing),
            f"{point.share:.0%}",
        ))  # fmt: skip
    return rows


def picture(made: Rehearsal) -> str:
    """Return how long the trials took, and the course of the median one, as an SVG."""
    title = f"{made.plan.strategy} on {made.plan.fleet}, rehearsed {len(made.trials)} times"
    about = (
        "Above: how many trials took how long. Below: servers over time in the trial of median"
        " length. The same figures: immutable rehearse --table."
    )
    parts = [
        f'<text class="title" x="{_LEFT}" y="22">{escape(title)}</text>',
        *_lengths(made),
        *_course(made),
    ]
    return document(title, about, _WIDTH, _FULL, parts)


def _lengths(made: Rehearsal) -> Iterator[str]:
    least, wide, counted = _bins(made)
    frame = Frame(_LEFT, _TOP, _WIDTH - _LEFT - _RIGHT, _LOW, _BINS, max(counted) * 1.1)
    yield f'<text class="small" x="{_LEFT}" y="{_TOP - 18}">trials, by their length</text>'
    for number, many in enumerate(counted):
        if many:
            x, y = frame.x(number + 0.08), frame.y(many)
            size = f'width="{frame.x(0.84) - frame.left:.1f}" height="{frame.y(0) - y:.1f}"'
            yield f'<rect class="r1" x="{x:.1f}" y="{y:.1f}" {size}/>'
    for share, name in ((0.5, "p50"), (0.95, "p95")):
        x = frame.x(min(_BINS, (made.length(share) - least) / wide))
        yield f'<path class="limit" d="M{x:.1f},{frame.top} L{x:.1f},{frame.y(0)}"/>'
        yield f'<text class="small" x="{x:.1f}" y="{frame.top - 4}">{name}</text>'
    for number in range(0, _BINS + 1, 6):
        yield frame.label(number, duration_words(least + number * wide))
    for value in (each for each in ticks(max(counted), 3) if each == int(each)):
        yield frame.beside(value, f"{value:g}")
    yield frame.border()


def _course(made: Rehearsal) -> Iterator[str]:
    course, bounds = made.course, made.plan.bounds
    end = max(course[-1].at, 1.0)
    most = 1.1 * max([bounds.ceiling, *(point.existing for point in course)])
    top = _TOP + _LOW + _GAP
    frame = Frame(_LEFT, top, _WIDTH - _LEFT - _RIGHT, _HIGH, end, most)
    words = "servers in the trial of median length"
    yield f'<text class="small" x="{_LEFT}" y="{top - 8}">{words}</text>'
    edges = [
        frame.steps((point.at, height(point)) for point in course)
        for height in (_nothing, _stable, _ready, _existing)
    ]
    for style, number in (("r1", 0), ("r2", 1), ("r2x", 2)):
        yield area(style, edges[number + 1], edges[number])
    yield from frame.across(bounds.floor, f"{bounds.floor} at least ready")
    yield from frame.across(bounds.ceiling, f"{bounds.ceiling} at most existing")
    for number, (style, name) in enumerate(
        (("r1", "stable, ready"), ("r2", "new, ready"), ("r2x", "not ready"))
    ):
        # Above the frame: at its right stand the names of the limits, wherever those are.
        x, y = frame.left + frame.wide + 100 * (number - 3), top - 18
        yield f'<rect class="{style}" x="{x}" y="{y}" width="11" height="11"/>'
        yield f'<text x="{x + 17}" y="{y + 10}">{name}</text>'
    unit, name = (3600, "hours") if end > 7200 else (60, "minutes") if end > 120 else (1, "seconds")
    for value in ticks(end / unit, 10):
        yield frame.label(value * unit, f"{value:g}")
    yield f'<text class="small" x="{_WIDTH - _RIGHT + 6}" y="{top + _HIGH + 16}">{name}</text>'
    for value in ticks(most, 5):
        yield frame.beside(value, f"{value:g}")
    yield frame.border()


def _nothing(_: Point) -> float:
    return 0


def _stable(point: Point) -> float:
    return point.stable


def _ready(point: Point) -> float:
    return point.stable + point.candidate


def _existing(point: Point) -> float:
    return max(point.existing, point.stable + point.candidate)
