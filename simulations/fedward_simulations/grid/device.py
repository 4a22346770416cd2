"""What this machine computes with: the device, and the precision that a study comes to on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from fedward_shared.contracts.study import Study

__all__ = ["computed_with", "device_name", "training_device"]


def training_device() -> torch.device:
    """The GPU where there is one, as in a hospital's vault."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name() -> str:
    """``cpu``, or what the GPU is called: another kind of GPU gives other bits."""
    import torch

    return torch.cuda.get_device_name() if training_device().type == "cuda" else "cpu"


def computed_with(study: Study) -> str:
    """Precision and device of the study's training here, such as ``bfloat16 on NVIDIA H200`` or ``float32 on cpu``.

    A study that asks for bfloat16 gets it only where there is a GPU.
    """
    from fedward_client.vault.training.local_round import in_bfloat16

    precision = "bfloat16" if in_bfloat16(study.training, training_device()) else "float32"
    return f"{precision} on {device_name()}"
