"""Figures with intervals, one under another (a forest plot), as SVG text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from fedward_shared.drawing.chart import RED, Axis, Look, sign
from fedward_shared.drawing.page import Drawn

__all__ = ["Row", "forest"]

_WIDTH, _LABELS, _VALUES, _ROW, _TOP, _BOTTOM = 720.0, 250.0, 140.0, 22.0, 8.0, 40.0


@dataclass(frozen=True, slots=True)
class Row:
    """A figure: its name, value and bounds (None: there is none, and `text` says why), and what stands beside it."""

    name: str
    interval: tuple[float, float, float] | None
    how: Look
    text: str


def forest(rows: Sequence[Row], axis: Axis, *, alt: str, mark: float | None = None, mark_text: str = "") -> Drawn:
    """The rows under each other over `axis`, whose low and high are widened to hold them all.

    Args:
        rows: in order, from top to bottom.
        axis: the horizontal one.
        alt: says in words what is to be seen.
        mark: a value that every row is to be compared with: a dotted line.
        mark_text: what it is.
    """
    found = [value for row in rows if row.interval for value in row.interval] + ([mark] if mark is not None else [])
    axis = Axis(axis.label, min([axis.low, *found]), max([axis.high, *found]), axis.percent)
    inner = _WIDTH - _LABELS - _VALUES
    height = _TOP + _ROW * len(rows)

    def across(value: float) -> float:
        return _LABELS + inner * (value - axis.low) / (axis.high - axis.low)

    parts = [
        f'<line x1="{across(tick):.1f}" x2="{across(tick):.1f}" y1="{_TOP:g}" y2="{height:g}" stroke="#e0e0e0"/>'
        f'<text x="{across(tick):.1f}" y="{height + 14:g}" text-anchor="middle">{axis.text(tick)}</text>'
        for tick in axis.ticks()
    ]
    parts.append(
        f'<text x="{_LABELS + inner / 2:g}" y="{height + 31:g}" text-anchor="middle">{escape(axis.label)}</text>'
    )
    if mark is not None:
        parts.append(
            f'<line x1="{across(mark):.1f}" x2="{across(mark):.1f}" y1="{_TOP:g}" y2="{height:g}" stroke="{RED}" '
            f'stroke-dasharray="2 3"/><text x="4" y="{height + 14:g}" fill="{RED}">┈ {escape(mark_text)}</text>'
        )
    parts += [_row(row, _TOP + _ROW * (number + 0.5), across) for number, row in enumerate(rows)]
    whole = height + _BOTTOM
    return Drawn(
        f'<svg viewBox="0 0 {_WIDTH:g} {whole:g}" width="{_WIDTH:g}" height="{whole:g}" role="img" font-size="12" '
        f'fill="#333" aria-label="{escape(alt)}"><title>{escape(alt)}</title>{"".join(parts)}</svg>'
    )


def _row(row: Row, y: float, across: Callable[[float], float]) -> str:
    text = (
        f'<text x="4" y="{y + 4:.1f}">{escape(row.name)}</text>'
        f'<text x="{_WIDTH - 4:g}" y="{y + 4:.1f}" text-anchor="end">{escape(row.text)}</text>'
    )
    if row.interval is None:
        return text
    value, low, high = (across(part) for part in row.interval)
    return (
        f'{text}<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{row.how.colour}" '
        f'stroke-width="2"/>{sign(value, y, row.how)}'
    )
