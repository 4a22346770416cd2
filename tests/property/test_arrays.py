"""Decoders of records: whatever is taken has the declared shape, range and meaning; whatever is not is told."""

from __future__ import annotations

import io
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image as PillowImage

from fedward_client.importer.arrays.files import inside
from fedward_client.importer.arrays.fitting import fit_image
from fedward_client.importer.arrays.numpy_file import read_numpy
from fedward_client.importer.arrays.registry import decode
from fedward_client.importer.arrays.text import encode_text
from fedward_client.importer.arrays.volumes import fit_volume
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Fit, Image, Signal, Text, TextForm, Volume

EXAMPLES = 500 if os.environ.get("FEDWARD_LONG") else 50
LARGEST = 5_000_000

sides = st.integers(1, 24)
images = st.builds(
    Image,
    file=st.just("file"),
    channels=st.sampled_from([1, 3]),
    height=sides,
    width=sides,
    fit=st.sampled_from(Fit),
    centre=st.floats(-1, 1),
    scale=st.floats(0.1, 2),
)
pixels = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))


@contextmanager
def written(content: bytes) -> Iterator[Path]:
    """A file with this content, for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        yield path


@settings(max_examples=EXAMPLES, deadline=None)
@given(grey=pixels, form=images)
def test_an_image_has_its_shape_and_range(grey: NDArray[np.uint8], form: Image) -> None:
    content = io.BytesIO()
    PillowImage.fromarray(grey).save(content, "PNG")

    with written(content.getvalue()) as path:
        found = decode(path, form, largest=LARGEST)

    unscaled = found.astype(np.float64) * form.scale + form.centre
    assert found.shape == form.shape
    assert unscaled.min() >= -1e-5
    assert unscaled.max() <= 1 + 1e-5
    if grey.shape == form.shape[1:]:
        assert np.allclose(unscaled, grey / 255, atol=1e-5)


@settings(max_examples=EXAMPLES, deadline=None)
@given(grey=pixels, form=images)
def test_fitting_keeps_an_even_image_even(grey: NDArray[np.uint8], form: Image) -> None:
    even = np.full(grey.shape, grey.flat[0] / 255, np.float32)

    found = fit_image([even], form) * form.scale + form.centre

    if form.fit is Fit.PAD:
        assert np.all(np.isclose(found, even.flat[0], atol=1e-5) | np.isclose(found, 0, atol=1e-5))
    else:
        assert np.allclose(found, even.flat[0], atol=1e-5)


spacings = st.floats(0.3, 3)
voxels = hnp.arrays(np.int16, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9), elements=st.integers(-500, 500))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    values=voxels,
    there=st.tuples(spacings, spacings, spacings),
    here=st.tuples(spacings, spacings, spacings),
    angles=st.tuples(*[st.floats(-math.pi, math.pi)] * 3),
    shape=st.tuples(sides, sides, sides),
)
def test_a_volume_at_any_angle_stays_between_its_voxels(
    values: NDArray[np.int16],
    there: tuple[float, float, float],
    here: tuple[float, float, float],
    angles: tuple[float, float, float],
    shape: tuple[int, int, int],
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = turn(angles) * there
    form = Volume("file", *shape, spacing=here, window=(0, 1000), centre=0.0, scale=1.0)

    found = fit_volume(values, affine, form)

    assert found.shape == form.shape
    assert found.min() >= 0
    assert found.max() <= (max(int(values.max()), -500) + 500) / 1000 + 1e-4


def turn(angles: tuple[float, float, float]) -> NDArray[np.float64]:
    """A rotation about each axis in turn."""
    whole = np.eye(3)
    for axis, angle in enumerate(angles):
        one = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        one[[first, second], [first, second]] = math.cos(angle)
        one[first, second], one[second, first] = -math.sin(angle), math.sin(angle)
        whole = whole @ one
    return whole


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    level=st.integers(-2000, 2000),
    rate=st.sampled_from([50.0, 100.0, 128.5, 257.0, 360.0, 500.0]),
    samples=st.integers(1, 400),
    form=st.sampled_from(["16", "212"]),
)
def test_an_even_signal_stays_even(level: int, rate: float, samples: int, form: str) -> None:
    signal = Signal("file", ("II",), rate=100, seconds=2, limit=100)
    packed = np.full(samples, level, "<i2").tobytes()
    if form == "212":
        low, high = level & 0xFF, level >> 8 & 0x0F
        packed = bytes([low, high | high << 4, low]) * (-(-samples // 2))
    with written(packed) as path:
        header = path.with_suffix(".hea")
        header.write_text(f"file 1 {rate} {samples}\nfile {form} 100(0)/mV 16 0 0 0 0 II\n")
        found = decode(header, signal, largest=LARGEST)[:, 0]

    kept = min(200, math.ceil(samples / rate * 100))
    assert np.allclose(found[: kept - 1], level / 100, atol=1e-4, rtol=2e-3)
    assert not found[kept:].any()


names = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(["..", ".", "a", "", "/", "\\", "~", "1.png", "\0", "C:", "out"]), max_size=8).map(
        "/".join
    ),
)


@settings(max_examples=4 * EXAMPLES, deadline=None)
@given(name=names)
@example(name="a/../../precious")
def test_no_name_leads_out(name: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        root = Path(made).resolve()
        (root / "in" / "a").mkdir(parents=True)
        (root / "in" / "a" / "1.png").write_text("x")
        (root / "precious").write_text("x")
        (root / "in" / "out").symlink_to("../precious")
        try:
            found = inside(root / "in", name)
        except UnreadableError as refusal:
            told = refusal.reason in {Reason.NO_FILE, Reason.OUTSIDE}
        else:
            told = found in {root / "in" / "a", root / "in" / "a" / "1.png"}
    assert told


forms = st.sampled_from(
    [
        Image("file", 1, 8, 8),
        Volume("file", 4, 4, 4, spacing=(1, 1, 1), window=(0, 1)),
        Signal("file", ("II",), rate=100, seconds=1),
    ]
)
starts = st.sampled_from(
    [
        b"",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"\xff\xd8\xff\xe0",
        b"II*\0\x08\0\0\0",
        b"MM\0*\0\0\0\x08",
        bytes(128) + b"DICM",
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
        (348).to_bytes(4, "little"),
        b"file 1 100 100\nfile 16 200/mV",
    ]
)


@settings(max_examples=4 * EXAMPLES, deadline=None)
@given(start=starts, rest=st.binary(max_size=600), form=forms)
def test_arbitrary_bytes_are_taken_or_refused(start: bytes, rest: bytes, form: Image | Volume | Signal) -> None:
    with written(start + rest) as path:
        try:
            fine = decode(path, form, largest=LARGEST).shape == form.shape
        except UnreadableError as refusal:
            fine = isinstance(refusal.reason, Reason)
    assert fine


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    array=hnp.arrays(
        st.sampled_from([np.dtype(kind) for kind in ("f4", ">f8", "i2", "u1", "?", "<i8")]),
        hnp.array_shapes(max_dims=4, max_side=5),
        elements={"allow_nan": False, "allow_infinity": False, "max_value": 1, "min_value": 0},
    ),
    turned=st.booleans(),
)
def test_arrays_come_back_as_they_were_saved(array: NDArray[np.generic], *, turned: bool) -> None:
    content = io.BytesIO()
    np.save(content, np.asfortranarray(array) if turned else array)

    with written(content.getvalue()) as path:
        found = read_numpy(path, array.shape, largest=LARGEST)

    assert np.array_equal(found, array.astype(np.float32))


@settings(max_examples=2 * EXAMPLES, deadline=None)
@given(text=st.text(max_size=200), buckets=st.integers(2, 500), ngrams=st.integers(1, 4), length=st.integers(1, 40))
def test_any_text_can_be_encoded(text: str, buckets: int, ngrams: int, length: int) -> None:
    bag = encode_text(text, Text("note", buckets=buckets, ngrams=ngrams))
    tokens = encode_text(text, Text("note", TextForm.TOKENS, buckets=buckets, length=length))

    assert bag.shape == (buckets,)
    assert tokens.shape == (length,)
    assert not bag.any() or math.isclose(float(np.linalg.norm(bag)), 1, rel_tol=1e-5)
    assert bag.any() == tokens.any()
    assert ((tokens >= 0) & (tokens < buckets) & (tokens == np.round(tokens))).all()
    ended = np.flatnonzero(tokens == 0)
    assert not len(ended) or not tokens[ended[0] :].any()
