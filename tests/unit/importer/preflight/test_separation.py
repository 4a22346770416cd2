"""AUC and its z: equal to counting pairs, right under "no difference", and cautious about repeated patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_client.importer.preflight.separation import auc, composites, separations, weight_of
from fedward_shared.contracts.cohort import CategoryColumn, Label
from tests.support.preflighting import CONTRACT, number, with_columns


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
@settings(max_examples=100, deadline=None)
def test_it_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[int, bool]]) -> None:
    values = np.array([value for value, _ in pairs], dtype=np.float64)
    inside = np.array([flag for _, flag in pairs])
    if inside.all() or not inside.any():
        return
    here, there = values[inside], values[~inside]
    counted = ((here[:, None] > there).sum() + 0.5 * (here[:, None] == there).sum()) / (len(here) * len(there))

    area, z = auc(values, inside)

    assert area == pytest.approx(counted)
    assert np.isfinite(z)
    assert np.sign(z) == np.sign(round(area - 0.5, 12)) or z == 0


def test_z_is_standard_normal_where_there_is_no_difference() -> None:
    draw = np.random.default_rng(1)
    found = [auc(draw.integers(0, 4, 200).astype(float), draw.random(200) < 0.3)[1] for _ in range(600)]

    assert abs(np.mean(found)) < 0.15
    assert np.std(found) == pytest.approx(1, abs=0.1)


def _sample(count: int = 400, seed: int = 0) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "age": draw.normal(60, 12, count),
            "glucose": draw.normal(6, 1, count),
            "pressure": draw.normal(130, 15, count),
            "sex": draw.choice(["female", "male"], count),
            "disease": (draw.random(count) < 0.3).astype(np.int64),
        }
    )


def test_a_category_without_meaning_separates_nothing() -> None:
    contract = with_columns(CONTRACT, CategoryColumn("ward", tuple(f"w{at}" for at in range(20))))
    draw = np.random.default_rng(3)
    sample = _sample().with_columns(pl.Series("ward", draw.choice([f"w{at}" for at in range(20)], 400)))

    (one,) = [found for found in separations(sample, contract, 1.0) if found.column == "ward"]

    assert 0.5 <= one.auc < 0.7


def test_a_constant_category_separates_nothing() -> None:
    sample = _sample().with_columns(pl.lit("male").alias("sex"))

    (one,) = [found for found in separations(sample, CONTRACT, 1.0) if found.column == "sex"]

    assert one.auc == 0.5


def test_a_category_that_is_the_label_separates_it_whole() -> None:
    sample = _sample().with_columns(
        pl.when(pl.col("disease") == 1).then(pl.lit("male")).otherwise(pl.lit("female")).alias("sex")
    )

    (one,) = [found for found in separations(sample, CONTRACT, 1.0) if found.column == "sex"]

    assert one.auc == 1.0


def test_missing_values_are_compared_between_classes() -> None:
    sample = _sample().with_columns(pl.when(pl.col("disease") == 1).then(pl.col("age")).alias("age"))

    (one,) = [found for found in separations(sample, CONTRACT, 1.0) if found.column == "age"]

    assert one.gap == -1.0
    assert one.gap_z < -10
    assert one.auc == 0.5


def test_a_class_of_few_records_is_left_alone() -> None:
    sample = _sample().with_columns(pl.Series("disease", [1] * 14 + [0] * 386))

    assert separations(sample, CONTRACT, 1.0) == ()
    assert composites(sample, CONTRACT, 1.0) == ()


def test_several_classes_are_each_compared_with_the_rest() -> None:
    label = Label("disease", (("0",), ("1",), ("2",)), ("well", "ill", "dying"))
    contract = replace(
        CONTRACT,
        label=label,
        columns=(number("age", 18, 110, 60, 12, higher_in="dying"), number("glucose", 2, 40, 6, 1, higher_in="ill")),
    )
    draw = np.random.default_rng(4)
    sample = _sample(900).with_columns(pl.Series("disease", draw.integers(0, 3, 900)))
    sample = sample.with_columns(
        pl.when(pl.col("disease") == 2).then(pl.col("age") - 20).otherwise(pl.col("age")).alias("age")
    )

    assert {one.index for one in separations(sample, contract, 1.0)} == {0, 1, 2}
    by_class = {one.index: one for one in composites(sample, contract, 1.0)}
    assert set(by_class) == {1, 2}
    assert by_class[2].z < -4
    assert abs(by_class[1].z) < 4


def test_repeated_patients_weaken_the_evidence() -> None:
    assert weight_of(100, 400) == 0.5
    assert weight_of(400, 400) == 1.0
    assert weight_of(0, 0) == 1.0
    sample = _sample()
    whole, half = (separations(sample, CONTRACT, weight)[0] for weight in (1.0, 0.5))
    assert half.z == pytest.approx(whole.z / 2)
