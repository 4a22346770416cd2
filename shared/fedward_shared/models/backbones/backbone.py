"""What a frozen backbone is: a declared function of one record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Backbone", "Extract"]

Extract = Callable[["Tensor"], "Tensor"]
"""(records, *input shape) float32 -> (records, *features) float32, on one device. A record's features are a function of
that record alone, so patients' stay apart; nothing is learnt from what passes."""


class Backbone(Protocol):
    """A backbone with its options checked. Nothing of it costs memory before `open`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one record's features."""
        ...

    @property
    def weighs(self) -> bool:
        """Whether it has weights, and so needs a file."""
        ...

    def open(self, weights: Path | None, device: torch.device) -> Extract:
        """The function on `device`; `weights` is the file where it needs one.

        Raises:
            UsageError: the file is missing, or is not what the study declares.
        """
        ...
