"""A study with a frozen backbone: records are replaced by their features once, when the study is opened.

A record's features are a function of that record and of declared constants (design invariant 3), so whatever holds for
records holds for them: the same patients, the same rows, the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.vault.training.dataset import Dataset, Part, Records
from fedward_shared.contracts.study import Study
from fedward_shared.errors import TrainingError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["features_of", "with_features"]

_VALUES = 1 << 20
_VALUES_ON_GPU = 1 << 24


def with_features(study: Study, data: Dataset, backbones: Path | None, device: torch.device) -> Dataset:
    """`data` as the study's model sees them: as they are, or with features in place of records.

    Args:
        study: says which backbone, if any.
        data: both parts; their records are let go of.
        backbones: the folder of weights; may be None where the backbone has none.
        device: where features are computed. They are kept in main memory.

    Raises:
        UsageError: the weights are missing, or are not those that the study declares.
    """
    terms = study.model.backbone
    if terms is None:
        return data
    from fedward_shared.models.backbones.registry import features_shape, open_backbone

    shape = features_shape(terms, study.data)
    extract = open_backbone(terms, study.data, backbones, device)

    def changed(part: Part) -> Part:
        return replace(part, records=features_of(part.records, extract, shape, device))

    return replace(data, train=changed(data.train), test=changed(data.test))


def features_of(
    records: Records, extract: Callable[[Tensor], Tensor], shape: tuple[int, ...], device: torch.device
) -> NDArray[np.float32]:
    """(rows, *shape): what `extract` makes of each record, some at a time; how many follows from their shape alone.

    Raises:
        TrainingError: the backbone gives features of another shape than it declares.
    """
    import torch

    made = np.empty((len(records), *shape), dtype=np.float32)
    values = _VALUES_ON_GPU if device.type == "cuda" else _VALUES
    step = max(1, values // max(1, prod(records.shape[1:])))
    for start in range(0, len(records), step):
        found = extract(torch.from_numpy(records[start : start + step]).to(device))
        if tuple(found.shape[1:]) != shape:
            raise TrainingError("the backbone gives features of another shape than it declares")
        made[start : start + step] = found.cpu().numpy()
    return made
