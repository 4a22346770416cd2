"""Tensors as they travel: one safetensors blob whose header both ends compute from the study.

A payload is ``header + data``. The header (8 bytes of length, JSON, padding to a multiple of 64) follows from the
manifest's `[resolved]` tensors alone, so a receiver compares it byte for byte and never parses what a peer wrote;
the data are little-endian float32 values, C order, in manifest order, without gaps. Any safetensors reader reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.study import TensorSpec
from fedward_shared.errors import WireError

__all__ = ["Layout", "decode", "encode", "layout"]

_FLOAT = np.dtype("<f4")
_ALIGNMENT = 64
_LENGTH_BYTES = 8
_RESERVED_NAME = "__metadata__"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each tensor lies in a payload: `specs` in manifest order, the exact `header`, the size of the whole."""

    specs: tuple[TensorSpec, ...]
    header: bytes
    payload_bytes: int


def layout(specs: Sequence[TensorSpec]) -> Layout:
    """The layout of a study's tensors.

    Raises:
        WireError: a name is empty, reserved or given twice, or a dimension is not positive.
    """
    entries: dict[str, object] = {}
    at = 0
    for spec in specs:
        if not spec.name or spec.name == _RESERVED_NAME or spec.name in entries:
            raise WireError(f"tensor name {spec.name!r} is empty, reserved or given twice")
        if any(side < 1 for side in spec.shape):
            raise WireError(f"tensor {spec.name!r} has a dimension below 1")
        end = at + spec.size * _FLOAT.itemsize
        entries[spec.name] = {"dtype": "F32", "shape": list(spec.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    text += b" " * (-(len(text) + _LENGTH_BYTES) % _ALIGNMENT)
    header = len(text).to_bytes(_LENGTH_BYTES, "little") + text
    return Layout(tuple(specs), header, len(header) + at)


def encode(plan: Layout, arrays: Mapping[str, NDArray[np.float32]]) -> list[memoryview]:
    """The payload as views: the header, then each tensor's bytes. Contiguous arrays are not copied.

    The views show the arrays' own memory: do not write to the arrays before the payload has been sent or stored.

    Raises:
        WireError: a tensor is missing, left over, of another shape, or not float32.
    """
    if len(arrays) != len(plan.specs):
        raise WireError(f"the study declares {len(plan.specs)} tensors, not {len(arrays)}")
    parts = [memoryview(plan.header)]
    for spec in plan.specs:
        array = arrays.get(spec.name)
        if array is None or array.dtype != _FLOAT or array.shape != spec.shape:
            found = "missing" if array is None else f"{array.dtype} {array.shape}"
            raise WireError(f"tensor {spec.name!r} must be float32 of shape {spec.shape}; it is {found}")
        flat = np.ascontiguousarray(array).reshape(-1)
        parts.append(flat.view(np.uint8).data.toreadonly())
    return parts


def decode(plan: Layout, buffer: memoryview) -> dict[str, NDArray[np.float32]]:
    """Read-only arrays over `buffer`, in manifest order; they keep its memory alive.

    Raises:
        WireError: size or header are not those of the study.
    """
    if buffer.nbytes != plan.payload_bytes:
        raise WireError(f"the study's payload has {plan.payload_bytes} bytes, not {buffer.nbytes}")
    raw = buffer.cast("B")
    if raw[: len(plan.header)] != plan.header:
        raise WireError("the payload's header is not the one that follows from the study")
    arrays: dict[str, NDArray[np.float32]] = {}
    at = len(plan.header)
    for spec in plan.specs:
        view = np.frombuffer(raw, _FLOAT, spec.size, at).reshape(spec.shape)
        view.flags.writeable = False
        arrays[spec.name] = view
        at += spec.size * _FLOAT.itemsize
    return arrays
