"""The table at the end of a run, in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from fedward_simulations.metrics import Estimate
from fedward_simulations.report.figures import Figures

__all__ = ["print_figures"]


def print_figures(figures: Figures, console: Console) -> None:
    """Two tables that fit 80 columns: all patients, and each hospital's own."""
    table = Table(title="Test patients: AUC (95 % interval)", title_justify="left")
    table.add_column("")
    for name in ("pooled", "within hospitals", "accuracy", "Brier"):
        table.add_column(name, justify="right")
    for method in figures.methods:
        key = method.key
        within = _text(figures.within[key]) if figures.within else "–"
        table.add_row(
            method.short,
            _text(figures.pooled[key]),
            within,
            f"{figures.accuracy[key]:.3f}",
            f"{figures.brier[key]:.3f}",
        )
    table.add_row("knowing only the hospital", f"{figures.hospital_only:.3f}", "0.500", "–", "–")
    console.print(table)
    console.print(_own(figures))
    console.print(
        "Pooled figures flatter: hospitals differ in how many patients are ill. The mean within hospitals is over "
        f"{', '.join(figures.within_hospitals) or 'none'}: at least five test patients of each class."
    )


def _own(figures: Figures) -> Table:
    table = Table(title="Each hospital's own test patients: AUC", title_justify="left")
    table.add_column("")
    for site in figures.sites:
        table.add_column(site, justify="right")
    for method in figures.methods:
        table.add_row(method.short, *(f"{own[method.key].value:.3f}" for own in figures.sites.values()))
    return table


def _text(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({_bound(estimate.low)}–{_bound(estimate.high)})"


def _bound(value: float) -> str:
    return f"{value:.2f}"
