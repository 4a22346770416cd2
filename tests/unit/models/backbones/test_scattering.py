"""Wavelet scattering: its filters, its shapes, and that a record's features are its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fedward_shared.contracts.arrays import Image, Series, Signal
from fedward_shared.contracts.cohort import DataContract, DataKind, Label
from fedward_shared.contracts.study import PretrainedTerms, Scalar
from fedward_shared.errors import UsageError
from fedward_shared.models.backbones.registry import features_shape, open_backbone
from fedward_shared.models.backbones.scattering import ImageTerms, SignalTerms
from fedward_shared.models.backbones.scattering_filters import bands, image_filters, signal_filters
from fedward_shared.models.backbones.scattering_transform import image_scattering, signal_scattering

torch.set_num_threads(1)
LABEL = Label("ill", (("0",), ("1",)), ("no", "yes"))
CPU = torch.device("cpu")


def contract(*shape: int) -> DataContract:
    """Records of this shape."""
    return DataContract(DataKind.TENSOR, LABEL, shape=shape)


def features(records: Tensor, **options: Scalar) -> Tensor:
    """What the transform makes of them."""
    terms = PretrainedTerms("scattering", options=options)
    extract = open_backbone(terms, contract(*records.shape[1:]), Path("/nowhere"))
    found = extract(records)
    assert tuple(found.shape[1:]) == features_shape(terms, contract(*records.shape[1:]))
    return found


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((1, 28, 28), {}, (81, 7, 7)),
        ((1, 28, 28), {"order": 1, "L": 6}, (13, 7, 7)),
        ((3, 30, 33), {"J": 3, "L": 4}, (3 * 61, 4, 5)),
        ((1, 28, 28), {"pool": "average"}, (81,)),
        ((2, 28, 20), {"normalise": "group"}, (162, 7, 5)),
        ((100, 2), {"J": 4, "order": 1, "Q": 1}, (7, 2 * (1 + len(bands(4, 1))))),
        ((100, 2), {"J": 4, "log": False}, None),
        ((65, 1), {"J": 6, "normalise": "group"}, None),
    ],
)
def test_shapes_are_what_is_declared(
    shape: tuple[int, ...], options: Mapping[str, Scalar], expected: tuple[int, ...] | None
) -> None:
    found = features(torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)), **options)
    assert expected is None or tuple(found.shape[1:]) == expected
    assert found.dtype == torch.float32
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("shape", [(1, 16, 16), (50, 3)])
def test_a_records_features_are_a_function_of_that_record_alone(shape: tuple[int, ...]) -> None:
    records = torch.randn(4, *shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
    together = features(records, J=2)
    assert not together.requires_grad
    for place, record in enumerate(records.detach()):
        torch.testing.assert_close(features(record[None], J=2)[0], together[place], rtol=1e-4, atol=1e-4)
    other = records.detach().clone()
    other[1:] = 1e3
    torch.testing.assert_close(features(other, J=2)[0], together[0], rtol=1e-4, atol=1e-4)


def test_wavelets_have_no_mean_and_leave_no_gap_between_them() -> None:
    wavelets, low = image_filters(64, 64, 3, 8)
    assert np.abs(wavelets[:, :, 0, 0]).max() < 1e-6
    assert low[0, 0] == 1
    both = wavelets + np.roll(wavelets[:, :, ::-1, ::-1], 1, axis=(2, 3))
    covered = low**2 + (both**2).sum(axis=(0, 1)) / 2
    middle = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64))) < 0.45
    assert 0.1 < covered[middle].min() <= covered[middle].max() < 10
    signals, low = signal_filters(512, 5, bands(5, 4))
    assert np.abs(signals[:, 0]).max() < 1e-6
    covered = low**2 + (signals**2).sum(axis=0)
    assert covered[: int(512 * 0.4)].min() > 0.3


def test_first_order_equals_convolution_by_hand() -> None:
    """|x ∗ ψ| ∗ φ at every 4th sample, computed in space and at full resolution."""
    terms = ImageTerms((1, 24, 24), scales=2, orientations=4, order=1)
    record = torch.randn(1, 1, 24, 24, generator=torch.Generator().manual_seed(2))
    groups = image_scattering(terms, CPU)(record)
    wavelets, low = (torch.from_numpy(values) for values in image_filters(32, 32, 2, 4))
    padded = torch.nn.functional.pad(record, (4, 4, 4, 4), mode="reflect")[0, 0]
    spectrum = torch.fft.fft2(padded)
    assert [group.shape[2] for group in groups] == [1, 4, 4]
    for scale in range(2):
        for turn in range(4):
            wave = torch.fft.ifft2(spectrum * wavelets[scale, turn]).abs()
            smooth = torch.fft.ifft2(torch.fft.fft2(wave) * low).real[4:-4:4, 4:-4:4]
            tolerance = 1e-5 if scale == 0 else 0.06 * float(smooth.abs().max())  # the second scale is subsampled
            torch.testing.assert_close(groups[1 + scale][0, 0, turn], smooth, rtol=0, atol=tolerance)


def test_a_texture_is_told_by_its_orientation_and_scale() -> None:
    across = torch.cos(torch.arange(32) * (3 * torch.pi / 4)).expand(32, 32)[None, None]
    groups = image_scattering(ImageTerms((1, 32, 32), scales=2, orientations=4, order=1), CPU)
    energies = torch.cat([group.mean(dim=(3, 4)) for group in groups(across)[1:]], dim=2)[0, 0]
    along = torch.cat([group.mean(dim=(3, 4)) for group in groups(across.mT)[1:]], dim=2)[0, 0]
    assert int(energies.argmax()) == 0
    assert int(along.argmax()) == 2
    slow = torch.cos(torch.arange(32) * (3 * torch.pi / 8)).expand(32, 32)[None, None]
    assert int(torch.cat([group.mean(dim=(3, 4)) for group in groups(slow)[1:]], dim=2).argmax()) == 4


def test_a_tone_is_told_by_its_frequency_and_its_beat_by_the_second_order() -> None:
    terms = SignalTerms((1024, 1), octaves=7, quality=4, order=2)
    paths = signal_scattering(terms, CPU)
    chosen = bands(7, 4)
    time = torch.arange(1024.0)
    tone = torch.cos(2 * torch.pi * chosen[5].frequency * time)
    beating = tone * (1 + torch.cos(2 * torch.pi * time / 32))
    steady, moving = (paths(wave[None, :, None]) for wave in (tone, beating))
    first = torch.stack([group.mean() for group in steady[1 : 1 + len(chosen)]])
    assert int(first.argmax()) == 5
    second = [sum(float(group.mean()) for group in found[1 + len(chosen) :]) for found in (steady, moving)]
    assert second[1] > 3 * second[0]


@pytest.mark.parametrize("shape", [(1, 32, 32), (256, 1)])
def test_coefficients_hardly_change_where_the_record_moves_by_a_sample(shape: tuple[int, ...]) -> None:
    record = torch.randn(1, *shape, generator=torch.Generator().manual_seed(3))
    moved = record.roll(1, dims=3 if len(shape) == 3 else 1)
    before, after = (features(each, J=2, log=False, pool="average")[:, 1:] + 1 for each in (record, moved))
    assert float((after - before).norm() / before.norm()) < 0.1
    assert float((moved - record).norm() / record.norm()) > 1


def test_group_normalisation_gives_each_group_mean_zero_and_variance_one() -> None:
    found = features(torch.randn(2, 1, 28, 28) * 5 + 3, J=2, L=4, order=1, normalise="group")
    for start, stop in ((0, 1), (1, 5), (5, 9)):
        group = found[:, start:stop].flatten(1)
        torch.testing.assert_close(group.mean(dim=1), torch.zeros(2), atol=1e-4, rtol=0)
        torch.testing.assert_close(group.var(dim=1, correction=0), torch.ones(2), atol=1e-2, rtol=0)


def test_the_same_options_give_the_same_features_whatever_happened_before() -> None:
    record = torch.randn(1, 1, 16, 16)
    first = features(record)
    torch.manual_seed(1234)
    state = torch.get_rng_state()
    assert torch.equal(features(record), first)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("shape", "options", "key"),
    [
        ((1, 28, 28), {"J": 5}, "J"),
        ((1, 28, 28), {"J": 0}, "J"),
        ((1, 28, 28), {"Q": 4}, "Q"),
        ((100, 2), {"L": 4}, "L"),
        ((100, 2), {"J": 7}, "J"),
        ((100, 2), {"order": 3}, "order"),
        ((1, 28, 28), {"log": 1}, "log"),
        ((1, 28, 28), {"normalise": "batch"}, "normalise"),
        ((1, 28, 28), {"pool": "max"}, "pool"),
        ((1, 28, 28), {"scales": 2}, "scales"),
    ],
)
def test_a_wrong_option_is_named(shape: tuple[int, ...], options: Mapping[str, Scalar], key: str) -> None:
    with pytest.raises(UsageError, match=rf"\[model.backbone.options\] {key}: "):
        features_shape(PretrainedTerms("scattering", options=options), contract(*shape))


def test_data_of_another_kind_are_refused() -> None:
    table = DataContract(DataKind.TABLE, LABEL)
    series = DataContract(DataKind.TENSOR, LABEL, form=Series((0.0, 24.0), 1.0, ()))
    for data in (table, series, contract(1, 8, 8, 8), contract(7)):
        with pytest.raises(UsageError, match=r"\[model.backbone\] name: "):
            features_shape(PretrainedTerms("scattering"), data)


def test_what_the_form_says_counts() -> None:
    picture = DataContract(DataKind.TENSOR, LABEL, form=Image("file", 1, 28, 28))
    recording = DataContract(DataKind.TENSOR, LABEL, form=Signal("file", ("I", "II"), 100.0, 2.0))
    assert features_shape(PretrainedTerms("scattering"), picture) == (81, 7, 7)
    assert features_shape(PretrainedTerms("scattering", options={"J": 5}), recording)[0] == 7
