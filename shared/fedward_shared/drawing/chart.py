"""Charts with two axes as SVG text: lines, bands, points with intervals, bars. No library, and nothing is loaded.

What tells series apart is never colour alone: each has a dash pattern or a mark of its own, for print in grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

from fedward_shared.drawing.page import Drawn

__all__ = ["COLOURS", "GREY", "RED", "Axis", "Chart", "Look", "look", "sign"]

COLOURS = ("#1f6f43", "#3d6fb8", "#c77d0a", "#8a3a8f", "#4a4a4a", "#17899a", "#b5533c", "#7d7a1c")
GREY, RED = "#8a8a8a", "#b03030"
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 4", "1 2", "8 2 2 2 2 2")
_MARKS = ("circle", "square", "diamond", "triangle")
_LEFT, _RIGHT, _TOP, _BOTTOM, _LINE = 58.0, 22.0, 10.0, 44.0, 17.0
_TICKS = 6

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Look:
    """How a series looks."""

    colour: str
    dash: str = ""
    mark: str = "circle"


def look(number: int) -> Look:
    """The look of the series with this number, counted from 0; they repeat after 24."""
    return Look(COLOURS[number % len(COLOURS)], _DASHES[number % len(_DASHES)], _MARKS[number % len(_MARKS)])


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`; `percent` writes 0.2 as 20 %."""

    label: str
    low: float
    high: float
    percent: bool = False

    def ticks(self) -> list[float]:
        """Round numbers along the axis, about six."""
        width = (self.high - self.low) / _TICKS
        base = 10.0 ** floor(log10(width)) if width > 0 else 1.0
        step = next((base * part for part in (1, 2, 2.5, 5) if base * part >= width), base * 10)
        first = ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, floor(self.high / step + 1e-9) + 1)]

    def text(self, value: float) -> str:
        """A tick's text."""
        return f"{value * 100:.3g} %" if self.percent else f"{value + 0.0:.4g}"


