"""Plots of a run: who took part, and what it cost in privacy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedward_shared.drawing.chart import COLOURS, Axis, look
from fedward_shared.drawing.forest import Row, forest
from fedward_shared.drawing.page import Drawn

__all__ = ["participation_plot", "privacy_plot"]

_TOOK_PART, _ABSENT = COLOURS[0], "#d8d8d8"
_LEFT, _ROW, _WIDTH = 130.0, 22.0, 720.0


def participation_plot(rounds: int, joined: Mapping[str, Sequence[int]]) -> Drawn:
    """Who took part in which round: `joined` names the rounds of each site."""
    from html import escape

    step = (_WIDTH - _LEFT) / max(rounds, 1)
    side = min(step * 0.8, 14.0)
    parts, told = [], []
    for row, (site, present) in enumerate(joined.items()):
        y = 4 + _ROW * row
        parts.append(f'<text x="4" y="{y + 12:g}">{escape(site)}</text>')
        told.append(f"{site} {len(present)} of {rounds}")
        for number in range(1, rounds + 1):
            colour = _TOOK_PART if number in present else _ABSENT
            x = _LEFT + step * (number - 1)
            parts.append(f'<rect x="{x:.1f}" y="{y:g}" width="{side:.1f}" height="14" fill="{colour}"/>')
    height = 4 + _ROW * len(joined)
    parts += [
        f'<text x="{_LEFT + step * (number - 1):.1f}" y="{height + 12:g}">{number}</text>'
        for number in range(1, rounds + 1, max(1, rounds // 10))
    ]
    alt = escape(f"Rounds in which each hospital took part: {', '.join(told)}")
    return Drawn(
        f'<svg viewBox="0 0 {_WIDTH:g} {height + 20:g}" width="{_WIDTH:g}" height="{height + 20:g}" role="img" '
        f'font-size="12" fill="#333" aria-label="{alt}"><title>{alt}</title>{"".join(parts)}</svg>'
    )


def privacy_plot(spent: Mapping[str, float], most: float) -> Drawn:
    """ε that each hospital's own ledger shows, beside what the study may cost at most."""
    rows = [Row(site, (value, 0.0, value), look(0), f"{value:.3f}") for site, value in spent.items()]
    alt = "ε spent: " + ", ".join(f"{row.name} {row.text}" for row in rows) + f"; at most {most:g}"
    return forest(rows, Axis("ε spent", 0.0, most * 1.1), alt=alt, mark=most, mark_text="at most")
