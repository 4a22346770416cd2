"""The plot of `benchmarks.privacy_utility`: AUC against ε, and accuracy against ε beside FLamby's curve."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.flamby_curve import NO_PRIVACY, Corrected
from benchmarks.heart_levels import Figures, Level

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

_DELTA = 1e-4
_LARGEST = 100.0
_OURS, _WITHIN, _THEIRS, _GREY = "#1b6ca8", "#7a9e3a", "#b3451d", "#777777"


def draw(levels: Sequence[Level], curve: Sequence[Corrected], path: Path) -> None:
    """Writes the two panels; the file's ending says how. Bars are one standard deviation over splits and noise."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    look = mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fedward", "font.size": 9, "axes.spines.top": False})
    with look:
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6), layout="constrained")
        _panel_of_auc(left, levels)
        _panel_of_accuracy(right, levels, curve)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)


def _panel_of_auc(axes: Axes, levels: Sequence[Level]) -> None:
    _line(axes, levels, "auc", _OURS, "pooled AUC")
    _line(axes, levels, "within", _WITHIN, "mean AUC within hospitals")
    if levels:
        only = [one.hospital_only for one in levels[0].declared]
        axes.axhline(sum(only) / len(only), color=_GREY, linestyle=":", label="knowing only the hospital (pooled)")
    axes.plot([1, 3], [0.88, 0.89], "k_", markersize=14, markeredgewidth=2, zorder=5, label="aims (pooled)")
    axes.set_title("AUC on the test rows of random splits")
    axes.set_ylim(bottom=0.6)
    _finish(axes, "ε of one patient, δ = 1e-5")


def _panel_of_accuracy(axes: Axes, levels: Sequence[Level], curve: Sequence[Corrected]) -> None:
    _line(axes, levels, "hospitals", _OURS, "Fedward, δ = 1e-5")
    points = [(one.point, one.hospitals[0]) for one in curve if one.point.delta == _DELTA]
    shown = [(point, worst) for point, worst in points if worst.counted <= _LARGEST]
    axes.plot(
        [point.epsilon for point, _ in points],
        [point.accuracy for point, _ in points],
        "o:",
        color=_THEIRS,
        alpha=0.45,
        label="FLamby as published, δ = 1e-4",
    )
    axes.plot(
        [worst.counted for _, worst in shown],
        [point.accuracy for point, _ in shown],
        "o",
        color=_THEIRS,
        label="the same, steps counted, up to what is proven",
    )
    for point, worst in shown:
        axes.plot([worst.counted, min(worst.at_most, _LARGEST)], [point.accuracy] * 2, color=_THEIRS, linewidth=1)
    axes.axhline(NO_PRIVACY.accuracy, color=_THEIRS, linestyle="--", linewidth=1, label="FLamby without privacy")
    axes.set_title("Mean accuracy of the four hospitals")
    axes.set_ylim(bottom=0.48)
    _finish(axes, "ε of one patient, at the dearest hospital")


def _line(axes: Axes, levels: Sequence[Level], name: str, colour: str, label: str) -> None:
    private = [level for level in levels if not isinf(level.epsilon)]
    means, deviations = zip(*(_spread(level.declared, name) for level in private), strict=True) if private else ((), ())
    axes.errorbar(
        [level.epsilon for level in private], means, deviations, fmt="o-", color=colour, capsize=2, label=label
    )
    for level in levels:
        if isinf(level.epsilon):
            plain = _spread(level.declared, name)[0]
            axes.axhline(plain, color=colour, linestyle="--", linewidth=1, label=f"{label}: no privacy")


def _spread(figures: Sequence[Figures], name: str) -> tuple[float, float]:
    values = [float(getattr(one, name)) for one in figures]
    mean = sum(values) / len(values)
    return mean, (sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)) ** 0.5


def _finish(axes: Axes, title: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(title)
    ticks = (0.1, 0.5, 1, 3, 8, 20, 50, 100)
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in ticks if low <= tick <= high], [f"{t:g}" for t in ticks if low <= t <= high])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.legend(fontsize=7, loc="lower right", framealpha=0.8)
