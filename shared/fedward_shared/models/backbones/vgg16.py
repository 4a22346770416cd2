"""`[model.backbone] name = "vgg16"`: the convolutions of VGG-16 (Simonyan & Zisserman 2015), frozen.

Weights come from a local file with torchvision's names (`vgg16().state_dict()` saved as safetensors); its classifier
may be in the file and is not read. The project ships no weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import PretrainedTerms, TensorSpec
from fedward_shared.models.backbones.pictures import Pictures, pictures_of
from fedward_shared.models.backbones.weights import weights_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from fedward_shared.models.backbones.backbone import Extract

__all__ = ["Vgg16", "vgg16"]

_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_WIDTH = 512


@dataclass(frozen=True, slots=True)
class Vgg16:
    """The network, whose weights have this SHA-256 (hex)."""

    pictures: Pictures
    sha256: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one record's features."""
        return self.pictures.shape(_WIDTH)

    @property
    def weighs(self) -> bool:
        """It has weights."""
        return True

    def open(self, weights: Path | None, device: torch.device) -> Extract:
        """Reads and checks the weights."""
        import torch
        from torch.nn import functional

        read = weights_of(weights, self.sha256, _specs(), lambda name: name.startswith("classifier."), device)

        def extract(records: Tensor) -> Tensor:
            with torch.no_grad():
                maps = self.pictures.prepared(records.float())
                for number, stage in zip(_numbers(), _STAGES, strict=True):
                    for place in range(len(stage)):
                        name = f"features.{number + 2 * place}"
                        maps = functional.conv2d(maps, read[f"{name}.weight"], read[f"{name}.bias"], padding=1).relu_()
                    maps = functional.max_pool2d(maps, 2)
                return self.pictures.averaged(maps)

        return extract


def vgg16(terms: PretrainedTerms, contract: DataContract) -> Vgg16:
    """`side` and `grid`; see `pictures_of`.

    Raises:
        UsageError: an option is unknown or out of range, or the data are no pictures.
    """
    return Vgg16(pictures_of(terms, contract), terms.sha256)


def _numbers() -> tuple[int, ...]:
    """The number in torchvision of each stage's first convolution: a convolution and a ReLU count two, pooling one."""
    starts = [0]
    for stage in _STAGES[:-1]:
        starts.append(starts[-1] + 2 * len(stage) + 1)
    return tuple(starts)


def _specs() -> tuple[TensorSpec, ...]:
    specs: list[TensorSpec] = []
    before = 3
    for number, stage in zip(_numbers(), _STAGES, strict=True):
        for place, after in enumerate(stage):
            name = f"features.{number + 2 * place}"
            specs += [TensorSpec(f"{name}.weight", (after, before, 3, 3)), TensorSpec(f"{name}.bias", (after,))]
            before = after
    return tuple(specs)
