"""Weights that a site keeps: put in by a person, asked for before anybody approves, and before anything is spent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fedward_client.vault.backbones import add_weights, has_weights, kept_weights, missing_weights
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from tests.support.vaults import NOW, Coordinator, Site, manifest

BACKBONE = (
    '[model.backbone]\nname = "resnet18"\nsha256 = "{}"\nsource = "a paper"\nlicence = "BSD-3-Clause"\n\n[data]\n'
)


def weights(folder: Path) -> tuple[Path, str]:
    """A file of weights, and its SHA-256."""
    path = folder / "made.safetensors"
    save_file({"a": np.zeros(3, np.float32)}, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def with_backbone(sha256: str) -> bytes:
    """A published study that names these weights: the sample study, changed where a vault looks."""
    text = manifest().decode()
    assert text.count("[data]\n") == 1
    return text.replace("[data]\n", BACKBONE.format(sha256)).encode()


def test_a_file_is_kept_under_its_digest(tmp_path: Path) -> None:
    path, digest = weights(tmp_path)
    kept = tmp_path / "vault" / "backbones"
    for _ in range(2):
        found = add_weights(path, kept)
        assert (found.sha256, found.numbers) == (digest, 3)
    assert [file.name for file in kept.iterdir()] == [f"{digest}.safetensors"]
    assert (kept / f"{digest}.safetensors").read_bytes() == path.read_bytes()
    assert (kept / f"{digest}.safetensors").stat().st_mode & 0o077 == 0
    ((name, about),) = kept_weights(kept)
    assert name == digest
    assert about == found


def test_what_is_no_file_of_weights_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("weights")
    for path in (tmp_path / "text", tmp_path / "nowhere"):
        with pytest.raises(UsageError):
            add_weights(path, tmp_path / "kept")
    assert kept_weights(tmp_path / "kept") == ()


def test_a_file_that_was_changed_is_told_as_damaged(tmp_path: Path) -> None:
    path, digest = weights(tmp_path)
    add_weights(path, tmp_path / "kept")
    (tmp_path / "kept" / f"{digest}.safetensors").write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert kept_weights(tmp_path / "kept") == ((digest, None),)


def test_only_a_study_that_names_weights_needs_them(tmp_path: Path) -> None:
    path, digest = weights(tmp_path)
    study = load(with_backbone(digest))
    assert has_weights(load(manifest()), None)
    assert not has_weights(study, None)
    assert not has_weights(study, tmp_path)
    missing = missing_weights(study, tmp_path)
    assert all(word in missing for word in (digest, "a paper", "BSD-3-Clause", "fedward-site backbone add"))
    add_weights(path, tmp_path)
    assert has_weights(study, tmp_path)
    assert missing_weights(study, tmp_path) == ""


def vault(folder: Path, coordinator: Coordinator) -> Site:
    """A site to which the study was offered, whose weights lie in `folder`."""
    site = Site(study=coordinator.manifest, backbones=folder)
    site.handle(coordinator.offer())
    return site


def test_nobody_approves_a_study_whose_weights_are_missing(tmp_path: Path) -> None:
    path, digest = weights(tmp_path)
    coordinator = Coordinator(with_backbone(digest))
    site = vault(tmp_path / "kept", coordinator)
    (problem,) = site.operations.show("heart-disease").problems
    assert "fedward-site backbone add" in problem
    with pytest.raises(UsageError, match="resnet18 are not here"):
        site.operations.approve("heart-disease", "cardiology", "Dr Ada Lind", NOW)
    add_weights(path, tmp_path / "kept")
    assert site.operations.show("heart-disease").problems == ()
    assert site.operations.approve("heart-disease", "cardiology", "Dr Ada Lind", NOW).state == "approved"


def test_an_approver_reads_where_weights_come_from(tmp_path: Path) -> None:
    coordinator = Coordinator(with_backbone("0" * 64))
    view = vault(tmp_path, coordinator).operations.show("heart-disease")
    assert view.backbone == f"resnet18: a paper; licence BSD-3-Clause; SHA-256 {'0' * 64}"
    assert view.start == ""


def test_weights_that_went_missing_are_refused_before_anything_is_spent(tmp_path: Path) -> None:
    path, digest = weights(tmp_path)
    coordinator = Coordinator(with_backbone(digest))
    site = vault(tmp_path / "kept", coordinator)
    kept = add_weights(path, tmp_path / "kept")
    site.operations.approve("heart-disease", "cardiology", "Dr Ada Lind", NOW)
    file = tmp_path / "kept" / f"{kept.sha256}.safetensors"
    file.unlink()
    assert site.code(coordinator.train()) is RefusalCode.NO_DATA
    assert site.code(coordinator.conclude()) is RefusalCode.NO_DATA
    assert site.spent() == 0
    add_weights(path, tmp_path / "kept")
    site.reply(coordinator.train())
    (order,) = site.trainer.orders
    assert order.backbones == tmp_path / "kept"
