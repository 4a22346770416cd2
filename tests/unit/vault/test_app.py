"""The ClientApp is an ordinary Flower app, and its reply holds nothing that follows the data but the update."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from flwr.app import Context, Message, RecordDict

from fedward_client.vault.training.app import CONCLUDE, TRAIN, SiteWork, client_app, config_of
from fedward_client.vault.training.dataset import open_data_set
from fedward_client.vault.training.local_round import on_device
from fedward_shared.flower.identity import COORDINATOR_NODE, set_identity
from fedward_shared.flower.records import arrays_of, record_of
from fedward_shared.models.registry import build, initial_weights
from fedward_shared.privacy.randomness.noise import KeystreamSource, RandomSource
from tests.support.samples import TWO_SITES
from tests.support.training_orders import order_in, published_study

torch.set_num_threads(1)


AUGMENTED = TWO_SITES.replace("[strategy]", "[training.augment]\ncopies = 4\nnoise = 3.0\n\n[strategy]", 1)


def call(tmp_path: Path, kind: str, rows: int = 60, text: str = TWO_SITES) -> tuple[Message, list[bytes]]:
    """The app's reply to the study's first instruction, and the digests that randomness was asked for."""
    order = order_in(tmp_path, text, rows=rows)
    _, study = published_study(text)
    data = open_data_set(order.data_folder, study.data)
    digests: list[bytes] = []

    def source(digest: bytes) -> RandomSource:
        digests.append(digest)
        return KeystreamSource.unsafe_seeded(0, digest)

    work = SiteWork(
        study=study,
        study_hash=bytes(32),
        site="north",
        data=data,
        training=on_device(data.train, torch.device("cpu")),
        model=build(study.model, study.data),
        report=order.reports,
        source=source,
    )
    set_identity(COORDINATOR_NODE)
    weights = record_of(initial_weights(study.model, study.data))
    content = RecordDict({"arrays": weights, "config": config_of(2, 1, b"digest")})
    context = Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={})
    return client_app(work)(Message(content, 1, kind), context), digests


@pytest.mark.parametrize("rows", [60, 8])
def test_train_answers_with_the_change_and_the_declared_size_only(tmp_path: Path, rows: int) -> None:
    reply, digests = call(tmp_path, TRAIN, rows)
    assert digests == [b"digest"]
    assert set(reply.content) == {"arrays", "metrics"}
    assert dict(reply.content.metric_records["metrics"]) == {"num-examples": 150}
    change = arrays_of(reply.content.array_records["arrays"])
    assert {name: (array.shape, array.dtype) for name, array in change.items()} == {
        "linear.weight": ((1, 5), np.dtype(np.float32)),
        "linear.bias": ((1,), np.dtype(np.float32)),
    }
    assert all(array.any() for array in change.values())


def test_conclude_writes_the_report_and_answers_with_nothing(tmp_path: Path) -> None:
    reply, digests = call(tmp_path, CONCLUDE)
    assert dict(reply.content) == {}
    assert digests == []
    report = json.loads((tmp_path / "reports" / "report.json").read_text())
    assert report["round"] == 2
    assert report["counts"]["test"]["rows"] == 16


def test_declared_changes_of_records_are_made_in_training_and_never_in_evaluation(tmp_path: Path) -> None:
    replies = [call(tmp_path, TRAIN, text=text)[0] for text in (TWO_SITES, AUGMENTED, AUGMENTED)]
    plain, changed, again = (arrays_of(reply.content.array_records["arrays"]) for reply in replies)
    for name, array in plain.items():
        assert not np.array_equal(array, changed[name])
        assert np.array_equal(changed[name], again[name])
    reports = []
    for text in (TWO_SITES, AUGMENTED):
        call(tmp_path, CONCLUDE, text=text)
        reports.append((tmp_path / "reports" / "test_scores.csv").read_bytes())
    assert reports[0] == reports[1]


def test_determinism_lasts_as_long_as_the_round(tmp_path: Path) -> None:
    call(tmp_path, TRAIN)
    assert not torch.are_deterministic_algorithms_enabled()
