"""The digest of a contract, and how categories are compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedward_shared.contracts.cohort import NumberColumn
from fedward_shared.manifest.contract import canonical, contract_digest
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.template import template
from tests.support.rich_study import RICH
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


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('encounter = "stay"\n', ""),
        ('encounter = "stay"', 'encounter = "visit"'),
        ('time_zero = "admitted"', 'time_zero = "arrived"'),
        ("share = 0.25", "share = 0.2"),
        ('key = "heart-2026"', 'key = "heart-2027"'),
        ('holdout = { share = 0.25, key = "heart-2026" }', ""),
        ("range = [40, 80]", "range = [40, 81]"),
        ('values = ["cardiology", "medicine"]', 'values = ["cardiology"]'),
        ('column = "ward"', 'column = "unit"'),
        ('time = "diagnosed"', 'time = "found"'),
        ('time = "diagnosed"', 'codes = ["I21"]\nwindow = [0, 720]'),
        ("reference = [0.6, 0.4]", "reference = [0.5, 0.5]"),
        ("fill = 50", "fill = 51"),
        ("fill = 50\n", ""),
        ('outside = "missing"', 'outside = "reject"'),
        ("reference = [30, 45, 55, 62, 75]", "reference = [30, 45, 55, 62, 76]"),
        ('higher_in = "disease"', 'higher_in = "no disease"'),
        ('substance = "glucose"', 'substance = "lactate"'),
        ('codes = ["2345-7", "GLU"]', 'codes = ["2345-7"]'),
        ("window = [-48, 0]", "window = [-48, -1]"),
        ('pick = "median"', 'pick = "mean"'),
        ('pick = "median"\n', ""),
        ('none = "4"', 'none = "3"'),
        ('none = "4"', 'nothing = "4"'),
        ('fill = "4"', 'fill = "3"'),
        ("reference = [0.1, 0.2, 0.3, 0.4]", "reference = [0.4, 0.3, 0.2, 0.1]"),
        ('time = "asked"', 'time = "told"'),
        ("window = [-24, 0]", "window = [-23, 0]"),
    ],
)
def test_each_key_of_a_full_contract_changes_the_digest(old: str, new: str) -> None:
    assert old in RICH
    other = load(RICH.replace(old, new, 1).encode()).data

    assert contract_digest(other) != contract_digest(load(RICH.encode()).data)


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("images", 'file = "file"', 'file = "path"'),
        ("images", 'fit = "pad"', 'fit = "crop"'),
        ("images", 'fit = "pad"', 'fit = "pad"\nwindow = [40, 400]'),
        ("images", "centre = 0.5", "centre = 0.4"),
        ("images", "scale = 0.25", "scale = 0.5"),
        ("series", "window = [-48, 0]", "window = [-49, -1]"),
        ("series", "hold = true", "hold = false"),
        ("series", 'pick = "last"', 'pick = "mean"'),
        ("series", 'codes = ["8867-4", "HR"]', 'codes = ["8867-4"]'),
        ("series", 'substance = "lactate"', ""),
        ("series", "[data.series.channels.heart_rate]", "[data.series.channels.pulse]"),
        ("signals", '"V6"]', '"v6"]'),
        ("signals", "limit = 5", "limit = 6"),
        ("signals", 'unit = "mV"', 'unit = "uV"'),
        ("signals", "rate = 50 ", "rate = 100 "),
        ("text", "buckets = 4096", "buckets = 2048"),
        ("text", "ngrams = 2", "ngrams = 3"),
    ],
)
def test_each_key_of_a_form_changes_the_digest(kind: str, old: str, new: str) -> None:
    text = template(kind)
    assert old in text
    other = load(text.replace(old, new, 1).encode()).data

    assert contract_digest(other) != contract_digest(load(text.encode()).data)


def test_a_form_of_the_same_shape_is_another_contract() -> None:
    images = load(template("images").encode()).data

    assert contract_digest(replace(images, form=None)) != contract_digest(images)


def test_what_a_key_says_by_default_may_be_written_or_left_out() -> None:
    said = TWO_SITES.replace("scale = 9", 'scale = 9\noutside = "reject"')

    assert contract_digest(load(said.encode()).data) == contract_digest(CONTRACT)


def test_the_order_of_columns_counts_and_that_of_missing_spellings_does_not() -> None:
    first, second = CONTRACT.columns
    assert isinstance(first, NumberColumn)

    assert contract_digest(replace(CONTRACT, columns=(second, first))) != contract_digest(CONTRACT)
    turned = replace(first, missing=tuple(reversed(first.missing)))
    assert contract_digest(replace(CONTRACT, columns=(turned, second))) == contract_digest(CONTRACT)


def test_the_order_of_synonyms_does_not_count() -> None:
    turned = RICH.replace('typical = "1", none = "4"', 'none = "4", typical = "1"')
    assert turned != RICH

    assert contract_digest(load(turned.encode()).data) == contract_digest(load(RICH.encode()).data)


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
