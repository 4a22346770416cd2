"""Tensor sets as the vault reads them."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from fedward_client.imported import shard_name
from fedward_client.importer.tensors import ShardWriter, write_tensor_set
from fedward_client.shards import HEADER_BYTES, header, record_bytes, rows_in
from fedward_client.vault.training.dataset import open_data_set
from fedward_shared.errors import SourceDataError
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.template import template

CONTRACT = load(template("series").encode()).data


def _arrays(rows: int = 6) -> dict[str, Any]:
    return {
        "x": np.random.default_rng(0).normal(size=(rows, 48, 12)).astype(np.float32),
        "y": np.arange(rows, dtype=np.int64) % 2,
        "unit": np.arange(rows, dtype=np.int64) // 2,
        "split": (np.arange(rows) >= 4).astype(np.uint8),
    }


def test_what_is_written_is_what_the_vault_opens(tmp_path: Path) -> None:
    arrays = _arrays()

    record = write_tensor_set(tmp_path / "set", CONTRACT, **arrays)

    assert json.loads((tmp_path / "set" / "import.json").read_text())["version"] == record.version
    assert record.contract_digest == contract_digest(CONTRACT).hex()
    written = load_file(tmp_path / "set" / "tensors-00000.safetensors")
    assert all(np.array_equal(written[name], array) for name, array in arrays.items())
    data = open_data_set(tmp_path / "set", CONTRACT)
    assert np.array_equal(data.train.records, arrays["x"][:4])
    assert (data.train.count, data.test.count) == (2, 1)


def test_the_same_arrays_are_the_same_version(tmp_path: Path) -> None:
    first = write_tensor_set(tmp_path / "one", CONTRACT, **_arrays())
    second = write_tensor_set(tmp_path / "two", CONTRACT, **_arrays())

    assert first.version == second.version


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("x", np.zeros((6, 12, 48), dtype=np.float32)),
        ("x", np.zeros((6, 48, 12))),
        ("x", np.full((6, 48, 12), np.nan, dtype=np.float32)),
        ("y", np.full(6, 2, dtype=np.int64)),
        ("y", np.full(6, -1, dtype=np.int64)),
        ("y", np.zeros(6)),
        ("unit", np.zeros(5, dtype=np.int64)),
        ("split", np.full(6, 2, dtype=np.uint8)),
    ],
)
def test_what_the_contract_does_not_allow_is_refused(tmp_path: Path, name: str, array: Any) -> None:
    with pytest.raises(SourceDataError, match="do not fit the contract"):
        write_tensor_set(tmp_path / "set", CONTRACT, **(_arrays() | {name: array}))

    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("size", [1, 2, 5])
def test_shards_are_the_same_however_the_records_come(tmp_path: Path, size: int) -> None:
    """Records added one by one, in pairs or at once give the same bytes; no shard is larger than it may be."""
    arrays = _arrays(7)
    names = [f"patient {number}" for number in arrays["unit"]]
    record = 48 * 12 * 4
    for folder in ("once", "often"):
        (tmp_path / folder).mkdir()
    with ShardWriter(tmp_path / "once", CONTRACT, shard_bytes=3 * record) as once:
        once.add(arrays["x"], arrays["y"], names, arrays["split"])
    with ShardWriter(tmp_path / "often", CONTRACT, shard_bytes=3 * record) as often:
        for start in range(0, 7, size):
            part = slice(start, start + size)
            often.add(arrays["x"][part], arrays["y"][part], names[part], arrays["split"][part])
    assert once.files == often.files == tuple(shard_name(number) for number in range(3))
    assert (once.rows, often.rows) == (7, 7)
    for name in once.files:
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "often" / name).read_bytes()
    shards = [load_file(tmp_path / "once" / name) for name in once.files]
    assert [len(shard["y"]) for shard in shards] == [3, 3, 1]
    for name, array in arrays.items():
        assert np.array_equal(np.concatenate([shard[name] for shard in shards]), array)


def test_records_leave_memory_as_they_come(tmp_path: Path) -> None:
    x = np.zeros((100, 48, 12), np.float32)
    y, split = np.zeros(100, np.int64), np.zeros(100, np.uint8)
    tracemalloc.start()
    try:
        with ShardWriter(tmp_path, CONTRACT, shard_bytes=1 << 22) as writer:
            for _ in range(100):
                writer.add(x, y, ["p"] * 100, split)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum((tmp_path / name).stat().st_size for name in writer.files) > 20e6
    assert peak < 2e6


def test_patients_are_numbered_over_the_whole_import_by_first_appearance(tmp_path: Path) -> None:
    arrays = _arrays(4)
    with ShardWriter(tmp_path, CONTRACT, shard_bytes=1) as writer:
        for row, name in enumerate(["z", "a", "z", "b"]):
            part = slice(row, row + 1)
            writer.add(arrays["x"][part], arrays["y"][part], [name], arrays["split"][part])
    assert [load_file(tmp_path / name)["unit"].tolist() for name in writer.files] == [[0], [1], [0], [2]]


def test_without_patients_each_record_is_a_unit(tmp_path: Path) -> None:
    arrays = _arrays(4)
    with ShardWriter(tmp_path, CONTRACT) as writer:
        for part in (slice(0, 1), slice(1, 4)):
            writer.add(arrays["x"][part], arrays["y"][part], None, arrays["split"][part])
    assert load_file(tmp_path / writer.files[0])["unit"].tolist() == [0, 1, 2, 3]


def test_nothing_added_is_no_file(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, CONTRACT) as writer:
        writer.add(**{name: _arrays(0)[name] for name in "xy"}, units=[], split=_arrays(0)["split"])
    assert (writer.files, writer.rows, list(tmp_path.iterdir())) == ((), 0, [])


def test_a_shard_that_was_broken_off_has_no_header(tmp_path: Path) -> None:
    def broken_off() -> None:
        with ShardWriter(tmp_path, CONTRACT) as writer:
            writer.add(**{name: _arrays()[name] for name in "xy"}, units=None, split=_arrays()["split"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert (tmp_path / shard_name(0)).read_bytes()[:HEADER_BYTES] == bytes(HEADER_BYTES)


def test_a_unit_for_each_record(tmp_path: Path) -> None:
    arrays = _arrays()
    with ShardWriter(tmp_path, CONTRACT) as writer, pytest.raises(SourceDataError, match="a unit for each"):
        writer.add(arrays["x"], arrays["y"], ["p"], arrays["split"])


@given(rows=st.integers(1, 1000), shape=st.lists(st.integers(1, 300), max_size=4).map(tuple))
def test_the_size_of_a_file_says_how_many_records_it_holds(rows: int, shape: tuple[int, ...]) -> None:
    size = HEADER_BYTES + rows * (record_bytes(shape) + 17)
    assert rows_in(size, shape) == rows
    assert rows_in(size + 1, shape) is None
    assert len(header(rows, shape)) == HEADER_BYTES


def test_no_record_is_no_shard() -> None:
    assert rows_in(HEADER_BYTES, (3,)) is None
    assert rows_in(0, (3,)) is None


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceDataError, match="there must be a record"):
        write_tensor_set(tmp_path / "set", CONTRACT, **_arrays(0))
