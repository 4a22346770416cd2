"""Files of weights that somebody else made: read exactly, or refused with the tensor that is wrong."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fedward_shared.contracts.study import TensorSpec
from fedward_shared.errors import UsageError
from fedward_shared.wire.weight_file import inspect_weights, read_weights

SPECS = (TensorSpec("layer.weight", (2, 3)), TensorSpec("layer.bias", (2,)), TensorSpec("scalar", ()))


def tensors(**changes: np.ndarray | None) -> dict[str, np.ndarray]:
    """The tensors of SPECS, some of them changed or left out."""
    honest = {
        "layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "layer.bias": np.array([7, 8], dtype=np.float32),
        "scalar": np.array(9, dtype=np.float32),
    }
    changed = {**honest, **{name.replace("_", "."): value for name, value in changes.items()}}
    return {name: value for name, value in changed.items() if value is not None}


def written(folder: Path, values: dict[str, np.ndarray]) -> tuple[Path, str]:
    """A file, and its SHA-256."""
    path = folder / "weights.safetensors"
    save_file(values, path, metadata={"made": "here"})
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def raw(folder: Path, header: object, data: bytes = b"") -> Path:
    """A file with this header, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "raw.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_what_safetensors_wrote_is_read_in_the_order_that_was_asked_for(tmp_path: Path) -> None:
    path, digest = written(tmp_path, tensors())
    found = read_weights(path, digest, SPECS)
    assert list(found) == [spec.name for spec in SPECS]
    for name, values in tensors().items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == np.float32
    about = inspect_weights(path)
    assert (about.sha256, about.size, about.tensors, about.numbers) == (digest, path.stat().st_size, 3, 9)


def test_tensors_that_are_not_used_may_be_there_only_if_named(tmp_path: Path) -> None:
    path, digest = written(tmp_path, tensors(fc_count=np.array([1], dtype=np.int64)))
    assert list(read_weights(path, digest, SPECS, unused=lambda name: name == "fc.count")) == [
        spec.name for spec in SPECS
    ]
    with pytest.raises(UsageError, match=r"'fc.count', which is not one of the model's"):
        read_weights(path, digest, SPECS)


def test_another_file_is_refused_by_its_digest(tmp_path: Path) -> None:
    path, _ = written(tmp_path, tensors())
    with pytest.raises(UsageError, match="not the file that the study declares"):
        read_weights(path, "0" * 64, SPECS)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (tensors(scalar=None), "no tensor 'scalar'"),
        (tensors(layer_bias=np.zeros(3, np.float32)), r"'layer.bias' is 'F32' \[3\]; the study needs F32 \[2\]"),
        (tensors(layer_bias=np.zeros(2, np.float16)), "'layer.bias' is 'F16'"),
        (tensors(layer_bias=np.zeros(2, np.float64)), "'layer.bias' is 'F64'"),
        (tensors(other=np.zeros(2, np.float32)), "holds a tensor 'other'"),
    ],
)
def test_other_tensors_are_named(tmp_path: Path, values: dict[str, np.ndarray], told: str) -> None:
    path, digest = written(tmp_path, values)
    with pytest.raises(UsageError, match=told):
        read_weights(path, digest, SPECS)


HONEST = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (b"{", b""),
        (b"[]", b""),
        (b"\xff\xfe", b""),
        (b"[" * 100_000, b""),
        ({"a": {**HONEST["a"], "shape": [1] * 100}}, bytes(8)),
        ({"a": {**HONEST["a"], "shape": {}}}, bytes(8)),
        ({"a": {**HONEST["a"], "shape": ""}}, bytes(8)),
        ({"a": {**HONEST["a"], "shape": [10**4000, 0]}}, bytes(8)),
        (HONEST, b"1234567"),
        (HONEST, b"123456789"),
        ({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, bytes(8)),
        ({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, bytes(8)),
        ({"a": {"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}}, bytes(8)),
        ({"a": {"dtype": "F32", "shape": [True, 2], "data_offsets": [0, 8]}}, bytes(8)),
        ({"a": {"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}}, bytes(8)),
        ({"a": {"dtype": "F31", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}, bytes(16)),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 8]}}, bytes(8)),
        ({**HONEST, "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, bytes(12)),
        ({"a": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
        ({"a": 7}, bytes(8)),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: object, data: bytes) -> None:
    path = raw(tmp_path, header, data)
    for refuse in (lambda: inspect_weights(path), lambda: read_weights(path, "0" * 64, SPECS)):
        with pytest.raises(UsageError, match="no safetensors file"):
            refuse()


def test_what_is_declared_is_checked_before_memory_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 1 << 40
    huge = {"layer.weight": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}
    monkeypatch.setattr(
        "fedward_shared.wire.weight_file.np.empty", lambda *_, **__: pytest.fail("memory was set aside")
    )
    with pytest.raises(UsageError, match="no safetensors file"):
        read_weights(raw(tmp_path, huge, b"1234"), "0" * 64, (TensorSpec("layer.weight", (size // 4,)),))
    path, digest = written(tmp_path, tensors(layer_weight=np.zeros((200, 300), np.float32)))
    with pytest.raises(UsageError, match=r"\[200, 300\]"):
        read_weights(path, digest, SPECS)


def test_a_header_longer_than_its_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.safetensors"
    for length in (0, 3, 1 << 62):
        path.write_bytes(length.to_bytes(8, "little") + b"{}")
        with pytest.raises(UsageError, match="no safetensors file"):
            inspect_weights(path)
    path.write_bytes(b"1234")
    with pytest.raises(UsageError, match="no safetensors file"):
        inspect_weights(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        inspect_weights(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UsageError, match=r"no regular file|cannot read"):
            inspect_weights(path)
