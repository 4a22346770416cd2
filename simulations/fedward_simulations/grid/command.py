"""What `fedward-sim compare` does: runs the grid, and writes result.json, report.html and the model."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isinf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedward_shared.console import say
from fedward_shared.errors import FedwardError, UsageError
from fedward_shared.files import write_atomic
from fedward_shared.manifest.parse import load, study_hash
from fedward_shared.manifest.resolve import published
from fedward_simulations.grid.plan import Asked, Way, planned
from fedward_simulations.importing import site_folders

if TYPE_CHECKING:
    from fedward_shared.contracts.study import Study
    from fedward_simulations.grid.bench import Bench, Task
    from fedward_simulations.grid.result import Result
    from fedward_simulations.grid.running import Finished, State
    from fedward_simulations.grid.strategies import Overrides
    from fedward_simulations.model_files import ModelFiles
    from fedward_simulations.report.figures import Figures

__all__ = ["Request", "compare", "main_way", "numbers", "own_epsilons"]

_READABLE = 0o644


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. No `epsilons`: without privacy, and at the study's own ε where it has one.

    `cache` is where finished cells are kept; `jobs` None is one process a core.
    """

    manifest: bytes
    data: Path
    out: Path
    cache: Path
    methods: tuple[str, ...]
    strategies: tuple[str, ...]
    epsilons: tuple[float, ...]
    seeds: tuple[int, ...]
    jobs: int | None
    overrides: Overrides
    files: ModelFiles


def compare(request: Request) -> None:
    """Runs and writes everything.

    Raises:
        UsageError: study, data or options do not fit.
        FedwardError: a cell failed; the report of the others is there.
    """
    from fedward_simulations.grid.bench import Bench

    manifest = published(request.manifest)
    study = load(manifest)
    folders = site_folders(request.data, study.site_names)
    epsilons = request.epsilons or own_epsilons(manifest)
    ways = planned(Asked(request.methods, request.strategies or ("",), epsilons, request.seeds), study.site_names)
    bench = Bench.of(request.manifest, folders, request.overrides, request.files)
    request.out.mkdir(parents=True, exist_ok=True)
    say("UNSAFE: simulations with seeded randomness. They protect nobody, and no ledger knows of them.")
    begun = time.perf_counter()
    finished, state = _run(bench, ways, request)
    say(_said(state))
    head = {
        "simulation": True,
        "unsafe_seeded": True,
        "study": study_hash(manifest).hex(),
        "name": study.name,
        "seeds": list(request.seeds),
        "rounds": study.strategy.rounds,
        "seconds": round(time.perf_counter() - begun, 2),
    }
    _write(bench, ways, finished, request.out, head)
    finished.check()


def own_epsilons(manifest: bytes) -> tuple[float, ...]:
    """Without privacy, and what a published study costs at most, where that is a number."""
    study = load(manifest)
    if study.privacy.unsafe_no_privacy:
        return (inf,)
    sites = study.resolved.sites.values() if study.resolved else ()
    asked = study.privacy.target_epsilon or max((site.epsilon for site in sites), default=inf)
    return tuple(dict.fromkeys((inf, asked)))


def numbers(written: str) -> tuple[float, ...]:
    """Reads ``1,3,inf``.

    Raises:
        UsageError: one is no number above 0.
    """
    try:
        values = tuple(float(part) for part in written.split(",") if part.strip())
    except ValueError as error:
        raise UsageError(f"{written!r} is no list of numbers", hint="Write --epsilons 1,3,8,inf") from error
    if not all(value > 0 for value in values):
        raise UsageError("ε is above 0", hint="Write --epsilons 1,3,8,inf; inf is training without privacy.")
    return values


def _run(bench: Bench, ways: Sequence[Way], request: Request) -> tuple[Finished, State]:
    from rich.console import Console

    from fedward_simulations.grid.bench import Task
    from fedward_simulations.grid.progress import shown
    from fedward_simulations.grid.running import run_grid

    tasks = [Task(bench, cell) for way in ways for cells in way.cells for cell in cells]
    with shown(Console(stderr=True), say) as display:
        try:
            finished = run_grid(tasks, cache=request.cache, jobs=request.jobs, notify=display.show)
        except KeyboardInterrupt:
            state = display.state
            if state is not None:
                say(
                    f"stopped. {state.finished} of {state.total} cells are kept in {request.cache}; {state.remaining} "
                    "remain. Run the same command again to go on."
                )
            raise
    if display.state is None:
        raise FedwardError("the grid told nothing of itself")
    return finished, display.state


