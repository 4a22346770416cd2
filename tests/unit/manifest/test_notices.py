"""What is allowed in the data contract, but worth a second look."""

from __future__ import annotations

import pytest

from fedward_shared.manifest.notices import warnings
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.template import KINDS, template
from tests.support.rich_study import RICH
from tests.support.samples import TWO_SITES


def test_a_contract_without_oddities_has_none() -> None:
    assert warnings(load(TWO_SITES.encode())) == ()
    assert warnings(load(RICH.encode())) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_templates_have_none(kind: str) -> None:
    assert warnings(load(template(kind).encode())) == ()


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

    assert len(found) == 1
    assert told in found[0]
