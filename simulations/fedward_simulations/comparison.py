"""Trains one study in several ways, over several seeds, with the inline engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedward_client.vault.training.dataset import open_data_set
from fedward_server.rounds.progress import Notify, silent
from fedward_shared.errors import UsageError
from fedward_shared.evaluation.outcome import hospital_scores, outcome_of
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_simulations.baselines import POOLED, alone, centralised, without_privacy
from fedward_simulations.inline import InlineRun, run_inline
from fedward_simulations.model_files import ModelFiles
from fedward_simulations.pooling import pool
from fedward_simulations.report.compared import Compared, MethodResult, Run
from fedward_simulations.report.figures import method
from fedward_simulations.scores import divided, read_scores

__all__ = ["WAYS", "Comparison", "compare"]

WAYS = ("local", "centralised", "federated", "federated_dp")
"""What `--methods` takes. `federated_dp` is the study as it stands."""
_PROVENANCE = "inline simulation, seeded (unsafe): the same training code, no process boundary"
_KEYS = {"federated_dp": "federated_dp_simulated"}

Folders = Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out. `spent` is ε in the in-memory ledgers of the study as it stands, where that was run."""

    compared: Compared
    spent: Mapping[str, float]
    runs: tuple[InlineRun, ...]


def compare(
    manifest: bytes,
    folders: Folders,
    *,
    ways: Sequence[str],
    seeds: Sequence[int],
    workplace: Path,
    notify: Notify = silent,
    announce: Callable[[str, int], None] | None = None,
    files: ModelFiles | None = None,
) -> Comparison:
    """Runs every way for every seed.

    Args:
        manifest: study.toml, published or not, with test rows.
        folders: each site's import.
        ways: of `WAYS`.
        seeds: UNSAFE: all randomness follows from them.
        workplace: an empty folder for reports and the pooled import.
        notify: told of progress within a run.
        announce: told before each run: way and seed.
        files: weights that the study names, where it names any.

    Raises:
        UsageError: a way is unknown, or the study does not fit.
    """
    if unknown := [way for way in ways if way not in WAYS]:
        raise UsageError(f"there is no method {unknown[0]!r}", hint=f"Choose of {', '.join(WAYS)}.")
    bench = _Bench(published(manifest), folders, workplace, notify, files)
    trained: dict[str, list[Run]] = {way: [] for way in ways}
    for seed in seeds:
        for way in ways:
            if announce:
                announce(way, seed)
            trained[way].append(bench.run(way, seed))
    spent = bench.spent()
    methods = [
        method(_KEYS.get(way, way), _PROVENANCE, trained[way], spent if way == "federated_dp" else None)
        for way in WAYS
        if way in trained
    ]
    return Comparison(bench.compared(methods), spent, tuple(bench.inline))


class _Bench:
    """One study, its variants, and what was learnt on the way."""

    def __init__(
        self, manifest: bytes, folders: Folders, workplace: Path, notify: Notify, files: ModelFiles | None
    ) -> None:
        self._files = files
        self._manifest = manifest
        self._study = load(manifest)
        self._folders = {site: folders[site] for site in self._study.site_names if site in folders}
        self._groups = [group.name for group in self._study.evaluation.subgroups]
        self._workplace = workplace
        self._notify = notify
        self._pooled: dict[str, int] = {}
        self._federated: list[InlineRun] = []
        self.inline: list[InlineRun] = []

    def run(self, way: str, seed: int) -> Run:
        """One way, one seed: every site's test scores."""
        ways = {
            "local": self._local,
            "centralised": self._centralised,
            "federated": lambda number: self._federation(without_privacy(self._manifest), "federated", number),
            "federated_dp": self._as_it_stands,
        }
        return ways[way](seed)

    def compared(self, methods: Sequence[MethodResult]) -> Compared:
        """What a report is made of."""
        training = {site: open_data_set(folder, self._study.data).train for site, folder in self._folders.items()}
        outcome = outcome_of(self._study)
        return Compared(
            self._study,
            tuple(methods),
            {site: hospital_scores(part.labels, outcome) for site, part in training.items()},
            {site: part.count for site, part in training.items()},
            about="A simulation on one machine with seeded randomness (unsafe): it protects nobody.",
        )

    def spent(self) -> dict[str, float]:
        """ε of every site, where the study as it stands was run."""
        return {site: told.epsilon for run in self._federated[:1] for site, told in run.sites.items()}

    def _as_it_stands(self, seed: int) -> Run:
        run = self._federation(self._manifest, "federated_dp", seed)
        self._federated.append(self.inline[-1])
        return run

    def _federation(self, manifest: bytes, way: str, seed: int) -> Run:
        run = self._train(manifest, self._folders, way, seed)
        return {site: read_scores(told.report, self._groups) for site, told in run.sites.items()}

    def _local(self, seed: int) -> Run:
        scores = {}
        for site, folder in self._folders.items():
            run = self._train(alone(self._manifest, site), {site: folder}, "local", seed)
            scores[site] = read_scores(run.sites[site].report, self._groups)
        return scores

    def _centralised(self, seed: int) -> Run:
        folder = self._workplace / "pooled"
        if not self._pooled:
            self._pooled = pool(self._folders, self._study.data, folder)
        run = self._train(centralised(self._manifest), {POOLED: folder}, "centralised", seed)
        return divided(run.sites[POOLED].report, self._pooled, self._groups)

    def _train(self, manifest: bytes, folders: Folders, way: str, seed: int) -> InlineRun:
        reports = self._workplace / "reports" / way / f"seed-{seed}"
        self.inline.append(
            run_inline(manifest, folders, seed=seed, reports=reports, notify=self._notify, files=self._files)
        )
        return self.inline[-1]
