"""What is read silently and wrongly: thousands separators as decimals, and one person under two spellings of an id."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from fedward_client.importer.mapping import Mapping
from fedward_client.importer.preflight.findings import Defect, Severity, Verdict
from fedward_client.importer.preflight.id_sketch import IdSketch
from tests.support.preflighting import CONTRACT, found, judged, number, people, with_columns

_CONTRACT = with_columns(CONTRACT, number("bnp", 0, 40_000, 300, 400, unit="ng/L", reference=()))


def _bnp(written: pl.Expr) -> pl.DataFrame:
    draw = np.random.default_rng(3)
    rows = people().with_columns(bnp=pl.Series(draw.integers(40, 999, 400)))
    high = pl.Series(draw.random(400) < 0.2)
    return rows.with_columns(pl.when(high).then(written).otherwise(pl.col("bnp").cast(pl.String)).alias("bnp"))


@pytest.mark.parametrize(("sign", "mapping"), [(".", Mapping()), (",", Mapping(decimal=","))])
def test_thousands_separators_in_range_are_told(sign: str, mapping: Mapping) -> None:
    rows = _bnp(pl.lit(f"1{sign}") + (pl.col("bnp") + 0).cast(pl.String).str.zfill(3))
    if sign == ",":
        rows = rows.with_columns(
            pl.col("age", "glucose", "pressure").cast(pl.String).str.replace(".", ",", literal=True)
        )
    judgement = judged(rows, _CONTRACT, mapping)
    (finding,) = found(judgement, Defect.THOUSANDS)
    assert (finding.column, finding.severity) == ("bnp", Severity.WRONG)
    assert judgement.verdict is Verdict.AFTER_ANSWERS


def test_decimals_with_three_digits_are_quiet() -> None:
    rows = _bnp(pl.col("bnp").cast(pl.String) + ".125")
    assert not found(judged(rows, _CONTRACT), Defect.THOUSANDS)


@pytest.mark.parametrize("other", ["007", "7.0", "7", "Ab1"])
def test_ids_that_differ_only_in_writing_are_told(other: str) -> None:
    names = [f"{at + 1000}" for at in range(400)]
    names[:2] = ["aB1" if other == "Ab1" else "07", other]
    rows = people().with_columns(patient=pl.Series(names))
    (finding,) = found(judged(rows), Defect.LIKE_IDS)
    assert finding.text.startswith("1 ids of patient")
    assert other not in finding.text


def test_different_ids_are_quiet() -> None:
    rows = people().with_columns(patient=pl.Series([f"{at}0" for at in range(400)]))
    assert not found(judged(rows), Defect.LIKE_IDS)


def test_ids_are_kept_as_a_bounded_sample() -> None:
    sketch = IdSketch(1000)
    for start in range(0, 20_000, 1000):
        sketch.add(pl.Series([f"{zero}{at + 1}" for at in range(start, start + 1000) for zero in ("", "0")]))
    assert sketch.alike() == pytest.approx(20_000, rel=0.2)


def test_rows_without_an_id_are_told() -> None:
    rows = people().with_columns(pl.when(pl.int_range(400) < 14).then(pl.lit("")).otherwise("patient").alias("patient"))
    (finding,) = found(judged(rows), Defect.NO_PATIENT)
    assert finding.text.startswith("14 rows have no patient's id")
