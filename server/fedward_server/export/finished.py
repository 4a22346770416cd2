"""A study that has ended, read from the coordinator's folder and checked: all that an export is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fedward_server.export.description import resolved_of
from fedward_server.rounds.participation import Attempt, attempts_from_json
from fedward_server.studies import StudyFolder, StudyState
from fedward_shared.contracts.study import Study
from fedward_shared.crypto.signing import Purpose, verify
from fedward_shared.errors import FedwardError, UsageError
from fedward_shared.files import read_limited
from fedward_shared.manifest.parse import load, study_hash
from fedward_shared.wire.tensors import decode, layout

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Finished", "read_finished"]

_LARGEST_MODEL = 1 << 36
_LARGEST_REPORT = 1 << 28


@dataclass(frozen=True, slots=True)
class Finished:
    """The published study and its signature, the weights, and who took part (`report`: report.json as it is)."""

    manifest: bytes
    signature: bytes
    study: Study
    weights: Mapping[str, NDArray[np.float32]]
    weights_file: bytes
    attempts: tuple[Attempt, ...]
    report: bytes
    delivered: Mapping[str, str]

    @property
    def hash(self) -> bytes:
        """The study's hash (32 bytes)."""
        return study_hash(self.manifest)

    def model(self) -> nn.Module:
        """A fresh model with these weights, on the CPU, in evaluation mode."""
        import torch

        from fedward_shared.models.registry import build

        model = build(self.study.model, self.study.data)
        model.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in self.weights.items()})
        return model.eval()


def read_finished(folder: StudyFolder, study_key: bytes) -> Finished:
    """The study in `folder`; `study_key` (32 raw bytes) must have signed it.

    Raises:
        UsageError: it has not ended, or a file is missing.
        SignatureError: the manifest is not the one that was signed.
        WireError: the weights are not those of the study's model.
    """
    _check_ended(folder)
    manifest, signature = folder.manifest(), folder.signature()
    verify(study_key, Purpose.STUDY, manifest, signature)
    study = load(manifest)
    weights_file = read_limited(folder.model / "model.safetensors", _LARGEST_MODEL)
    weights = decode(layout(resolved_of(study).tensors), memoryview(weights_file))
    report = read_limited(folder.report, _LARGEST_REPORT)
    attempts, delivered = _participation(report, folder)
    return Finished(manifest, signature, study, weights, weights_file, attempts, report, delivered)


def _check_ended(folder: StudyFolder) -> None:
    standing = folder.standing()
    files = (folder.model / "model.json", folder.model / "model.safetensors", folder.report)
    if standing.state is StudyState.DONE and all(file.is_file() for file in files):
        return
    name = folder.study().name
    why = f" ({standing.reason})" if standing.reason else ""
    hints = {
        StudyState.PUBLISHED: "Train it: fedward-coordinator run",
        StudyState.RUNNING: "See how far it is: fedward-coordinator status. If nothing runs: fedward-coordinator run",
        StudyState.FAILED: f"Go on from its last round: fedward-coordinator run --study {name}",
        StudyState.DONE: "Files of the result are missing; restore the study's folder from a backup.",
    }
    raise UsageError(
        f"study {name} has no model to export; it is {standing.state.value}{why}", hint=hints[standing.state]
    )


def _participation(report: bytes, folder: StudyFolder) -> tuple[tuple[Attempt, ...], dict[str, str]]:
    """The attempts, and for each site why it did not take the final model ("": it did)."""
    try:
        found: dict[str, Any] = json.loads(report)
        delivered = {site: str(entry["final_model_reason"] or "") for site, entry in found["sites"].items()}
        return attempts_from_json(found["attempts"]), delivered
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FedwardError(f"{folder.report} cannot be read", hint="Restore it from a backup.") from error
