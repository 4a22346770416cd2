"""What `fedward-sim pretrain` does: trains a study's model on data that may be seen by all, for `[model.start]`.

Nothing here is private, and nothing may be: public or simulated patients only. What a hospital's patients then add is
what the study's rounds add, and that alone is noised and charged.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_server.rounds.progress import Notify, silent
from fedward_shared.contracts.study import Study
from fedward_shared.errors import UsageError
from fedward_shared.files import write_atomic
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import load_draft
from fedward_shared.wire.tensors import encode, layout
from fedward_simulations.baselines import POOLED, Terms, at_epsilon, published_terms, terms_of, together
from fedward_simulations.model_files import ModelFiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Pretrained", "Schedule", "imports_in", "pretrain", "start_table"]

_READABLE = 0o644
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
    notify: Notify = silent,
) -> Pretrained:
    """Trains the study's model on the rows of all `folders` together, without privacy, and writes its weights to `out`.

    Args:
        manifest: study.toml, published or not; its sites, privacy and schedule are left aside, its `[model.start]` too.
        folders: imports under the study's contract.
        out: the file to write (safetensors).
        schedule: how to train.
        backbones: the folder with weights of the study's backbone, where it needs any.
        notify: told of each epoch.

    Raises:
        UsageError: an import is damaged, or was made under another contract.
        FedwardError: training failed.
    """
    from fedward_simulations.inline import run_inline
    from fedward_simulations.pooling import pool

    chosen = schedule or Schedule()
    study = load_draft(manifest)
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        rows = sum(pool(folders, study.data, data).values())
        text = published_terms(_openly(terms_of(manifest), rows, chosen))
        run = run_inline(
            text,
            {POOLED: data},
            seed=chosen.seed,
            reports=Path(place) / "reports",
            notify=notify,
            files=ModelFiles(backbones=backbones),
        )
        auc = _auc(run.sites[POOLED].report)
    content = _written(load(text), run.conclusion.model)
    write_atomic(out, content, mode=_READABLE)
    return Pretrained(hashlib.sha256(content).hexdigest(), rows, auc)


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


def _auc(report: Path) -> float | None:
    told = json.loads((report / "report.json").read_text(encoding="utf-8"))["test"].get("auc")
    return float(told) if isinstance(told, float) else None
