"""What an import takes: seconds and memory, beside a bare script that does the same conversion.

    python -m benchmarks.imports [--data DIR] [--json] [--only NAME] [--sizes 0.1 0.5 2]

Each run is a fresh process; both sides take turns, and figures are medians. The import's time is all of it: every
record checked for its form, every cell against the contract, rows numbered, the quarantine list, digests, and files
synced and published. Cases on real data need `--data`, and are left out where their folder is not there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.imports_cases import Case, study, table_cases
from benchmarks.imports_data import data_cases

__all__ = ["Result", "main", "measure"]

_SUMMARY = "What an import takes, beside a bare script that does the same."
_MB = 1e6

Run = dict[str, float]


@dataclass(frozen=True, slots=True)
class Result:
    """One case. `quarantined` counts rows; `bare_*` and the ratios are None without a bare script.

    `ratio` is the median, over the turns, of our seconds by the script's; `processor_ratio` the same of processor time,
    which a busy machine disturbs less, but which does not show what runs side by side.
    """

    case: str
    rows: int
    quarantined: int
    seconds: float
    peak_mb: int
    bare_seconds: float | None = None
    bare_peak_mb: int | None = None
    ratio: float | None = None
    processor_ratio: float | None = None


def measure(case: Case, data: Path | None, scratch: Path) -> Result | None:
    """Runs one case; None where its data are not there."""
    folder = case.prepare(data, scratch)
    if folder is None:
        return None
    ours: list[Run] = []
    bare: list[Run] = []
    for turn in range(case.repeats):
        sides = ["import", case.bare] if turn % 2 == 0 else [case.bare, "import"]
        for side in filter(None, sides):
            (ours if side == "import" else bare).append(_run(case, side, folder, scratch))
    if folder.is_relative_to(scratch):
        shutil.rmtree(folder)
    seconds = statistics.median(run["seconds"] for run in ours)
    figures = Result(case.name, int(ours[0]["rows"]), int(ours[0]["quarantined"]), round(seconds, 2), _most_mb(ours))
    if not bare:
        return figures
    return Result(
        figures.case,
        figures.rows,
        figures.quarantined,
        figures.seconds,
        figures.peak_mb,
        round(statistics.median(run["seconds"] for run in bare), 2),
        _most_mb(bare),
        _ratio(ours, bare, "seconds"),
        _ratio(ours, bare, "processor_seconds"),
    )


def _ratio(ours: Sequence[Run], bare: Sequence[Run], figure: str) -> float:
    return round(statistics.median(mine[figure] / theirs[figure] for mine, theirs in zip(ours, bare, strict=True)), 2)


def _most_mb(runs: Sequence[Run]) -> int:
    return round(max(run["peak_bytes"] for run in runs) / _MB)


def _run(case: Case, side: str, folder: Path, scratch: Path) -> Run:
    """One side, once, in a fresh process with a fresh folder."""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        work = Path(name)
        (work / "study.toml").write_text(study(case.contract), encoding="utf-8")
        (work / "mapping.toml").write_text(case.mapping, encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.imports_child", side, str(folder), name]
        told = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        found: Run = json.loads(told.stdout)
        return found


def results(cases: Sequence[Case], data: Path | None, only: str) -> Iterator[Result]:
    """Each case's figures when they are known."""
    with tempfile.TemporaryDirectory(prefix="fw-imports-") as scratch:
        for case in cases:
            if only in case.name:
                result = measure(case, data, Path(scratch))
                if result:
                    yield result


def show(found: Iterator[Result]) -> None:
    """A table for people."""
    console = Console()
    heads = ("import", "rows in", "quarantined", "seconds", "bare", "ratio", "of processor", "peak MB", "bare MB")
    table = Table(*heads, title="Imports, medians of fresh processes")
    with console.status("making data and importing ..."):
        for result in found:
            console.log(f"measured: {result.case}")
            table.add_row(
                result.case,
                f"{result.rows:,}",
                f"{result.quarantined:,}",
                f"{result.seconds:.2f}",
                *(
                    "" if value is None else str(value)
                    for value in (result.bare_seconds, result.ratio, result.processor_ratio)
                ),
                str(result.peak_mb),
                "" if result.bare_peak_mb is None else str(result.bare_peak_mb),
            )
    console.print(table)


def main() -> None:
    """Prints JSON lines, or a table for people."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imports", description=_SUMMARY)
    parser.add_argument("--data", type=Path, help="the folder with the public data sets")
    parser.add_argument("--json", action="store_true", help="one JSON line for each case")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--sizes", type=float, nargs="*", default=[0.1, 0.5, 2.0], help="gigabytes of generated CSV")
    chosen = parser.parse_args()
    cases = [*data_cases(chosen.data), *table_cases(chosen.sizes)]
    found = results(cases, chosen.data, chosen.only)
    if not chosen.json:
        show(found)
        return
    for result in found:
        print(json.dumps(asdict(result)), flush=True)


if __name__ == "__main__":
    main()
