"""Frozen networks with weights from a file: equal to the stock layers, and refused wherever the file is not right."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.contracts.arrays import Image
from fedward_shared.contracts.cohort import DataContract, DataKind, Label
from fedward_shared.contracts.study import PretrainedTerms, Scalar
from fedward_shared.errors import UsageError
from fedward_shared.models.backbones.registry import features_shape, file_of, names, open_backbone

torch.set_num_threads(1)
LABEL = Label("ill", (("0",), ("1",)), ("no", "yes"))
PICTURE = DataContract(DataKind.TENSOR, LABEL, form=Image("file", 1, 40, 36, centre=0.5, scale=0.25))
MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


class Block(nn.Module):
    """torchvision's BasicBlock."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, values: Tensor) -> Tensor:
        around = self.downsample(values) if hasattr(self, "downsample") else values
        inner = functional.relu(self.bn1(self.conv1(values)))
        return functional.relu(self.bn2(self.conv2(inner)) + around)


class Residual(nn.Module):
    """torchvision's ResNet-18, with its names, of stock layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        widths = (64, 64, 128, 256, 512)
        for stage in range(1, 5):
            first = Block(widths[stage - 1], widths[stage], 1 if stage == 1 else 2)
            setattr(self, f"layer{stage}", nn.Sequential(first, Block(widths[stage], widths[stage], 1)))
        self.fc = nn.Linear(512, 1000)

    def features(self, pictures: Tensor) -> Tensor:
        maps = functional.max_pool2d(functional.relu(self.bn1(self.conv1(pictures))), 3, 2, 1)
        for stage in range(1, 5):
            maps = getattr(self, f"layer{stage}")(maps)
        return maps


class Visual(nn.Module):
    """torchvision's VGG-16, with its names, of stock layers; a small classifier stands for the large one."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for stage in ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3):
            for after in stage:
                layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
                before = after
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(4, 4))


