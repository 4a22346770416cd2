"""What `fedward-sim pretrain` does: trains a study's model on data that may be seen by all, for `[model.start]`.

Nothing here is private, and nothing may be: public or simulated patients only. What a hospital's patients then add is
what the study's rounds add, and that alone is noised and charged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_shared.contracts.study import Study
from fedward_shared.errors import UsageError
from fedward_shared.files import write_atomic
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import load_draft
from fedward_shared.wire.tensors import encode, layout
from fedward_simulations.baselines import POOLED, Terms, at_epsilon, published_terms, terms_of, together

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fedward_client.vault.training.dataset import Part

__all__ = ["Pretrained", "Schedule", "imports_in", "pretrain", "start_table"]

_READABLE = 0o644
_TWO = (0, 1)
_OF_THE_STUDY = ("optimizer", "learning_rate", "local_steps", "momentum", "betas", "proximal_mu")
"""What of [training] is made for rounds with noise."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How to train where nothing is noised: Adam over minibatches."""

    epochs: int = 20
    batch: int = 64
    learning_rate: float = 1e-3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Weights that were written: the file's SHA-256 (hex), how many rows there were, the AUC on those held out."""

    sha256: str
    rows: int
    auc: float | None


def pretrain(
    manifest: bytes,
    folders: Mapping[str, Path],
    out: Path,
    *,
    schedule: Schedule | None = None,
    backbones: Path | None = None,
) -> Pretrained:
    """Trains the study's model on the rows of all `folders` together, without privacy, and writes its weights to `out`.

    Args:
        manifest: study.toml, published or not; its sites, privacy and schedule are left aside, its `[model.start]` too.
        folders: imports under the study's contract.
        out: the file to write (safetensors).
        schedule: how to train.
        backbones: the folder with weights of the study's backbone, where it needs any.

    Raises:
        UsageError: an import is damaged, was made under another contract, or has no rows to train on.
        FedwardError: training failed.
    """
    from fedward_simulations.grid.engine import federate

    chosen, study = schedule or Schedule(), load_draft(manifest)
    train, test = _rows(study, folders, backbones)
    if not train.count:
        raise UsageError("the data have no rows for training")
    text = published_terms(_openly(terms_of(manifest), len(train.labels), chosen))
    weights = federate(load(text), {POOLED: train}, seed=chosen.seed)
    content = _written(load(text), weights)
    write_atomic(out, content, mode=_READABLE)
    return Pretrained(hashlib.sha256(content).hexdigest(), len(train.labels), _auc(load(text), weights, test))


def _rows(study: Study, folders: Mapping[str, Path], backbones: Path | None) -> tuple[Part, Part]:
    """Training and test rows of all imports, as the model sees them."""
    import torch

    from fedward_client.vault.training.dataset import open_data_set
    from fedward_client.vault.training.features import with_features
    from fedward_simulations.grid.rows import joined

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    read = [with_features(study, open_data_set(each, study.data), backbones, device) for each in folders.values()]
    return joined([data.train for data in read]), joined([data.test for data in read])


def imports_in(data: Path) -> dict[str, Path]:
    """The imports in a folder: itself, or each folder in it that holds one.

    Raises:
        UsageError: there is none.
    """
    if (data / "import.json").exists():
        return {"public": data}
    found = {path.parent.name: path.parent for path in sorted(data.glob("*/import.json"))}
    if not found:
        raise UsageError(
            f"{data} holds no imported data",
            hint=f"fedward-sim import FILE --contract study.toml --site public --data {data}",
        )
    return found


def start_table(made: Pretrained, *, source: str, licence: str) -> str:
    """The lines to put into study.toml."""
    lines = ("[model.start]", f'sha256 = "{made.sha256}"', f"source = {json.dumps(source)}")
    return "\n".join([*lines, f"licence = {json.dumps(licence)}"])


def _openly(terms: Terms, rows: int, schedule: Schedule) -> Terms:
    """The study of the same model and data at one site, without privacy: each round is an epoch."""
    batch = min(schedule.batch, rows)
    open_terms = at_epsilon(together(terms), float("inf"))
    model = {key: value for key, value in terms["model"].items() if key != "start"}
    training = {key: value for key, value in terms["training"].items() if key not in _OF_THE_STUDY}
    training |= {"optimizer": "adam", "learning_rate": schedule.learning_rate, "local_steps": ceil(rows / batch)}
    strategy = {"name": "fedavg", "rounds": schedule.epochs, "quorum": 1, "deadline_seconds": 3600}
    site = {"size": rows, "sampling_rate": min(1.0, batch / rows), "normaliser": float(batch)}
    return {**open_terms, "model": model, "training": training, "strategy": strategy, "sites": {POOLED: site}}


def _written(study: Study, weights: Mapping[str, NDArray[np.float32]]) -> bytes:
    if study.resolved is None:
        raise UsageError("the study is not published")
    return b"".join(encode(layout(study.resolved.tensors), weights))


def _auc(study: Study, weights: Mapping[str, NDArray[np.float32]], test: Part) -> float | None:
    """The AUC on rows held out, for two classes; None where there are others, or where a class is absent."""
    from fedward_shared.evaluation.ranking import auc
    from fedward_simulations.grid.engine import scores

    label = study.data.label
    if label.follow_up is not None or len(label.classes) != len(_TWO) or len(set(test.labels.tolist())) != len(_TWO):
        return None
    return auc(scores(study, weights, test)[:, 1], test.labels == 1)
