"""What `fedward-sim run` does: runs, shows progress, and writes result.json, the model and a report."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedward_server.rounds.progress import Notice, Phase
from fedward_shared.console import say
from fedward_shared.manifest.parse import load, study_hash
from fedward_shared.manifest.resolve import published
from fedward_simulations.importing import site_folders

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from fedward_shared.contracts.study import Study
    from fedward_simulations.inline import InlineRun
    from fedward_simulations.model_files import ModelFiles

__all__ = ["Request", "RoundBar", "simulate", "told"]


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. `files` are weights that the study names."""

    manifest: bytes
    data: Path
    out: Path
    seeds: tuple[int, ...]
    files: ModelFiles | None = None


class RoundBar:
    """Shows the rounds of the run in progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, title: str) -> None:
        """Another run starts."""
        self.end()
        self._task = self._progress.add_task(title, total=None)

    def notify(self, notice: Notice) -> None:
        """A round was completed."""
        if self._task is not None and notice.phase is Phase.ROUND_DONE:
            self._progress.update(self._task, total=notice.rounds, completed=notice.round)

    def end(self) -> None:
        """No run is in progress."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def simulate(request: Request) -> None:
    """Runs and writes everything.

    Raises:
        UsageError: the study or the data do not fit.
        FedwardError: training failed.
    """
    manifest = published(request.manifest)
    study = load(manifest)
    folders = site_folders(request.data, study.site_names)
    request.out.mkdir(parents=True, exist_ok=True)
    say("UNSAFE: a simulation with seeded randomness. It protects nobody, and no ledger knows of it.")
    begun = time.perf_counter()
    head = {
        "simulation": True,
        "unsafe_seeded": True,
        "study": study_hash(manifest).hex(),
        "name": study.name,
        "seeds": list(request.seeds),
        "rounds": study.strategy.rounds,
    }
    body = _trained(manifest, study, folders, request)
    result = {**head, "seconds": round(time.perf_counter() - begun, 2), **body}
    (request.out / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    say(f"Written: {request.out / 'result.json'}")


def _trained(manifest: bytes, study: Study, folders: Mapping[str, Path], request: Request) -> dict[str, Any]:
    """The study as it stands, seed after seed; works for any number of classes, and without test rows."""
    from fedward_simulations.inline import run_inline

    runs = []
    with _bar() as bar:
        for seed in request.seeds:
            bar.begin(f"seed {seed}")
            reports = request.out / "reports" / f"seed-{seed}"
            runs.append(
                run_inline(manifest, folders, seed=seed, reports=reports, notify=bar.notify, files=request.files)
            )
    _keep_model(runs[-1], request.out)
    sites = {site: _site(site, runs) for site in study.site_names}
    for line in told(sites):
        say(line)
    return {
        "provenance": "inline simulation; figures are those of each site's own report",
        "round_seconds": [round(run.seconds, 3) for run in runs],
        "sites": sites,
    }


def told(sites: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The sites' AUC or, of survival, C-index on their test rows, mean over seeds; or that nothing was held out."""
    key = "c_index" if any("c_index" in found for found in sites.values()) else "auc"
    name = {"auc": "AUC", "c_index": "C-index"}[key]
    areas = {site: [area for area in found.get(key, ()) if area is not None] for site, found in sites.items()}
    if not any(areas.values()):
        which = "of two classes" if key == "auc" else "with events"
        yield f"No {name}: no patients {which} were held out for testing ([data] split or holdout)."
        return
    for site, values in areas.items():
        yield f"{site}: {name} {sum(values) / len(values):.3f} on its test rows" if values else f"{site}: no {name}"


def _site(site: str, runs: list[InlineRun]) -> dict[str, Any]:
    told = [run.sites[site] for run in runs]
    tests = [json.loads((one.report / "report.json").read_text(encoding="utf-8"))["test"] for one in told]
    joined = [sum(site in attempt.took_part for attempt in run.conclusion.attempts) for run in runs]
    names = ("auc", "c_index", "accuracy", "brier")
    figures = {key: [test[key] for test in tests] for key in names if all(key in test for test in tests)}
    epsilon = told[0].epsilon
    return {"epsilon": epsilon if epsilon < float("inf") else None, "rounds_joined": joined[0], **figures}


def _keep_model(run: InlineRun, out: Path) -> None:
    from safetensors.numpy import save_file

    save_file(dict(run.conclusion.model), out / "model.safetensors")


@contextmanager
def _bar() -> Iterator[RoundBar]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield RoundBar(progress)
