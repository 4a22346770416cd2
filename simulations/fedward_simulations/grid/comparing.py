"""Makes finished cells into what a report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedward_client.vault.training.dataset import Part, open_data_set
from fedward_shared.evaluation.outcome import hospital_scores, outcome_of
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_simulations.grid.bench import Bench, Task
from fedward_simulations.grid.plan import Way
from fedward_simulations.grid.result import Result
from fedward_simulations.report.compared import Compared, MethodResult, Run

__all__ = ["ABOUT", "compared", "trained"]

ABOUT = "A simulation on one machine with seeded randomness (unsafe): it protects nobody."

Results = Mapping[Task, Result]


def compared(bench: Bench, ways: Sequence[Way], results: Results, *, main: str = "") -> Compared:
    """What a report is made of: every way of training that has a result, with those of its seeds that have one.

    Args:
        bench: what was trained on.
        ways: the rows.
        results: of the cells.
        main: key of the way that the study is about.
    """
    study = load(published(bench.study))
    outcome = outcome_of(study)
    training = {site: _training(bench, site) for site in bench.sites}
    told = {way: trained(bench, way, results) for way in ways}
    return Compared(
        study,
        tuple(method for way, method in told.items() if method and not way.leaves_out),
        {site: hospital_scores(part.labels, outcome) for site, part in training.items()},
        {site: part.count for site, part in training.items()},
        tuple(method for way, method in told.items() if method and way.leaves_out),
        main,
        ABOUT,
    )


def trained(bench: Bench, way: Way, results: Results) -> MethodResult | None:
    """One way of training; None where no seed of it has a result.

    ε is that of the first seed: what a site spends is the same with every seed, and with every hospital left out.
    """
    seeds = [[results.get(Task(bench, cell)) for cell in cells] for cells in way.cells]
    whole = [[result for result in cells if result is not None] for cells in seeds if None not in cells]
    if not whole:
        return None
    spent = {site: value for result in whole[0] for site, value in result.spent.items()}
    return MethodResult(
        way.key, way.title, whole[0][0].provenance, tuple(map(_run, whole)), _in_order(bench, spent), way.short
    )


def _run(results: Sequence[Result]) -> Run:
    """One seed's scores: of one model, or of one for each hospital left out."""
    return {site: scored for result in results for site, scored in result.run.items()}


def _in_order(bench: Bench, spent: Mapping[str, float]) -> dict[str, float]:
    return {site: spent[site] for site in (*bench.sites, *spent) if site in spent}


def _training(bench: Bench, site: str) -> Part:
    return open_data_set(dict(bench.folders)[site], load(published(bench.study)).data).train
