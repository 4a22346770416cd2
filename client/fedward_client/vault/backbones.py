"""Weights of frozen backbones at a site: `vault/backbones/SHA256.safetensors`. Kept by a person, read by the worker."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from fedward_shared.contracts.study import Study
from fedward_shared.errors import UsageError
from fedward_shared.files import sync_folder
from fedward_shared.wire.weight_file import WeightFile, inspect_weights

__all__ = ["add_weights", "has_weights", "kept_weights", "missing_weights"]

_SUFFIX = ".safetensors"


def has_weights(study: Study, folder: Path | None) -> bool:
    """Whether the file that the study's backbone needs is in `folder`. That it is sound is checked when it is read."""
    terms = study.model.backbone
    if terms is None or not terms.sha256:
        return True
    return folder is not None and (folder / f"{terms.sha256}{_SUFFIX}").is_file()


def missing_weights(study: Study, folder: Path | None) -> str:
    """What is missing for the study's backbone, for people; empty where nothing is."""
    terms = study.model.backbone
    if terms is None or has_weights(study, folder):
        return ""
    return (
        f"the weights of its backbone {terms.name} are not here ({terms.source}; {terms.licence}; SHA-256 "
        f"{terms.sha256}): fedward-site backbone add FILE"
    )


def add_weights(file: Path, folder: Path) -> WeightFile:
    """Copies a file of weights into `folder`, whole or not at all, under its SHA-256.

    Raises:
        UsageError: it is missing, or no safetensors file.
    """
    inspect_weights(file)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=folder) as place:
        copy = Path(place) / "weights"
        shutil.copyfile(file, copy)
        found = inspect_weights(copy)
        copy.chmod(0o600)
        copy.replace(folder / f"{found.sha256}{_SUFFIX}")
    sync_folder(folder)
    return found


def kept_weights(folder: Path) -> tuple[tuple[str, WeightFile | None], ...]:
    """Name and content of each file in `folder`; None for one that is damaged."""
    found: list[tuple[str, WeightFile | None]] = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            content = inspect_weights(path)
        except UsageError:
            content = None
        found.append((path.stem, content if content and content.sha256 == path.stem else None))
    return tuple(found)
