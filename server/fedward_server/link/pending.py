"""What the grid remembers of each instruction that waits for its answer, and how patient it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from flwr.app import Error, Message
from numpy.typing import NDArray

from fedward_server.rounds.answers import ErrorCode
from fedward_shared.contracts.round import Task
from fedward_shared.wire.parcel import Parcel

__all__ = ["Patience", "Pending", "Weights", "grouped"]

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, in seconds, to wait before posting again; and for a lost site once the quorum has answered."""

    again: float = 0.25
    again_most: float = 2.0
    absent: float = 30.0
    look: float = 0.25


@dataclass(slots=True)
class Pending:
    """One instruction that waits for its answer."""

    message: Message
    site: str
    task: Task
    parcel: Parcel
    base: Weights
    ticket: int | None = None
    posts: int = 0
    posted_at: float = 0.0
    next_post: float = 0.0
    away_since: float | None = None
    trouble: Error = field(default_factory=lambda: Error(ErrorCode.LATE, "no answer before the deadline"))


def grouped(messages: Iterable[Message]) -> list[list[Message]]:
    """Messages with the same content, type and round, in order: strategies give all sites one RecordDict."""
    found: dict[tuple[int, str, str], list[Message]] = {}
    for message in messages:
        key = (id(message.content), message.metadata.message_type, message.metadata.group_id)
        found.setdefault(key, []).append(message)
    return list(found.values())
