"""Weights in a local safetensors file, made by somebody else: `[model.start]` and `[model.backbone]`.

Names, types, shapes and sizes are checked before memory is set aside for them, and the file's SHA-256 while it is read.
Nothing in such a file is ever executed (it holds a JSON header and numbers).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.study import TensorSpec
from fedward_shared.errors import UsageError

__all__ = ["WeightFile", "inspect_weights", "read_weights"]

_LENGTH_BYTES = 8
_LARGEST_HEADER = 1 << 21
_MOST_AXES = 8
_LARGEST_NUMBER = 1 << 48
_PIECE = 1 << 20
_SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8,
}  # fmt: skip
_FLOAT = "F32"
_HINT = "Weights are kept as safetensors: safetensors.torch.save_file(model.state_dict(), FILE)."


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class WeightFile:
    """What a file of weights holds: its SHA-256 (hex), its size in bytes, how many tensors and numbers."""

    sha256: str
    size: int
    tensors: int
    numbers: int


def inspect_weights(path: Path) -> WeightFile:
    """Reads the whole file once.

    Raises:
        UsageError: it is missing, or no safetensors file.
    """
    with _opened(path) as (file, size):
        hasher = hashlib.sha256()
        entries = _entries(file, size, hasher, path)
        while piece := file.read(_PIECE):
            hasher.update(piece)
    return WeightFile(hasher.hexdigest(), size, len(entries), sum(prod(entry.shape) for entry in entries))


def read_weights(
    path: Path, sha256: str, specs: Sequence[TensorSpec], *, unused: Callable[[str], bool] = lambda _: False
) -> dict[str, NDArray[np.float32]]:
    """The tensors of `specs`, in their order.

    Args:
        path: the file.
        sha256: the file's digest (hex), as the study declares it.
        specs: names and shapes that are needed, all float32.
        unused: names that may be in the file besides; they are not read.

    Raises:
        UsageError: the file is missing, damaged or another one; or a tensor is missing, left over, of another shape, or
            not float32.
    """
    with _opened(path) as (file, size):
        hasher = hashlib.sha256()
        entries = _entries(file, size, hasher, path)
        _check_tensors({entry.name: entry for entry in entries}, specs, unused, path)
        needed = {spec.name for spec in specs}
        found: dict[str, NDArray[np.float32]] = {}
        for entry in entries:
            if entry.name in needed:
                found[entry.name] = np.empty(entry.shape, dtype="<f4")
                _fill(file, found[entry.name].reshape(-1).view(np.uint8).data, hasher, path)
            else:
                _skip(file, entry.end - entry.begin, hasher, path)
    if hasher.hexdigest() != sha256:
        raise UsageError(
            f"{path} is not the file that the study declares: its SHA-256 is {hasher.hexdigest()}",
            hint=f"The study declares {sha256}. Ask the coordinator for that file.",
        )
    return {spec.name: found[spec.name] for spec in specs}


@contextmanager
def _opened(path: Path) -> Iterator[tuple[io.FileIO, int]]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise UsageError(f"{path} is no regular file")
    with io.FileIO(handle) as file:
        yield file, status.st_size


def _entries(file: io.FileIO, size: int, hasher: hashlib._Hash, path: Path) -> list[_Entry]:
    """The header, checked: tensors lie one after the other and fill the file."""
    first = file.read(_LENGTH_BYTES) or b""
    length = int.from_bytes(first, "little")
    if len(first) != _LENGTH_BYTES or not 0 < length <= min(_LARGEST_HEADER, size - _LENGTH_BYTES):
        raise _unreadable(path)
    text = bytearray(length)
    hasher.update(first)
    _fill(file, memoryview(text), hasher, path)
    try:
        told = json.loads(text)
        entries = [_entry(name, about) for name, about in told.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(path) from error
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    ends = [0, *(entry.end for entry in entries)]
    apart = [entry.begin for entry in entries] == ends[:-1]
    whole = ends[-1] == size - _LENGTH_BYTES - length
    if not (apart and whole and all(map(_consistent, entries))):
        raise _unreadable(path)
    return entries


def _entry(name: str, told: dict[str, Any]) -> _Entry:
    kind, shape, offsets = str(told["dtype"]), told["shape"], told["data_offsets"]
    if not (isinstance(shape, list) and isinstance(offsets, list)) or len(shape) > _MOST_AXES:
        raise ValueError(name)
    if not all(type(number) is int and 0 <= number <= _LARGEST_NUMBER for number in (*shape, *offsets)):
        raise ValueError("no whole number")
    begin, end = offsets
    return _Entry(name, kind, tuple(shape), begin, end)


def _consistent(entry: _Entry) -> bool:
    return entry.kind in _SIZES and entry.end - entry.begin == prod(entry.shape) * _SIZES[entry.kind]


def _check_tensors(
    entries: dict[str, _Entry], specs: Sequence[TensorSpec], unused: Callable[[str], bool], path: Path
) -> None:
    needed = {spec.name for spec in specs}
    for spec in specs:
        entry = entries.get(spec.name)
        if entry is None:
            raise UsageError(f"{path} has no tensor {_shown(spec.name)}, which the study needs")
        if entry.shape != spec.shape or entry.kind != _FLOAT:
            raise UsageError(
                f"{path}: tensor {_shown(spec.name)} is {_shown(entry.kind)} {list(entry.shape)}; the study needs "
                f"{_FLOAT} {list(spec.shape)}"
            )
    for name in entries:
        if name not in needed and not unused(name):
            raise UsageError(f"{path} holds a tensor {_shown(name)}, which is not one of the model's")


def _shown(name: str) -> str:
    return repr(name[:100])


def _fill(file: io.FileIO, view: memoryview, hasher: hashlib._Hash, path: Path) -> None:
    at = 0
    while at < len(view):
        count = file.readinto(view[at : at + _PIECE])
        if not count:
            raise _unreadable(path)
        hasher.update(view[at : at + count])
        at += count


def _skip(file: io.FileIO, count: int, hasher: hashlib._Hash, path: Path) -> None:
    while count:
        piece = file.read(min(count, _PIECE))
        if not piece:
            raise _unreadable(path)
        hasher.update(piece)
        count -= len(piece)


def _unreadable(path: Path) -> UsageError:
    return UsageError(f"{path} is no safetensors file, or was damaged", hint=_HINT)