@cache
def network(name: str) -> nn.Module:
    """A network with made-up weights and made-up running averages."""
    torch.manual_seed(0)
    made: nn.Module = Residual() if name == "resnet18" else Visual()
    for layer in made.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return made.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where weights are kept."""
    return tmp_path_factory.mktemp("backbones")


def kept(folder: Path, name: str, changes: Mapping[str, Tensor | None] | None = None) -> PretrainedTerms:
    """Puts the network's weights into the folder, some of them changed or left out; the terms that name them."""
    state = {key: value.clone() for key, value in network(name).state_dict().items()}
    state |= {key: value for key, value in (changes or {}).items() if value is not None}
    for key in [key for key, value in (changes or {}).items() if value is None]:
        del state[key]
    path = folder / "made.safetensors"
    save_file(state, path)
    terms = PretrainedTerms(name, hashlib.sha256(path.read_bytes()).hexdigest(), "made up", "CC0-1.0")
    path.replace(folder / file_of(terms))
    return terms


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
@pytest.mark.parametrize("options", [{}, {"grid": 2, "side": 64}])
def test_features_are_those_of_the_stock_network(folder: Path, name: str, options: Mapping[str, Scalar]) -> None:
    terms = replace(kept(folder, name), options=options)
    extract = open_backbone(terms, PICTURE, folder)
    grey = torch.rand(2, 1, 40, 36, generator=torch.Generator().manual_seed(1))
    found = extract((grey - 0.5) / 0.25)
    colours = (grey.expand(-1, 3, -1, -1) - MEAN[:, None, None]) / DEVIATION[:, None, None]
    if options:
        pictures = functional.interpolate(grey, (64, 64), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
        colours = (pictures - MEAN[:, None, None]) / DEVIATION[:, None, None]
    with torch.no_grad():
        maps: Tensor = network(name).features(colours)  # type: ignore[operator]  # both have it
    expected = functional.adaptive_avg_pool2d(maps, int(options.get("grid", 1)))
    expected = expected if options else expected.flatten(1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    assert tuple(found.shape[1:]) == features_shape(terms, PICTURE)
    assert not found.requires_grad
    torch.testing.assert_close(extract(((grey - 0.5) / 0.25)[1:]), found[1:], rtol=1e-3, atol=1e-3)


def test_arrays_made_elsewhere_say_their_own_scaling(folder: Path) -> None:
    terms = kept(folder, "resnet18")
    plain = DataContract(DataKind.TENSOR, LABEL, shape=(3, 40, 36))
    bright = torch.rand(1, 3, 40, 36)
    direct = open_backbone(terms, plain, folder)(bright)
    scaled = open_backbone(replace(terms, options={"scale": 0.25, "centre": 0.5}), plain, folder)((bright - 0.5) / 0.25)
    torch.testing.assert_close(direct, scaled, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bn1.bias": None}, "no tensor 'bn1.bias'"),
        ({"conv1.weight": torch.zeros(64, 1, 7, 7)}, r"'conv1.weight' is 'F32' \[64, 1, 7, 7\]"),
        ({"conv1.weight": torch.zeros(64, 3, 7, 7, dtype=torch.float16)}, "'conv1.weight' is 'F16'"),
        ({"layer5.0.conv1.weight": torch.zeros(1)}, "not one of the model's"),
        ({"bn1.bias": torch.full((64,), torch.nan)}, "'bn1.bias' holds values that are not finite"),
        ({"bn1.running_var": torch.full((64,), -1.0)}, "negative variance"),
    ],
)
def test_other_weights_are_refused(folder: Path, changes: Mapping[str, Tensor | None], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        open_backbone(kept(folder, "resnet18", changes), PICTURE, folder)


def test_a_file_that_is_missing_or_was_changed_is_refused(folder: Path, tmp_path: Path) -> None:
    terms = kept(folder, "resnet18")
    with pytest.raises(UsageError, match="cannot read"):
        open_backbone(terms, PICTURE, tmp_path)
    with pytest.raises(UsageError, match="no folder with them was given"):
        open_backbone(terms, PICTURE, None)
    content = bytearray((folder / file_of(terms)).read_bytes())
    content[-5] ^= 1
    (tmp_path / file_of(terms)).write_bytes(content)
    with pytest.raises(UsageError, match="not the file that the study declares"):
        open_backbone(terms, PICTURE, tmp_path)


def changed(terms: PretrainedTerms, key: str, value: str) -> PretrainedTerms:
    """The terms with one text in the place of another."""
    sha256, source, licence = (
        value if name == key else getattr(terms, name) for name in ("sha256", "source", "licence")
    )
    return replace(terms, sha256=sha256, source=source, licence=licence)


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
@pytest.mark.parametrize("key", ["sha256", "source", "licence"])
def test_what_has_weights_says_which_and_whose(name: str, key: str) -> None:
    terms = PretrainedTerms(name, "0" * 64, "somewhere", "BSD-3-Clause")
    assert features_shape(terms, PICTURE) == (512,)
    with pytest.raises(UsageError, match=rf"\[model.backbone\] {key}: is missing"):
        features_shape(changed(terms, key, ""), PICTURE)


@pytest.mark.parametrize("key", ["sha256", "source", "licence"])
def test_what_has_no_weights_says_none(key: str) -> None:
    with pytest.raises(UsageError, match=rf"\[model.backbone\] {key}: scattering has no weights"):
        features_shape(changed(PretrainedTerms("scattering"), key, "0" * 64), PICTURE)


@pytest.mark.parametrize(
    ("shape", "options", "told"),
    [
        ((1, 28, 28), {}, r"options\] side: resnet18 needs pictures of 32 pixels or more, not 28"),
        ((1, 28, 28), {"side": 16}, r"options\] side"),
        ((2, 40, 40), {}, "needs pictures"),
        ((100, 3), {}, "needs pictures"),
        ((1, 40, 40), {"grid": 8}, r"options\] grid"),
        ((1, 40, 40), {"scale": 0.0}, r"options\] scale"),
        ((1, 40, 40), {"J": 2}, r"options\] J"),
    ],
)
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], options: Mapping[str, Scalar], told: str) -> None:
    terms = PretrainedTerms("resnet18", "0" * 64, "somewhere", "BSD-3-Clause", options)
    with pytest.raises(UsageError, match=told):
        features_shape(terms, DataContract(DataKind.TENSOR, LABEL, shape=shape))


def test_an_unknown_backbone_gets_the_list() -> None:
    assert names() == ("resnet18", "rocket", "scattering", "vgg16")
    with pytest.raises(UsageError, match=r"\[model.backbone\] name: 'dino' .* resnet18, rocket, scattering, vgg16"):
        features_shape(PretrainedTerms("dino"), PICTURE)
