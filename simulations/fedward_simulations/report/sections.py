"""Sections of a report page that simulations and the demo share."""

from __future__ import annotations

from fedward_shared.drawing.page import Page
from fedward_simulations.metrics import Estimate
from fedward_simulations.report.figures import Figures
from fedward_simulations.report.plots import auc_plot, calibration_plot, hospitals_plot

__all__ = ["add_figures"]


def add_figures(page: Page, figures: Figures) -> None:
    """AUC pooled and within hospitals, each hospital's own, accuracy and calibration; each number with its source."""
    page.heading("How well the model ranks patients it has not seen")
    page.text(
        "AUC with 95 % intervals (bootstrap over test patients). Pooled figures flatter: hospitals differ in how many "
        f"of their patients are ill, so knowing only the hospital already gives {figures.hospital_only:.3f} (dotted "
        "line), where within hospitals it gives .5. The mean within hospitals is over those with at least five test "
        f"patients of each class: {', '.join(figures.within_hospitals) or 'none'}. Where a way of training was "
        "simulated with several seeds, the figure is the median."
    )
    page.svg(auc_plot(figures))
    page.table(
        ["", "pooled AUC", "within hospitals", "accuracy", "Brier"],
        [
            [
                method.title,
                _text(figures.pooled[method.key]),
                _text(figures.within.get(method.key)),
                f"{figures.accuracy[method.key]:.3f}",
                f"{figures.brier[method.key]:.3f}",
            ]
            for method in figures.methods
        ],
    )
    page.heading("Each hospital's own patients")
    page.svg(hospitals_plot(figures))
    page.table(
        ["", *figures.sites],
        [[m.title, *(_text(estimates[m.key]) for estimates in figures.sites.values())] for m in figures.methods],
    )
    page.heading("Calibration")
    page.svg(calibration_plot(figures))
    page.heading("Where each number came from")
    page.table(
        ["", "source", "seeds"],
        [[method.title, method.provenance, str(len(method.runs))] for method in figures.methods],
    )


def _text(estimate: Estimate | None) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})" if estimate else "–"
