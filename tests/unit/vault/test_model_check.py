"""Tensors that are not the model's: told before anybody approves, and never trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedward_client.vault.training.in_process import InlineTrainer
from fedward_client.vault.training.model_check import in_a_process
from fedward_shared.errors import PolicyError, StudyFileError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import check_tensors
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.wire.tensors import layout
from tests.support.training_orders import order_in
from tests.support.vaults import NOW, Coordinator, Site, manifest

OTHERS = (
    ('name = "linear.bias"', 'name = "linear.bias_"'),
    ('name = "linear.bias"', 'name = "0"'),
    ('name = "linear.bias", shape = [1]', 'name = "linear.bias", shape = [3]'),
    ('    { name = "linear.bias", shape = [1] },\n', ""),
)


def with_other_tensors(old: str, new: str) -> bytes:
    """A manifest that loads, and whose tensors belong to no model."""
    text = manifest().decode()
    assert text.count(old) == 1
    return text.replace(old, new).encode()


@pytest.mark.parametrize(("old", "new"), OTHERS)
def test_other_tensors_than_the_models_are_told(old: str, new: str) -> None:
    check_tensors(load(manifest()))
    with pytest.raises(StudyFileError, match="does not follow") as caught:
        check_tensors(load(with_other_tensors(old, new)))
    assert "not those of the model" in caught.value.problems[0]


@pytest.mark.processes
def test_a_process_of_its_own_gives_the_verdict() -> None:
    assert in_a_process(manifest()) == ""
    assert "not those of the model" in in_a_process(with_other_tensors(*OTHERS[0]))
    assert in_a_process(b"no study") != ""


def test_a_check_that_fails_is_no_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedward_client.vault.training.model_check.sys.executable", "/bin/false")
    assert "could not be checked" in in_a_process(manifest())
    monkeypatch.setattr("fedward_client.vault.training.model_check.sys.executable", "/nowhere/python")
    assert "could not be checked" in in_a_process(manifest())


def test_nobody_approves_what_was_found_unsound() -> None:
    site, coordinator = Site(), Coordinator()
    site.handle(coordinator.offer())
    site.model_problem = "tensors of another model"
    assert "tensors of another model" in site.operations.show("heart-disease").problems
    with pytest.raises(PolicyError, match="another model"):
        site.operations.approve("heart-disease", "cardiology", "Dr Ada Lind", NOW)
    assert site.operations.show("heart-disease").state == "proposed"


def test_a_sound_study_is_checked_once() -> None:
    site, coordinator = Site(), Coordinator()
    site.handle(coordinator.offer())
    assert site.operations.show("heart-disease").problems == ()
    site.model_problem = "asked again"
    assert site.operations.show("heart-disease").problems == ()
    site.operations.approve("heart-disease", "cardiology", "Dr Ada Lind", NOW)


def test_the_worker_trains_no_model_with_other_tensors(tmp_path: Path) -> None:
    other = with_other_tensors(*OTHERS[0])
    resolved = load(other).resolved
    assert resolved is not None
    payload = bytearray(layout(resolved.tensors).payload_bytes)
    header = layout(resolved.tensors).header
    payload[: len(header)] = header
    order = replace(order_in(tmp_path), manifest=other, payload=memoryview(bytes(payload)))
    with pytest.raises(StudyFileError, match="does not follow"):
        InlineTrainer(KeystreamSource.fresh).run(order, lambda: False)
