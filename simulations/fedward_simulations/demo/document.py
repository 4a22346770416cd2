"""report.html of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedward_shared.drawing.page import Page
from fedward_simulations.demo.results import Facts
from fedward_simulations.report.clinical import add_clinical
from fedward_simulations.report.figures import Figures
from fedward_simulations.report.plots import participation_plot, privacy_plot

__all__ = ["demo_page"]


def demo_page(facts: Facts, made: Figures, result: Mapping[str, Any]) -> str:
    """The whole page."""
    page = Page(
        facts.study.title,
        f"Study {facts.study_hash[:16]}: {len(facts.sites)} hospitals, {facts.rounds} rounds, 9 processes and their "
        "supervisors on one machine. UCI Heart Disease (Janosi, Steinbrunn, Pfisterer, Detrano; CC BY 4.0).",
    )
    add_clinical(page, made)
    _privacy(page, facts)
    _participation(page, facts)
    _processes(page, facts)
    _costs(page, facts, result)
    page.heading("Provenance of the demo's own numbers")
    page.table(["number", "came from"], [[name, text] for name, text in result["provenance"].items()])
    return page.render()


def _privacy(page: Page, facts: Facts) -> None:
    terms = facts.study.privacy
    page.heading("What the hospitals' own ledgers say it cost in privacy")
    page.text(
        f"ε that each hospital's own ledger shows for this study, at δ = {terms.delta:g}, per patient. The study may "
        f"cost at most ε = {terms.target_epsilon}; the rest was kept for rounds that might have to be repeated. "
        "Somebody treated at two hospitals adds both up."
    )
    if terms.target_epsilon is not None:
        page.svg(privacy_plot({site: told.epsilon for site, told in facts.ledgers.items()}, terms.target_epsilon))
    page.table(
        ["hospital", "ε", "rounds charged", "rounds that counted"],
        [
            [site, f"{told.epsilon:.3f}", str(told.charged), str(len(facts.joined[site]))]
            for site, told in facts.ledgers.items()
        ],
    )


def _participation(page: Page, facts: Facts) -> None:
    page.heading("Who took part in which round")
    page.svg(participation_plot(facts.rounds, facts.joined))
    if facts.killed:
        page.text(
            f"In round {facts.killed['round']} the coordinator (process {facts.killed['coordinator']}) and the vault "
            f"of {facts.killed['site']} (process {facts.killed['vault']}) were killed with SIGKILL and started again. "
            "The study went on by itself: the same number of rounds, and no hospital was charged twice for any."
        )


def _processes(page: Page, facts: Facts) -> None:
    page.heading("Processes")
    page.text(f"The coordinator was process {facts.coordinator}. A vault's network is what the system's /proc says.")
    page.table(
        ["hospital", "gateway", "vault", "the vault's interfaces", "routes", "can it reach a network?"],
        [
            [
                site,
                str(found.gateway),
                str(found.vault),
                ", ".join(facts.networks[site].interfaces),
                str(facts.networks[site].routes),
                "YES" if facts.networks[site].usable else "no",
            ]
            for site, found in facts.sites.items()
        ],
    )


def _costs(page: Page, facts: Facts, result: Mapping[str, Any]) -> None:
    page.heading("Bytes and seconds")
    page.text(
        f"{result['bytes']['round']:,} bytes a round over all hospitals, {result['bytes']['total']:,} in all: every "
        f"message has a declared size. The whole demo took {result['seconds']} s."
    )
    page.table(["stage", "seconds"], [[name, f"{seconds:.1f}"] for name, seconds in facts.seconds.items()])
