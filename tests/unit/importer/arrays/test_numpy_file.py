"""Arrays that were made elsewhere: plain numbers of the declared shape, nothing evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedward_client.importer.arrays.numpy_file import read_numpy
from fedward_client.importer.quarantine import Reason, UnreadableError

NUMBERS = np.arange(24).reshape(4, 6) % 2


def refused(path: Path, shape: tuple[int, ...] = (4, 6), largest: int = 100_000) -> Reason:
    with pytest.raises(UnreadableError) as refusal:
        read_numpy(path, shape, largest=largest)
    return refusal.value.reason


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4", "i1", "u1", "i2", ">i2", "i4", "i8", "u8", "?"])
def test_numbers_of_every_type(tmp_path: Path, kind: str, order: Any) -> None:
    np.save(tmp_path / "a.npy", np.array(NUMBERS, kind, order=order))

    found = read_numpy(tmp_path / "a.npy", (4, 6), largest=100_000)

    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert np.array_equal(found, NUMBERS)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
def test_any_number_of_dimensions(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.ones(shape))

    assert read_numpy(tmp_path / "a.npy", shape, largest=100_000).shape == shape


def test_another_shape(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", NUMBERS)

    assert refused(tmp_path / "a.npy", (6, 4)) is Reason.WRONG_SHAPE


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_not_finite_as_float32(tmp_path: Path, value: float) -> None:
    np.save(tmp_path / "a.npy", np.full((4, 6), value))

    assert refused(tmp_path / "a.npy") is Reason.NOT_FINITE


@pytest.mark.parametrize("kind", ["c8", "U3", "S3", "M8[s]", "O", [("a", "f4")]])
def test_what_is_no_number(tmp_path: Path, kind: Any) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 6), kind), allow_pickle=True)

    assert refused(tmp_path / "a.npy") is Reason.UNREADABLE


def test_cut_short_or_longer_than_it_says(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", NUMBERS)
    content = (tmp_path / "a.npy").read_bytes()

    for wrong in (b"", content[:9], content[:60], content[:-1], content + b"\0"):
        (tmp_path / "a.npy").write_bytes(wrong)
        assert refused(tmp_path / "a.npy") is Reason.UNREADABLE


def test_larger_than_the_limit(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 6)))

    assert refused(tmp_path / "a.npy", largest=300) is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (10**9, 10**9), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (4, __import__('os').system('true')), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (4, 6), 'more': 1, }",
        b"(" * 3000,
        b"-" * 3000 + b"1",
    ],
)
def test_headers_that_numpy_never_writes(tmp_path: Path, header: bytes) -> None:
    start = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little")
    (tmp_path / "a.npy").write_bytes(start + header + bytes(192))

    assert refused(tmp_path / "a.npy") is Reason.UNREADABLE


def test_a_header_that_claims_the_whole_world(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000000000), }\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header)

    assert refused(tmp_path / "a.npy", (10**9, 10**9)) is Reason.UNREADABLE
