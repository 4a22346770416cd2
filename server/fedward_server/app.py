"""The coordinator's Flower ServerApp, and one function that runs a published study over any courier.

Production and simulation differ only in what is handed in: the link or an in-memory courier, folders or memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Context, RecordDict
from flwr.serverapp import Grid, ServerApp
from numpy.typing import NDArray

from fedward_server.link.courier import Courier
from fedward_server.link.grid import LinkGrid, Patience
from fedward_server.rounds.book import SiteBook
from fedward_server.rounds.checkpoint import CheckpointStore, MemoryCheckpoints
from fedward_server.rounds.desk import Desk
from fedward_server.rounds.loop import Conclusion, Pace, RoundLoop
from fedward_server.rounds.progress import Notify, silent
from fedward_server.rounds.roll import OfferPace, Roll
from fedward_server.rounds.store import InstructionStore, MemoryStore
from fedward_server.rounds.strategies import build_strategy
from fedward_shared.contracts.study import Study
from fedward_shared.errors import UsageError
from fedward_shared.flower.identity import COORDINATOR_NODE
from fedward_shared.manifest.parse import load
from fedward_shared.wire.codec import StudyOffer

__all__ = ["Pacing", "run_study", "server_app"]

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Pacing:
    """Every pause and every patience of a run, in seconds."""

    patience: Patience = field(default_factory=Patience)
    offers: OfferPace = field(default_factory=OfferPace)
    pace: Pace = field(default_factory=Pace)


def server_app(
    study: Study,
    checkpoints: CheckpointStore,
    conclude: Callable[[Conclusion], None],
    *,
    notify: Notify = silent,
    pacing: Pacing | None = None,
    initial: Callable[[], Weights] | None = None,
) -> ServerApp:
    """A ServerApp that runs `study` on the LinkGrid it is called with and hands its end to `conclude`."""
    app = ServerApp()
    chosen = pacing or Pacing()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        if not isinstance(grid, LinkGrid):
            raise UsageError(
                f"Fedward's ServerApp needs a LinkGrid, not a {type(grid).__name__}",
                hint="Run it with fedward-coordinator or fedward-sim.",
            )
        loop = RoundLoop(
            grid,
            build_strategy(study),
            checkpoints,
            initial=initial or (lambda: _initial(study)),
            roll=Roll(grid, pace=chosen.offers),
            notify=notify,
            pace=chosen.pace,
        )
        conclude(loop.run())
        context.state = RecordDict()

    return app


def run_study(
    offer: StudyOffer,
    *,
    courier: Courier,
    key: Ed25519PrivateKey,
    book: SiteBook,
    store: InstructionStore | None = None,
    checkpoints: CheckpointStore | None = None,
    notify: Notify = silent,
    pacing: Pacing | None = None,
    initial: Callable[[], Weights] | None = None,
    clock: Callable[[], float] = time.time,
) -> Conclusion:
    """Runs a published study to its end; without `store` and `checkpoints` nothing outlives the process.

    Raises:
        StudyFailedError: it ended short of its declared rounds.
    """
    study = load(offer.manifest)
    chosen = pacing or Pacing()
    desk = Desk(offer, study, key=key, book=book, store=store or MemoryStore(), clock=clock)
    grid = LinkGrid(desk, courier, patience=chosen.patience)
    ends: list[Conclusion] = []
    kept = checkpoints or MemoryCheckpoints()
    app = server_app(study, kept, ends.append, notify=notify, pacing=chosen, initial=initial)
    app(grid, Context(run_id=1, node_id=COORDINATOR_NODE, node_config={}, state=RecordDict(), run_config={}))
    return ends[0]


def _initial(study: Study) -> Weights:
    from fedward_shared.models.start import first_weights

    return first_weights(study, None)
