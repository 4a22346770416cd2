"""Reading a file eight times as long takes no more memory: measured in fresh processes, as the system sees them."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]

ROWS = 250_000
_READ = """
import sys
from pathlib import Path
from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.sources.registry import open_source
source = open_source(SourceTerms("", Path(sys.argv[1])), Path("/"))
rows = sum(batch.table.height for batch in source.batches(source.columns()))
lines = Path("/proc/self/status").read_text().splitlines()
print(rows, next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
"""


def _peak(path: Path, rows: int) -> int:
    """Peak resident memory in MiB of a process that reads all of the file."""
    told = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True)
    read, kib = map(int, told.stdout.split())
    assert read == rows
    return kib >> 10


def _table(times: int) -> pl.DataFrame:
    numbers = pl.int_range(ROWS * times, eager=True)
    return pl.DataFrame({"patient": numbers.cast(pl.String), **{f"x{index}": numbers * index for index in range(8)}})


def _csv(path: Path, times: int) -> None:
    _table(times).write_csv(path)


def _packed(path: Path, times: int) -> None:
    path.write_bytes(gzip.compress(_table(times).write_csv().encode(), 1))


def _parquet(path: Path, times: int) -> None:
    _table(times).write_parquet(path, row_group_size=ROWS)


@pytest.mark.parametrize(
    ("name", "write"), [("t.csv", _csv), ("t.csv.gz", _packed), ("t.parquet", _parquet)], ids=["csv", "gzip", "parquet"]
)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str, write: Callable[[Path, int], None]) -> None:
    path = tmp_path / name
    peaks = []
    for times in (1, 8):
        write(path, times)
        peaks.append(_peak(path, ROWS * times))

    assert peaks[1] < 1.25 * peaks[0] + 25
