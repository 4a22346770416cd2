"""The site's Flower ClientApp: an ordinary one, over one study at one site.

- ``train``: {"arrays": weights, "config": {"round", "attempt", "digest"}} → {"arrays": float32 change of the weights,
  "metrics": {"num-examples": the declared size}}. Nothing else that follows the data is in the reply.
- ``query.conclude``: {"arrays": final weights, "config": …} → an empty reply; the site's own report is on its disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from numpy.typing import NDArray
from torch import nn

from fedward_client.vault.training.dataset import Dataset, Records
from fedward_client.vault.training.evaluation import write_report
from fedward_client.vault.training.local_round import load_weights, train_round
from fedward_shared.contracts.study import Study
from fedward_shared.errors import TrainingError
from fedward_shared.flower.records import arrays_of, record_of
from fedward_shared.models.heads.head import Head, head_for
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.randomness.noise import RandomSource

__all__ = ["CONCLUDE", "TRAIN", "SiteWork", "client_app", "config_of"]

TRAIN = "train"
CONCLUDE = "query.conclude"
_BATCH = 1024


@dataclass(frozen=True, slots=True)
class SiteWork:
    """One study at one site: what its ClientApp works on.

    `training` is `data.train` on the device of `model`; `source` makes the randomness for an instruction's digest;
    `report` is the folder of this study's report; `study_hash` names the study in it.
    """

    study: Study
    study_hash: bytes
    site: str
    data: Dataset
    training: TrainingSet
    model: nn.Module
    report: Path
    source: Callable[[bytes], RandomSource]


def config_of(round_number: int, attempt: int, digest: bytes) -> ConfigRecord:
    """What an instruction tells the app beside the weights."""
    return ConfigRecord({"round": round_number, "attempt": attempt, "digest": digest})


def client_app(work: SiteWork) -> ClientApp:
    """The app; call it as Flower does, with a message and a context."""
    app = ClientApp()

    @app.train()
    def train(message: Message, _: Context) -> Message:
        digest = message.content.config_records["config"]["digest"]
        if not isinstance(digest, bytes):
            raise TrainingError("the instruction's digest is missing")
        with _determinism(work.study.training.deterministic):
            change = train_round(
                work.study,
                work.site,
                model=work.model,
                data=work.training,
                weights=arrays_of(message.content.array_records["arrays"]),
                source=work.source(digest),
            )
        metrics = MetricRecord({"num-examples": work.study.sites[work.site].size})
        return Message(RecordDict({"arrays": record_of(change), "metrics": metrics}), reply_to=message)

    @app.query("conclude")
    def conclude(message: Message, _: Context) -> Message:
        load_weights(work.model, arrays_of(message.content.array_records["arrays"]))
        write_report(
            work.report,
            study=work.study,
            site=work.site,
            data=work.data,
            scores=_scores(work.model, head_for(work.study.model, work.study.data), work.data.test.records),
            about={
                "study": work.study.name,
                "study_hash": work.study_hash.hex(),
                "site": work.site,
                "round": message.content.config_records["config"]["round"],
            },
        )
        return Message(RecordDict(), reply_to=message)

    return app


def _scores(model: nn.Module, head: Head, records: Records) -> NDArray[np.float64]:
    """What the final model says of each record: see `Head.scores`."""
    model.eval()
    device = next(model.parameters()).device
    with torch.no_grad():
        parts = [
            head.scores(model(torch.from_numpy(records[start : start + _BATCH]).to(device)).double()).cpu().numpy()
            for start in range(0, len(records), _BATCH)
        ]
    return np.concatenate(parts) if parts else np.zeros((0, 0))


@contextmanager
def _determinism(wanted: bool) -> Iterator[None]:
    """Deterministic algorithms for the length of a round, where the study asks for them."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(wanted or before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
