"""Thousands of damaged files of every format: each is read, rejected or refused; none crashes, hangs or leaves a trace.

A child process (with limits, as the importer's worker has) reads them; one that dies or stays silent for 20 s is named
by its file's format and number. One death is allowed: Rust ends a process that cannot have the memory it asks for, and
some Parquet pages make polars ask for exabytes. That is why the importer reads in a worker, whose death it survives and
tells (test_importer_confined.py).

The same number always damages a file the same way: see it again with
``python -m tests.support.fuzz_child GROUP NUMBER NUMBER+1``. FEDWARD_LONG=1 makes it ten times as many.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fedward_client.importer.mapping import Answer, Mapping, SourceTerms
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.program.in_worker import import_confined
from fedward_shared.errors import ImporterError, SourceDataError
from tests.support.fuzz_formats import FORMATS
from tests.support.samples import TWO_SITES

EACH = 2000 if os.environ.get("FEDWARD_LONG") else 200
SILENCE = 20.0
FATAL = 15_207
"""A damaged Parquet file that ends the process of polars 2.1; later versions may only refuse it."""
ENDS_ITS_PROCESS = "parquet, "
ABORTED = f"BUG died with status {-signal.SIGABRT}"
ROOT = Path(__file__).parents[2]
NAMED = [(group, name) for group, formats in FORMATS.items() for name in formats]


def test_there_are_as_many_as_promised() -> None:
    assert EACH * len(NAMED) >= (20_000 if os.environ.get("FEDWARD_LONG") else 2_000)


@pytest.mark.parametrize(("group", "name"), NAMED)
def test_the_files_are_honest_before_they_are_damaged(tmp_path: Path, group: str, name: str) -> None:
    for place, seed in enumerate(FORMATS[group][name].seeds):
        folder = tmp_path / str(place)
        folder.mkdir()
        for file, content in seed.items():
            (folder / file).write_bytes(content)
        assert FORMATS[group][name].read(folder) in {"array", "rows True rejections False"}


@pytest.mark.processes
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("group", FORMATS)
def test_damaged_files_are_read_rejected_or_refused(group: str) -> None:
    names = list(FORMATS[group])
    outcomes = outcomes_of(group, EACH * len(names))

    bugs = {f"{names[place % len(names)]}, {group} {place}": told for place, told in outcomes.items() if "BUG" in told}
    fatal = [named for named, told in bugs.items() if told == ABORTED and named.startswith(ENDS_ITS_PROCESS)]
    assert set(bugs) == set(fatal), {named: told for named, told in bugs.items() if named not in fatal}
    assert len(fatal) <= EACH / 100
    assert len(outcomes) == EACH * len(names)
    noticed = Counter(names[place % len(names)] for place, told in outcomes.items() if not harmless(told))
    assert set(noticed) == set(names), "damage that nobody ever notices is no damage"


@pytest.mark.processes
def test_a_file_that_ends_its_reader_does_not_end_the_importer(tmp_path: Path) -> None:
    """One of those Parquet files: the import fails as one that is told, and leaves nothing in the inbox."""
    FORMATS["tables"]["parquet"].write(tmp_path, random.Random(f"parquet {FATAL}"))
    names = ("patient_id", "split", "age", "chest_pain", "disease")
    mapping = Mapping(source=SourceTerms("parquet", Path("file")), columns=dict.fromkeys(names, Answer(source="seen")))
    order = ImportOrder(TWO_SITES.encode(), mapping, tmp_path, "heart")

    with pytest.raises((ImporterError, SourceDataError)) as failure:
        import_confined(order, tmp_path / "inbox", unsafe=True)

    assert "p1" not in failure.value.diagnostics()
    assert not [*(tmp_path / "inbox").glob("heart*")]


def harmless(told: str) -> bool:
    return told in {"array", "rows True rejections False"}


def outcomes_of(group: str, count: int) -> dict[int, str]:
    """What came of each damaged file; a child that died or hung is followed by one that starts after that file."""
    outcomes: dict[int, str] = {}
    while len(outcomes) < count:
        outcomes |= dict(lines_of(group, len(outcomes), count))
    return outcomes


def lines_of(group: str, first: int, end: int) -> list[tuple[int, str]]:
    """What one child says of the files from `first` on, up to the last or to the one that ended it."""
    command = [sys.executable, "-m", "tests.support.fuzz_child", group, str(first), str(end)]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    written, silent = heard(child)
    child.kill()
    status = child.wait()
    lines = [(int(number), told) for number, told in (line.split(" ", 1) for line in written.splitlines())]
    if first + len(lines) < end:
        lines.append((first + len(lines), "BUG hung" if silent else f"BUG died with status {status}"))
    return lines


def heard(child: subprocess.Popen[bytes]) -> tuple[str, bool]:
    """The whole lines that a child writes until it ends, or until it was silent for too long."""
    if child.stdout is None:
        raise AssertionError("the child's output is not ours")
    content, silent = b"", True
    with child.stdout as stream:
        while silent and select.select([stream], [], [], SILENCE + 40 * (not content))[0]:
            piece = os.read(stream.fileno(), 1 << 16)
            content += piece
            silent = bool(piece)
    return content[: content.rfind(b"\n") + 1].decode(), silent
