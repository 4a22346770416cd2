"""What a study leaves behind: the model in files that others can read, and the report on who took part.

`model/` holds model.safetensors, model.json (where it comes from, what its inputs are, what it cost) and study.toml.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedward_server.rounds.participation import Attempt, attempts_to_json, rounds_joined
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind
from fedward_shared.contracts.study import Resolved, Study
from fedward_shared.errors import StudyFileError
from fedward_shared.files import write_atomic
from fedward_shared.manifest.parse import study_hash
from fedward_shared.version import VERSION
from fedward_shared.wire.tensors import encode, layout

__all__ = ["LOADING", "model_inputs", "write_model", "write_report"]

LOADING = (
    "from safetensors.torch import load_file",
    "from fedward_shared.manifest.parse import load",
    "from fedward_shared.models.registry import build",
    'study = load(open("study.toml", "rb").read())',
    "model = build(study.model, study.data)",
    'model.load_state_dict(load_file("model.safetensors"))',
)
"""Six lines of Python that load an exported model, run in its folder; then `model.eval()`."""

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
    resolved = _resolved(study)
    folder.mkdir(mode=0o755, exist_ok=True)
    write_atomic(folder / "study.toml", manifest, mode=_READABLE)
    write_atomic(folder / "model.safetensors", encode(layout(resolved.tensors), weights), mode=_READABLE)
    _write_json(folder / "model.json", _model_card(manifest, study, resolved, attempts))


def model_inputs(contract: DataContract) -> list[dict[str, Any]]:
    """What each model input is, in order, with the constants that turn a recorded value into it."""
    if contract.kind is not DataKind.TABLE:
        return [{"kind": "tensor", "shape": list(contract.input_shape)}]
    inputs: list[dict[str, Any]] = []
    for column in contract.columns:
        if isinstance(column, CategoryColumn):
            inputs += [{"kind": "is", "column": column.name, "value": value} for value in column.values]
        else:
            constants = {"centre": column.centre, "scale": column.scale, "unit": column.unit}
            inputs.append({"kind": "number", "column": column.name, **constants, "if_missing": 0.0})
        if column.missing_indicator:
            inputs.append({"kind": "is_missing", "column": column.name})
    return inputs


def _model_card(manifest: bytes, study: Study, resolved: Resolved, attempts: Sequence[Attempt]) -> dict[str, Any]:
    joined = rounds_joined(attempts, study.site_names)
    return {
        "study": study.name,
        "hash": study_hash(manifest).hex(),
        "title": study.title,
        "purpose": study.purpose,
        "made_with": VERSION,
        "model": {"name": study.model.name, "options": dict(study.model.options)},
        "label": {"column": study.data.label.column, "classes": list(study.data.label.names)},
        "inputs": model_inputs(study.data),
        "parameters": resolved.parameters,
        "rounds": sum(attempt.enough for attempt in attempts),
        "took_part": [list(attempt.took_part) for attempt in attempts if attempt.enough],
        "average_of_last": study.strategy.average_last,
        "privacy": {
            "unit": study.data.unit,
            "delta": study.privacy.delta,
            "note": "epsilon_at_most covers every attempt that the study allows; what was spent is in each "
            "site's ledger. Who is treated at two sites adds both up. null: no privacy.",
        },
        "sites": {
            site: {
                "rounds_joined": joined[site],
                "weight": study.sites[site].size,
                "epsilon_at_most": _number(resolved.sites[site].epsilon),
                "noise_multiplier": resolved.sites[site].noise_multiplier,
            }
            for site in study.site_names
        },
        "load": list(LOADING),
    }


def _resolved(study: Study) -> Resolved:
    if study.resolved is None:
        raise StudyFileError(f"study {study.name} is not published", hint="Publish it first.")
    return study.resolved


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, text.encode() + b"\n", mode=_READABLE)
