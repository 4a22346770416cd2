"""Whatever a decoder does, what comes out of the registry is an array of the form, or one reason."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from fedward_client.importer.arrays import images
from fedward_client.importer.arrays.registry import decode
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Image
from tests.support.record_files import picture

FORM = Image("file", 1, 6, 8)
SECRET = "Zebra-4711"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An honest picture."""
    (tmp_path / "picture").write_bytes(picture(np.zeros((6, 8), np.uint8), "PNG"))
    return tmp_path / "picture"


@pytest.mark.parametrize(
    "failure",
    [ValueError, MemoryError, RecursionError, OSError, KeyError, AssertionError, struct.error, zlib.error, TypeError],
)
def test_any_failure_of_a_library_is_one_reason(
    path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure(SECRET)

    monkeypatch.setattr(images, "read_picture", fail)

    with pytest.raises(UnreadableError) as refusal:
        decode(path, FORM, largest=1000)

    assert refusal.value.reason is Reason.UNREADABLE
    assert SECRET not in str(refusal.value)
    assert refusal.value.__suppress_context__


def test_an_interruption_is_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(images, "read_picture", interrupt)

    with pytest.raises(KeyboardInterrupt):
        decode(path, FORM, largest=1000)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (np.zeros((1, 6, 9)), Reason.WRONG_SHAPE),
        (np.zeros((6, 8)), Reason.WRONG_SHAPE),
        (np.full((1, 6, 8), np.nan), Reason.NOT_FINITE),
        (np.full((1, 6, 8), -np.inf), Reason.NOT_FINITE),
    ],
)
def test_what_a_decoder_makes_is_checked(
    path: Path, monkeypatch: pytest.MonkeyPatch, made: np.ndarray, reason: Reason
) -> None:
    monkeypatch.setattr(images, "read_picture", lambda *_, **__: made)

    with pytest.raises(UnreadableError) as refusal:
        decode(path, FORM, largest=1000)

    assert refusal.value.reason is reason


def test_warnings_of_libraries_go_nowhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(*_: object, **__: object) -> np.ndarray:
        warnings.warn(SECRET, stacklevel=1)
        return np.zeros(FORM.shape)

    monkeypatch.setattr(images, "read_picture", warn)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = decode(path, FORM, largest=1000)

    assert not told
    assert found.dtype == np.float32


def test_larger_than_the_limit(path: Path) -> None:
    with pytest.raises(UnreadableError) as refusal:
        decode(path, FORM, largest=10)

    assert refusal.value.reason is Reason.TOO_LARGE


def test_nothing_heavy_is_imported_before_a_file_needs_it() -> None:
    heavy = ("PIL", "pydicom", "nibabel", "scipy", "wfdb", "polars")
    program = (
        "import sys, fedward_client.importer.arrays.registry; "
        f"sys.exit(' '.join(name for name in {heavy} if name in sys.modules) or 0)"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stderr
