"""The audit's plots, as SVG text: bounds beside claims, a game beside its trade-off curve, the membership attack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedward_simulations.audit.bounds import largest_true_positive_rate, trade_off
from fedward_simulations.audit.drawing import figure, svg
from fedward_simulations.audit.membership import RATES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fedward_simulations.audit.game import Played
    from fedward_simulations.audit.outcome import Outcome

__all__ = ["bounds_plot", "membership_plot", "trade_off_plot"]

_CLAIM, _KEPT, _BROKEN, _GREY = "#b03030", "#1f6f43", "#d1495b", "#b0b0b0"
_WAYS = {"with privacy": "#1f6f43", "without privacy": "#c77d0a"}


def bounds_plot(outcome: Outcome) -> str:
    """Each game's lower bound of μ as a share of what is claimed: a bar beyond 1 is a violation."""
    games = outcome.mechanism.games
    drawn = figure(0.8 + 0.26 * len(games))
    axes = drawn.subplots()
    shares = [min(one.mu / one.claimed_mu, 3.0) for one in games]
    axes.barh(
        [_name(one) for one in games],
        shares,
        color=[_BROKEN if one.violated else _KEPT for one in games],
        height=0.7,
    )
    axes.axvline(1.0, color=_CLAIM, linestyle=":")
    axes.set_xlim(0, max(1.15, 1.05 * max(shares, default=1.0)))
    axes.invert_yaxis()
    axes.set_xlabel("lower bound of μ ÷ claimed μ (dotted: the claim; beyond it: violated)")
    axes.tick_params(labelsize=8)
    return svg(drawn)


def trade_off_plot(outcome: Outcome) -> str:
    """What each game achieved, with its confidence, beside the smallest miss rates that the claim allows."""
    by_claim: dict[str, list[Played]] = {}
    for one in outcome.mechanism.games:
        by_claim.setdefault(one.game.claim.setting.name, []).append(one)
    drawn = figure(3.0)
    panels = drawn.subplots(1, len(by_claim), sharey=True, squeeze=False)[0]
    alpha = np.linspace(1e-6, 1 - 1e-6, 400)
    for axes, (name, games) in zip(panels, by_claim.items(), strict=True):
        setting = games[0].game.claim.setting
        curve = trade_off(alpha, sampling_rate=setting.sampling_rate, noise_multiplier=setting.noise_multiplier)
        axes.plot(alpha, curve, color=_CLAIM, label="claimed")
        axes.fill_between(alpha, 0, curve, color=_CLAIM, alpha=0.08)
        _points(axes, games)
        axes.set_title(f"{name}: q {setting.sampling_rate:g}, σ {setting.noise_multiplier:.3g}", fontsize=9)
        axes.set_xlabel("false alarm rate")
    panels[0].set_ylabel("miss rate")
    panels[0].legend(fontsize=7)
    return svg(drawn)


def membership_plot(outcome: Outcome) -> str:
    """ROC curves of the membership attack, both axes logarithmic, below what (ε, δ) allows."""
    drawn = figure(3.4)
    axes = drawn.subplots()
    rates = np.geomspace(min(RATES) / 10, 1, 300)
    allowed = largest_true_positive_rate(rates, outcome.largest_epsilon, outcome.delta)
    axes.plot(
        rates, allowed, color=_CLAIM, linestyle=":", label=f"the most that ε = {outcome.largest_epsilon:.3g} allows"
    )
    axes.plot(rates, rates, color=_GREY, linewidth=1, label="guessing")
    for way, found in outcome.attacks.items():
        curve = np.array(found.curve)
        axes.plot(curve[:, 0], curve[:, 1], color=_WAYS[way], label=f"{way}: AUC {found.auc.value:.3f}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(RATES) / 2, 1)
    axes.set_ylim(min(RATES) / 2, 1.1)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.legend(fontsize=8)
    return svg(drawn)


def _points(axes: Axes, games: list[Played]) -> None:
    for one in games:
        axes.errorbar(
            [one.false_alarms / one.held_out],
            [one.misses / one.held_out],
            xerr=[[0.0], [max(0.0, one.highest_false_alarm - one.false_alarms / one.held_out)]],
            yerr=[[0.0], [max(0.0, one.highest_miss - one.misses / one.held_out)]],
            fmt="o",
            markersize=3,
            linewidth=0.8,
            color=_BROKEN if one.violated else _KEPT,
        )


def _name(one: Played) -> str:
    return f"{one.game.claim.setting.name}: {one.game.canary} in {one.game.background}"
