"""What a study leaves behind: the model in files that others can read, and the report on who took part.

`model/` holds model.safetensors, model.json (where it comes from, what its inputs are, what it cost) and study.toml.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedward_server.export.description import describe, resolved_of
from fedward_server.rounds.participation import Attempt, attempts_to_json, rounds_joined
from fedward_shared.contracts.study import Study
from fedward_shared.files import write_atomic
from fedward_shared.manifest.parse import study_hash
from fedward_shared.wire.tensors import encode, layout

__all__ = ["write_model", "write_report"]

_READABLE = 0o644


def write_report(
    path: Path, manifest: bytes, study: Study, attempts: Sequence[Attempt], delivered: Mapping[str, str] | None
) -> None:
    """Who took part in each attempt and why others did not; who received the final model (None: not yet)."""
    joined = rounds_joined(attempts, study.site_names)
    report = {
        "study": study.name,
        "hash": study_hash(manifest).hex(),
        "rounds": study.strategy.rounds,
        "rounds_completed": sum(attempt.enough for attempt in attempts),
        "quorum": study.strategy.quorum,
        "sites": {
            site: {
                "rounds_joined": joined[site],
                "final_model": None if delivered is None else not delivered.get(site, "not asked"),
                "final_model_reason": None if delivered is None else delivered.get(site, "not asked"),
            }
            for site in study.site_names
        },
        "attempts": attempts_to_json(attempts),
    }
    _write_json(path, report)


def write_model(
    folder: Path, manifest: bytes, study: Study, weights: Mapping[str, NDArray[np.float32]], attempts: Sequence[Attempt]
) -> None:
    """Writes the three files; model.json last, so that its presence means that the others are there."""
    resolved = resolved_of(study)
    folder.mkdir(mode=0o755, exist_ok=True)
    write_atomic(folder / "study.toml", manifest, mode=_READABLE)
    write_atomic(folder / "model.safetensors", encode(layout(resolved.tensors), weights), mode=_READABLE)
    _write_json(folder / "model.json", describe(manifest, study, attempts))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, text.encode() + b"\n", mode=_READABLE)
