"""Arrays to Flower's ArrayRecord and back without needless copies.

Flower's `Array` keeps the bytes of an .npy file; making one copies the data twice, reading one copies it once.
A `ViewArray` shows a numpy array that exists already and makes those bytes only if somebody asks for them.
`ArrayRecord({...})` would read `.data` of each array, so keys are set one at a time.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord
from numpy.lib import format as npy
from numpy.typing import NDArray

__all__ = ["SumArray", "ViewArray", "array_of", "arrays_of", "record_of"]

Values = NDArray[Any]
_NUMPY = "numpy.ndarray"


class ViewArray(Array):
    """A Flower Array over a numpy array that exists already."""

    def __init__(self, view: Values) -> None:
        self.__dict__.update(view=view, dtype=str(view.dtype), shape=tuple(view.shape), stype=_NUMPY)

    def numpy(self) -> Values:
        """The array itself, not a copy."""
        view: Values = self.__dict__["view"]
        return view

    @property
    def data(self) -> bytes:  # type: ignore[override]  # flwr declares a plain attribute; ours is made on demand
        """The bytes of an .npy file, made now."""
        return _npy(self.numpy())


class SumArray(Array):
    """`base + change`, added up each time it is asked for, so that no second model is held per site."""

    def __init__(self, base: Values, change: Values) -> None:
        kind = np.result_type(base, change)
        self.__dict__.update(base=base, change=change, dtype=str(kind), shape=tuple(base.shape), stype=_NUMPY)

    def numpy(self) -> Values:
        """A new array: base plus change."""
        total: Values = np.add(self.__dict__["base"], self.__dict__["change"])
        return total

    @property
    def data(self) -> bytes:  # type: ignore[override]  # flwr declares a plain attribute; ours is made on demand
        """The bytes of an .npy file, made now."""
        return _npy(self.numpy())


def record_of(arrays: Mapping[str, Values]) -> ArrayRecord:
    """A record whose arrays are views of those given; whoever changes the one changes the other."""
    record = ArrayRecord()
    for name, values in arrays.items():
        record[name] = ViewArray(values)
    return record


def arrays_of(record: ArrayRecord) -> dict[str, Values]:
    """The record's arrays in its order. Arrays that Flower serialised are shown in place and are read-only."""
    return {name: array_of(array) for name, array in record.items()}


def array_of(array: Array) -> Values:
    """One array's values, past the .npy header where Flower serialised them.

    Raises:
        ValueError: the bytes are no .npy file of numbers.
    """
    if isinstance(array, (ViewArray, SumArray)):
        return array.numpy()
    data = array.data
    stream = io.BytesIO(data)
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, kind = read(stream)
    if kind.hasobject:
        raise ValueError("an array of Python objects is not accepted")
    values: Values = np.frombuffer(data, kind, offset=stream.tell())
    return values.reshape(shape, order="F" if fortran else "C")


def _npy(values: Values) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()
