"""What a study declares becomes changes that fit its records, and leaves alone what says yes or no."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from fedward_shared.contracts.arrays import Channel, Image, Series, Signal, Text, TextForm, Volume
from fedward_shared.contracts.augmentation import Augment
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn
from fedward_shared.contracts.study import TrainingTerms
from fedward_shared.errors import UsageError
from fedward_shared.privacy.augmentation.plan import augmentation_for, check_declared, continuous_inputs
from fedward_shared.privacy.randomness.noise import KeystreamSource, RandomSource

torch.set_num_threads(1)
LABEL = Label("y", (("0",), ("1",)), ("no", "yes"))
TENSOR = DataContract(DataKind.TENSOR, LABEL)
CHANNELS = tuple(Channel(name, "mmHg", 0, 300, 100, 20) for name in ("sbp", "dbp"))
TABLE = DataContract(
    DataKind.TABLE,
    LABEL,
    (
        NumberColumn("age", "years", 0, 120, 50, 10),
        CategoryColumn("pain", ("1", "2"), missing_indicator=True),
        NumberColumn("bmi", "kg/m2", 10, 80, 25, 5, missing_indicator=True),
    ),
)
CONTRACTS = {
    "table": TABLE,
    "image": replace(TENSOR, form=Image("file", 3, 6, 5)),
    "array of an image": replace(TENSOR, shape=(1, 6, 6)),
    "volume": replace(TENSOR, form=Volume("file", 4, 5, 6, (1, 1, 1), (0, 1))),
    "signal": replace(TENSOR, form=Signal("file", ("I", "II"), 10, 1.0)),
    "array of a series": replace(TENSOR, shape=(9, 2)),
    "series": replace(TENSOR, form=Series((0, 4), 1, CHANNELS, masks=True)),
    "series with deltas": replace(TENSOR, form=Series((0, 4), 1, CHANNELS, masks=True, deltas=True)),
    "bag of words": replace(TENSOR, form=Text("note", buckets=16)),
    "array": replace(TENSOR, shape=(7,)),
}
ALL = Augment(copies=3, flip=True, rotate=20, shift=0.2, intensity=0.2, drop=0.4, noise=0.1)


def records_of(contract: DataContract, count: int = 20) -> Tensor:
    return torch.randn(count, *contract.input_shape, generator=torch.Generator().manual_seed(1))


def source(seed: int = 0) -> RandomSource:
    return KeystreamSource.unsafe_seeded(seed, b"plan")


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS.keys())
def test_each_record_becomes_copies_of_its_own_label_and_shape(contract: DataContract) -> None:
    records, labels = records_of(contract), torch.arange(20)
    augmentation = augmentation_for(contract, ALL)
    assert augmentation is not None
    before = records.clone()
    found, theirs = augmentation(records, labels, source())
    assert found.shape == (60, *contract.input_shape)
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert torch.equal(theirs, labels.repeat_interleave(3))
    assert torch.equal(records, before)
    assert len(torch.unique(found.flatten(1), dim=0)) > 40, "copies differ, but for those that lost all leads"
    again, _ = augmentation(records, labels, source())
    other, _ = augmentation(records, labels, source(1))
    assert torch.equal(found, again)
    assert not torch.equal(found, other)


@pytest.mark.parametrize("name", ["flip", "rotate", "shift", "intensity", "drop", "noise"])
@pytest.mark.parametrize("kind", ["image", "signal", "table"])
def test_each_key_does_what_it_says_for_its_kind_and_nothing_elsewhere(name: str, kind: str) -> None:
    terms = replace(Augment(), **{name: getattr(ALL, name)})
    augmentation = augmentation_for(CONTRACTS[kind], terms)
    assert augmentation is not None
    records = records_of(CONTRACTS[kind])
    found, _ = augmentation(records, torch.zeros(20), source())
    known = {
        "image": {"flip", "rotate", "shift", "intensity", "noise"},
        "signal": {"shift", "intensity", "drop", "noise"},
        "table": {"noise"},
    }
    assert torch.equal(found, records) == (name not in known[kind])


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS.keys())
def test_nothing_declared_is_nothing_done(contract: DataContract) -> None:
    assert augmentation_for(contract, None) is None
    nothing = augmentation_for(contract, Augment())
    assert nothing is not None
    records = records_of(contract)
    assert nothing(records, torch.zeros(20), source())[0] is records


def test_indicators_and_one_hot_inputs_are_not_continuous() -> None:
    assert continuous_inputs(TABLE).tolist() == [True, False, False, False, True, False]
    assert continuous_inputs(CONTRACTS["series with deltas"]).tolist() == [True, True, False, False, False, False]
    assert continuous_inputs(CONTRACTS["image"]).tolist() is True
    assert continuous_inputs(replace(TENSOR, form=Text("note", TextForm.TOKENS))).tolist() is False


@pytest.mark.parametrize("name", ["table", "series"])
def test_noise_has_its_deviation_and_leaves_flags_as_they_are(name: str) -> None:
    contract = CONTRACTS[name]
    augmentation = augmentation_for(contract, Augment(noise=0.5))
    assert augmentation is not None
    records = records_of(contract, 4000)
    added = augmentation(records, torch.zeros(4000), source())[0] - records
    flags = torch.from_numpy(~continuous_inputs(contract))
    assert not added[..., flags].any()
    assert float(added[..., ~flags].std()) == pytest.approx(0.5, rel=0.05)
    assert float(added[..., ~flags].mean()) == pytest.approx(0, abs=0.03)


def test_a_dropped_channel_is_zero_throughout_noise_or_not() -> None:
    contract = CONTRACTS["series"]
    augmentation = augmentation_for(contract, Augment(noise=1.0, drop=0.5))
    assert augmentation is not None
    found = augmentation(records_of(contract, 200), torch.zeros(200), source())[0]
    by_channel = found.view(200, 4, 2, 2).transpose(2, 3).flatten(3).transpose(1, 2).flatten(2)
    gone = (by_channel == 0).all(dim=2)
    assert 0.4 < float(gone.float().mean()) < 0.6
    assert (by_channel[~gone] != 0).all()


def test_a_series_with_deltas_is_neither_moved_nor_dropped() -> None:
    contract = CONTRACTS["series with deltas"]
    augmentation = augmentation_for(contract, Augment(shift=0.5, drop=0.9))
    assert augmentation is not None
    records = records_of(contract)
    assert torch.equal(augmentation(records, torch.zeros(20), source())[0], records)


def test_tokens_are_left_alone() -> None:
    contract = replace(TENSOR, form=Text("note", TextForm.TOKENS, buckets=50, length=6))
    augmentation = augmentation_for(contract, Augment(copies=2, noise=1.0))
    assert augmentation is not None
    tokens = torch.arange(12).view(2, 6)
    found, _ = augmentation(tokens, torch.zeros(2), source())
    assert torch.equal(found, tokens.repeat_interleave(2, dim=0))


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS.keys())
def test_a_record_that_is_not_finite_spoils_no_other(contract: DataContract) -> None:
    augmentation = augmentation_for(contract, ALL)
    assert augmentation is not None
    records = records_of(contract)
    records[4] = torch.nan
    found, _ = augmentation(records, torch.zeros(20), source())
    finite = found.flatten(1).isfinite().all(dim=1)
    assert finite[np.r_[0:12, 15:60]].all()


def test_a_step_must_be_given_what_its_terms_declare() -> None:
    plain = TrainingTerms(1, 0.1)
    declared = replace(plain, augment=Augment(copies=2, noise=1.0))
    augmentation = augmentation_for(TABLE, declared.augment)
    check_declared(None, plain)
    check_declared(augmentation, declared)
    for given, terms in ((augmentation, plain), (None, declared)):
        with pytest.raises(UsageError, match="do not belong together"):
            check_declared(given, terms)
