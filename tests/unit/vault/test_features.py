"""Frozen features in place of records: computed once, row by row, and trained on like any others."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fedward_client.vault.training import features as module
from fedward_client.vault.training.dataset import Dataset, open_data_set
from fedward_client.vault.training.features import features_of, with_features
from fedward_client.vault.training.in_process import InlineTrainer
from fedward_client.vault.training.session import Session
from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import Task
from fedward_shared.contracts.study import Study
from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_shared.models.backbones.registry import open_backbone
from fedward_shared.models.registry import initial_weights
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.wire.tensors import encode, layout
from tests.support.frozen import frozen_study, write_pictures

torch.set_num_threads(1)
CPU = torch.device("cpu")
TEXT = frozen_study()
WEIGHTED = frozen_study(
    '[model.backbone]\nname = "resnet18"\nsha256 = "' + "0" * 64 + '"\nsource = "somewhere"\nlicence = "CC0-1.0"\n\n'
    "[model.backbone.options]\nside = 32\n"
)


def order(folder: Path, text: str = TEXT, **changes: object) -> Order:
    """The study's first order to site north."""
    manifest = published(text.encode())
    study = load(manifest)
    assert study.resolved is not None
    payload = b"".join(encode(layout(study.resolved.tensors), initial_weights(study.model, study.data)))
    if not (folder / "data").exists():
        write_pictures(folder / "data", text)
    honest = Order(manifest, "north", folder / "data", Task.TRAIN, 1, 1, bytes(32), memoryview(payload), folder / "out")
    return replace(honest, **changes)  # type: ignore[arg-type]  # the tests name fields of the order


def seeded(digest: bytes) -> KeystreamSource:
    return KeystreamSource.unsafe_seeded(7, digest)


def test_every_row_keeps_its_place_and_gets_its_own_features(tmp_path: Path) -> None:
    study = load(TEXT.encode())
    write_pictures(tmp_path / "data", TEXT)
    plain = open_data_set(tmp_path / "data", study.data)
    found = with_features(study, plain, None, CPU)
    assert study.model.backbone is not None
    extract = open_backbone(study.model.backbone, study.data, None)
    for before, after in ((plain.train, found.train), (plain.test, found.test)):
        assert after.records.dtype == np.float32
        assert after.records.shape[1:] == (25, 3, 3)
        for row in range(len(before.labels)):
            alone = extract(torch.from_numpy(before.records[row : row + 1]))[0]
            np.testing.assert_allclose(after.records[row], alone.numpy(), rtol=1e-4, atol=1e-4)
        for field in ("labels", "units", "rows"):
            np.testing.assert_array_equal(getattr(before, field), getattr(after, field))
        assert before.count == after.count


def test_without_a_backbone_nothing_is_touched(tmp_path: Path) -> None:
    text = frozen_study("")
    write_pictures(tmp_path / "data", text)
    study = load(text.encode())
    data = open_data_set(tmp_path / "data", study.data)
    assert with_features(study, data, None, CPU) is data


def test_how_many_are_computed_at_once_changes_no_feature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = load(TEXT.encode())
    write_pictures(tmp_path / "data", TEXT)
    data = open_data_set(tmp_path / "data", study.data)
    together = with_features(study, data, None, CPU)
    monkeypatch.setattr(module, "_VALUES", 7 * 144)
    apart = with_features(study, data, None, CPU)
    np.testing.assert_allclose(apart.train.records, together.train.records, rtol=1e-4, atol=1e-4)


def test_a_part_without_rows_stays_without_rows() -> None:
    empty = np.zeros((0, 1, 12, 12), dtype=np.float32)
    assert features_of(empty, lambda records: records[:, 0], (12, 12), CPU).shape == (0, 12, 12)


def test_features_of_another_shape_are_refused() -> None:
    with pytest.raises(TrainingError, match="another shape"):
        features_of(np.zeros((2, 1, 12, 12), np.float32), lambda records: records, (12, 12), CPU)


def test_a_study_opens_once_trains_and_concludes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def counted(study: Study, data: Dataset, backbones: Path | None, device: torch.device) -> Dataset:
        opened.append(study.name)
        return with_features(study, data, backbones, device)

    monkeypatch.setattr("fedward_client.vault.training.session.with_features", counted)
    session, first = Session(seeded), order(tmp_path)
    change = b"".join(session.run(first))
    assert len(change) == first.payload.nbytes
    session.run(replace(first, round=2))
    assert session.run(replace(first, task=Task.CONCLUDE)) == []
    assert len(opened) == 1
    (scores,) = (tmp_path / "out").glob("*/test_scores.csv")
    assert len(scores.read_text().splitlines()) == 1 + 10
    assert b"".join(InlineTrainer(seeded).run(first, lambda: False)) == change


def test_a_site_without_the_weights_trains_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        Session(seeded).run(order(tmp_path, WEIGHTED))
    with pytest.raises(UsageError, match="cannot read"):
        Session(seeded).run(order(tmp_path, WEIGHTED, backbones=tmp_path))
    (tmp_path / f"{'0' * 64}.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(UsageError, match="no safetensors file"):
        Session(seeded).run(order(tmp_path, WEIGHTED, backbones=tmp_path))
    assert hashlib.sha256(b"no weights at all").hexdigest() != "0" * 64