class Chart:
    """Collects shapes and draws them over a grid; what lies outside the axes is cut off.

    Args:
        x: the horizontal axis.
        y: the vertical axis.
        alt: says in words what is to be seen, for those who do not see it.
        width: in pixels, of the whole chart.
        height: in pixels, without the legend.
    """

    def __init__(self, x: Axis, y: Axis, *, alt: str, width: float = 430.0, height: float = 320.0) -> None:
        self._x, self._y, self._alt = x, y, alt
        self._width, self._height = width, height
        self._inner = (width - _LEFT - _RIGHT, height - _TOP - _BOTTOM)
        self._shapes: list[str] = []
        self._legend: list[tuple[str, str]] = []

    def line(self, points: Points, how: Look, label: str = "", *, width: float = 2.0) -> None:
        """A line through points, broken where one is not a number; with a `label` it is in the legend."""
        dash = f' stroke-dasharray="{how.dash}"' if how.dash else ""
        style = f'fill="none" stroke="{how.colour}" stroke-width="{width:g}"{dash}'
        for part in _unbroken(points):
            self._shapes.append(f'<polyline points="{self._path(part)}" {style}/>')
        if label:
            self._legend.append((f'<line x1="0" x2="26" y1="6" y2="6" {style}/>', label))

    def band(self, low: Points, high: Points, how: Look) -> None:
        """The area between two lines with the same places."""
        both = [
            (below, above) for below, above in zip(low, high, strict=True) if isfinite(below[1]) and isfinite(above[1])
        ]
        if both:
            outline = [below for below, _ in both] + [above for _, above in reversed(both)]
            self._shapes.append(f'<polygon points="{self._path(outline)}" fill="{how.colour}" opacity="0.16"/>')

    def points(self, points: Points, how: Look, intervals: Points = (), label: str = "") -> None:
        """Marks; `intervals` are bounds up and down of each, as (low, high)."""
        for (x, _), (low, high) in zip(points, intervals, strict=False):
            at, top, bottom = self._place(x, high), self._place(x, high)[1], self._place(x, low)[1]
            self._shapes.append(
                f'<line x1="{at[0]:.1f}" x2="{at[0]:.1f}" y1="{top:.1f}" y2="{bottom:.1f}" stroke="{how.colour}"/>'
            )
        self._shapes += [sign(*self._place(x, y), how) for x, y in points if isfinite(x) and isfinite(y)]
        if label:
            self._legend.append((sign(13.0, 6.0, how), label))

    def spread(self, counts: Sequence[int], *, share: float = 0.14) -> None:
        """Grey bars along the bottom, the highest as high as `share` of the chart: how many there are from 0 to 1."""
        top = max((*counts, 1))
        for number, count in enumerate(counts):
            high = self._inner[1] * share * count / top
            left, right = (self._place(at / len(counts), 0)[0] for at in (number, number + 1))
            if count:
                self._shapes.append(
                    f'<rect x="{left + 0.5:.1f}" y="{self._inner[1] - high:.1f}" width="{right - left - 1:.1f}" '
                    f'height="{high:.1f}" fill="#c9c9c9"/>'
                )

    def drawn(self) -> Drawn:
        """The chart as an <svg> element."""
        height = self._height + _LINE * len(self._legend)
        width, tall = self._inner
        return Drawn(
            f'<svg viewBox="0 0 {self._width:g} {height:g}" width="{self._width:g}" height="{height:g}" role="img" '
            f'aria-label="{escape(self._alt)}" font-size="11" fill="#333"><title>{escape(self._alt)}</title>'
            f"{self._frame()}"
            f'<svg x="{_LEFT:g}" y="{_TOP:g}" width="{width:g}" height="{tall:g}">{"".join(self._shapes)}</svg>'
            f"{self._legends()}</svg>"
        )

    def _place(self, x: float, y: float) -> tuple[float, float]:
        width, height = self._inner
        across = (x - self._x.low) / (self._x.high - self._x.low)
        up = (y - self._y.low) / (self._y.high - self._y.low)
        return across * width, (1 - up) * height

    def _path(self, points: Points) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in (self._place(*point) for point in points))

    def _frame(self) -> str:
        width, height = self._inner
        parts = [f'<rect x="{_LEFT:g}" y="{_TOP:g}" width="{width:g}" height="{height:g}" fill="#fff" stroke="#999"/>']
        for value in self._x.ticks():
            at = _LEFT + self._place(value, self._y.low)[0]
            parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP:g}" y2="{_TOP + height:g}" stroke="#e6e6e6"/>')
            parts.append(_text(at, _TOP + height + 14, self._x.text(value), "middle"))
        for value in self._y.ticks():
            at = _TOP + self._place(self._x.low, value)[1]
            parts.append(f'<line x1="{_LEFT:g}" x2="{_LEFT + width:g}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e6e6e6"/>')
            parts.append(_text(_LEFT - 5, at + 4, self._y.text(value), "end"))
        parts.append(_text(_LEFT + width / 2, _TOP + height + 33, self._x.label, "middle"))
        middle = _TOP + height / 2
        parts.append(
            f'<text x="12" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 12 {middle:.1f})">'
            f"{escape(self._y.label)}</text>"
        )
        return "".join(parts)

    def _legends(self) -> str:
        return "".join(
            f'<g transform="translate({_LEFT:g} {self._height + _LINE * row:g})">'
            f"{shape}{_text(34, 10, label, 'start')}</g>"
            for row, (shape, label) in enumerate(self._legend)
        )


def _unbroken(points: Points) -> list[list[tuple[float, float]]]:
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if isfinite(x) and isfinite(y):
            parts[-1].append((x, y))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def sign(x: float, y: float, how: Look) -> str:
    """The mark of a series at a place in pixels, as an SVG element."""
    match how.mark:
        case "square":
            return f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="{how.colour}"/>'
        case "diamond":
            shape = f"{x:.1f},{y - 5:.1f} {x + 5:.1f},{y:.1f} {x:.1f},{y + 5:.1f} {x - 5:.1f},{y:.1f}"
        case "triangle":
            shape = f"{x:.1f},{y - 5:.1f} {x + 5:.1f},{y + 4:.1f} {x - 5:.1f},{y + 4:.1f}"
        case _:
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{how.colour}"/>'
    return f'<polygon points="{shape}" fill="{how.colour}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
