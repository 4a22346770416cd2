"""The families for images and volumes: shapes, options, refusals, and every layer on the fast private step."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from fedward_shared.contracts.cohort import DataContract, DataKind, Label
from fedward_shared.contracts.study import ModelTerms, Scalar
from fedward_shared.errors import UsageError
from fedward_shared.models.registry import build, check_options, tensor_specs
from fedward_shared.privacy.bookkeeping.verify import verify
from tests.support.gradients import check, check_bound

torch.set_num_threads(1)
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")),
]
Options = Mapping[str, Scalar | tuple[Scalar, ...]]
CASES: list[tuple[str, tuple[int, ...], Options]] = [
    ("cnn", (1, 28, 28), {"channels": (4, 8), "hidden": 6}),
    ("cnn", (3, 28, 28), {"channels": (4, 8), "hidden": 6, "pool": "average"}),
    ("cnn", (1, 8, 12, 10), {"channels": (4, 8), "hidden": 6}),
    ("cnn", (2, 8, 12, 10), {"channels": (4,), "hidden": 6, "pool": "average"}),
    ("resnet18", (1, 28, 28), {"width": 4, "groups": 2}),
    ("resnet18", (3, 66, 70), {"width": 2}),
    ("resnet18", (1, 8, 9, 10), {"width": 2}),
    ("vgg", (1, 28, 28), {"width": 2, "hidden": 6}),
    ("vgg", (3, 28, 20), {"width": 2, "hidden": 6, "depth": 16}),
]


def contract(*shape: int) -> DataContract:
    """Records of this shape."""
    label = Label("stage", (("1",), ("2",), ("3",)), ("one", "two", "three"))
    return DataContract(DataKind.TENSOR, label, shape=shape)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("name", "shape", "options"), CASES)
def test_every_layer_is_one_that_the_private_step_knows(
    name: str, shape: tuple[int, ...], options: Options, device: str
) -> None:
    model = build(ModelTerms(name, options, 1), contract(*shape)).to(device)
    records = torch.randn(4, *shape, generator=torch.Generator().manual_seed(2)).to(device)
    assert model(records).shape == (4, 3)
    assert list(model.buffers()) == []
    verify(model, records)


@pytest.mark.parametrize(("name", "shape", "options"), CASES)
def test_private_gradients_are_those_of_brute_force(name: str, shape: tuple[int, ...], options: Options) -> None:
    model = build(ModelTerms(name, options, 1), contract(*shape))
    records = torch.randn(5, *shape, generator=torch.Generator().manual_seed(2))
    check(model, records, owner=torch.tensor([0, 0, 1, 2, 2]))


def test_channels_last_changes_nothing_but_where_numbers_lie() -> None:
    model = build(ModelTerms("resnet18", {"width": 4}, 1), contract(3, 28, 28))
    records = torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(2))
    check(model, records.contiguous(memory_format=torch.channels_last))
    check_bound(model, records.contiguous(memory_format=torch.channels_last))


def test_names_of_the_small_networks_tensors_stay_what_they_were() -> None:
    names = [spec.name for spec in tensor_specs(ModelTerms("cnn"), contract(1, 28, 28))]
    assert names == [
        *(f"blocks.{place}.{part}" for place in (0, 1, 4, 5) for part in ("weight", "bias")),
        *(f"head.{place}.{part}" for place in (0, 2) for part in ("weight", "bias")),
    ]


@pytest.mark.parametrize(("side", "first"), [(64, (8, 3, 3, 3)), (65, (8, 3, 7, 7)), (224, (8, 3, 7, 7))])
def test_resnet_takes_small_pictures_with_a_small_stem(side: int, first: tuple[int, ...]) -> None:
    specs = {
        spec.name: spec.shape for spec in tensor_specs(ModelTerms("resnet18", {"width": 8}), contract(3, side, side))
    }
    assert specs["conv1.weight"] == first
    assert specs["fc.weight"] == (3, 64)


def test_resnet_and_vgg_have_as_many_parameters_as_in_their_papers() -> None:
    """11.18 million without the last layer's bias and weights for 1000 classes; VGG-16's convolutions 14.71 million."""
    residual = sum(spec.size for spec in tensor_specs(ModelTerms("resnet18"), contract(3, 224, 224)))
    assert residual == 11_176_512 + 3 * 513
    specs = tensor_specs(ModelTerms("vgg", {"depth": 16}), contract(3, 224, 224))
    kernels = sum(spec.size for spec in specs if len(spec.shape) == 4)
    assert kernels == 14_710_464
    assert sum(len(spec.shape) == 4 for spec in specs) == 13


def test_a_224_pixel_picture_passes() -> None:
    for name, options in (("resnet18", {"width": 2}), ("vgg", {"width": 2, "hidden": 4})):
        model = build(ModelTerms(name, options), contract(1, 224, 224))
        assert model(torch.zeros(1, 1, 224, 224)).shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "shape", "options", "told"),
    [
        ("cnn", (1, 28, 28), {"pool": "max"}, r"\[model.options\] pool"),
        (
            "cnn",
            (1, 4, 28, 28),
            {"channels": (4, 4, 4)},
            r"\[model.options\] channels: 3 blocks halve 4 x 28 x 28 voxels",
        ),
        ("cnn", (28, 28), {}, r"\[model\] name"),
        ("resnet18", (1, 7, 28), {}, r"\[model\] name"),
        ("resnet18", (28, 28), {}, r"\[model\] name"),
        ("resnet18", (1, 28, 28), {"width": 0}, r"\[model.options\] width"),
        ("resnet18", (1, 28, 28), {"groups": 0}, r"\[model.options\] groups"),
        ("resnet18", (1, 28, 28), {"depth": 34}, r"\[model.options\] depth"),
        ("vgg", (1, 7, 28), {}, r"\[model\] name"),
        ("vgg", (1, 8, 28, 28), {}, r"\[model\] name"),
        ("vgg", (1, 28, 28), {"depth": 12}, r"\[model.options\] depth: one of 11, 13, 16"),
        ("vgg", (1, 28, 28), {"width": 2.5}, r"\[model.options\] width"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, shape: tuple[int, ...], options: Options, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        check_options(ModelTerms(name, options), contract(*shape))
