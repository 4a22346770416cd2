"""`model.json`: what a trained model is, where it comes from, what it cost, and how it is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fedward_server.export.inputs import input_type, model_inputs
from fedward_server.rounds.participation import Attempt, rounds_joined
from fedward_shared.contracts.study import PretrainedTerms, Resolved, Study
from fedward_shared.errors import StudyFileError
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.parse import study_hash
from fedward_shared.version import VERSION

__all__ = ["LOADING", "ONNX_LOADING", "describe", "finite", "pretrained", "resolved_of", "score_names"]

LOADING = (
    "from safetensors.torch import load_file",
    "from fedward_shared.manifest.parse import load",
    "from fedward_shared.models.registry import build",
    'study = load(open("study.toml", "rb").read())',
    "model = build(study.model, study.data)",
    'model.load_state_dict(load_file("model.safetensors"))',
)
"""Six lines of Python that load an exported model, run in its folder; then `model.eval()`."""

ONNX_LOADING = (
    "import onnxruntime",
    'session = onnxruntime.InferenceSession("model.onnx")',
    'scores, logits = session.run(None, {"records": records})',
)
"""Three lines that use model.onnx without Fedward; `records` is a NumPy array as inputs.json says."""


def describe(manifest: bytes, study: Study, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """The content of model.json: facts from the published study and from who took part.

    Raises:
        StudyFileError: the study is not published.
    """
    resolved = resolved_of(study)
    joined = rounds_joined(attempts, study.site_names)
    return {
        "study": study.name,
        "hash": study_hash(manifest).hex(),
        "title": study.title,
        "purpose": study.purpose,
        "made_with": VERSION,
        "code_version": study.code_version,
        "model": _architecture(study, resolved),
        "label": {"column": study.data.label.column, "classes": list(study.data.label.names)},
        "contract": contract_digest(study.data).hex(),
        "inputs": model_inputs(study.data),
        "input": {"shape": list(study.data.input_shape), "type": input_type(study.data)},
        "scores": list(score_names(study)),
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
                "epsilon_at_most": finite(resolved.sites[site].epsilon),
                "noise_multiplier": resolved.sites[site].noise_multiplier,
            }
            for site in study.site_names
        },
        "load": list(LOADING),
    }


def score_names(study: Study) -> tuple[str, ...]:
    """What each column of the scores means: the probability of a class, or the risk of the event by a time."""
    follow_up = study.data.label.follow_up
    if follow_up is None:
        return study.data.label.names
    from fedward_shared.models.heads.intervals import intervals_of

    event, ends = study.data.label.names[1], intervals_of(study.model.options, follow_up).ends
    return tuple(f"{event} by {end:g} {follow_up.unit}" for end in ends)


def resolved_of(study: Study) -> Resolved:
    """What publishing worked out.

    Raises:
        StudyFileError: the study is not published.
    """
    if study.resolved is None:
        raise StudyFileError(f"study {study.name} is not published", hint="Publish it first.")
    return study.resolved


def finite(value: float) -> float | None:
    """The number, or None where it is infinite: JSON has no word for it."""
    return value if math.isfinite(value) else None


def pretrained(terms: PretrainedTerms | None) -> dict[str, Any] | None:
    """Weights made elsewhere, as the study declares them."""
    if terms is None:
        return None
    told = {"name": terms.name, "sha256": terms.sha256, "source": terms.source, "licence": terms.licence}
    return {**{key: value for key, value in told.items() if value}, "options": dict(terms.options)}


def _architecture(study: Study, resolved: Resolved) -> dict[str, Any]:
    return {
        "name": study.model.name,
        "options": dict(study.model.options),
        "head": "classes" if study.data.label.follow_up is None else "survival",
        "tensors": [{"name": spec.name, "shape": list(spec.shape)} for spec in resolved.tensors],
        "start": pretrained(study.model.start),
        "backbone": pretrained(study.model.backbone),
    }
