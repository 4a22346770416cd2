"""The report that a clinician reads: one study, every way in which it was trained, and what the model is worth."""

from __future__ import annotations

from fedward_shared.drawing.page import Page
from fedward_shared.drawing.sections import (
    add_calibration,
    add_decisions,
    add_horizons,
    add_limits,
    add_subgroups,
    add_thresholds,
)
from fedward_shared.drawing.words import READ
from fedward_shared.evaluation.summary import Judged
from fedward_simulations.report.compared import Compared
from fedward_simulations.report.figures import Figures, figures
from fedward_simulations.report.hospitals import add_data, add_discrimination, add_left_out
from fedward_simulations.report.verdict import sentences

__all__ = ["add_clinical", "clinical_page"]


def clinical_page(compared: Compared, made: Figures | None = None) -> str:
    """The whole document: self-contained HTML that loads nothing.

    Args:
        compared: what was trained, and its scores.
        made: its figures, where they were computed before.

    Raises:
        UsageError: there are no test rows, or methods were judged on other rows than each other.
    """
    page = Page(compared.study.title, compared.study.purpose)
    add_clinical(page, made or figures(compared))
    return page.render()


def add_clinical(page: Page, made: Figures) -> None:
    """All sections, onto a page that may go on."""
    study, main, one = made.compared.study, made.main, made.one
    page.box(" ".join(sentences(made)))
    if made.compared.about:
        page.text(made.compared.about)
    add_data(page, made)
    add_discrimination(page, made)
    add_thresholds(page, one.pooled, one.outcome, study.evaluation)
    add_horizons(page, one.pooled, one.outcome)
    pooled = {m.title: made.methods[m.key].pooled for m in made.compared.methods}
    add_calibration(page, one.outcome, pooled)
    _own_calibration(page, made)
    add_decisions(page, one.outcome, pooled, main.title)
    add_subgroups(page, one, study.data.label.names)
    add_left_out(page, made)
    _privacy(page, made)
    add_limits(page, _limits(made))
    _provenance(page, made)


def _own_calibration(page: Page, made: Figures) -> None:
    own: dict[str, Judged] = {
        f"{made.main.label}, {site}": judged for site, judged in made.one.hospitals.items() if judged.counts.enough
    }
    if len(own) > 1:
        add_calibration(page, made.one.outcome, own, heading=f"Calibration at each hospital: {made.main.title}")


def _privacy(page: Page, made: Figures) -> None:
    private = [m for m in made.compared.methods if m.spent]
    page.heading("What it cost in privacy")
    if not private:
        page.text("None of these ways of training protected patients by differential privacy.")
        return
    sites = made.compared.study.site_names
    page.table(
        ["ε of each patient", *sites],
        [[m.title, *(f"{m.spent[site]:.3f}" if site in m.spent else "–" for site in sites)] for m in private],
    )
    page.text(f"At δ = {made.compared.study.privacy.delta:g}. {READ['privacy']}")


def _limits(made: Figures) -> list[str]:
    limits = []
    apart = [site for site in made.one.hospitals if site not in made.one.within_hospitals]
    if apart:
        limits.append(
            f"{', '.join(apart)}: too few test patients of one class for a figure of its own, and so no part of the "
            "mean within hospitals."
        )
    if made.compared.study.data.patient is None:
        limits.append("The data name no patients, so rows count as if each were another patient.")
    if any(len(m.runs) > 1 for m in made.compared.methods):
        limits.append(
            "Where a way of training was repeated with several seeds, a figure is the median over them, and curves are "
            "those of the middle one. Intervals tell what other patients would change, not what another seed would."
        )
    return limits


def _provenance(page: Page, made: Figures) -> None:
    page.heading("Where each number came from")
    page.table(
        ["", "source", "seeds"],
        [[m.title, m.provenance, str(len(m.runs))] for m in (*made.compared.methods, *made.compared.leave_one_out)],
        kind="prose",
    )
