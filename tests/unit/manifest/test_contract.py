"""The digest of a contract, and how categories are compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedward_shared.contracts.cohort import NumberColumn
from fedward_shared.manifest.contract import canonical, contract_digest
from fedward_shared.manifest.parse import load
from tests.support.samples import TWO_SITES

CONTRACT = load(TWO_SITES.encode()).data


def test_the_digest_is_fixed_for_ever() -> None:
    assert contract_digest(CONTRACT).hex() == "3c57b3ec14a1d0d2a6427d4ed81120648ec37f69041ab3dbfb8a4d8285eb50f4"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("range = [18, 110]", "range = [18, 111]"),
        ("centre = 54", "centre = 54.5"),
        ("scale = 9", "scale = 10"),
        ('unit = "years"', 'unit = "months"'),
        ("missing_indicator = false", "missing_indicator = true"),
        ("required = false", "required = true"),
        ('values = ["1", "2", "3", "4"]', 'values = ["2", "1", "3", "4"]'),
        ('classes = [["0"], ["1"]]', 'classes = [["1"], ["0"]]'),
        ('patient = "patient_id"\n', ""),
        ('split = "split"\n', ""),
        ("records_per_patient = 1", "records_per_patient = 2"),
        ("[data.columns.age]", "[data.columns.Age]"),
    ],
)
def test_whatever_changes_what_the_model_sees_changes_the_digest(old: str, new: str) -> None:
    assert old in TWO_SITES
    other = load(TWO_SITES.replace(old, new, 1).encode()).data

    assert contract_digest(other) != contract_digest(CONTRACT)


def test_the_order_of_columns_counts_and_that_of_missing_spellings_does_not() -> None:
    first, second = CONTRACT.columns
    assert isinstance(first, NumberColumn)

    assert contract_digest(replace(CONTRACT, columns=(second, first))) != contract_digest(CONTRACT)
    turned = replace(first, missing=tuple(reversed(first.missing)))
    assert contract_digest(replace(CONTRACT, columns=(turned, second))) == contract_digest(CONTRACT)


def test_what_is_not_the_contract_does_not_count() -> None:
    other = load(TWO_SITES.replace("rounds = 3", "rounds = 9").replace('"logistic"', '"mlp"').encode()).data

    assert contract_digest(other) == contract_digest(CONTRACT)


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        (" 2 ", "2"),
        ("2.0", "2"),
        ("2.", "2"),
        ("-9.00", "-9"),
        ("2.5", "2.5"),
        ("02", "02"),
        ("1e2", "1e2"),
        ("male", "male"),
        ("", ""),
        ("٢.0", "٢.0"),
        ("v2.0", "v2.0"),
        ("\u00a02.0\u3000", "2"),
        ("\x1c2", "\x1c2"),
    ],
)
def test_a_category_is_compared_trimmed_and_without_a_point_and_zeros(text: str, compared: str) -> None:
    assert canonical(text) == compared
