"""Patients, duplicates and chance: exact for small sources, in proportion for large ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from fedward_client.importer.checking.checked import Checked
from fedward_client.importer.preflight.cohort_judged import import_stops
from fedward_client.importer.preflight.cohort_sketch import CohortSketch
from fedward_client.importer.preflight.findings import Defect
from fedward_client.importer.preflight.profile import ArrayFacts, CohortFacts, Profile, Unreadable
from fedward_shared.contracts.cohort import HELD_OUT, CategoryColumn, Holdout
from tests.support.preflighting import CONTRACT, found, judged, looked, people


def test_counts_are_exact_across_batches() -> None:
    rows = pl.concat(
        [
            people(100),
            people(100).head(10),  # again
            people(100).slice(20, 5).with_columns(pl.col("disease") * -1 + 1),  # conflicting
            people(100).slice(40, 7).with_columns(pl.col("age") + 1),  # further records
        ]
    )
    cohort = looked(rows, batches=7).cohort

    assert (cohort.rows, cohort.accepted, cohort.rejected, cohort.share) == (122, 122, 0, 1.0)
    assert (cohort.patients, cohort.training) == (100, 100)
    assert (cohort.repeated, cohort.conflicting, cohort.over, cohort.most_records) == (10, 5, 12, 2)


def test_both_sides_of_a_split_are_counted_once_a_patient() -> None:
    contract = replace(CONTRACT, split="split")
    rows = pl.concat(
        [
            people(50).with_columns(pl.lit("train").alias("split")),
            people(50).head(6).with_columns(pl.lit("test").alias("split")),
            people(80).tail(30).with_columns(pl.lit("test").alias("split")),
        ]
    )
    cohort = looked(rows, contract).cohort

    assert (cohort.patients, cohort.training, cohort.straddling) == (80, 50, 6)


def test_a_keyed_holdout_straddles_nobody() -> None:
    contract = replace(CONTRACT, holdout=Holdout(0.25, "key"))
    cohort = looked(pl.concat([people(200), people(200).with_columns(pl.col("age") + 1)]), contract).cohort

    assert cohort.straddling == 0
    assert 120 < cohort.training < 180


def test_a_large_source_is_counted_in_proportion() -> None:
    draw = np.random.default_rng(1)
    sketch = CohortSketch(replace(CONTRACT, split="split"), rows=2000)
    for part in range(20):
        table = pl.DataFrame(
            {
                "patient": [f"p{part}-{at // 2}" for at in range(2000)],
                "age": draw.normal(60, 12, 2000),
                "disease": np.tile([0, 1, 0, 0], 500).astype(np.int64),
                "split": np.tile(["train", "test", "train", "train"], 500),
            }
        )
        sketch.add(2000, Checked(table, (), 0, {}))
    cohort = sketch.facts(None)

    assert cohort.share < 0.1
    assert (cohort.rows, cohort.accepted) == (40_000, 40_000)
    assert cohort.patients == pytest.approx(20_000, rel=0.15)
    assert cohort.conflicting == pytest.approx(10_000, rel=0.2)
    assert cohort.straddling == pytest.approx(10_000, rel=0.2)
    assert cohort.most_records == 2


def test_equal_records_of_few_values_are_no_finding() -> None:
    contract = replace(CONTRACT, columns=tuple(one for one in CONTRACT.columns if isinstance(one, CategoryColumn)))
    judgement = judged(people(400), contract)

    assert looked(people(400), contract).cohort.shared > 10_000
    assert not found(judgement, Defect.SHARED_RECORDS)


def test_without_a_patient_column_every_row_counts() -> None:
    contract = replace(CONTRACT, patient=None)
    cohort = looked(pl.concat([people(50), people(50).head(10)]), contract).cohort

    assert (cohort.patients, cohort.repeated, cohort.conflicting, cohort.shared) == (60, 0, 0, 10)


def test_the_holdouts_column_is_no_part_of_a_record() -> None:
    contract = replace(CONTRACT, holdout=Holdout(0.5, "key"))

    assert contract.split_column == HELD_OUT
    assert looked(pl.concat([people(60), people(60)]), contract).cohort.repeated == 60


@pytest.mark.parametrize(
    ("cohort", "arrays", "stops"),
    [
        (CohortFacts(rows=100, accepted=80, rejected=20), None, False),
        (CohortFacts(rows=100, accepted=79, rejected=21), None, True),
        (CohortFacts(rows=100, rejected=0, excluded=100), None, True),
        (CohortFacts(), None, True),
        (CohortFacts(rows=1000, accepted=900, rejected=100), ArrayFacts(100, (Unreadable("is broken", 12),)), True),
        (CohortFacts(rows=1000, accepted=900, rejected=100), ArrayFacts(100, (Unreadable("is broken", 11),)), False),
    ],
)
def test_it_stops_where_an_import_would(cohort: CohortFacts, arrays: ArrayFacts | None, stops: bool) -> None:
    assert import_stops(Profile(columns=("x",), cohort=cohort, arrays=arrays), 0.2) is stops
