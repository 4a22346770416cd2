"""Plots as SVG text, drawn without a display and without global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fedward_simulations.metrics import Estimate
from fedward_simulations.report.drawing import figure, svg
from fedward_simulations.report.figures import Figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["auc_plot", "calibration_plot", "hospitals_plot", "participation_plot", "privacy_plot"]

_COLOURS = {
    "local": "#8a8a8a",
    "centralised": "#c77d0a",
    "federated": "#3d7ab8",
    "federated_dp_simulated": "#5aa469",
    "federated_dp": "#1f6f43",
}
_TOOK_PART, _ABSENT = "#1f6f43", "#d8d8d8"


def auc_plot(figures: Figures) -> str:
    """Two panels, pooled and within hospitals: one point with its interval for each way of training."""
    drawn = figure(2.6)
    pooled, within = drawn.subplots(1, 2, sharey=True)
    _intervals(pooled, figures, figures.pooled, "Pooled AUC")
    pooled.axvline(figures.hospital_only, color="#b03030", linestyle=":")
    pooled.text(figures.hospital_only, -0.7, " hospital only", color="#b03030", fontsize=8)
    _intervals(within, figures, figures.within, "Mean AUC within hospitals")
    return svg(drawn)


def hospitals_plot(figures: Figures) -> str:
    """Each hospital's own AUC with its interval, by way of training."""
    drawn = figure(3.2)
    axes = drawn.subplots()
    width = 0.8 / len(figures.methods)
    for place, method in enumerate(figures.methods):
        shift = (place - (len(figures.methods) - 1) / 2) * width
        own = [figures.sites[site][method.key] for site in figures.sites]
        axes.errorbar(
            [index + shift for index in range(len(own))],
            [estimate.value for estimate in own],
            yerr=_errors(own),
            fmt="o",
            color=_COLOURS[method.key],
            capsize=2,
            label=method.title,
        )
    axes.set_xticks(range(len(figures.sites)), list(figures.sites))
    axes.set_ylabel("AUC, own test patients")
    axes.legend(fontsize=8, loc="lower left")
    return svg(drawn)


def calibration_plot(figures: Figures) -> str:
    """Predicted beside observed share of disease: on the diagonal, a score of .7 means 7 in 10."""
    drawn = figure(3.4)
    axes = drawn.subplots()
    axes.plot([0, 1], [0, 1], color="#b0b0b0", linewidth=1)
    for method in figures.methods:
        bins = figures.calibration[method.key]
        axes.plot(
            [group.predicted for group in bins],
            [group.observed for group in bins],
            marker="o",
            color=_COLOURS[method.key],
            label=f"{method.title} (Brier {figures.brier[method.key]:.3f})",
        )
    axes.set_xlabel("mean predicted probability")
    axes.set_ylabel("observed share of disease")
    axes.legend(fontsize=8)
    return svg(drawn)


def participation_plot(rounds: int, joined: Mapping[str, Sequence[int]]) -> str:
    """Who took part in which round: `joined` names the rounds of each site."""
    drawn = figure(0.6 + 0.4 * len(joined))
    axes = drawn.subplots()
    for row, (_, present) in enumerate(joined.items()):
        colours = [_TOOK_PART if number in present else _ABSENT for number in range(1, rounds + 1)]
        axes.scatter(range(1, rounds + 1), [row] * rounds, marker="s", s=60, c=colours)
    axes.set_yticks(range(len(joined)), list(joined))
    axes.set_xticks(range(1, rounds + 1, max(1, rounds // 10)))
    axes.invert_yaxis()
    axes.set_xlabel("round")
    return svg(drawn)


def privacy_plot(spent: Mapping[str, float], most: float) -> str:
    """ε that each hospital's own ledger shows, beside what the study may cost at most."""
    drawn = figure(0.7 + 0.4 * len(spent))
    axes = drawn.subplots()
    axes.barh(list(spent), list(spent.values()), color=_COLOURS["federated_dp"], height=0.6)
    axes.axvline(most, color="#b03030", linestyle=":")
    axes.set_xlim(0, most * 1.15)
    axes.invert_yaxis()
    axes.set_xlabel("ε spent")
    return svg(drawn)


def _intervals(axes: Axes, figures: Figures, estimates: Mapping[str, Estimate], title: str) -> None:
    for row, method in enumerate(figures.methods):
        if method.key in estimates:
            estimate = estimates[method.key]
            axes.errorbar(
                [estimate.value], [row], xerr=_errors([estimate]), fmt="o", color=_COLOURS[method.key], capsize=3
            )
    axes.set_yticks(range(len(figures.methods)), [method.title for method in figures.methods])
    axes.set_ylim(len(figures.methods) - 0.4, -1.0)
    axes.set_title(title, fontsize=10)
    axes.grid(axis="x", alpha=0.3)


def _errors(estimates: Sequence[Estimate]) -> list[list[float]]:
    return [[max(0.0, e.value - e.low) for e in estimates], [max(0.0, e.high - e.value) for e in estimates]]
