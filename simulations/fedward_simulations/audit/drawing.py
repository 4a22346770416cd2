"""Figures as SVG text: one size, text that stays text, and the same bytes for the same data."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure", "svg"]

_WIDTH_INCHES = 8.0


def figure(height: float) -> Figure:
    """An empty figure, `height` inches high."""
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")


def svg(drawn: Figure) -> str:
    """The figure as an <svg> element, for a page that holds everything it shows."""
    from matplotlib import rc_context

    text = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "fedward"}):
        drawn.savefig(text, format="svg", metadata={"Date": None})
    document = text.getvalue()
    return document[document.index("<svg") :]
