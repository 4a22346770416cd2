"""A cell computed on another device, or in another precision, is another cell, and says so."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedward_shared.manifest.parse import load
from fedward_simulations.grid.bench import Bench, Task, studies_of
from fedward_simulations.grid.cell import Cell, Variant
from fedward_simulations.grid.device import computed_with
from fedward_simulations.grid.running import run_grid
from fedward_simulations.grid.store import key_of
from tests.support.grids import STUDY, import_two_sites

HALF = Variant.of("half", {"training.precision": "bfloat16"})


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return Task(Bench.of(STUDY, import_two_sites(tmp_path_factory.mktemp("data"))), Cell("federated"))


def with_gpu(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name)


def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_each_device_has_a_key_of_its_own(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = studies_of(task.bench, task.cell)
    without_gpu(monkeypatch)
    keys = [key_of(task, manifests), key_of(task, manifests)]
    for name in ("GPU one", "GPU two"):
        with_gpu(monkeypatch, name)
        keys.append(key_of(task, manifests))
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_bfloat16_is_told_only_where_it_is_used(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, half = (
        load(next(iter(studies_of(task.bench, replace(task.cell, variant=variant)).values())))
        for variant in (Variant(), HALF)
    )
    without_gpu(monkeypatch)
    assert [computed_with(study) for study in (whole, half)] == ["float32 on cpu"] * 2
    with_gpu(monkeypatch, "GPU one")
    assert [computed_with(study) for study in (whole, half)] == ["float32 on GPU one", "bfloat16 on GPU one"]


@pytest.mark.parametrize("method", ["federated", "local", "centralised"])
def test_a_result_says_what_it_was_computed_with(
    method: str, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_gpu(monkeypatch)
    (result,) = run_grid([replace(task, cell=Cell(method))], cache=tmp_path, jobs=1).results.values()
    assert result.provenance.endswith("; float32 on cpu")
