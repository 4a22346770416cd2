"""Scripts that do what an import does, as bare as they can be: nothing is told, numbered, digested or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.imports_cases import NUMBERS
from benchmarks.imports_studies import CINC_NUMBERS

__all__ = ["cinc", "electrocardiograms", "films", "table", "tcga"]

_MISSING = ["", "NA"]


def table(source: Path, target: Path) -> None:
    """One lazy query over the whole file, streamed to Parquet: cast, missing codes, ranges, categories, label."""
    rows = pl.scan_csv(source / "table.csv", infer_schema=False)
    cells = [
        pl.when(pl.col(name).is_in(_MISSING)).then(None).otherwise(pl.col(name)).cast(pl.Float64).alias(name)
        for name in NUMBERS
    ]
    cells += [
        pl.when(pl.col(name).is_in(_MISSING)).then(None).otherwise(pl.col(name)).alias(name) for name in ("sex", "pain")
    ]
    fine = [pl.col(name).is_between(low, high).fill_null(value=True) for name, (low, high) in NUMBERS.items()]
    fine += [
        pl.col("sex").is_in(["female", "male"]).fill_null(value=True),
        pl.col("pain").is_in(["typical", "atypical", "nonanginal", "asymptomatic"]).fill_null(value=True),
        pl.col("split").is_in(["train", "test"]),
        pl.col("disease").is_between(0, 1),
    ]
    rows = rows.with_columns(*cells, pl.col("disease").cast(pl.Int64)).filter(pl.all_horizontal(fine))
    rows.sink_parquet(
        target / "table.parquet", compression="zstd", compression_level=3, statistics=False, row_group_size=65_536
    )


def cinc(source: Path, target: Path) -> None:
    """Numbers outside their range become missing; states and label as they are."""
    rows = pl.read_csv(source / "PhysionetChallenge2012-set-a.csv.gz", infer_schema=False)
    numbers = {name: pl.col(name).cast(pl.Float64, strict=False) for name in CINC_NUMBERS}
    kept = [
        pl.when(number.is_between(CINC_NUMBERS[name][1], CINC_NUMBERS[name][2])).then(number).alias(name)
        for name, number in numbers.items()
    ]
    others = ["recordid", "Gender", "CCU", "CSRU", "SICU", "In-hospital_death"]
    rows.select(*kept, *others).write_parquet(target / "table.parquet", compression_level=3, statistics=False)


def tcga(source: Path, target: Path) -> None:
    """Age in its range; everything else as it is."""
    rows = pl.read_csv(source / "brca.csv", infer_schema=False)
    age = pl.col("age_at_index").cast(pl.Float64)
    rows = rows.with_columns(pl.when(age.is_between(18, 110)).then(age).alias("age_at_index")).drop("T")
    rows.write_parquet(target / "table.parquet", compression_level=3, statistics=False)


def films(source: Path, target: Path) -> None:
    """Every picture of the label table, decoded and scaled, as one array."""
    from PIL import Image

    rows = pl.read_csv(source / "labels.csv")
    arrays = np.empty((rows.height, 1, 28, 28), np.float32)
    for number, name in enumerate(rows["file"]):
        with Image.open(source / "files" / name) as picture:
            arrays[number, 0] = (np.asarray(picture, np.float32) / 255 - 0.5) / 0.25
    np.savez(target / "films.npz", x=arrays, y=rows["finding"].to_numpy())


def electrocardiograms(source: Path, target: Path) -> None:
    """Every recording of the label table, in mV and scaled, as one array."""
    import wfdb

    rows = pl.read_csv(source / "labels.csv")
    arrays = np.empty((rows.height, 1000, 12), np.float32)
    for number, name in enumerate(rows["file"]):
        arrays[number] = wfdb.rdrecord(str(source / "files" / name)).p_signal / 0.25
    np.savez(target / "signals.npz", x=arrays, y=rows["normal"].to_numpy())
