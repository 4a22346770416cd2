"""Weights of a frozen backbone from a site's local file, as tensors on a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_shared.contracts.study import TensorSpec
from fedward_shared.errors import UsageError
from fedward_shared.wire.weight_file import read_weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["weights_of"]


def weights_of(
    path: Path | None,
    sha256: str,
    specs: Sequence[TensorSpec],
    unused: Callable[[str], bool],
    device: torch.device,
) -> dict[str, Tensor]:
    """The tensors of `specs`; `unused` says which others may be in the file.

    Raises:
        UsageError: the file is missing, or is not what the study declares; or it holds what is not finite.
    """
    import torch

    if path is None:
        raise UsageError("this backbone has weights, and no file of them was named")
    read = {name: torch.from_numpy(values) for name, values in read_weights(path, sha256, specs, unused=unused).items()}
    for name, values in read.items():
        if not bool(values.isfinite().all()):
            raise UsageError(f"{path}: tensor {name!r} holds values that are not finite")
    return {name: values.to(device) for name, values in read.items()}
