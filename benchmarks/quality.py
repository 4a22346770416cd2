"""What the models are worth on real data, beside what is aimed at: `python -m benchmarks.quality --data DIR`.

Every case is a data set under one declared protocol (`quality_tables`, `quality_survival`, `quality_arrays`), trained
by the product's own rounds and private step in several ways: federated without privacy, at ε = 8 and at ε = 3, at each
site alone, with all rows in one place, and beside two plain models from scikit-learn. What is tuned is tuned on
training rows. Finished cells are kept in `--cache`, so that a run that was stopped goes on where it was.

With `--json`: a line for each model (case, method, ε, seed) with figures, interval, configuration and where it was
chosen; a line for each method with the median over seeds and each aim, reached or not, and why not.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.quality_cases import Case
from fedward_shared.console import run_command
from fedward_shared.errors import UsageError

__all__ = ["main"]

_MINUTE = 60


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, runs, and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder of real data sets")
    parser.add_argument("--cell", action="append", default=[], metavar="NAME", help="only this case (may be repeated)")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--seeds", type=int, help="instead of the case's own number")
    parser.add_argument(
        "--cache", type=Path, default=_cache(), help="finished cells and imports (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, help="processes (default: one a core)")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    chosen = parser.parse_args(arguments)
    run_command(lambda: _benchmark(chosen))


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fedward" / "quality"


def _benchmark(chosen: argparse.Namespace) -> None:
    cases = _chosen_cases(chosen.cell)
    if chosen.list:
        for case in cases:
            print(f"{case.name:24} {case.title}")
        return
    if chosen.seeds is not None and chosen.seeds < 1:
        raise UsageError("--seeds must be at least 1")
    for case in cases:
        _run(case, chosen)


def _chosen_cases(names: Sequence[str]) -> list[Case]:
    from benchmarks.quality_arrays import ARRAYS
    from benchmarks.quality_survival import SURVIVAL
    from benchmarks.quality_tables import TABLES

    known = {case.name: case for case in (*TABLES, *SURVIVAL, *ARRAYS)}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"there is no case {unknown[0]!r}", hint=f"There are: {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())


def _run(case: Case, chosen: argparse.Namespace) -> None:
    from benchmarks.quality_running import CaseRun
    from benchmarks.quality_told import grouped, judged, model_line, summary_lines, table
    from fedward_simulations.grid.running import State

    begun = time.perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(f"{case.name}: importing", total=None)

        def notify(what: str, state: State) -> None:
            left = f", about {state.seconds_left / _MINUTE:.0f} min left" if state.seconds_left else ""
            progress.update(bar, description=what + left, completed=state.finished + state.failed, total=state.total)

        seeds = range(chosen.seeds or case.seeds)
        run = CaseRun(case, chosen.data, chosen.cache, seeds=seeds, jobs=chosen.jobs, notify=notify)
        if not run.there():
            _absent(case, json_lines=chosen.json)
            return
        models = [judged(case, told) for told in run.rows()]
    groups = grouped(models)
    if not chosen.json:
        Console().print(table(case, groups))
        for note in case.notes:
            Console().print(f"  {note}")
        return
    for line in (*(model_line(case, model) for model in models), *summary_lines(case, groups)):
        print(json.dumps(line, ensure_ascii=False), flush=True)
    print(json.dumps({"kind": "case", "case": case.name, "seconds": round(time.perf_counter() - begun, 1)}))


def _absent(case: Case, *, json_lines: bool) -> None:
    if json_lines:
        print(json.dumps({"kind": "absent", "case": case.name}))
    else:
        print(f"{case.name}: its data are not there")


if __name__ == "__main__":
    main()
