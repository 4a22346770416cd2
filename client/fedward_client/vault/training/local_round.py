"""One round of training in the vault: from the model's weights to their change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from fedward_client.vault.training.dataset import Part
from fedward_shared.contracts.study import Study, TrainingTerms
from fedward_shared.errors import TrainingError
from fedward_shared.models.heads.head import head_for
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.randomness.noise import RandomSource

if TYPE_CHECKING:
    from torch import nn

    from fedward_shared.privacy.step import Stepper

__all__ = ["in_bfloat16", "load_weights", "on_device", "stepper_for", "train_round"]

_IMAGES_AXES = 4

Arrays = Mapping[str, NDArray[np.float32]]


def on_device(part: Part, device: torch.device) -> TrainingSet:
    """The rows as tensors on `device`, grouped by patient. On a GPU images lie channels last, as its kernels read."""
    records = torch.from_numpy(part.records).to(device)
    if device.type == "cuda" and records.dim() == _IMAGES_AXES:
        records = records.contiguous(memory_format=torch.channels_last)
    return TrainingSet.of(records, torch.from_numpy(part.labels).to(device), part.units, part.count)


def train_round(
    study: Study, site: str, *, model: nn.Module, data: TrainingSet, weights: Arrays, source: RandomSource
) -> dict[str, NDArray[np.float32]]:
    """The change of every tensor after the study's local steps, float32, in the order of the model's state_dict.

    `model` is a scratch model of the study on the device of `data`; what it held before has no influence. Everything
    returned is made of the given weights and of releases of the private step.

    Raises:
        TrainingError: the study has not been published, so that its noise is not settled.
    """
    load_weights(model, weights)
    before = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    stepper = stepper_for(study, site, model, data, source)
    try:
        for _ in range(study.training.local_steps):
            stepper.step()
    finally:
        stepper.close()
    after = model.state_dict()
    return {name: (after[name] - tensor).cpu().numpy() for name, tensor in before.items()}


def in_bfloat16(training: TrainingTerms, device: torch.device) -> bool:
    """Whether forward and backward pass take bfloat16: where the study asks for it and there is a GPU to gain by it."""
    return training.precision == "bfloat16" and device.type == "cuda"


def load_weights(model: nn.Module, weights: Arrays) -> None:
    """Copies `weights` into the model; names and shapes must be the model's own."""
    state = model.state_dict()
    if state.keys() != weights.keys():
        raise TrainingError("the weights are not those of the study's model")
    with torch.no_grad():
        for name, tensor in state.items():
            tensor.copy_(torch.tensor(weights[name]))


def stepper_for(study: Study, site: str, model: nn.Module, data: TrainingSet, source: RandomSource) -> Stepper:
    """The step that this study prescribes to this site, ready to change `model`; its caller closes it.

    Raises:
        TrainingError: the study has not been published, so that its noise is not settled.
    """
    from fedward_shared.privacy.augmentation.plan import augmentation_for

    terms = study.sites[site]
    augmentation = augmentation_for(study.data, study.training.augment)
    loss = head_for(study.model, study.data).losses
    autocast = in_bfloat16(study.training, data.records.device)
    if study.privacy.unsafe_no_privacy:
        from fedward_shared.privacy.plain import PlainStepper

        return PlainStepper(
            model,
            data,
            training=study.training,
            site=terms,
            source=source,
            loss=loss,
            autocast=autocast,
            augmentation=augmentation,
        )
    from fedward_shared.privacy.step import PrivateStepper

    if study.resolved is None:
        raise TrainingError("the study has not been published: its noise is not settled")
    return PrivateStepper(
        model,
        data,
        training=study.training,
        site=terms,
        clip_norm=study.privacy.clip_norm,
        noise_multiplier=study.resolved.sites[site].noise_multiplier,
        records_per_patient=study.data.records_per_patient,
        source=source,
        loss=loss,
        autocast=autocast,
        augmentation=augmentation,
    )
