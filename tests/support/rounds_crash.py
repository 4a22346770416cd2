"""Runs a small study over an in-memory courier and kills itself, for real, at a chosen point. See test_rounds.py.

`python -m tests.support.rounds_crash FOLDER POINTS` forks one process for each point in POINTS (a comma-separated
list): it runs the study and dies by SIGKILL when it has reached that point, and another one goes on. A point is
reached before and after each durable write and each post. Prints a JSON line for each.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fedward_server.app import Pacing, run_study
from fedward_server.link.courier import Outcome
from fedward_server.rounds.checkpoint import Checkpoint, FolderCheckpoints
from fedward_server.rounds.loop import Conclusion, Pace
from fedward_server.rounds.store import Batch, BatchKey, FolderStore
from fedward_shared.manifest.parse import load
from fedward_shared.models.registry import initial_weights
from fedward_shared.wire.codec import StudyOffer
from fedward_shared.wire.parcel import Parcel
from tests.support.fake_sites import ROUND_KEY, FakeCourier, book_of, offer_of, sites_of, study_text

__all__ = ["study"]


def study() -> StudyOffer:
    """Three rounds of FedAvgM over three sites, the mean of the last two models."""
    text = study_text(rounds=3, average_last=2, strategy_options="server_learning_rate = 0.8\nserver_momentum = 0.5")
    return offer_of(text.replace('name = "fedavg"', 'name = "fedavgm"'))


@dataclass
class Fuse:
    """Counts the points that were reached and kills the process at the chosen one."""

    kill_at: int
    reached: int = 0

    def point(self) -> None:
        """One more point."""
        if self.reached == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.reached += 1


class CrashingStore(FolderStore):
    """Dies before or after a batch is durable."""

    def __init__(self, root: Path, fuse: Fuse) -> None:
        super().__init__(root)
        self._fuse = fuse

    def save(self, key: BatchKey, batch: Batch) -> None:
        """Keeps `batch`."""
        self._fuse.point()
        super().save(key, batch)
        self._fuse.point()

    def forget(self, through: int) -> None:
        """Drops batches."""
        self._fuse.point()
        super().forget(through)


class CrashingCheckpoints(FolderCheckpoints):
    """Dies before or after a checkpoint is durable."""

    def __init__(self, root: Path, fuse: Fuse) -> None:
        super().__init__(root)
        self._fuse = fuse

    def save(self, checkpoint: Checkpoint) -> None:
        """Keeps a checkpoint."""
        self._fuse.point()
        super().save(checkpoint)
        self._fuse.point()


class CrashingCourier(FakeCourier):
    """Dies before a post, or after the site has answered and before the answer is looked at."""

    fuse: Fuse

    def post(self, site: str, parcel: Parcel, *, reply_limit: int, deliver: Callable[[Outcome], None]) -> int:
        """Hands the parcel over."""
        self.fuse.point()
        ticket = super().post(site, parcel, reply_limit=reply_limit, deliver=deliver)
        self.fuse.point()
        return ticket


def run(folder: Path, fuse: Fuse) -> Conclusion:
    """The study, from wherever the folder says that it is."""
    offer = study()
    sites_folder = folder / "sites"
    sites_folder.mkdir(parents=True, exist_ok=True)
    sites = sites_of(offer, sites_folder)
    courier = CrashingCourier(sites)
    courier.fuse = fuse
    return run_study(
        offer,
        courier=courier,
        key=ROUND_KEY,
        book=book_of(sites),
        store=CrashingStore(folder / "instructions", fuse),
        checkpoints=CrashingCheckpoints(folder / "checkpoints", fuse),
        pacing=Pacing(pace=Pace(look=0.01, settle=0.0)),
        clock=lambda: 0.0,
    )


def _in_child(folder: Path, kill_at: int) -> int:
    """Runs in a forked process, which writes what it found to result.json; returns how it ended."""
    child = os.fork()
    if child == 0:
        fuse = Fuse(kill_at)
        conclusion = run(folder, fuse)
        digest = hashlib.sha256(b"".join(values.tobytes() for values in conclusion.model.values())).hexdigest()
        attempts = [[entry.round, entry.attempt, list(entry.took_part)] for entry in conclusion.attempts]
        result = {
            "model": digest,
            "attempts": attempts,
            "delivered": dict(conclusion.delivered),
            "points": fuse.reached,
        }
        (folder / "result.json").write_text(json.dumps(result))
        os._exit(0)
    return os.waitpid(child, 0)[1]


def main() -> None:
    """One JSON line for each point; {"point": …, "killed": …, …result}."""
    root = Path(sys.argv[1])
    found = load(study().manifest)
    initial_weights(found.model, found.data)  # what takes long to import is imported once, before any fork
    for point in [int(text) for text in sys.argv[2].split(",")]:
        folder = root / f"point-{point}"
        first = _in_child(folder, point)
        killed = os.WIFSIGNALED(first) and os.WTERMSIG(first) == signal.SIGKILL
        second = _in_child(folder, -1) if killed else first
        result = json.loads((folder / "result.json").read_text()) if second == 0 else {"model": "failed"}
        replies = {path.stem: sorted(json.loads(path.read_text())) for path in (folder / "sites").glob("*.json")}
        sys.stdout.write(json.dumps({"point": point, "killed": killed, "trained": replies, **result}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
