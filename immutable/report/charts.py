"""The pictures of a rollout: sizes, traffic and evidence over time, as parts of an SVG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from attrs import frozen

from immutable.model.quantities import duration
from immutable.report.course import Course, thinned
from immutable.report.drawing import Frame, area, document, ticks
from immutable.report.opinions import GateCourse
from immutable.report.texts import visible

__all__ = [
    "CHART_STYLE",
    "POINTS",
    "Chart",
    "evidence",
    "letters",
    "moment",
    "sizes",
    "standalone",
    "traffic",
]

CHART_STYLE = """
.path { fill: none; stroke: #1f6fb2; stroke-width: 2 } .dot { fill: #1f6fb2 }
.turned { stroke: #a3262b } .wanted { fill: none; stroke: #333; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
.path { stroke: #6cb4ee } .dot { fill: #6cb4ee } .turned { stroke: #ff8a80 }
.wanted { stroke: #eee }
}
"""
"""What these pictures need besides ``immutable.report.drawing.STYLE``."""

POINTS = 240
"""Moments that a picture shows at most, and its table."""

_LEFT, _RIGHT, _TOP, _LOW = 44, 104, 44, 30
_LEAST = -3.0
"""Evidence below a thousandth is drawn at the lower edge: there is nothing to decide there."""


@frozen
class Chart:
    """A picture.

    Attributes:
        title: What it shows.
        about: The same in a sentence.
        width: In pixels.
        height: In pixels.
        parts: Its elements.
    """

    title: str
    about: str
    width: int
    height: int
    parts: tuple[str, ...]

    def inline(self, name: str, style: str) -> str:
        """Return it as an element of a page that has its styles.

        Args:
            name: The prefix of its elements' names, once in a page.
            style: Its class.
        """
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}"'
        return "".join(
            [
                f'<svg class="{style}" {size} role="img" aria-labelledby="{name}-t {name}-a">',
                f'<title id="{name}-t">{escape(visible(self.title))}</title>',
                f'<desc id="{name}-a">{escape(self.about)}</desc>',
                *self.parts,
                "</svg>",
            ]
        )


def standalone(chart: Chart) -> str:
    """Return a picture as a file of its own."""
    head = f'<text class="title" x="{_LEFT}" y="16">{escape(visible(chart.title))}</text>'
    parts = [f"<style>{CHART_STYLE}</style>", head, *chart.parts]
    return document(visible(chart.title), chart.about, chart.width, chart.height, parts)


def _frame(course: Course, width: int, high: int, most: float) -> Frame:
    return Frame(_LEFT, _TOP, width - _LEFT - _RIGHT, high, course.until or 1.0, most or 1.0)


def sizes(course: Course, width: int) -> Chart:
    """Return the sizes that both groups were asked to have, on one another."""
    points, bounds = thinned(course.sizes, POINTS), course.plan.bounds
    highest = max((each.stable + each.candidate for each in points), default=0)
    wanted = max((each.wanted for each in points), default=bounds.wanted)
    frame = _frame(course, width, 190, max(highest, bounds.ceiling, wanted, 1) * 1.1)
    stable = [(each.at, each.stable) for each in points]
    both = [(each.at, each.stable + each.candidate) for each in points]
    low = [(each.at, 0) for each in points]
    lower, upper, ground = frame.steps(stable), frame.steps(both), frame.steps(low)
    drawn = [area("r1", lower, ground), area("r2", upper, lower)] if points else []
    line = " L".join(f"{x:.1f},{y:.1f}" for x, y in _wanted(frame, course))
    rules = {
        f"{bounds.ceiling} at most": bounds.ceiling,
        f"{bounds.wanted} wanted": bounds.wanted,
        f"{bounds.floor} at least": bounds.floor,
    }
    parts = (
        *drawn,
        *_dotted(frame, (bounds.ceiling, bounds.floor)),
        *([f'<path class="wanted" d="M{line}"/>'] if points else []),
        *_apart(frame, rules),
        *_marks(frame, course),
        *_axes(frame, ticks(frame.most, 5)),
    )
    about = "Sizes that stable's group and the candidate's were asked to have, one on the other."
    return Chart("Sizes over time", about, width, _TOP + 190 + _LOW, parts)


def _wanted(frame: Frame, course: Course) -> list[tuple[float, float]]:
    return frame.steps((each.at, each.wanted) for each in thinned(course.sizes, POINTS))


def traffic(course: Course, width: int) -> Chart:
    """Return the candidate's share of the traffic, by the weights that were set."""
    frame = _frame(course, width, 90, 100)
    points = thinned(course.shares, POINTS)
    lower = frame.steps((each.at, 0) for each in points)
    upper = frame.steps((each.at, 100 - each.candidate) for each in points)
    top = frame.steps((each.at, 100) for each in points)
    parts = (
        area("r1", upper, lower),
        area("r2", top, upper),
        *_marks(frame, course),
        *_axes(frame, [0, 50, 100]),
        f'<text class="small" x="{_LEFT + frame.wide + 6}" y="{_TOP + 12}">percent</text>',
    )
    about = "Percent of the traffic by the weights that were set: stable below, candidate above."
    return Chart("Traffic over time", about, width, _TOP + 90 + _LOW, parts)


def evidence(course: Course, gate: GateCourse, width: int) -> Chart:
    """Return the e-value of an analysis over time, by powers of ten, and where it fails."""
    path, threshold = thinned(gate.path, POINTS), gate.threshold or 0.0
    values = [max(_LEAST, each.log_e) for each in path]
    low = min([-1.0, *values])
    frame = _frame(course, width, 140, max([threshold, *values]) + 0.5 - low)
    corners = [
        (frame.x(each.at), frame.y(value - low)) for each, value in zip(path, values, strict=True)
    ]
    line = " L".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    dots = [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in corners]
    parts = (
        *_dotted(frame, (threshold - low,)),
        *_apart(frame, {f"{10**threshold:.3g}: fails": threshold - low, "1: no sign": -low}),
        f'<path class="step" d="M{_LEFT},{frame.y(-low):.1f} h{frame.wide}"/>',
        f'<path class="path" d="M{line}"/>',
        *dots,
        *_marks(frame, course),
        *_axes(frame, ()),
        *(frame.beside(n - low, _power(n)) for n in _powers(low, frame.most + low)),
    )
    about = "The e-value, on a logarithmic scale: at the line the candidate has failed."
    return Chart(f"Evidence of {gate.gate}", about, width, _TOP + 140 + _LOW, parts)


def _powers(low: float, high: float) -> list[int]:
    every = max(1, round((high - low) / 5))
    return [n for n in range(int(low), int(high) + 1) if n % every == 0]


def _power(number: int) -> str:
    return f"{10**number:g}" if -3 <= number <= 3 else f"1e{number}"


def _dotted(frame: Frame, values: Iterable[float]) -> Iterator[str]:
    for value in values:
        yield f'<path class="limit" d="M{frame.left},{frame.y(value):.1f} h{frame.wide}"/>'


def _apart(frame: Frame, words: Mapping[str, float]) -> Iterator[str]:
    """Yield words at the right of their values, moved apart where they would overlap."""
    last = float("-inf")
    for said, value in sorted(words.items(), key=lambda each: -each[1]):
        y = max(frame.y(value) + 4, last + 14)
        last = y
        yield f'<text x="{frame.left + frame.wide + 6}" y="{y:.1f}">{escape(said)}</text>'


def _marks(frame: Frame, course: Course) -> Iterator[str]:
    """Yield where steps begin, by number, and above them what turned the rollout, by letter."""
    steps = [(each.began, str(each.number)) for each in course.steps if each.began is not None]
    named = zip(course.marks, letters(course), strict=True)
    marks = [(each.at, letter) for each, letter in named if letter]
    bottom = frame.top + frame.high
    for style, row, labels in (("step", -6, steps), ("turned", -20, marks)):
        for at, _ in labels:
            x = frame.x(at)
            yield f'<path class="{style}" d="M{x:.1f},{frame.top + row} V{bottom}"/>'
        for x, said in _together([(frame.x(at), name) for at, name in labels]):
            y = frame.top + row - 2
            yield f'<text class="small" x="{x:.1f}" y="{y}" text-anchor="middle">{said}</text>'


def letters(course: Course) -> list[str]:
    """Return the letter that stands for each mark; only the first 26 have one."""
    return [chr(ord("A") + n) if n < 26 else "" for n, _ in enumerate(course.marks)]


def _together(named: Sequence[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """Yield labels; those that are close share one, from the first to the last."""
    groups: list[tuple[float, list[str]]] = []
    for x, name in named:
        if groups and x - groups[-1][0] < 30:
            groups[-1][1].append(name)
        else:
            groups.append((x, [name]))
    for x, names in groups:
        yield x, names[0] if len(names) == 1 else f"{names[0]}\u2013{names[-1]}"


def _axes(frame: Frame, values: Iterable[float]) -> Iterator[str]:
    yield frame.border()
    yield from (frame.beside(value, f"{value:g}") for value in values)
    every, word = _unit(frame.end)
    for value in ticks(frame.end / every, 6 if frame.wide > 300 else 3):
        yield frame.label(value * every, f"{value:g}")
    right, y = frame.left + frame.wide, frame.top + frame.high + 16
    yield f'<text class="small" x="{right + 6}" y="{y}">{word}</text>'


def _unit(seconds: float) -> tuple[float, str]:
    if seconds < 180:
        return 1.0, "seconds"
    return (60.0, "minutes") if seconds < 3 * 3600 else (3600.0, "hours")


def moment(seconds: float | None) -> str:
    """Return a time since the beginning, in words; empty for none."""
    return "" if seconds is None else duration(round(seconds, 1) if seconds < 60 else seconds)
