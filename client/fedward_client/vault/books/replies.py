"""Payloads of stored replies: one file each, durable before the transaction that refers to it.

A file is named after the instruction that it answers. What a crash leaves behind is a file without a row
(removed at the next start), never a row without its file.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from fedward_shared.files import sync_folder, write_atomic

__all__ = ["FolderReplies", "MemoryReplies", "Replies", "hash_of"]

_SUFFIX = ".reply"


class Replies(Protocol):
    """Where reply payloads are kept, by the digest of the instruction that they answer."""

    def write(self, instruction: bytes, parts: Sequence[memoryview]) -> None:
        """Keeps a payload; it is durable when this returns. A payload kept before under that name is replaced."""

    def read(self, instruction: bytes) -> memoryview | None:
        """The payload, or None where there is none."""

    def remove(self, instructions: Iterable[bytes]) -> None:
        """Forgets payloads; those that are not there are no error."""

    def keep_only(self, instructions: Iterable[bytes]) -> None:
        """Removes everything else, half-written files too."""


def hash_of(parts: Sequence[memoryview]) -> bytes:
    """SHA-256 over a payload in parts."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part)
    return hasher.digest()


class FolderReplies:
    """Files in `folder`, which is made if it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)

    def write(self, instruction: bytes, parts: Sequence[memoryview]) -> None:
        """Keeps a payload; it is durable when this returns."""
        write_atomic(self._path(instruction), parts)

    def read(self, instruction: bytes) -> memoryview | None:
        """The payload, mapped and not copied, or None where there is none."""
        try:
            with self._path(instruction).open("rb") as file:
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except FileNotFoundError:
            return None
        except ValueError:  # an empty file cannot be mapped
            return memoryview(b"")

    def remove(self, instructions: Iterable[bytes]) -> None:
        """Forgets payloads; those that are not there are no error."""
        for instruction in instructions:
            self._path(instruction).unlink(missing_ok=True)

    def keep_only(self, instructions: Iterable[bytes]) -> None:
        """Removes everything else, half-written files too."""
        kept = {self._path(instruction).name for instruction in instructions}
        for path in self._folder.iterdir():
            if path.name not in kept:
                path.unlink()
        sync_folder(self._folder)

    def _path(self, instruction: bytes) -> Path:
        return self._folder / (instruction.hex() + _SUFFIX)


class MemoryReplies:
    """The same in memory, for simulations: gone when the process ends."""

    def __init__(self) -> None:
        self._kept: dict[bytes, bytes] = {}

    def write(self, instruction: bytes, parts: Sequence[memoryview]) -> None:
        """Keeps a copy of a payload."""
        self._kept[instruction] = b"".join(parts)

    def read(self, instruction: bytes) -> memoryview | None:
        """The payload, or None where there is none."""
        kept = self._kept.get(instruction)
        return None if kept is None else memoryview(kept)

    def remove(self, instructions: Iterable[bytes]) -> None:
        """Forgets payloads; those that are not there are no error."""
        for instruction in instructions:
            self._kept.pop(instruction, None)

    def keep_only(self, instructions: Iterable[bytes]) -> None:
        """Removes everything else."""
        kept = set(instructions)
        self._kept = {name: payload for name, payload in self._kept.items() if name in kept}
