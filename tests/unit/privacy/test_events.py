"""Events as ledgers keep them."""

import json

import pytest

from fedward_shared.errors import UsageError
from fedward_shared.privacy.events import Event, NoPrivacy, SampledGaussian, from_json, to_json


@pytest.mark.parametrize("event", [SampledGaussian(1.1 / 3, 0.1, 7), SampledGaussian(2.0, 1.0, 1), NoPrivacy(3)])
def test_an_event_survives_the_ledger_to_the_bit(event: Event) -> None:
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"kind": "tree-aggregation", "steps": 3},
        {"kind": "no-privacy"},
        {"kind": "no-privacy", "steps": 3, "sampling_rate": 0.1},
        {"kind": "sampled-gaussian", "noise_multiplier": "1", "sampling_rate": 0.5, "steps": 3},
        {"kind": "sampled-gaussian", "noise_multiplier": 1.0, "sampling_rate": 1.5, "steps": 3},
        {"kind": "sampled-gaussian", "noise_multiplier": -1.0, "sampling_rate": 0.5, "steps": 3},
        {"kind": "sampled-gaussian", "noise_multiplier": float("nan"), "sampling_rate": 0.5, "steps": 3},
        {"kind": "sampled-gaussian", "noise_multiplier": 1.0, "sampling_rate": 0.5, "steps": -1},
        {"kind": "sampled-gaussian", "noise_multiplier": 1.0, "sampling_rate": 0.5, "steps": True},
    ],
)
def test_what_is_no_event_is_refused_and_never_skipped(record: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        from_json(record)
