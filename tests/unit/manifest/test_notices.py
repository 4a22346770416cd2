"""What is allowed in the data contract, but worth a second look."""

from __future__ import annotations

import pytest

from fedward_shared.manifest.notices import warnings
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.template import KINDS, template
from fedward_shared.recipes.schedules import FAMILIES
from tests.support.rich_study import RICH
from tests.support.samples import TWO_SITES

LARGER = tuple(text.replace("size = ", "size = 10") for text in (TWO_SITES, RICH))
"""The samples with more than 1,000 patients a site, so that no family is told to have too few."""


def test_a_contract_without_oddities_has_none() -> None:
    assert {told for text in LARGER for told in warnings(load(text.encode())) if "normaliser" not in told} == set()


def test_a_network_for_few_patients_is_told_unless_it_is_frozen_or_without_privacy() -> None:
    few = TWO_SITES.replace('name = "logistic"', 'name = "mlp"')
    assert any("few for mlp under differential privacy" in told for told in warnings(load(few.encode())))
    open_ = few.replace("target_epsilon = 3.0\n", "").replace("unsafe_no_privacy = false", "unsafe_no_privacy = true")
    assert not any("few for mlp" in told for told in warnings(load(open_.encode())))


@pytest.mark.parametrize("kind", KINDS)
def test_templates_have_none(kind: str) -> None:
    assert warnings(load(template(kind).encode())) == ()


@pytest.mark.parametrize("model", sorted(FAMILIES))
def test_study_files_for_a_model_have_none(model: str) -> None:
    assert warnings(load(template(model=model).encode())) == ()


@pytest.mark.parametrize(
    ("base", "old", "new", "told"),
    [
        (
            "rich",
            'unit = "years"',
            'unit = "vessels"',
            '[data.columns.age] unit is "vessels", which is not a known unit',
        ),
        ("rich", 'substance = "glucose"\n', "", '[data.columns.glucose] unit is "mmol/L", but no substance is named'),
        ("rich", 'unit = "mmol/L"', 'unit = "mmHg"', 'unit is "mmHg", in which glucose is not measured'),
        ("rich", "window = [-48, 0]", "window = [-48, 6]", "reads values up to 6 hours after time zero"),
        ("rich", 'holdout = { share = 0.25, key = "heart-2026" }\n', "", "neither split nor holdout"),
        ("two sites", 'split = "split"\n', "", "neither split nor holdout"),
        ("series", "window = [-48, 0]", "window = [0, 48]", "[data.series] window reads values up to 48 hours after"),
        ("series", 'unit = "°C"', 'unit = "warm"', '[data.series.channels.temperature] unit is "warm"'),
        ("signals", 'unit = "mV"', 'unit = "steps"', '[data.signal] unit is "steps"'),
    ],
)
def test_an_oddity_is_told(base: str, old: str, new: str, told: str) -> None:
    text = {"rich": RICH, "two sites": TWO_SITES}.get(base) or template(base)
    assert old in text

    found = warnings(load(text.replace(old, new, 1).encode()))

    assert [one for one in found if "under differential privacy" not in one] == [one for one in found if told in one]
    assert sum(told in one for one in found) == 1
