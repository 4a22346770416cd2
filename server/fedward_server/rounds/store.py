"""Signed instructions on disk, so that after a crash the coordinator sends the identical bytes.

A site's reservation is bound to an instruction's digest: another instruction for the same round and attempt would
be refused, and a new attempt is charged. So a batch (one payload, one signed head for each site) is durable
before its first byte is sent. One folder a batch::

    train-00003-01/payload       the payload, once for all sites
    train-00003-01/heads.json    for each site: head, seal, signature (hex); its presence makes the batch valid
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedward_shared.contracts.round import Task
from fedward_shared.errors import FedwardError
from fedward_shared.files import read_limited, sync_folder, write_atomic

__all__ = ["Batch", "BatchKey", "FolderStore", "InstructionStore", "MemoryStore", "SealedHead"]

_HEADS_LIMIT = 1 << 26
_NAME = re.compile(r"(train|conclude)-(\d{5,})-(\d{2,})")


@dataclass(frozen=True, slots=True)
class BatchKey:
    """What a batch is for."""

    task: Task
    round: int
    attempt: int

    @property
    def name(self) -> str:
        """Its folder's name."""
        return f"{self.task.name.lower()}-{self.round:05d}-{self.attempt:02d}"


@dataclass(frozen=True, slots=True)
class SealedHead:
    """The part of an instruction that differs between sites."""

    head: bytes
    seal: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """The instructions of one round and attempt. `digest` is the payload's SHA-256."""

    parts: Sequence[memoryview]
    digest: bytes
    heads: Mapping[str, SealedHead]


class InstructionStore(Protocol):
    """Where batches are kept."""

    def load(self, key: BatchKey) -> Batch | None:
        """The batch kept under `key`, if there is one."""

    def save(self, key: BatchKey, batch: Batch) -> None:
        """Keeps `batch` (again, where sites were added to it); durable when this returns."""

    def forget(self, through: int) -> None:
        """Drops the batches of every round up to `through`, whose results are in a durable checkpoint."""


class MemoryStore:
    """For simulations: nothing outlives the process."""

    def __init__(self) -> None:
        self._batches: dict[BatchKey, Batch] = {}

    def load(self, key: BatchKey) -> Batch | None:
        """The batch kept under `key`, if there is one."""
        return self._batches.get(key)

    def save(self, key: BatchKey, batch: Batch) -> None:
        """Keeps `batch`."""
        self._batches[key] = batch

    def forget(self, through: int) -> None:
        """Drops the batches of every round up to `through`."""
        for key in [key for key in self._batches if key.task is Task.TRAIN and key.round <= through]:
            del self._batches[key]


class FolderStore:
    """For the coordinator: batches outlive any crash."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def load(self, key: BatchKey) -> Batch | None:
        """The batch kept under `key`, if it was completed; its payload is a memory map.

        Raises:
            FedwardError: the files do not belong together.
        """
        folder = self._root / key.name
        if not (folder / "heads.json").exists():
            return None
        found = json.loads(read_limited(folder / "heads.json", _HEADS_LIMIT))
        view = _mapped(folder / "payload")
        digest = hashlib.sha256(view).digest()
        if digest.hex() != found["payload_sha256"]:
            raise FedwardError(
                f"{folder} was damaged: the payload is not the one that was signed",
                hint="Restore the study's folder from a backup, or publish the study again.",
            )
        heads = {
            site: SealedHead(*(bytes.fromhex(fields[name]) for name in ("head", "seal", "signature")))
            for site, fields in found["sites"].items()
        }
        return Batch((view,), digest, heads)

    def save(self, key: BatchKey, batch: Batch) -> None:
        """Keeps `batch`: the payload first, then the heads that make it valid."""
        folder = self._root / key.name
        if not folder.is_dir():
            folder.mkdir(mode=0o700)
            sync_folder(self._root)
        if not (folder / "heads.json").exists():
            write_atomic(folder / "payload", batch.parts)
        content = {
            "payload_sha256": batch.digest.hex(),
            "sites": {
                site: {"head": sealed.head.hex(), "seal": sealed.seal.hex(), "signature": sealed.signature.hex()}
                for site, sealed in batch.heads.items()
            },
        }
        write_atomic(folder / "heads.json", json.dumps(content).encode())

    def forget(self, through: int) -> None:
        """Drops the batches of every round up to `through`; what a crash leaves is dropped next time."""
        for folder in self._root.iterdir():
            named = _NAME.fullmatch(folder.name)
            if named and named[1] == "train" and int(named[2]) <= through:
                (folder / "heads.json").unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)


def _mapped(path: Path) -> memoryview:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
