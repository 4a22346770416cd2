"""Every backbone that `[model.backbone] name` can be."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import PretrainedTerms
from fedward_shared.errors import UsageError

if TYPE_CHECKING:
    import torch

    from fedward_shared.models.backbones.backbone import Backbone, Extract

__all__ = ["features_shape", "file_of", "names", "open_backbone"]

_KINDS = {
    "resnet18": "resnet18",
    "rocket": "rocket",
    "scattering": "scattering",
    "vgg16": "vgg16",
}
"""A backbone's name, which is also that of the function that checks its options, and the module it lives in."""

_FILE_KEYS = ("sha256", "source", "licence")


def names() -> tuple[str, ...]:
    """What `[model.backbone] name` can be."""
    return tuple(sorted(_KINDS))


def features_shape(terms: PretrainedTerms, contract: DataContract) -> tuple[int, ...]:
    """Shape of what the model sees of a record. No weights are read, and no memory is set aside.

    Raises:
        UsageError: the name or an option is wrong, the data do not fit, or the file's particulars are missing; the key
            is named.
    """
    return _backbone(terms, contract).shape


def open_backbone(
    terms: PretrainedTerms, contract: DataContract, folder: Path | None, device: torch.device | None = None
) -> Extract:
    """The backbone, ready on `device` (the CPU if not given); `folder` holds weights as `SHA256.safetensors`.

    Without a folder, only a backbone that has no weights can be opened.

    Raises:
        UsageError: as `features_shape`; or the file is missing, or is not what the study declares.
    """
    import torch

    backbone = _backbone(terms, contract)
    file = None
    if backbone.weighs:
        if folder is None:
            raise UsageError(
                f"the weights of {terms.name} are needed, and no folder with them was given",
                hint="In simulations: --backbones DIR, where DIR holds the file as SHA256.safetensors.",
            )
        file = folder / file_of(terms)
    return backbone.open(file, device or torch.device("cpu"))


def file_of(terms: PretrainedTerms) -> str:
    """The name of the file that holds these weights, wherever they are kept."""
    return f"{terms.sha256}.safetensors"


def _backbone(terms: PretrainedTerms, contract: DataContract) -> Backbone:
    if terms.name not in _KINDS:
        raise UsageError(f"[model.backbone] name: {terms.name!r} is no backbone here; there are {', '.join(names())}")
    module = import_module(f"fedward_shared.models.backbones.{_KINDS[terms.name]}")
    backbone: Backbone = getattr(module, terms.name)(terms, contract)
    for key in _FILE_KEYS:
        if backbone.weighs and not getattr(terms, key):
            raise UsageError(
                f"[model.backbone] {key}: is missing; {terms.name} has weights, which come from a local file",
                hint="Give sha256, source and licence of the file. Every site adds it: fedward-site backbone add FILE",
            )
        if not backbone.weighs and getattr(terms, key):
            raise UsageError(f"[model.backbone] {key}: {terms.name} has no weights; leave the key out")
    return backbone
