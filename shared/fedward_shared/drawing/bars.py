"""Small bar plots as SVG text, made of numbers only: no library, no text, nothing that a page would have to escape."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from fedward_shared.drawing.page import Drawn

__all__ = ["histogram", "share_bars"]

_WIDTH = 168.0
_HEIGHT = 40.0
_PART = "#4477aa"
_WHOLE = "#ccbb99"
_MARK = "#aa3322"


def histogram(part: Sequence[int], whole: Sequence[int], marks: Sequence[float] = ()) -> Drawn:
    """Bars of `whole`, with those of `part` (of which each is at most as high) in front.

    `marks` are places from 0 (the left end) to 1 that get a line; those beyond are left out.
    """
    top = max((*whole, *part, 1))
    width = _WIDTH / max(len(whole), 1)
    shapes = [_bar(at * width, width, count / top, _WHOLE) for at, count in enumerate(whole) if count]
    shapes += [_bar(at * width, width, count / top, _PART) for at, count in enumerate(part) if count]
    shapes += [
        f'<line x1="{mark * _WIDTH:.1f}" x2="{mark * _WIDTH:.1f}" y1="0" y2="{_HEIGHT:g}" stroke="{_MARK}"/>'
        for mark in marks
        if isfinite(mark) and 0 <= mark <= 1
    ]
    return _framed(shapes)


def share_bars(counts: Sequence[int], expected: Sequence[float] = ()) -> Drawn:
    """One bar a value, the highest as high as the frame; `expected` shares (0 to 1) are marked across their bars."""
    total = max(sum(counts), 1)
    shares = [count / total for count in counts]
    top = max((*shares, *expected, 1e-9))
    width = _WIDTH / max(len(counts), 1)
    shapes = [_bar(at * width, width, share / top, _PART) for at, share in enumerate(shares) if share]
    for at, share in enumerate(expected[: len(counts)]):
        y = _HEIGHT * (1 - share / top)
        shapes.append(
            f'<line x1="{at * width:.1f}" x2="{(at + 1) * width:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_MARK}"/>'
        )
    return _framed(shapes)


def _bar(x: float, width: float, share: float, colour: str) -> str:
    height = max(_HEIGHT * share, 1.0)
    return (
        f'<rect x="{x:.1f}" y="{_HEIGHT - height:.1f}" width="{max(width - 1, 0.5):.1f}" height="{height:.1f}" '
        f'fill="{colour}"/>'
    )


def _framed(shapes: Sequence[str]) -> Drawn:
    return Drawn(
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="{_WIDTH:g}" height="{_HEIGHT:g}" role="img">'
        + "".join(shapes)
        + "</svg>"
    )
