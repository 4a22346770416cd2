"""What `benchmarks.imports` imports: each case prepares a source, and says contract, mapping and bare script.

Cases without a bare script (`bare` empty) report what an import took, and no ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

__all__ = ["NUMBERS", "Case", "study", "table_cases"]

NUMBERS = {
    "age": (18.0, 110.0),
    "systolic": (50.0, 260.0),
    "glucose": (20.0, 600.0),
    "creatinine": (0.1, 15.0),
    "cholesterol": (50.0, 500.0),
    "heart_rate": (20.0, 250.0),
}
"""The number columns of generated tables and their ranges."""

_CHUNK = 250_000
_TRIAL = 0.01  # gigabytes; below this nothing is measured, it is only tried
_MISSING, _OUT_OF_RANGE = 0.05, 0.001
_PAINS = ("typical", "atypical", "nonanginal", "asymptomatic")

_STUDY = """\
[study]
name = "imports"
title = "A study whose data are only imported"
purpose = "Measure what an import takes."
contact = "nobody@example.org"
protocol = 1
code_version = "0.1.0"

[model]
name = "logistic"
seed = 0

[model.options]

{contract}
[sites.here]
size = 150
sampling_rate = 1.0
normaliser = 150.0

[training]
local_steps = 1
learning_rate = 0.1

[strategy]
name = "fedavg"
rounds = 1
quorum = 1
deadline_seconds = 60

[strategy.options]

[privacy]
clip_norm = 1.0
delta = 1e-5
target_epsilon = 3.0

[limits]
max_weight = 100.0
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One import.

    `prepare(data, scratch)` gives the folder that the mapping's paths begin in: it finds the source below `data`, or
    makes it below `scratch`; None where it is not there. `contract` is `[data]` and its tables as in study.toml,
    `mapping` a mapping.toml. `bare` names a function of `benchmarks.imports_bare` that does the same conversion.
    `repeats` is how often each side is run.
    """

    name: str
    prepare: Callable[[Path | None, Path], Path | None]
    contract: str
    mapping: str
    bare: str = ""
    repeats: int = 3


def study(contract: str) -> str:
    """A whole study.toml around a contract."""
    return _STUDY.format(contract=contract)


def table_cases(gigabytes: Sequence[float]) -> list[Case]:
    """Generated CSV of these sizes: a patient, a split, six numbers, two categories, a label; some of it is wrong."""
    return [
        Case(
            f"CSV of {size:g} GB",
            partial(_generated, round(size * 1e9)),
            _contract(),
            '[source]\ntype = "csv"\npath = "table.csv"\n',
            bare="table",
            repeats=1 if size < _TRIAL else 5 if size <= 1 else 3,
        )
        for size in gigabytes
    ]


def _contract() -> str:
    tables = [
        '[data]\nkind = "table"\npatient = "patient_id"\nsplit = "split"\nrecords_per_patient = 3\n',
        '[data.label]\ncolumn = "disease"\nclasses = [["0"], ["1"]]\nnames = ["no", "yes"]\n',
    ]
    tables += [
        f'[data.columns.{name}]\ntype = "number"\nunit = "1"\nrange = [{low}, {high}]\ncentre = {low}\nscale = 10\n'
        'missing = ["", "NA"]\n'
        for name, (low, high) in NUMBERS.items()
    ]
    tables += [
        f'[data.columns.{name}]\ntype = "category"\nvalues = {list(values)!r}\nmissing = ["", "NA"]\n'
        for name, values in (("sex", ("female", "male")), ("pain", _PAINS))
    ]
    return "\n".join(tables)


def _generated(size: int, _data: Path | None, scratch: Path) -> Path:
    """A table of about so many bytes: 5 % of cells are missing, 0.1 % of each column's numbers out of range."""
    folder = scratch / f"{size}"
    folder.mkdir()
    made = 0
    with (folder / "table.csv").open("wb") as file:
        while file.tell() < size:
            _chunk(made).write_csv(file, include_header=made == 0)
            made += _CHUNK
        file.truncate(size)
    _end_at_a_line(folder / "table.csv")
    return folder


def _end_at_a_line(path: Path) -> None:
    with path.open("rb+") as file:
        size = path.stat().st_size
        start = max(0, size - 4096)
        file.seek(start)
        file.truncate(start + file.read().rindex(b"\n") + 1)


def _chunk(made: int) -> pl.DataFrame:
    random = np.random.default_rng(made)
    count = _CHUNK
    patients = range(made // 3, made // 3 + count)  # most occur three times, far apart
    columns = {
        "patient_id": [f"P{number:09d}" for number in patients],
        "split": ["test" if number % 5 == 0 else "train" for number in patients],
        "age": random.integers(18, 100, count),
        "systolic": np.round(random.normal(130, 15, count), 1),
        "glucose": np.round(random.lognormal(4.6, 0.2, count), 2),
        "creatinine": np.round(random.lognormal(0, 0.3, count), 3),
        "cholesterol": random.integers(100, 400, count),
        "heart_rate": random.integers(40, 140, count),
        "sex": random.choice(["female", "male"], count),
        "pain": random.choice(_PAINS, count),
        "disease": random.integers(0, 2, count),
    }
    table = pl.DataFrame(columns)
    spoilt = []
    for name in (*NUMBERS, "sex", "pain"):
        draw = pl.Series(random.random(count))
        cell = pl.col(name).cast(pl.String)
        if name in NUMBERS:
            cell = pl.when(draw > 1 - _OUT_OF_RANGE).then(pl.lit("9999")).otherwise(cell)
        spoilt.append(pl.when(draw < _MISSING).then(pl.lit("NA")).otherwise(cell).alias(name))
    return table.with_columns(spoilt)
