"""Scripts that do what an import does, as bare as they can be: nothing is told, numbered, digested or refused."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from benchmarks.imports_cases import NUMBERS

__all__ = ["table"]

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
