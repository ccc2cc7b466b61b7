"""Draws a run as an SVG: what exists, and who gets the traffic, over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from attrs import frozen
from scenes import Look, Run

from immutable import Plan
from immutable.model.records import Started
from immutable.report.drawing import area, document

LEFT, RIGHT, WIDTH = 44, 128, 820
TOP, HIGH, GAP, LOW = 58, 210, 46, 90
FULL = TOP + HIGH + GAP + LOW + 40

Layer = tuple[str, str, Callable[[Look], float]]
CAPACITY: tuple[Layer, ...] = (
    ("r1", "r1 ready", lambda look: look.ready[0]),
    ("r2", "r2 ready", lambda look: look.ready[1]),
    ("r2x", "r2 starting", lambda look: look.starting),
    ("r2x", "r2 leaving", lambda look: look.leaving[1]),
    ("r1x", "r1 leaving", lambda look: look.leaving[0]),
)
TRAFFIC: tuple[Layer, ...] = (
    ("r1", "r1", lambda look: 100 - look.share),
    ("r2", "r2", lambda look: look.share),
)


@frozen
class Panel:
    """A part of the picture: layers on one another over time.

    Attributes:
        made: The run.
        layers: From the lowest to the highest.
        top: Where it begins, in pixels.
        high: How high it is, in pixels.
        most: The value at its upper edge.
    """

    made: Run
    layers: tuple[Layer, ...]
    top: int
    high: int
    most: float

    def x(self, at: float) -> float:
        """Return where a time is."""
        return LEFT + (WIDTH - LEFT - RIGHT) * at / self.made.end

    def y(self, value: float) -> float:
        """Return where a value is."""
        return self.top + self.high * (1 - value / self.most)

    def draw(self) -> Iterator[str]:
        """Yield the layers, then their labels."""
        for number, (style, _, _) in enumerate(self.layers):
            yield self._area(style, number)
        for number, layer in enumerate(self.layers):
            yield from self._label(layer, number)
        size = f'width="{WIDTH - LEFT - RIGHT}" height="{self.high}"'
        yield f'<rect class="frame" x="{LEFT}" y="{self.top}" {size}/>'

    def _under(self, look: Look, number: int) -> float:
        return sum(value(look) for _, _, value in self.layers[:number])

    def _area(self, style: str, number: int) -> str:
        upper, lower = self._edge(number + 1), self._edge(number)
        return area(style, upper, lower)

    def _edge(self, number: int) -> list[tuple[float, float]]:
        """Return the corners of what the lowest *number* layers come to, a step at each change."""
        corners: list[tuple[float, float]] = []
        for look in self.made.looks:
            x, y = self.x(min(look.at, self.made.end)), self.y(self._under(look, number))
            if not corners:
                corners.append((x, y))
            elif y != corners[-1][1]:
                corners += [(x, corners[-1][1]), (x, y)]
        return [*corners, (self.x(self.made.end), corners[-1][1])]

    def _label(self, layer: Layer, number: int) -> Iterator[str]:
        """Write the name into the area where there is most room, or point to it."""
        style, name, _ = layer
        looks, half = self.made.looks, 4.0 * len(name)
        near = int(half / (WIDTH - LEFT - RIGHT) * self.made.end) + 1
        places = range(near, len(looks) - near, max(1, len(looks) // 400))

        def room(place: int) -> float:
            around = looks[place - near : place + near + 1]
            low = max(self._under(look, number) for look in around)
            high = min(self._under(look, number + 1) for look in around)
            return high - low

        most = max(map(room, places))
        widest = [place for place in places if room(place) == most]
        best = widest[len(widest) // 2]
        x = self.x(looks[best].at)
        if room(best) * self.high / self.most >= 13:
            around = looks[best - near : best + near + 1]
            low = max(self._under(look, number) for look in around)
            y = self.y(low + room(best) / 2) + 4
            written = "" if style.endswith("x") else ' class="on"'
            yield f'<text{written} x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{name}</text>'
            return
        yield from self._pointer(layer, number)

    def _pointer(self, layer: Layer, number: int) -> Iterator[str]:
        """Write the name above the ceiling, and draw a line to the area."""
        style, name, value = layer
        looks = self.made.looks
        most = max(value(look) for look in looks)
        if most <= 0:
            return
        there = [look for look in looks if value(look) == most]
        look = there[len(there) // 2]
        x, y = self.x(look.at), self.y(self._under(look, number) + most / 2)
        # Above the ceiling; to the right what leaves, to the left what comes, if there is room.
        right = (style == "r1x" and x < WIDTH - RIGHT - 100) or x < LEFT + 100
        side, anchor = (1, "start") if right else (-1, "end")
        up, along = self.y(self.made.plan.bounds.ceiling) - 8, x + 14 * side
        if self.layers is TRAFFIC:
            up, along, anchor = self.top - 6, x + 8, "start"
        yield f'<path class="lead" d="M{x:.1f},{y:.1f} L{along:.1f},{up + 1:.1f}"/>'
        yield f'<text x="{along + 3 * side:.1f}" y="{up:.1f}" text-anchor="{anchor}">{name}</text>'


def lines(panel: Panel, plan: Plan) -> Iterator[str]:
    """Yield what the plan promises, as lines across the panel."""
    bounds, end = plan.bounds, WIDTH - RIGHT
    for value, words in ((bounds.floor, "at least ready"), (bounds.ceiling, "at most existing")):
        y = panel.y(value)
        yield f'<path class="limit" d="M{LEFT},{y:.1f} L{end},{y:.1f}"/>'
        yield f'<text x="{end + 6}" y="{y + 4:.1f}">{value} {words}</text>'


def steps(panel: Panel, bottom: float) -> Iterator[str]:
    """Yield where the steps begin, with their numbers; those that are close share a label."""
    labels: list[tuple[float, list[int]]] = []
    for at, event in panel.made.events:
        number = 0 if isinstance(event.record, Started) else getattr(event.record, "step", None)
        if number is None:
            continue
        x = panel.x(at)
        yield f'<path class="step" d="M{x:.1f},{TOP - 6} L{x:.1f},{bottom}"/>'
        if labels and x - labels[-1][0] < 26:
            labels[-1][1].append(number + 1)
        else:
            labels.append((x, [number + 1]))
    for x, numbers in labels:
        words = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}\u2013{numbers[-1]}"
        yield f'<text class="small" x="{x:.1f}" y="{TOP - 10}" text-anchor="middle">{words}</text>'


def shares(panel: Panel) -> Iterator[str]:
    """Yield the shares that last, each where it begins."""
    spans: list[list[float]] = []
    for look in panel.made.looks:
        if spans and spans[-1][0] == look.share:
            spans[-1][2] = look.at
        else:
            spans.append([look.share, look.at, look.at])
    for share, begin, end in spans:
        if 0 < share < 100 and panel.x(end) - panel.x(begin) > 60:
            x, y = panel.x(begin) + 6, panel.y(100 - share) - 5
            yield f'<text class="on" x="{x:.1f}" y="{y:.1f}">r2 has {share:.0f} %</text>'


def minutes(panel: Panel) -> Iterator[str]:
    """Yield the time axis."""
    whole = panel.made.end / 60
    every = next(step for step in (1, 2, 5, 10, 20) if whole / step <= 12)
    y = panel.top + panel.high + 16
    for number in range(0, int(whole) + 1, every):
        x = panel.x(60 * number)
        yield f'<text class="small" x="{x:.1f}" y="{y}" text-anchor="middle">{number}</text>'
    yield f'<text class="small" x="{WIDTH - RIGHT + 6}" y="{y}">minutes</text>'


def picture(made: Run) -> str:
    """Return the run as an SVG."""
    most = made.plan.bounds.ceiling * 1.2
    upper = Panel(made, CAPACITY, TOP, HIGH, most)
    lower = Panel(made, TRAFFIC, TOP + HIGH + GAP, LOW, 100)
    title = made.scenario.title
    about = "Above: instances by revision over time. Below: shares of the traffic. Data: the table."
    unit = "instances; the numbers are the steps"
    parts = [
        f'<text class="title" x="{LEFT}" y="22">{escape(title)}</text>',
        f'<text class="small" x="{LEFT}" y="{TOP - 22}">{unit}</text>',
        *upper.draw(),
        *lines(upper, made.plan),
        f'<text class="small" x="{LEFT}" y="{lower.top - 6}">percent of the traffic</text>',
        *lower.draw(),
        *shares(lower),
        *steps(upper, lower.top + LOW),
        *minutes(lower),
    ]
    for panel, values in ((upper, (0, 10, 20, 30, 40)), (lower, (0, 50, 100))):
        for value in (each for each in values if each <= panel.most):
            y = panel.y(value) + 4
            parts.append(
                f'<text class="small" x="{LEFT - 5}" y="{y:.1f}" text-anchor="end">{value}</text>'
            )
    return document(title, about, WIDTH, FULL, parts)
