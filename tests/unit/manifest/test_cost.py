"""What a study costs, and the warnings beside it."""

from __future__ import annotations

import pytest

from fedward_shared.errors import UsageError
from fedward_shared.manifest.cost import cost
from fedward_shared.manifest.notices import warnings
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published, resolve
from fedward_shared.manifest.template import template
from fedward_shared.wire.tensors import layout
from tests.support.samples import TWO_SITES


def test_bytes_and_steps_follow_from_the_declarations() -> None:
    study = load(TWO_SITES.encode())
    payload = layout(resolve(study).tensors).payload_bytes

    found = cost(study)

    assert found.parameters == 6
    assert (found.rounds, found.steps_a_round, found.steps_total) == (3, 2, 6)
    assert all(payload < site.bytes_down == site.bytes_up < payload + 1024 for site in found.sites)
    assert found.bytes_a_round == sum(site.bytes_down + site.bytes_up for site in found.sites)
    assert found.bytes_total == 3 * found.bytes_a_round + 2 * payload


def test_a_published_study_costs_what_its_draft_did() -> None:
    assert cost(load(published(TWO_SITES.encode()))) == cost(load(TWO_SITES.encode()))


def test_time_grows_with_model_and_data() -> None:
    small = cost(load(TWO_SITES.encode())).seconds_total
    images = template("images")
    wide = images.replace("channels = [8, 16]", "channels = [32, 64]")

    assert small < cost(load(images.encode())).seconds_total < cost(load(wide.encode())).seconds_total


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("delta = 1e-5", "delta = 0.01", "not below 1/100"),
        ("target_epsilon = 3.0", "target_epsilon = 30.0", "protects very little"),
        ("target_epsilon = 3.0\nunsafe_no_privacy = false", "unsafe_no_privacy = true", "ε is infinite"),
        ('patient = "patient_id"\n', "", "the unit of privacy is the record"),
        ('"fedavg"', '"fedprox"', "the same as fedavg"),
        ("normaliser = 50.0", "normaliser = 5.0", "[sites.south] normaliser is 5"),
    ],
)
def test_what_is_allowed_but_odd_is_warned_of(old: str, new: str, told: str) -> None:
    assert old in TWO_SITES

    found = beside_few_patients(TWO_SITES.replace(old, new, 1))

    assert len(found) == 1
    assert told in found[0]


def test_nothing_is_warned_of_without_a_reason() -> None:
    assert beside_few_patients(TWO_SITES) == []


def beside_few_patients(text: str) -> list[str]:
    """What a study is warned of, but that the sample's 250 patients are few."""
    return [told for told in warnings(load(text.encode())) if "patients are few" not in told]


def test_an_unknown_template_lists_those_there_are() -> None:
    with pytest.raises(UsageError) as failure:
        template("genomes")

    assert "table, survival, images, series" in failure.value.hint
