"""The table at the end of a run, in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from fedward_shared.drawing.words import main_name
from fedward_shared.evaluation.bootstrap import Estimate
from fedward_shared.evaluation.figures import Figure
from fedward_simulations.report.figures import Figures

__all__ = ["print_figures"]


def print_figures(made: Figures, console: Console) -> None:
    """Two tables that fit 80 columns: all patients, and each hospital's own."""
    name = main_name(made.one.outcome)
    others = [figure for figure in (Figure.ACCURACY, Figure.BRIER) if made.one.pooled.find(figure)]
    table = Table(title=f"Test patients: {name} (95 % interval)", title_justify="left")
    table.add_column("")
    for column in ("pooled", "within hospitals", *("Brier" if f is Figure.BRIER else str(f) for f in others)):
        table.add_column(column, justify="right")
    for method in made.compared.methods:
        plain = [_short(made.methods[method.key].pooled.find(figure)) for figure in others]
        table.add_row(method.label, _text(made.pooled(method.key)), _text(made.within(method.key)), *plain)
    if made.hospital_only is not None:
        table.add_row("knowing only the hospital", f"{made.hospital_only:.3f}", "0.500", *("–" for _ in others))
    console.print(table)
    console.print(_own(made, name))
    console.print(
        "Pooled figures flatter: hospitals differ in how many patients are ill. The mean within hospitals is over "
        f"{', '.join(made.one.within_hospitals) or 'none'}: at least five test patients of each class."
    )


def _own(made: Figures, name: str) -> Table:
    table = Table(title=f"Each hospital's own test patients: {name}", title_justify="left")
    table.add_column("")
    sites = list(made.one.hospitals)
    for site in sites:
        table.add_column(site, justify="right")
    for method in made.compared.methods:
        table.add_row(method.label, *(_short(made.at(method.key, site)) for site in sites))
    return table


def _short(estimate: Estimate | None) -> str:
    return f"{estimate.value:.3f}" if estimate else "–"


def _text(estimate: Estimate | None) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.2f}–{estimate.high:.2f})" if estimate else "–"
