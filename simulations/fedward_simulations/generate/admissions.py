"""A generated hospital as the rows of its export, with what was planted; what every kind of table is written from."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from fedward_simulations.generate.defects import Defect
from fedward_simulations.generate.people import Hospital

__all__ = ["TABLE_DEFECTS", "rows"]

TABLE_DEFECTS = frozenset(
    {
        Defect.WRONG_UNITS, Defect.MIXED_UNITS, Defect.DECIMAL_COMMA, Defect.SWAPPED_LABEL, Defect.LEAK,
        Defect.AFTER_OUTCOME, Defect.SHIFT, Defect.DUPLICATES, Defect.CONFLICTS, Defect.SPELLINGS,
    }
)  # fmt: skip
"""What a table can have."""

_MG_PER_MMOL = 18.0156  # glucose, C6H12O6: 180.156 g/mol
_SHORT = {"female": "F", "male": "M", "yes": "Y", "no": "N"}


def rows(hospital: Hospital, defects: frozenset[Defect], generator: np.random.Generator) -> pl.DataFrame:
    """The export's rows: numbers Float64 (null: not measured), times Datetime, the rest String."""
    outcome = [
        at + timedelta(days=float(days)) if ill else None
        for at, days, ill in zip(hospital.admitted, hospital.outcome_days, hospital.ill, strict=True)
    ]
    table = pl.DataFrame(
        {
            "patient_id": hospital.names,
            "admitted": hospital.admitted,
            "age": hospital.age,
            "sex": hospital.sex,
            "smoker": np.where(hospital.smoker, "yes", "no"),
            "bmi": hospital.bmi,
            "systolic": hospital.systolic,
            "glucose": hospital.glucose,
            "creatinine": hospital.creatinine,
            "lactate": hospital.lactate,
            "lactate_at": _moments(hospital),
            "readmitted": np.where(hospital.ill, "yes", "no"),
            "readmitted_at": pl.Series(outcome, dtype=pl.Datetime("us")),
        }
    ).fill_nan(None)
    table = _values(table, hospital, defects, generator)
    table = _records(table, defects, generator)
    if Defect.SPELLINGS in defects:
        table = table.with_columns(pl.col("sex", "smoker").replace(_SHORT))
    return table


def _moments(hospital: Hospital) -> list[datetime]:
    return [
        at + timedelta(hours=float(hours)) for at, hours in zip(hospital.admitted, hospital.lactate_hours, strict=True)
    ]


def _values(
    table: pl.DataFrame, hospital: Hospital, defects: frozenset[Defect], generator: np.random.Generator
) -> pl.DataFrame:
    """Wrong values in rows that stay what they are."""
    count = len(hospital)
    if Defect.WRONG_UNITS in defects or Defect.MIXED_UNITS in defects:
        share = 1.0 if Defect.WRONG_UNITS in defects else 1 / 3
        other = pl.Series(generator.random(count) < share)
        converted = (pl.col("glucose") * _MG_PER_MMOL).round(0)
        table = table.with_columns(pl.when(other).then(converted).otherwise("glucose").alias("glucose"))
    if Defect.SHIFT in defects:
        table = table.with_columns(pl.col("systolic") + 30)
    if Defect.LEAK in defects:
        later = pl.Series([timedelta(hours=float(hours)) for hours in generator.uniform(1, 40, count)])
        late = pl.Series(np.where(hospital.ill, 9.0, 1.2) + generator.uniform(0, 1, count)).round(1)
        table = table.with_columns(late.alias("lactate"), (pl.col("admitted") + later).alias("lactate_at"))
    if Defect.SWAPPED_LABEL in defects:
        table = table.with_columns(pl.col("readmitted").replace({"yes": "no", "no": "yes"}))
        table = table.with_columns(pl.lit(None, pl.Datetime("us")).alias("readmitted_at"))
    return table


def _records(table: pl.DataFrame, defects: frozenset[Defect], generator: np.random.Generator) -> pl.DataFrame:
    """Rows too many, or of the wrong time."""
    if Defect.AFTER_OUTCOME in defects:
        late = pl.Series(generator.random(table.height) < 0.1) & pl.col("readmitted_at").is_not_null()  # noqa: PLR2004
        table = table.with_columns(
            pl.when(late).then(pl.col("readmitted_at") + timedelta(days=3)).otherwise("admitted").alias("admitted")
        )
    if Defect.DUPLICATES in defects:
        table = pl.concat([table, table.filter(pl.Series(generator.random(table.height) < 0.1))])  # noqa: PLR2004
    if Defect.CONFLICTS in defects:
        again = table.filter(pl.Series(generator.random(table.height) < 0.05))  # noqa: PLR2004
        again = again.with_columns(
            pl.col("readmitted").replace({"yes": "no", "no": "yes"}),
            pl.lit(None, pl.Datetime("us")).alias("readmitted_at"),
        )
        table = pl.concat([table, again])
    return table
