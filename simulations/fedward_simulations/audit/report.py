"""What people see of an audit: tables in the terminal, and one HTML file that loads nothing from anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from fedward_shared.drawing.page import Page
from fedward_simulations.audit.membership import RATES
from fedward_simulations.audit.plots import bounds_plot, membership_plot, trade_off_plot

if TYPE_CHECKING:
    from rich.console import Console

    from fedward_simulations.audit.game import Played
    from fedward_simulations.audit.membership import Interval
    from fedward_simulations.audit.outcome import Outcome

__all__ = ["LOW_IS_NO_EVIDENCE", "page", "print_outcome"]

LOW_IS_NO_EVIDENCE = (
    "A low lower bound is no evidence of privacy: it says what these attacks found, not what another might."
)
_GAMES = ("setting", "background", "canary", "statistic", "misses", "allowed", "μ ≥", "claimed μ", "ε ≥", "claimed ε")
_CHECKS = ("check", "where", "measured", "claimed", "p")
_RUNS = ("one run", "canaries", "right of guesses", "ε ≥ (95 %)", "claimed ε")
_LIRA = ("membership attack", "AUC", *(f"TPR at FPR {100 * rate:g} %" for rate in RATES))


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Four tables and the verdict."""
    title = f"Is {outcome.site}'s step as private as it says? (one step; lower bounds beside claims)"
    console.print(_table(title, _GAMES, _games(outcome)))
    console.print(_table("Laws that the claim rests on", _CHECKS, _checks(outcome)))
    console.print(_table("One training run, many canaries", _RUNS, _runs(outcome)))
    console.print(_table("Who was in the training data?", _LIRA, _attacks(outcome)))
    for line in _sentences(outcome):
        console.print(line)


def page(outcome: Outcome, title: str) -> str:
    """The report as HTML."""
    made = Page(f"Audit: {title}", f"Site {outcome.site}. A simulation with seeded randomness (unsafe): attacks only.")
    made.heading("Verdict")
    for line in _sentences(outcome):
        made.text(line)
    made.heading("Is the canary there? Lower bounds beside claims")
    made.svg(bounds_plot(outcome))
    made.svg(trade_off_plot(outcome))
    made.table(_GAMES, _games(outcome))
    made.heading("Laws that the claim rests on")
    made.table(_CHECKS, _checks(outcome))
    made.heading("One training run, many canaries")
    made.table(_RUNS, _runs(outcome))
    made.heading("Who was in the training data?")
    made.svg(membership_plot(outcome))
    made.table(_LIRA, _attacks(outcome))
    return made.render()


def _sentences(outcome: Outcome) -> list[str]:
    mechanism, best = outcome.mechanism, outcome.mechanism.strongest
    head = (
        "VIOLATED: the step leaks more than it claims."
        if outcome.violations
        else f"consistent: nothing contradicts the claim of ε = {outcome.epsilon:.3f} for each {outcome.unit}."
    )
    found = (
        f"The strongest game found {best.mu / best.claimed_mu:.0%} of the claimed μ ({_where(best)}); if the step "
        f"scales with σ, as the noise's law says, the study costs ε ≥ {mechanism.implied_epsilon:.3f} of the claimed "
        f"{outcome.epsilon:.3f}."
    )
    sure = (
        f"{len(mechanism.games)} games of {mechanism.draws} draws a world and {len(mechanism.findings)} checks; the "
        "probability that any of them calls a sound step violated is below 1e-4."
    )
    return [
        head,
        *outcome.violations,
        found,
        sure,
        LOW_IS_NO_EVIDENCE,
    ]


def _games(outcome: Outcome) -> list[list[str]]:
    return [
        [
            _mark(one.game.claim.setting.name, broken=one.violated),
            one.game.background,
            one.game.canary,
            one.statistic.split(" (")[0],
            f"{one.highest_miss:.3f} at {one.highest_false_alarm:.3f}",
            f"{one.allowed_miss:.3f}",
            f"{one.mu:.3f}",
            f"{one.claimed_mu:.3f}",
            f"{one.epsilon_gaussian:.2f}",
            f"{one.game.claim.one_step:.2f}",
        ]
        for one in outcome.mechanism.games
    ]


def _checks(outcome: Outcome) -> list[list[str]]:
    alpha = outcome.mechanism.alpha
    return [
        [_mark(one.check, broken=one.violated(alpha)), one.where, one.measured, one.claimed, f"{one.p_value:.2g}"]
        for one in outcome.mechanism.findings
    ]


def _runs(outcome: Outcome) -> list[list[str]]:
    return [
        [
            _mark(one.attack, broken=one.violated(outcome.mechanism.alpha)),
            str(one.canaries),
            f"{one.right} of {one.guesses}",
            f"{one.epsilon:.2f}",
            f"{one.claimed:.2f}",
        ]
        for one in outcome.one_run
    ]


def _attacks(outcome: Outcome) -> list[list[str]]:
    rows = [
        [way, _interval(found.auc), *(_interval(one) for one in found.true_positive_rates)]
        for way, found in outcome.attacks.items()
    ]
    return [*rows, [f"the most that ε = {outcome.largest_epsilon:.3g} allows", "–", *_allowed(outcome)]] if rows else []


def _allowed(outcome: Outcome) -> list[str]:
    return [f"{outcome.allowed(rate):.4f}" for rate in RATES]


def _interval(found: Interval) -> str:
    return f"{found.value:.4f} ({found.low:.4f}–{found.high:.4f})"


def _where(one: Played) -> str:
    return f"canary {one.game.canary!r} in {one.game.background}, {one.game.claim.setting.name}, by {one.statistic}"


def _mark(text: str, *, broken: bool) -> str:
    return f"VIOLATED: {text}" if broken else text


def _table(title: str, header: tuple[str, ...], rows: list[list[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in header:
        table.add_column(name)
    for row in rows:
        table.add_row(*row, style="bold red" if row[0].startswith("VIOLATED") else None)
    return table
