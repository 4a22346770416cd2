"""What `fedward-sim audit` does: attacks, shows progress, and writes result.json and a report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from fedward_client.vault.training.dataset import open_data_set
from fedward_client.vault.training.features import with_features
from fedward_shared.console import say
from fedward_shared.errors import FedwardError, UsageError
from fedward_shared.manifest.parse import load, study_hash
from fedward_shared.manifest.resolve import published
from fedward_simulations.audit.mechanism import MechanismAudit, audit_mechanism
from fedward_simulations.audit.membership import Attack, attack
from fedward_simulations.audit.one_run import OneRun, run_black_box, run_white_box
from fedward_simulations.audit.outcome import Outcome
from fedward_simulations.audit.releases import AuditedStep
from fedward_simulations.audit.report import page, print_outcome
from fedward_simulations.audit.shadows import train_shadows
from fedward_simulations.audit.worlds import Cohort
from fedward_simulations.baselines import without_privacy
from fedward_simulations.importing import site_folders

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from fedward_client.vault.training.dataset import Part
    from fedward_shared.contracts.study import Study

__all__ = ["Request", "audit"]

_RUNS = 2
_SITE_PATIENTS = 256


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. `site` None: the study's first. `shadows` 0: no membership attack."""

    manifest: bytes
    data: Path
    site: str | None
    out: Path
    draws: int
    canaries: int
    shadows: int
    seed: int
    backbones: Path | None = None


def audit(request: Request) -> Outcome:
    """Attacks and writes everything.

    Raises:
        UsageError: the study or the data do not fit.
        FedwardError: the step leaks more than it claims (after everything was written).
    """
    manifest = published(request.manifest)
    study = load(manifest)
    site = request.site or study.site_names[0]
    step = AuditedStep(study, site, seed=request.seed)
    folders = site_folders(request.data, study.site_names)
    parts = {name: _training_rows(study, folder, request.backbones) for name, folder in folders.items()}
    request.out.mkdir(parents=True, exist_ok=True)
    say("UNSAFE: a simulation with seeded randomness. It protects nobody, and no ledger knows of it.")
    begun = time.perf_counter()
    with _progress() as progress:
        bench = _Bench(request, study, step, parts, progress)
        mechanism = bench.mechanism()
        runs = bench.one_run()
        attacks = bench.membership(manifest)
    outcome = _outcome(study, site, mechanism, runs, attacks)
    print_outcome(outcome, Console())
    _write(outcome, study, manifest, request, time.perf_counter() - begun)
    if outcome.violations:
        raise FedwardError(
            f"the step of {site} leaks more than it claims: {outcome.violations[0]}",
            hint=f"Do not run this study. {request.out / 'report.html'} shows what was found.",
        )
    return outcome


class _Bench:
    """One study at one site, and the bars that show how far its attacks are."""

    def __init__(
        self, request: Request, study: Study, step: AuditedStep, parts: Mapping[str, Part], progress: Progress
    ) -> None:
        self._request, self._study, self._step, self._parts, self._progress = request, study, step, parts, progress

    def mechanism(self) -> MechanismAudit:
        task = self._progress.add_task("mechanism: releases", total=None)
        return audit_mechanism(
            self._step,
            Cohort.of_site(self._parts[self._step.site], _SITE_PATIENTS),
            draws=self._request.draws,
            seed=self._request.seed,
            extra_tests=_RUNS,
            advance=_advance(self._progress, task),
            begin=lambda total: self._progress.update(task, total=total),
        )

    def one_run(self) -> tuple[OneRun, ...]:
        task = self._progress.add_task("one run: steps", total=_RUNS * self._study.steps_per_site)
        advance = _advance(self._progress, task)
        step, request = self._step, self._request
        claimed = _claimed(self._study, step.site)
        site = Cohort.of_site(self._parts[step.site], self._parts[step.site].count)
        return (
            run_white_box(step, request.canaries, claimed=claimed, seed=request.seed, advance=advance),
            run_black_box(step, site, max(2, site.count // 2), claimed=claimed, seed=request.seed, advance=advance),
        )

    def membership(self, manifest: bytes) -> dict[str, Attack]:
        request = self._request
        if not request.shadows:
            return {}
        ways = {"with privacy": self._study, "without privacy": load(without_privacy(manifest))}
        rounds = request.shadows * self._study.strategy.rounds
        found = {}
        for way, study in ways.items():
            task = self._progress.add_task(f"shadow models {way}: rounds", total=rounds)
            shadows = train_shadows(
                study, self._parts, request.shadows, seed=request.seed, advance=_advance(self._progress, task)
            )
            found[way] = attack(shadows, seed=request.seed)
        return found


def _training_rows(study: Study, folder: Path, backbones: Path | None) -> Part:
    """As the vault's model sees them: with a backbone, features in place of records."""
    data = open_data_set(folder, study.data)
    return with_features(study, data, backbones, torch.device("cpu")).train


def _outcome(
    study: Study, site: str, mechanism: MechanismAudit, runs: tuple[OneRun, ...], attacks: dict[str, Attack]
) -> Outcome:
    return Outcome(
        site=site,
        unit=study.data.unit,
        epsilon=_claimed(study, site),
        delta=study.privacy.delta,
        mechanism=mechanism,
        one_run=runs,
        attacks=attacks,
        largest_epsilon=max(_claimed(study, name) for name in study.site_names),
    )


def _claimed(study: Study, site: str) -> float:
    """ε that the published study says this site's patients pay."""
    if study.resolved is None:
        raise UsageError("the study has not been published")
    return study.resolved.sites[site].epsilon


def _write(outcome: Outcome, study: Study, manifest: bytes, request: Request, seconds: float) -> None:
    head = {
        "simulation": True,
        "unsafe_seeded": True,
        "study": study_hash(manifest).hex(),
        "name": study.name,
        "seed": request.seed,
        "seconds": round(seconds, 2),
    }
    result = request.out / "result.json"
    result.write_text(json.dumps({**head, **outcome.as_json()}, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    (request.out / "report.html").write_text(page(outcome, study.title), encoding="utf-8")
    say(f"Written: {result}, {request.out / 'report.html'}")


def _advance(progress: Progress, task: TaskID) -> Callable[[int], None]:
    return lambda count: progress.advance(task, count)


@contextmanager
def _progress() -> Iterator[Progress]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress
