"""Events as ledgers keep them."""

import json

import pytest

from fedward_shared.errors import UsageError
from fedward_shared.privacy.events import AdaptiveGaussian, Event, NoPrivacy, SampledGaussian, from_json, to_json


@pytest.mark.parametrize(
    "event",
    [
        SampledGaussian(1.1 / 3, 0.1, 7),
        SampledGaussian(2.0, 1.0, 1),
        AdaptiveGaussian(1.1 / 3, 20.1, 0.1, 7),
        NoPrivacy(3),
    ],
)
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
        {"kind": "sampled-gaussian", "noise_multiplier": 1.0, "count_noise": 2.0, "sampling_rate": 0.5, "steps": 3},
        {"kind": "adaptive-gaussian", "noise_multiplier": 1.0, "sampling_rate": 0.5, "steps": 3},
        {"kind": "adaptive-gaussian", "noise_multiplier": 1.0, "count_noise": -2.0, "sampling_rate": 0.5, "steps": 3},
    ],
)
def test_what_is_no_event_is_refused_and_never_skipped(record: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        from_json(record)


def test_what_earlier_versions_wrote_is_still_read() -> None:
    written = '{"kind": "sampled-gaussian", "noise_multiplier": 1.25, "sampling_rate": 0.5, "steps": 3}'
    assert from_json(json.loads(written)) == SampledGaussian(1.25, 0.5, 3)
    assert from_json(json.loads('{"kind": "no-privacy", "steps": 2}')) == NoPrivacy(2)
