"""Units are guessed from where numbers lie, surely only with good evidence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fedward_client.importer.checking.checked import Counts
from fedward_client.importer.preflight.profile import NumberFacts
from fedward_client.importer.preflight.units_guess import UnitGuess, far, guess_unit, unit_trials
from fedward_shared.contracts.cohort import NumberColumn
from tests.support.preflighting import number

Numbers = NDArray[np.float64]

GLUCOSE = number("glucose", 1.5, 40, 6.5, 2, unit="mmol/L", substance="glucose")
CREATININE = number("creatinine", 20, 1500, 92, 35, unit="umol/L", substance="creatinine")
HAEMOGLOBIN = number("hb", 3, 25, 13.5, 2, unit="g/dL", substance="haemoglobin")
WEIGHT = number("weight", 30, 250, 80, 15, unit="kg")
TEMPERATURE = number("temperature", 30, 43, 37, 0.7, unit="°C")
HBA1C = number("hba1c", 3, 20, 6.2, 1.2, unit="%", substance="hba1c")


def _guess(column: NumberColumn, values: Numbers, here: str = "") -> UnitGuess | None:
    facts = NumberFacts(
        name=column.name,
        source=column.name,
        unit=column.unit,
        unit_here=here or column.unit,
        minimum=column.minimum,
        maximum=column.maximum,
        counts=Counts(valid=len(values)),
        numbers=len(values),
        far=far(values, column) if not here else 0.0,
        trials=unit_trials(values, column, here or column.unit),
    )
    return guess_unit(facts, column)


def _values(column: NumberColumn, count: int = 300, seed: int = 0) -> Numbers:
    draw = np.random.default_rng(seed).normal(column.centre, column.scale, count)
    return np.clip(draw, column.minimum, column.maximum)


CASES = {
    "glucose in mg/dL": (GLUCOSE, lambda values: values * 18.0156, "mg/dL"),
    "creatinine in mg/dL": (CREATININE, lambda values: values / 88.42, "mg/dL"),
    "haemoglobin in mmol/L": (HAEMOGLOBIN, lambda values: values / 1.6114, "mmol/L"),
    "haemoglobin in g/L": (HAEMOGLOBIN, lambda values: values * 10, "g/L"),
    "weight in pounds": (WEIGHT, lambda values: values * 2.2046, "lb"),
    "temperature in Fahrenheit": (TEMPERATURE, lambda values: values * 1.8 + 32, "°F"),
    "HbA1c in mmol/mol": (HBA1C, lambda values: (values - 2.152) / 0.09148, "mmol/mol"),
}


@pytest.mark.parametrize(("column", "turned", "unit"), CASES.values(), ids=CASES.keys())
def test_another_unit_is_named(column: NumberColumn, turned: Callable[[Numbers], Numbers], unit: str) -> None:
    guess = _guess(column, turned(_values(column)))

    assert guess is not None
    assert (guess.unit, guess.mixed, guess.shifted) == (unit, False, False)


@pytest.mark.parametrize(
    "column", [GLUCOSE, CREATININE, HAEMOGLOBIN, WEIGHT, TEMPERATURE, HBA1C], ids=lambda one: one.name
)
@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.0])
def test_the_right_unit_raises_no_question_even_with_other_patients(column: NumberColumn, shift: float) -> None:
    for seed in range(20):
        assert _guess(column, _values(column, seed=seed) + shift * column.scale) is None


def test_a_skewed_column_is_not_taken_for_two_units() -> None:
    crp = number("crp", 0, 600, 40, 50, unit="mg/L", substance="crp", reference=(1, 4, 15, 60, 220))
    for seed in range(20):
        values = np.clip(15 * np.exp(np.random.default_rng(seed).normal(0, 1.6, 400)), 0, 600)
        assert _guess(crp, values) is None


def test_what_the_mapping_says_is_tried_and_the_contracts_own_unit_too() -> None:
    assert _guess(GLUCOSE, _values(GLUCOSE) * 18.0156, here="mg/dL") is None
    wrong = _guess(GLUCOSE, _values(GLUCOSE), here="mg/dL")
    assert wrong is not None
    assert wrong.unit == "mmol/L"


def test_few_numbers_are_no_evidence() -> None:
    assert _guess(GLUCOSE, _values(GLUCOSE, 19) * 18.0156) is None


def test_evidence_is_weak_without_a_reference_unless_values_are_out_of_range() -> None:
    bare = number("hb", 3, 25, 13.5, 1.5, unit="g/dL", substance="haemoglobin", reference=())
    guess = _guess(bare, _values(bare) / 1.6114)

    assert guess is not None
    assert guess.unit == "mmol/L"
    assert not guess.strong
