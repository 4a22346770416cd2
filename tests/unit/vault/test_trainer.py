"""Both trainers run the same app; the one in this process needs no worker."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fedward_client.vault.training.in_process import InlineTrainer
from fedward_shared.contracts.round import Task
from fedward_shared.errors import FedwardError, TrainingError, WireError
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.wire.tensors import decode
from tests.support.training_orders import order_in, plan_of, published_study

torch.set_num_threads(1)


def seeded(digest: bytes) -> KeystreamSource:
    return KeystreamSource.unsafe_seeded(3, digest)


def never() -> bool:
    return False


def test_a_reply_is_laid_out_as_the_study_declares_and_follows_the_digest(tmp_path: Path) -> None:
    order = order_in(tmp_path)
    plan = plan_of(published_study()[1])
    first, again, other = (
        b"".join(InlineTrainer(seeded).run(replace(order, digest=digest), never))
        for digest in (b"a" * 32, b"a" * 32, b"b" * 32)
    )
    assert len(first) == plan.payload_bytes
    assert np.isfinite(decode(plan, memoryview(first))["linear.weight"]).all()
    assert first == again
    assert first != other


def test_one_trainer_serves_many_sites_without_mixing_them(tmp_path: Path) -> None:
    trainer = InlineTrainer(seeded)
    orders = [order_in(tmp_path / name, rows=rows) for name, rows in (("one", 60), ("two", 30))]
    alone = [b"".join(InlineTrainer(seeded).run(order, never)) for order in orders]
    mixed = [b"".join(trainer.run(order, never)) for order in (*orders, *orders)]
    assert mixed == alone * 2
    assert alone[0] != alone[1]


def test_concluding_answers_with_nothing_and_reports_in_a_folder_of_the_study(tmp_path: Path) -> None:
    order = order_in(tmp_path, task=Task.CONCLUDE)
    assert InlineTrainer(seeded).run(order, never) == []
    (folder,) = order.reports.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "test_scores.csv"]


def test_a_cancelled_order_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cancelled"):
        InlineTrainer(seeded).run(order_in(tmp_path), lambda: True)


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    order = order_in(tmp_path)
    with pytest.raises(WireError):
        InlineTrainer(seeded).run(replace(order, payload=order.payload[:-4]), never)


def test_an_unpublished_study_is_refused(tmp_path: Path) -> None:
    order = order_in(tmp_path)
    draft = order.manifest[: order.manifest.index(b"# Written by")]
    with pytest.raises(FedwardError, match="not been published"):
        InlineTrainer(seeded).run(replace(order, manifest=draft), never)
