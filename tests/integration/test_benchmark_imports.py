"""The benchmark of imports runs, says everything that it promises to say, and compares like with like."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from benchmarks import imports_bare
from benchmarks.imports_cases import study, table_cases
from fedward_client.importer.importing import import_here
from fedward_client.importer.mapping_file import parse_mapping
from fedward_client.importer.order import ImportOrder

ROOT = Path(__file__).parents[2]


@pytest.mark.processes
@pytest.mark.timeout(180)
def test_every_figure_is_there() -> None:
    line = [sys.executable, "-m", "benchmarks.imports", "--json", "--only", "CSV", "--sizes", "0.002"]
    done = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True)

    (entry,) = map(json.loads, done.stdout.splitlines())

    assert entry["case"] == "CSV of 0.002 GB"
    assert entry["rows"] > 25_000
    assert 0 < entry["quarantined"] < 0.02 * entry["rows"]
    figures = ("seconds", "bare_seconds", "ratio", "processor_ratio", "peak_mb", "bare_peak_mb")
    assert all(entry[figure] > 0 for figure in figures)


def test_the_bare_script_does_the_same_conversion(tmp_path: Path) -> None:
    (case,) = table_cases([0.001])
    folder = case.prepare(None, tmp_path)
    assert folder is not None
    order = ImportOrder(study(case.contract).encode(), parse_mapping(case.mapping.encode()), folder, "measured")
    (tmp_path / "bare").mkdir()

    report = import_here(order, tmp_path / "inbox")
    imports_bare.table(folder, tmp_path / "bare")

    assert report.folder is not None
    ours = pl.concat(pl.read_parquet(part) for part in sorted(report.folder.glob("*.parquet")))
    bare = pl.read_parquet(tmp_path / "bare" / "table.parquet").select(ours.columns)
    assert ours.height == report.accepted > 10_000
    assert ours.equals(bare)
