"""The table at the end of a run, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from fedward_simulations.metrics import Estimate
from fedward_simulations.report.figures import Figures

__all__ = ["print_figures"]


def print_figures(figures: Figures, console: Console) -> None:
    """AUC with interval, pooled and within hospitals, each hospital's own, accuracy and Brier score."""
    table = Table(title="Test patients: AUC with 95 % interval", title_justify="left")
    table.add_column("")
    for name in ("pooled", "within", *figures.sites, "accuracy", "Brier"):
        table.add_column(name, justify="right")
    for method in figures.methods:
        key = method.key
        own = [_brief(site, key) for site in figures.sites.values()]
        within = _text(figures.within[key]) if figures.within else "–"
        table.add_row(
            method.title,
            _text(figures.pooled[key]),
            within,
            *own,
            f"{figures.accuracy[key]:.3f}",
            f"{figures.brier[key]:.3f}",
        )
    table.add_row(
        "Knowing only the hospital", f"{figures.hospital_only:.3f}", ".500", *["–"] * (len(figures.sites) + 2)
    )
    console.print(table)
    console.print(
        f"Pooled figures flatter: hospitals differ in how many patients are ill. Within: the mean over "
        f"{', '.join(figures.within_hospitals)}."
    )


def _text(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"


def _brief(site: Mapping[str, Estimate], key: str) -> str:
    return f"{site[key].value:.3f}"