def _said(state: State) -> str:
    trained = state.finished - state.reused
    parts = [f"{state.total} cells: {trained} trained, {state.reused} were there"]
    if state.redone:
        parts.append(f"{state.redone} were damaged and were trained again")
    if state.failed:
        parts.append(f"{state.failed} FAILED")
    if state.megabytes:
        parts.append(f"at most {state.megabytes} MB in one process")
    return "; ".join(parts)


def _write(bench: Bench, ways: Sequence[Way], finished: Finished, out: Path, head: Mapping[str, Any]) -> None:
    from rich.console import Console

    from fedward_simulations.grid.comparing import compared
    from fedward_simulations.report.clinical import clinical_page
    from fedward_simulations.report.figures import figures
    from fedward_simulations.report.table import print_figures

    main = main_way(ways, load(published(bench.study)))
    told = compared(bench, ways, finished.results, main=main.key)
    rows = [_row(bench, way, finished.results) for way in ways]
    failed = [{"cell": task.cell.title, "problem": problem} for task, problem in finished.failures.items()]
    document: dict[str, Any] = {**head, "main": main.key, "methods": rows, "failed": failed}
    if told.methods:
        made = figures(told)
        print_figures(made, Console())
        document |= _figures(made)
        write_atomic(out / "report.html", clinical_page(told, made).encode(), mode=_READABLE)
        say(f"Written: {out / 'report.html'}")
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(out / "result.json", text.encode() + b"\n", mode=_READABLE)
    say(f"Written: {out / 'result.json'}")
    _keep_model(bench, main, finished.results, out)


def _figures(made: Figures) -> dict[str, Any]:
    from fedward_simulations.report.figures import blocks

    left_out = {
        key: {
            site: round(told.value, 4)
            for site, judged in summary.hospitals.items()
            if (told := judged.figures.get(made.key)) is not None
        }
        for key, summary in made.left_out.items()
    }
    return {**blocks(made), "leave_one_out": left_out}


def main_way(ways: Sequence[Way], study: Study) -> Way:
    """What the study is about: federated with its own strategy, at the ε nearest to its own.

    Without privacy only where nothing private was asked for.
    """
    federated = [way for way in ways if way.first.method == "federated" and not way.leaves_out]
    declared = [way for way in federated if way.first.strategy in ("", study.strategy.name)]
    own = declared or [way for way in federated if way.first.strategy == federated[0].first.strategy]
    wanted = study.privacy.target_epsilon or 0.0
    private = sorted((way for way in own if way.first.private), key=lambda way: abs(way.first.epsilon - wanted))
    return [*private, *own, *ways][0]


def _row(bench: Bench, way: Way, results: Mapping[Task, Result]) -> dict[str, Any]:
    from fedward_simulations.grid.bench import Task

    cell = way.first
    found = [results[task] for cells in way.cells for one in cells if (task := Task(bench, one)) in results]
    spent = max((value for result in found for value in result.spent.values()), default=None)
    return {
        "key": way.key,
        "title": way.title,
        "method": cell.method,
        "strategy": cell.strategy or None,
        "epsilon": None if isinf(cell.epsilon) else cell.epsilon,
        "left_out": way.leaves_out,
        "cells": len(found),
        "epsilon_spent": spent,
        "cell_seconds": [result.seconds for result in found],
        "provenance": found[0].provenance if found else None,
    }


def _keep_model(bench: Bench, main: Way, results: Mapping[Task, Result], out: Path) -> None:
    """The model of the first seed of what the study is about, where that is a federation's."""
    from fedward_simulations.grid.bench import Task

    result = results.get(Task(bench, main.first))
    if result is not None and result.model and main.first.method == "federated":
        from safetensors.numpy import save

        write_atomic(out / "model.safetensors", save(dict(result.model)), mode=_READABLE)
        say(f"Written: {out / 'model.safetensors'} ({main.title}, seed {main.first.seed})")
