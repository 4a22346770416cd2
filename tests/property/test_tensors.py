"""Tensors as they travel: what is encoded is decoded to the same bits, and nothing else is."""

import json
import math
import os
from collections.abc import Mapping

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedward_shared.contracts.study import TensorSpec
from fedward_shared.errors import WireError
from fedward_shared.wire import tensors

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100
NAMES = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=12).filter(
    lambda name: name != "__metadata__"
)
SHAPES = st.lists(st.integers(1, 4), max_size=4).map(tuple)
SPECS = st.lists(st.builds(TensorSpec, NAMES, SHAPES), min_size=1, max_size=6, unique_by=lambda spec: spec.name)
Arrays = Mapping[str, NDArray[np.float32]]


def draw_arrays(data: st.DataObject, specs: list[TensorSpec]) -> dict[str, NDArray[np.float32]]:
    """Any bit patterns: NaN payloads, infinities and negative zeros too."""
    arrays = {}
    for spec in specs:
        raw = data.draw(st.binary(min_size=4 * spec.size, max_size=4 * spec.size))
        arrays[spec.name] = np.frombuffer(raw, "<f4").reshape(spec.shape)
    return arrays


@given(SPECS, st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_round_trip_keeps_every_bit_and_the_order(specs: list[TensorSpec], data: st.DataObject) -> None:
    plan = tensors.layout(specs)
    arrays = draw_arrays(data, specs)
    payload = b"".join(tensors.encode(plan, arrays))
    assert len(payload) == plan.payload_bytes
    back = tensors.decode(plan, memoryview(payload))
    assert list(back) == [spec.name for spec in specs]
    for name, array in arrays.items():
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()


@given(SPECS, st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_safetensors_reader_reads_it(specs: list[TensorSpec], data: st.DataObject) -> None:
    plan = tensors.layout(specs)
    arrays = draw_arrays(data, specs)
    read = safetensors.numpy.load(b"".join(tensors.encode(plan, arrays)))
    assert {name: array.tobytes() for name, array in read.items()} == {n: a.tobytes() for n, a in arrays.items()}


@given(SPECS, st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_another_header_is_refused_whatever_it_says(specs: list[TensorSpec], data: st.DataObject) -> None:
    plan = tensors.layout(specs)
    payload = bytearray(plan.header + bytes(plan.payload_bytes - len(plan.header)))
    at = data.draw(st.integers(0, len(plan.header) - 1))
    payload[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(WireError, match="header"):
        tensors.decode(plan, memoryview(payload))


@given(SPECS, st.one_of(st.integers(-64, -1), st.integers(1, 64)))
@settings(max_examples=EXAMPLES, deadline=None)
def test_another_size_is_refused(specs: list[TensorSpec], difference: int) -> None:
    plan = tensors.layout(specs)
    with pytest.raises(WireError, match="bytes"):
        tensors.decode(plan, memoryview(bytes(max(0, plan.payload_bytes + difference))))


@given(SPECS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_header_follows_from_the_study_alone_and_is_aligned(specs: list[TensorSpec]) -> None:
    plan = tensors.layout(specs)
    assert plan.header == tensors.layout(tuple(specs)).header
    assert len(plan.header) % 64 == 0
    entries = json.loads(plan.header[8:])
    ends = [entries[spec.name]["data_offsets"][1] for spec in specs]
    assert ends[-1] == sum(4 * math.prod(spec.shape) for spec in specs)


def test_nothing_is_copied_on_the_way_out_or_in() -> None:
    plan = tensors.layout([TensorSpec("w", (1000,))])
    array = np.zeros(1000, np.float32)
    parts = tensors.encode(plan, {"w": array})
    array[0] = 7.0
    assert bytes(parts[1][:4]) == np.float32(7.0).tobytes()
    payload = bytearray(b"".join(parts))
    view = tensors.decode(plan, memoryview(payload))["w"]
    payload[len(plan.header) : len(plan.header) + 4] = np.float32(9.0).tobytes()
    assert view[0] == 9.0
    assert not view.flags.writeable


def test_an_array_out_of_order_in_memory_is_sent_in_c_order() -> None:
    plan = tensors.layout([TensorSpec("w", (2, 3))])
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert bytes(tensors.encode(plan, {"w": array})[1]) == np.arange(6, dtype="<f4").tobytes()


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"w": np.zeros((3, 2), np.float32)},
        {"w": np.zeros((2, 3), np.float64)},
        {"w": np.zeros((2, 3), ">f4")},
        {"v": np.zeros((2, 3), np.float32)},
        {"w": np.zeros((2, 3), np.float32), "v": np.zeros(1, np.float32)},
    ],
    ids=["none", "shape", "float64", "byte-order", "name", "left-over"],
)
def test_arrays_that_the_study_does_not_declare_are_not_sent(arrays: Arrays) -> None:
    plan = tensors.layout([TensorSpec("w", (2, 3))])
    with pytest.raises(WireError):
        tensors.encode(plan, arrays)


@pytest.mark.parametrize(
    "specs",
    [
        [TensorSpec("", (1,))],
        [TensorSpec("__metadata__", (1,))],
        [TensorSpec("w", (1,)), TensorSpec("w", (1,))],
        [TensorSpec("w", (2, 0))],
        [TensorSpec("w", (-1,))],
    ],
    ids=["empty", "reserved", "twice", "zero", "negative"],
)
def test_a_layout_that_could_be_read_two_ways_is_refused(specs: list[TensorSpec]) -> None:
    with pytest.raises(WireError):
        tensors.layout(specs)
