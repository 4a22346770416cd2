"""Arrays through Flower's records: same values, no copies."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Message, MessageType, RecordDict

from fedward_shared.flower.identity import COORDINATOR_NODE, set_identity
from fedward_shared.flower.records import SumArray, ViewArray, array_of, arrays_of, record_of

ARRAYS = {
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "bias": np.array([0.5], dtype=np.float32),
    "scalar": np.array(2.0, dtype=np.float32),
}


def test_a_record_shows_the_arrays_themselves() -> None:
    record = record_of(ARRAYS)
    back = arrays_of(record)
    assert list(back) == list(ARRAYS)
    for name, values in ARRAYS.items():
        assert back[name] is values
        assert record[name].numpy() is values
        assert (record[name].dtype, record[name].shape) == ("float32", values.shape)


def test_flower_reads_our_views_as_its_own_arrays() -> None:
    for name, values in ARRAYS.items():
        ours, theirs = ViewArray(values), Array(values)
        assert ours.data == theirs.data, name
        assert (ours.dtype, ours.shape, ours.stype) == (theirs.dtype, theirs.shape, theirs.stype)
        copied = ArrayRecord({name: ours})
        np.testing.assert_array_equal(copied[name].numpy(), values)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "<i8"])
def test_arrays_that_flower_serialised_are_read_in_place(kind: str, order: str) -> None:
    values = np.asarray(np.arange(12).reshape(3, 4), dtype=kind, order="F" if order == "F" else "C")
    array = Array(values)
    back = array_of(array)
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)
    assert not back.flags.writeable
    assert not back.flags.owndata


def test_python_objects_are_not_accepted() -> None:
    header = b"\x93NUMPY\x01\x00"
    text = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    array = Array("object", (1,), "numpy.ndarray", header + len(text).to_bytes(2, "little") + text + bytes(8))
    with pytest.raises(ValueError, match="objects"):
        array_of(array)


def test_a_sum_is_made_when_it_is_asked_for() -> None:
    base, change = np.ones(3, np.float32), np.full(3, 0.25, np.float32)
    total = SumArray(base, change)
    np.testing.assert_array_equal(total.numpy(), np.full(3, 1.25, np.float32))
    assert total.numpy().dtype == np.float32
    change[:] = 1
    np.testing.assert_array_equal(array_of(total), np.full(3, 2, np.float32))
    assert total.data == Array(np.full(3, 2, np.float32)).data


def test_messages_can_be_made_once_the_identity_is_set() -> None:
    set_identity(COORDINATOR_NODE)
    message = Message(RecordDict({"arrays": record_of(ARRAYS)}), 3, MessageType.TRAIN)
    reply = Message(RecordDict(), reply_to=message)
    assert (message.metadata.src_node_id, message.metadata.dst_node_id) == (COORDINATOR_NODE, 3)
    assert (reply.metadata.src_node_id, reply.metadata.dst_node_id) == (3, COORDINATOR_NODE)
