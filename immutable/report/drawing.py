"""Pictures as SVG, without a library: colours for light and dark, steps over time, bars.

Every picture says in words what it shows, and all that it shows is in a table too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from attrs import frozen

__all__ = ["STYLE", "Frame", "area", "document", "ticks"]

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #333 }
.title { font-size: 14px; font-weight: 600 }
.small { font-size: 11px; fill: #666 }
.paper { fill: #fff } .frame { fill: none; stroke: #999 }
.limit { stroke: #444; stroke-dasharray: 5 3 }
.step { stroke: #888; stroke-dasharray: 1 3 } .lead { stroke: #666 }
.r1 { fill: #1f6fb2 } .r2 { fill: #d9730d } .r1x { fill: #b5d3ec } .r2x { fill: #f6cfa5 }
.on { fill: #fff }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .small { fill: #aaa }
.paper { fill: #16191d } .frame { stroke: #777 } .limit { stroke: #ccc }
.step { stroke: #999 } .lead { stroke: #aaa }
.r1 { fill: #6cb4ee } .r2 { fill: #f5a142 } .r1x { fill: #2c4d68 } .r2x { fill: #6b4a22 }
.on { fill: #111 }
}
"""
"""The style of all pictures: revision 1 is blue and revision 2 orange; paler while on the move."""


def document(title: str, about: str, width: int, height: int, parts: Iterable[str]) -> str:
    """Return a whole SVG: its title and what it shows in words, then *parts* on paper."""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title about">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="about">{escape(about)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}" rx="6"/>',
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


def area(
    style: str, upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]]
) -> str:
    """Return what lies between two edges."""
    points = [*upper, *reversed(lower)]
    return f'<path class="{style}" d="M{" L".join(f"{x:.1f},{y:.1f}" for x, y in points)}Z"/>'


@frozen
class Frame:
    """A rectangle with a scale in each direction.

    Attributes:
        left: Where it begins, in pixels.
        top: Where it begins, in pixels.
        wide: How wide it is, in pixels.
        high: How high it is, in pixels.
        end: The value at its right edge; 0 is at the left.
        most: The value at its upper edge; 0 is at the lower.
    """

    left: float
    top: float
    wide: float
    high: float
    end: float
    most: float

    def x(self, value: float) -> float:
        """Return where a value is, from left to right."""
        return self.left + self.wide * value / self.end if self.end else self.left

    def y(self, value: float) -> float:
        """Return where a value is, from the lower edge up."""
        return self.top + self.high * (1 - value / self.most) if self.most else self.top + self.high

    def steps(self, points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        """Return the corners of a value over time that holds until the next point."""
        corners: list[tuple[float, float]] = []
        for at, value in points:
            x, y = self.x(min(at, self.end)), self.y(value)
            if corners:
                corners.append((x, corners[-1][1]))
            corners.append((x, y))
        if corners:
            corners.append((self.x(self.end), corners[-1][1]))
        return corners

    def border(self) -> str:
        """Return its outline."""
        size = f'width="{self.wide}" height="{self.high}"'
        return f'<rect class="frame" x="{self.left}" y="{self.top}" {size}/>'

    def across(self, value: float, words: str) -> list[str]:
        """Return a line at *value* with words at its right."""
        y, right = self.y(value), self.left + self.wide
        return [
            f'<path class="limit" d="M{self.left},{y:.1f} L{right},{y:.1f}"/>',
            f'<text x="{right + 6}" y="{y + 4:.1f}">{escape(words)}</text>',
        ]

    def label(self, x: float, words: str) -> str:
        """Return words below the value *x*."""
        y = self.top + self.high + 16
        return (
            f'<text class="small" x="{self.x(x):.1f}" y="{y}" text-anchor="middle">{words}</text>'
        )

    def beside(self, y: float, words: str) -> str:
        """Return words at the left of the value *y*."""
        x, up = self.left - 5, self.y(y) + 4
        return f'<text class="small" x="{x}" y="{up:.1f}" text-anchor="end">{words}</text>'


# ticks(37, 6): 0, 10, 20, 30.     ticks(4, 6): 0, 1, 2, 3, 4.
def ticks(most: float, count: int) -> list[float]:
    """Return round values from 0 to *most*, at most *count* + 1."""
    if most <= 0:
        return [0.0]
    size = 1e-6
    while True:
        for step in (size, 2 * size, 5 * size):
            if most / step <= count:
                return [round(step * n, 9) for n in range(int(most / step) + 1)]
        size *= 10
