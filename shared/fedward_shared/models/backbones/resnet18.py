"""`[model.backbone] name = "resnet18"`: ResNet-18 (He et al. 2016) up to its last layer, frozen.

Weights come from a local file with torchvision's names (`resnet18().state_dict()` saved as safetensors); its last layer
may be in the file and is not read. BatchNorm is a fixed scale and shift here, made of the file's running averages:
nothing of a record goes into it. The project ships no weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import PretrainedTerms, TensorSpec
from fedward_shared.errors import UsageError
from fedward_shared.models.backbones.pictures import Pictures, pictures_of
from fedward_shared.models.backbones.weights import weights_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from fedward_shared.models.backbones.backbone import Extract

__all__ = ["Resnet18", "resnet18"]

_WIDTHS = (64, 128, 256, 512)
_BLOCKS = 2
_EPSILON = 1e-5
_PARTS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True, slots=True)
class Resnet18:
    """The network, whose weights have this SHA-256 (hex)."""

    pictures: Pictures
    sha256: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one record's features."""
        return self.pictures.shape(_WIDTHS[-1])

    @property
    def weighs(self) -> bool:
        """It has weights."""
        return True

    def open(self, weights: Path | None, device: torch.device) -> Extract:
        """Reads and checks the weights."""
        import torch
        from torch.nn import functional

        network = _Network(weights_of(weights, self.sha256, tuple(_specs()), _unused, device))

        def extract(records: Tensor) -> Tensor:
            with torch.no_grad():
                pictures = self.pictures.prepared(records.float())
                maps = network.convolved("conv1", pictures, stride=2).relu_()
                maps = functional.max_pool2d(maps, 3, 2, 1)
                for stage in range(1, len(_WIDTHS) + 1):
                    for block in range(_BLOCKS):
                        stride = 2 if stage > 1 and block == 0 else 1
                        maps = network.block(f"layer{stage}.{block}", maps, stride)
                return self.pictures.averaged(maps)

        return extract


def resnet18(terms: PretrainedTerms, contract: DataContract) -> Resnet18:
    """`side` and `grid`; see `pictures_of`.

    Raises:
        UsageError: an option is unknown or out of range, or the data are no pictures.
    """
    return Resnet18(pictures_of(terms, contract), terms.sha256)


class _Network:
    """Convolutions, each followed by its fixed scale and shift, which are put into its weights."""

    def __init__(self, read: Mapping[str, Tensor]) -> None:
        self._kernels: dict[str, tuple[Tensor, Tensor]] = {}
        for convolution, norm in _pairs():
            weight, bias, mean, variance = (read[f"{norm}.{part}"].double() for part in _PARTS)
            if bool((variance < 0).any()):
                raise UsageError(f"the weights of resnet18 have a negative variance ({norm}.running_var)")
            scale = weight / (variance + _EPSILON).sqrt()
            kernel = read[f"{convolution}.weight"].double() * scale[:, None, None, None]
            self._kernels[convolution] = kernel.float(), (bias - mean * scale).float()

    def convolved(self, convolution: str, maps: Tensor, *, stride: int) -> Tensor:
        """A convolution and the norm after it."""
        from torch.nn import functional

        kernel, shift = self._kernels[convolution]
        return functional.conv2d(maps, kernel, shift, stride, kernel.shape[-1] // 2)

    def block(self, name: str, maps: Tensor, stride: int) -> Tensor:
        """Two convolutions around a shortcut."""
        inner = self.convolved(f"{name}.conv1", maps, stride=stride).relu_()
        inner = self.convolved(f"{name}.conv2", inner, stride=1)
        short = f"{name}.downsample.0"
        around = self.convolved(short, maps, stride=stride) if short in self._kernels else maps
        return (inner + around).relu_()


def _pairs() -> Iterator[tuple[str, str]]:
    """Each convolution's name and that of the norm after it."""
    yield "conv1", "bn1"
    for stage in range(1, len(_WIDTHS) + 1):
        for block in range(_BLOCKS):
            name = f"layer{stage}.{block}"
            yield f"{name}.conv1", f"{name}.bn1"
            yield f"{name}.conv2", f"{name}.bn2"
            if stage > 1 and block == 0:
                yield f"{name}.downsample.0", f"{name}.downsample.1"


def _specs() -> Iterator[TensorSpec]:
    for convolution, norm in _pairs():
        shape = _kernel_shape(convolution)
        yield TensorSpec(f"{convolution}.weight", shape)
        for part in _PARTS:
            yield TensorSpec(f"{norm}.{part}", shape[:1])


def _kernel_shape(convolution: str) -> tuple[int, int, int, int]:
    if convolution == "conv1":
        return (_WIDTHS[0], 3, 7, 7)
    stage = int(convolution[len("layer")])
    after = _WIDTHS[stage - 1]
    entering = stage > 1 and f"layer{stage}.0." in convolution and not convolution.endswith("conv2")
    before = _WIDTHS[stage - 2] if entering else after
    side = 1 if "downsample" in convolution else 3
    return (after, before, side, side)


def _unused(name: str) -> bool:
    return name.startswith("fc.") or name.endswith(".num_batches_tracked")
