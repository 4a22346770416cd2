"""A NIfTI volume as a weapon: headers that lie, bombs, places that are none."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest

from fedward_client.importer.arrays.registry import decode
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Volume
from tests.support.record_files import nifti
from tests.support.watched import memory_taken

FORM = Volume("file", 8, 8, 8, spacing=(1, 1, 1), window=(0, 500))
LARGEST = 20_000_000
VOXELS = np.random.default_rng(7).integers(0, 500, (12, 11, 10)).astype(np.int16)
AFFINE = np.eye(4)
HONEST = nifti(VOXELS, AFFINE)
PACKED = nifti(VOXELS, AFFINE, packed=True)


def refused(content: bytes, folder: Path) -> Reason:
    path = folder / "volume"
    path.write_bytes(content)
    with pytest.raises(UnreadableError) as refusal:
        decode(path, FORM, largest=LARGEST)
    return refusal.value.reason


@pytest.mark.parametrize("content", [HONEST, PACKED], ids=["nii", "nii.gz"])
def test_cut_short_anywhere(tmp_path: Path, content: bytes) -> None:
    lengths = [2**power for power in range(20) if 2**power < len(content)]

    for length in (0, *lengths, 347, 348, 351, 352, len(content) - 1):
        assert refused(content[:length], tmp_path) is Reason.UNREADABLE, length


def said(place: int, kind: str, *values: float) -> bytes:
    """An honest file whose header says these values at a place."""
    written = np.array(values, kind).tobytes()
    return HONEST[:place] + written + HONEST[place + len(written) :]


LIES = {
    "32767 cubed": (said(40, "<i2", 3, 32767, 32767, 32767), Reason.TOO_LARGE),
    "more than there is": (said(40, "<i2", 3, 12, 11, 11), Reason.UNREADABLE),
    "nothing": (said(40, "<i2", 3, 0, 11, 10), Reason.UNREADABLE),
    "negative sides": (said(40, "<i2", 3, -12, -11, 10), Reason.UNREADABLE),
    "no dimensions": (said(40, "<i2", 0), Reason.WRONG_SHAPE),
    "nine dimensions": (said(40, "<i2", 9), Reason.WRONG_SHAPE),
    "negative dimensions": (said(40, "<i2", -3), Reason.WRONG_SHAPE),
    "no spacing": (said(80, "<f4", 0, 1, 1), Reason.UNREADABLE),
    "negative spacing": (said(80, "<f4", -1, 1, 1), Reason.UNREADABLE),
    "spacing is no number": (said(80, "<f4", np.nan, 1, 1), Reason.UNREADABLE),
    "another type": (said(70, "<i2", 64), Reason.UNREADABLE),
    "no type": (said(70, "<i2", 12345), Reason.UNREADABLE),
    "voxels before the file": (said(108, "<f4", -400), Reason.UNREADABLE),
    "voxels in the header": (said(108, "<f4", 0), Reason.UNREADABLE),
    "voxels beyond the file": (said(108, "<f4", 1e6), Reason.UNREADABLE),
    "voxels far away": (said(108, "<f4", 1e30), Reason.TOO_LARGE),
    "voxels at no place": (said(108, "<f4", np.nan), Reason.UNREADABLE),
    "voxels at infinity": (said(108, "<f4", np.inf), Reason.UNREADABLE),
    "an endless slope": (said(112, "<f4", np.inf, 0), Reason.UNREADABLE),
    "an affine of 0": (said(280, "<f4", *[0] * 12), Reason.WRONG_SHAPE),
    "an affine that is no number": (said(280, "<f4", *[np.nan] * 12), Reason.WRONG_SHAPE),
    "an endless affine": (said(280, "<f4", *[np.inf] * 12), Reason.WRONG_SHAPE),
    "an affine without depth": (said(280, "<f4", 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0), Reason.WRONG_SHAPE),
    "a pair of files": (HONEST[:344] + b"ni1\0" + HONEST[348:], Reason.UNREADABLE),
    "a unit that is none": (said(123, "<u1", 7), Reason.UNREADABLE),
    "micrometres": (said(123, "<u1", 3), Reason.WRONG_SHAPE),
    "zero bytes": (bytes(10_000), Reason.UNREADABLE),
    "all bytes": (bytes(range(256)) * 40, Reason.UNREADABLE),
}


@pytest.mark.parametrize("packed", [False, True], ids=["nii", "nii.gz"])
@pytest.mark.parametrize(("content", "reason"), LIES.values(), ids=LIES.keys())
def test_a_header_that_lies(tmp_path: Path, content: bytes, reason: Reason, *, packed: bool) -> None:
    path = tmp_path / "volume"
    path.write_bytes(gzip.compress(content) if packed else content)
    found: list[Reason] = []

    def attempt() -> None:
        with pytest.raises(UnreadableError) as refusal:
            decode(path, FORM, largest=LARGEST)
        found.append(refusal.value.reason)

    assert memory_taken(attempt) < 20_000_000
    assert found == [reason]


def bomb(start: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(start + bytes(200_000_000)) + packer.flush()


@pytest.mark.parametrize(("start", "reason"), [(b"", Reason.UNREADABLE), (HONEST, Reason.TOO_LARGE)])
def test_a_bomb_does_not_unfold(tmp_path: Path, start: bytes, reason: Reason) -> None:
    content = bomb(start)

    assert memory_taken(lambda: refused(content, tmp_path)) < 60_000_000
    assert refused(content, tmp_path) is reason


def test_gzip_in_gzip_and_many_members(tmp_path: Path) -> None:
    assert refused(gzip.compress(PACKED), tmp_path) is Reason.UNREADABLE
    assert refused(gzip.compress(b"") * 20_000, tmp_path) is Reason.UNREADABLE
    assert refused(PACKED + gzip.compress(bytes(1_000_000)) * 40, tmp_path) is Reason.TOO_LARGE


def test_a_volume_in_two_members_is_one(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(HONEST)
    (tmp_path / "two").write_bytes(gzip.compress(HONEST[:1000]) + gzip.compress(HONEST[1000:]))

    whole = decode(tmp_path / "one", FORM, largest=LARGEST)

    assert np.array_equal(decode(tmp_path / "two", FORM, largest=LARGEST), whole)


@pytest.mark.parametrize("place", [10, -6, -2])
def test_a_checksum_that_is_wrong(tmp_path: Path, place: int) -> None:
    content = bytearray(PACKED)
    content[place] ^= 0x55

    assert refused(bytes(content), tmp_path) is Reason.UNREADABLE


def test_another_kind_of_file_than_the_study_needs(tmp_path: Path) -> None:
    from tests.support.record_files import picture

    assert refused(picture(np.zeros((20, 20), np.uint8), "PNG"), tmp_path) is Reason.UNREADABLE


def test_extensions_are_passed_over(tmp_path: Path) -> None:
    """What follows the header up to the voxels may hold names; it is not read."""
    moved = said(108, "<f4", 352 + 64)[:348] + b"\1\0\0\0" + b"Zebra-4711".ljust(64, b"\xff") + HONEST[352:]
    (tmp_path / "one").write_bytes(HONEST)
    (tmp_path / "two").write_bytes(moved)

    whole = decode(tmp_path / "one", FORM, largest=LARGEST)

    assert np.array_equal(decode(tmp_path / "two", FORM, largest=LARGEST), whole)
