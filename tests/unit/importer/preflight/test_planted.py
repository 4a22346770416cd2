"""Every defect that a hospital's export can have is named, by what it is and where it is, and a clean one is quiet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from fedward_client.importer.mapping import Answer, Mapping
from fedward_client.importer.preflight.findings import Defect, Severity, Verdict
from tests.support.preflighting import CONTRACT, SITE, found, judged, number, people, with_columns

Plant = Callable[[pl.DataFrame], pl.DataFrame]

_FLIPPED = pl.col("disease") * -1 + 1


def _in_part(rows: pl.DataFrame, share: float, changed: pl.Expr, name: str) -> pl.DataFrame:
    some = pl.Series(np.random.default_rng(5).random(rows.height) < share)
    return rows.with_columns(pl.when(some).then(changed).otherwise(pl.col(name)).alias(name))


PLANTED: dict[str, tuple[Plant, Defect, str]] = {
    "another unit": (
        lambda rows: rows.with_columns(pl.col("glucose") * 18.02),
        Defect.WRONG_UNIT,
        "glucose",
    ),
    "two units in one column": (
        lambda rows: _in_part(rows, 0.3, pl.col("glucose") * 18.02, "glucose"),
        Defect.MIXED_UNITS,
        "glucose",
    ),
    "digits shifted": (
        lambda rows: rows.with_columns((pl.col("pressure") * 10).round().alias("pressure")),
        Defect.SHIFTED_DIGITS,
        "pressure",
    ),
    "decimal commas": (
        lambda rows: rows.with_columns(
            pl.col("glucose", "pressure").cast(pl.String).str.replace(".", ",", literal=True)
        ),
        Defect.DECIMAL_SIGN,
        "",
    ),
    "the label swapped": (
        lambda rows: rows.with_columns(_FLIPPED),
        Defect.SWAPPED_LABEL,
        "disease",
    ),
    "a column that holds the outcome": (
        lambda rows: rows.with_columns((6 + 4 * pl.col("disease") + pl.col("glucose") / 10).alias("glucose")),
        Defect.LEAK,
        "glucose",
    ),
    "a value only where the outcome is": (
        lambda rows: rows.with_columns(pl.when(pl.col("disease") == 1).then(pl.col("glucose")).alias("glucose")),
        Defect.LEAK,
        "glucose",
    ),
    "missing more often where the outcome is": (
        lambda rows: _in_part(
            rows, 0.6, pl.when(pl.col("disease") == 0).then(pl.col("glucose")).otherwise(None), "glucose"
        ),
        Defect.MISSING_TELLS,
        "glucose",
    ),
    "a shifted column": (
        lambda rows: rows.with_columns(pl.col("pressure") + 20),
        Defect.DRIFT,
        "pressure",
    ),
    "other shares of a category": (
        lambda rows: _in_part(rows, 0.8, pl.lit("male"), "sex"),
        Defect.DRIFT,
        "sex",
    ),
    "other shares of the classes": (
        lambda rows: _in_part(rows, 0.4, pl.lit(1), "disease"),
        Defect.LABEL_DRIFT,
        "disease",
    ),
    "duplicates": (lambda rows: pl.concat([rows, rows.head(40)]), Defect.DUPLICATES, "patient"),
    "the same people under other names": (
        lambda rows: pl.concat([rows, rows.head(40).with_columns(pl.col("patient") + "-again")]),
        Defect.SHARED_RECORDS,
        "patient",
    ),
    "conflicting labels": (
        lambda rows: pl.concat([rows, rows.head(40).with_columns(_FLIPPED)]),
        Defect.CONFLICTS,
        "disease",
    ),
    "more records than are used": (
        lambda rows: pl.concat([rows, rows.head(40).with_columns(pl.col("age") + 1)]),
        Defect.OVER,
        "patient",
    ),
    "other spellings": (
        lambda rows: rows.with_columns(pl.col("sex").replace({"female": "W", "male": "M"})),
        Defect.SPELLINGS,
        "sex",
    ),
    "another code for missing": (
        lambda rows: _in_part(rows, 0.1, pl.lit(-999), "glucose"),
        Defect.MISSING_CODES,
        "glucose",
    ),
    "cells beyond what is measured": (
        lambda rows: _in_part(rows.cast(pl.String), 0.1, pl.lit("<3.0"), "glucose"),
        Defect.NOT_NUMBERS,
        "glucose",
    ),
    "values out of range": (
        lambda rows: _in_part(rows, 0.05, pl.lit(300.5), "pressure"),
        Defect.OUT_OF_RANGE,
        "pressure",
    ),
    "a column against its direction": (
        lambda rows: rows.with_columns(pl.col("glucose") * -1 + 12),
        Defect.AGAINST_DIRECTION,
        "glucose",
    ),
    "an empty column": (lambda rows: rows.with_columns(pl.lit("").alias("glucose")), Defect.EMPTY_COLUMN, "glucose"),
    "one class only": (lambda rows: rows.filter(pl.col("disease") == 0), Defect.ONE_CLASS, "disease"),
    "half of the cohort": (lambda rows: rows.head(150), Defect.SIZE, ""),
    "no rows": (lambda rows: rows.head(0), Defect.NO_ROWS, ""),
}


@pytest.mark.parametrize(("plant", "defect", "column"), PLANTED.values(), ids=PLANTED.keys())
def test_what_is_planted_is_named(plant: Plant, defect: Defect, column: str) -> None:
    judgement = judged(plant(people(400, seed=1)))

    assert [finding.column for finding in found(judgement, defect)] == [column]
    assert all(finding.text and finding.advice for finding in judgement.findings)


@pytest.mark.parametrize("seed", range(50))
def test_a_clean_hospital_is_ready_and_quiet(seed: int) -> None:
    judgement = judged(people(400, seed=100 + seed))

    assert judgement.verdict is Verdict.READY
    assert not judgement.stops
    assert [finding for finding in judgement.findings if finding.severity is not Severity.NOTE] == []


@pytest.mark.parametrize("count", [1, 5, 19, 40])
def test_a_small_hospital_raises_no_alarm_by_chance(count: int) -> None:
    for seed in range(10):
        judgement = judged(people(count, seed=seed), site=None)
        serious = [finding.defect for finding in judgement.findings if finding.severity is not Severity.NOTE]
        assert set(serious) <= {Defect.ONE_CLASS}


def test_an_unrelated_label_is_not_called_swapped() -> None:
    rows = people(2000, seed=3, signal=0.0)

    assert not found(judged(rows, site=None), Defect.SWAPPED_LABEL)


def test_a_study_without_directions_says_nothing_of_a_swapped_label() -> None:
    contract = with_columns(
        CONTRACT, *(number(name, 0, 300, 60, 12, higher_in="", reference=()) for name in ("age", "glucose", "pressure"))
    )

    assert not found(judged(people(400).with_columns(_FLIPPED), contract), Defect.SWAPPED_LABEL)


def test_the_right_unit_in_the_mapping_ends_the_question() -> None:
    rows = people(400).with_columns(pl.col("glucose") * 18.02)
    mapping = Mapping(columns={"glucose": Answer(unit="mg/dL")})

    judgement = judged(rows, mapping=mapping)

    assert judgement.verdict is Verdict.READY
    assert not found(judgement, Defect.WRONG_UNIT)


def test_a_wrong_unit_in_the_mapping_is_named() -> None:
    judgement = judged(people(400), mapping=Mapping(columns={"glucose": Answer(unit="mg/dL")}))

    (finding,) = found(judgement, Defect.WRONG_UNIT)
    assert finding.proposal is not None
    assert finding.proposal.unit == "mmol/L"


def test_a_confirmed_unit_is_still_told_but_not_asked_again() -> None:
    rows = people(400).with_columns(pl.col("glucose") * 18.02)

    (finding,) = found(judged(rows, mapping=Mapping(columns={"glucose": Answer(unit="mmol/L")})), Defect.WRONG_UNIT)

    assert finding.severity is Severity.LOOK
    assert finding.proposal is None


def test_many_records_of_few_patients_are_no_evidence_of_many_patients() -> None:
    few = people(12, seed=4)
    rows = pl.concat([few.with_columns(pl.col("pressure") + step / 10) for step in range(40)])

    assert not found(judged(rows, site=None), Defect.DRIFT)


def test_the_size_is_compared_with_the_declared_one() -> None:
    (finding,) = found(judged(people(150)), Defect.SIZE)

    assert "0.38 times the 400 declared for north" in finding.text
    assert not found(judged(people(390)), Defect.SIZE)
    assert not found(judged(people(150), site=None), Defect.SIZE)
    assert SITE.size == 400
