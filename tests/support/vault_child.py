"""A vault in a process of its own that dies where it is told: `python -m tests.support.vault_child FOLDER POINT`.

It answers one instruction to train, for the study in FOLDER/study, and writes what leaves it to standard output.
Points are named in `POINTS`; at any other it lives to the end. Dying is SIGKILL, so nothing is tidied up.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import Heads
from fedward_shared.wire.parcel import Parcel
from tests.support.vaults import Coordinator, Site, never

__all__ = ["LEFT", "POINTS", "TRAINING", "store_study"]

POINTS = (
    "before the reservation's commit",
    "in training",
    "before the reply's file",
    "with half a reply's file",
    "after the reply's file",
    "before the settlement's commit",
    "before the anchor",
    "with half an anchor",
    "after the anchor",
    "after the reply left",
)
TRAINING = b"fedward: training\n"
LEFT = b"fedward: left "


def store_study(folder: Path, study: bytes) -> None:
    """Leaves the study where the child finds it (publishing takes longer than everything else)."""
    (folder / "study").write_bytes(study)


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _train(_: Order) -> None:
    os.write(1, TRAINING)


def _commits(site: Site, die_at: int) -> None:
    """Dies when SQLite is about to carry out the `die_at`-th commit from now."""
    seen = 0

    def look(statement: str) -> None:
        nonlocal seen
        seen += statement == "COMMIT"
        if seen == die_at:
            _die()

    site.store._connection.set_trace_callback(look)


def _before_replacing(name: str) -> None:
    """Dies when a written file is about to get its name."""
    honest: Callable[..., Any] = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if name in target.name:
            _die()
        return honest(self, target)  # type: ignore[no-any-return]

    Path.replace = replace  # type: ignore[assignment, method-assign]


def _after(owner: Any, method: str) -> None:
    honest = getattr(owner, method)

    def wrapper(*arguments: object) -> None:
        honest(*arguments)
        _die()

    setattr(owner, method, wrapper)


def arm(site: Site, point: str) -> None:
    """Makes the process die at `point`."""
    match point:
        case "before the reservation's commit":
            _commits(site, 1)
        case "in training":
            site.trainer.before = _die
        case "before the reply's file":
            site.store.replies.write = _die  # type: ignore[method-assign, assignment]
        case "with half a reply's file":
            _before_replacing(".reply")
        case "after the reply's file":
            _after(site.store.replies, "write")
        case "before the settlement's commit":
            _commits(site, 2)
        case "before the anchor":
            site.store.anchor.write = _die  # type: ignore[method-assign, assignment]
        case "with half an anchor":
            _before_replacing("anchor")
        case "after the anchor":
            _after(site.store.anchor, "write")


def main(folder: Path, point: str) -> None:
    """Answers one instruction, perhaps not to the end."""
    study = (folder / "study").read_bytes()
    coordinator = Coordinator(study)
    site = Site(folder, study=study)
    site.trainer.before = _train
    arm(site, point)
    answer = site.vault.handle(coordinator.train(seen=Heads()), never)
    if isinstance(answer, Parcel):
        os.write(1, LEFT + answer.signature.hex().encode() + b" " + bytes(answer.payload).hex().encode() + b"\n")
    if point == "after the reply left":
        _die()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
