"""Where a study stands after each attempt: one file, replaced atomically, the last two kept.

A checkpoint is a safetensors file: ``model/NAME`` (float32), ``strategy/ATTRIBUTE/INDEX``, ``average/NAME``
(float64 sums), and JSON in its metadata. After a round it is a new file; after an attempt that fell short the
file of the round before is replaced by one that also tells about that attempt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fedward_server.rounds.participation import Attempt, attempts_from_json, attempts_to_json
from fedward_server.rounds.strategy_state import StrategyState
from fedward_shared.errors import FedwardError
from fedward_shared.files import write_atomic

__all__ = ["Checkpoint", "CheckpointStore", "FolderCheckpoints", "MemoryCheckpoints"]

_KEPT = 2
_NAME = re.compile(r"round-(\d{5,})\.safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that the next round needs.

    `round` is the last completed one, `attempt` the number of the attempt to make next at round + 1, `spare_used`
    how many of the study's spare attempts are gone. `average` holds the float64 sums of the last `averaged` models.
    """

    round: int
    model: Mapping[str, NDArray[np.float32]]
    strategy: StrategyState
    attempt: int = 1
    spare_used: int = 0
    average: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    averaged: int = 0
    attempts: tuple[Attempt, ...] = ()


class CheckpointStore(Protocol):
    """Where checkpoints are kept."""

    def latest(self) -> Checkpoint | None:
        """The last one saved."""
        ...

    def save(self, checkpoint: Checkpoint) -> None:
        """Keeps a checkpoint; durable when this returns."""
        ...


class MemoryCheckpoints:
    """For simulations: only the latest, by reference."""

    def __init__(self) -> None:
        self._latest: Checkpoint | None = None

    def latest(self) -> Checkpoint | None:
        """The last one saved."""
        return self._latest

    def save(self, checkpoint: Checkpoint) -> None:
        """Keeps a checkpoint."""
        self._latest = checkpoint


class FolderCheckpoints:
    """For the coordinator: files that outlive any crash."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def latest(self) -> Checkpoint | None:
        """The last one saved.

        Raises:
            FedwardError: the file is damaged.
        """
        files = self._files()
        return _read(files[max(files)]) if files else None

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes one file atomically, then removes all but the last two."""
        from safetensors.numpy import save

        tensors: dict[str, NDArray[Any]] = {f"model/{name}": values for name, values in checkpoint.model.items()}
        tensors |= {f"average/{name}": values for name, values in checkpoint.average.items()}
        tensors |= {f"strategy/{name}": values for name, values in checkpoint.strategy.tensors.items()}
        contiguous = {name: np.ascontiguousarray(values).reshape(values.shape) for name, values in tensors.items()}
        state = {
            "round": checkpoint.round,
            "attempt": checkpoint.attempt,
            "spare_used": checkpoint.spare_used,
            "averaged": checkpoint.averaged,
            "model": list(checkpoint.model),
            "average": list(checkpoint.average),
            "strategy": checkpoint.strategy.document,
            "attempts": attempts_to_json(checkpoint.attempts),
        }
        content = save(contiguous, metadata={"fedward": json.dumps(state)})
        write_atomic(self._root / f"round-{checkpoint.round:05d}.safetensors", content)
        files = self._files()
        for number in sorted(files)[:-_KEPT]:
            files[number].unlink(missing_ok=True)

    def _files(self) -> dict[int, Path]:
        named = ((path, _NAME.fullmatch(path.name)) for path in self._root.iterdir())
        return {int(match[1]): path for path, match in named if match}


def _read(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            state: dict[str, Any] = json.loads(file.metadata()["fedward"])
            tensors: dict[str, NDArray[Any]] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # safe_open is no dict
        return Checkpoint(
            round=int(state["round"]),
            model={name: tensors[f"model/{name}"] for name in state["model"]},
            strategy=StrategyState(state["strategy"], _under("strategy/", tensors)),
            attempt=int(state["attempt"]),
            spare_used=int(state["spare_used"]),
            average={name: tensors[f"average/{name}"] for name in state["average"]},
            averaged=int(state["averaged"]),
            attempts=attempts_from_json(state["attempts"]),
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise FedwardError(
            f"the checkpoint {path} is damaged",
            hint="Restore the study's folder from a backup; the sites give stored replies for rounds since then.",
        ) from error


def _under(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}
