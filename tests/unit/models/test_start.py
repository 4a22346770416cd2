"""Weights that a study starts from: taken exactly, or refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from fedward_shared.contracts.study import Study
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_shared.models.registry import initial_weights
from fedward_shared.models.start import first_weights
from tests.support.samples import TWO_SITES

HONEST: dict[str, NDArray[np.float32]] = {
    "linear.weight": np.full((1, 5), 0.25, np.float32),
    "linear.bias": np.array([-1.5], np.float32),
}


def started(folder: Path, weights: Mapping[str, NDArray[np.float32]], digest: str = "") -> tuple[Study, Path]:
    """The sample study with a start, and the file."""
    path = folder / "start.safetensors"
    save_file(dict(weights), path)
    sha256 = digest or hashlib.sha256(path.read_bytes()).hexdigest()
    table = f'[model.start]\nsha256 = "{sha256}"\nsource = "a public table"\nlicence = "CC0-1.0"\n\n[data]\n'
    text = TWO_SITES.replace("[data]\n", table, 1).replace("target_epsilon = 3.0", "noise_multiplier = 4.0")
    return load(published(text.encode())), path


def test_a_study_begins_at_the_files_weights(tmp_path: Path) -> None:
    study, path = started(tmp_path, HONEST)
    assert study.model.start is not None
    assert study.model.start.licence == "CC0-1.0"
    found = first_weights(study, path)
    assert list(found) == ["linear.weight", "linear.bias"]
    for name, values in HONEST.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_study_without_a_start_begins_at_its_seed(tmp_path: Path) -> None:
    study = load(TWO_SITES.encode())
    drawn = initial_weights(study.model, study.data)
    assert all(np.array_equal(values, drawn[name]) for name, values in first_weights(study, None).items())
    _, path = started(tmp_path, HONEST)
    with pytest.raises(UsageError, match=r"declares no \[model.start\]"):
        first_weights(study, path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"linear.bias": np.array([np.nan], np.float32)}, "not finite"),
        ({"linear.bias": np.array([-np.inf], np.float32)}, "not finite"),
        ({"linear.bias": np.array([100.5], np.float32)}, r"a weight of 100.5; the study allows up to 100"),
        ({"linear.bias": np.zeros(2, np.float32)}, r"\[2\]; the study needs F32 \[1\]"),
        ({"linear.more": np.zeros(2, np.float32)}, "linear.more"),
    ],
)
def test_weights_that_no_site_would_take_are_refused(
    tmp_path: Path, change: dict[str, NDArray[np.float32]], told: str
) -> None:
    study, path = started(tmp_path, {**HONEST, **change})
    with pytest.raises(UsageError, match=told):
        first_weights(study, path)


def test_a_missing_file_and_another_file_are_refused(tmp_path: Path) -> None:
    study, path = started(tmp_path, HONEST)
    with pytest.raises(UsageError, match="no file was given"):
        first_weights(study, None)
    path.unlink()
    with pytest.raises(UsageError, match="cannot read"):
        first_weights(study, path)
    study, path = started(tmp_path, HONEST, digest="0" * 64)
    with pytest.raises(UsageError, match="not the file that the study declares"):
        first_weights(study, path)
