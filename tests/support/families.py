"""Small examples of every family in the registry, with all of its options somewhere; and made-up records for them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from types import MappingProxyType

import torch
from torch import Tensor

from fedward_shared.contracts.arrays import Channel, Series, Signal
from fedward_shared.contracts.cohort import (
    TICKS,
    CategoryColumn,
    DataContract,
    DataKind,
    FollowUp,
    Label,
    NumberColumn,
)
from fedward_shared.contracts.study import ModelTerms, Scalar

__all__ = ["CONTRACTS", "EXAMPLES", "Example", "labels_for", "problem_for", "records_for"]

_LABEL = Label("disease", (("0",), ("1",)), ("no disease", "disease"))
_CHANNELS = tuple(Channel(name, "mmHg", 0, 300, 100, 20) for name in ("map", "sbp"))
_TABLE = DataContract(
    DataKind.TABLE,
    _LABEL,
    (
        NumberColumn("age", "years", 18, 110, 54, 9, missing_indicator=True),
        CategoryColumn("pain", ("1", "2", "3"), missing_indicator=True),
        NumberColumn("chol", "mg/dL", 50, 700, 240, 50, reference=(170, 210, 240, 275, 330)),
        NumberColumn("lactate", "mmol/L", 0, 30, 2, 1.5, missing_indicator=True, fill=1.0),
    ),
)
CONTRACTS = {
    "table": _TABLE,
    "times": replace(_TABLE, label=replace(_LABEL, follow_up=FollowUp("days", "days", 1000))),
    "image": DataContract(DataKind.TENSOR, _LABEL, shape=(1, 16, 16)),
    "colour": DataContract(DataKind.TENSOR, _LABEL, shape=(3, 32, 32)),
    "volume": DataContract(DataKind.TENSOR, _LABEL, shape=(1, 8, 8, 8)),
    "series": DataContract(DataKind.TENSOR, _LABEL, form=Series((0, 10), 1, _CHANNELS, masks=True, deltas=True)),
    "bare": DataContract(DataKind.TENSOR, _LABEL, form=Series((0, 10), 1, _CHANNELS, masks=False)),
    "signal": DataContract(DataKind.TENSOR, _LABEL, form=Signal("file", ("I", "II", "V1"), 20, 2)),
    "vector": DataContract(DataKind.TENSOR, _LABEL, shape=(7,)),
}
"""Small contracts, by what their records are."""


@dataclass(frozen=True, slots=True)
class Example:
    """A family with options, and the contract that it is tried on."""

    name: str
    contract: str
    options: dict[str, Scalar | tuple[Scalar, ...]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What tests call it."""
        told = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}-{self.contract}-{told}"

    def terms(self, seed: int = 3) -> ModelTerms:
        """`[model]`."""
        return ModelTerms(self.name, MappingProxyType(self.options), seed)

    def on(self) -> DataContract:
        """`[data]`."""
        return CONTRACTS[self.contract]


EXAMPLES = (
    Example("cnn", "image", {"channels": (4, 8), "groups": 2, "hidden": 6}),
    Example("cnn", "volume", {"channels": (4, 6), "groups": 2, "hidden": 6, "pool": "average"}),
    Example("cnn1d", "signal", {"channels": (8, 8), "groups": 4}),
    Example("cnn1d", "signal", {"channels": (6, 6, 8), "kernel": 5, "stride": 1, "groups": 2, "peak": True}),
    Example("cnn1d", "series", {"channels": (4, 4, 6), "kernel": 3, "groups": 2, "residual": True}),
    Example("cnn_lstm", "signal", {"channels": (8,), "hidden": 6}),
    Example("cnn_lstm", "signal", {"channels": (6, 6), "hidden": 5, "attention": True, "bidirectional": True}),
    Example("cox", "times"),
    Example("cox", "times", {"hidden": (6,), "intervals": (200.0, 500.0, 1000.0)}),
    Example("cox", "times", {"embedding": "piecewise", "bins": 4, "likelihood": "cloglog"}),
    Example("gru", "series", {"hidden": 5, "layers": 2}),
    Example("gru", "series", {"hidden": 6, "attention": True, "decay": True}),
    Example("gru", "bare", {"hidden": 6, "attention": True}),
    Example("hazard", "times", {"hidden": (8,)}),
    Example("hazard", "times", {"hidden": (8,), "embedding": "piecewise", "likelihood": "cloglog"}),
    Example("logistic", "table"),
    Example("logistic", "table", {"embedding": "piecewise", "bins": 4, "expected_share": 0.3}),
    Example("logistic", "table", {"embedding": "piecewise", "cuts": ("age: 40, 50, 60", "chol: 200, 240")}),
    Example("logistic", "table", {"embedding": "periodic"}),
    Example("lstm", "series", {"hidden": 5}),
    Example("lstm", "series", {"hidden": 5, "layers": 2, "bidirectional": True}),
    Example("lstm", "series", {"hidden": 5, "attention": True, "bidirectional": True, "decay": True}),
    Example("mlp", "table", {"hidden": (8, 4), "activation": "tanh"}),
    Example("mlp", "table", {"hidden": (8, 8), "activation": "silu", "normalise": True, "residual": True}),
    Example(
        "mlp",
        "table",
        {"hidden": (8,), "embedding": "piecewise", "wide": True, "output_scale": 0.1, "expected_share": 0.3},
    ),
    Example("mlp", "table", {"hidden": (8,), "activation": "gelu", "embedding": "periodic", "trainable": True}),
    Example("mlp", "image", {"hidden": (8,), "wide": True}),
    Example("resnet18", "image", {"width": 4, "groups": 2}),
    Example("resnet18", "volume", {"width": 2, "groups": 1}),
    Example("transformer", "series", {"width": 8, "heads": 2, "layers": 2, "feedforward": 12, "pooling": "attention"}),
    Example("transformer", "series", {"width": 8, "heads": 2, "layers": 1, "feedforward": 12, "patch": 3}),
    Example("transformer", "signal", {"width": 8, "heads": 1, "layers": 1, "patch": 8, "activation": "relu"}),
    Example("vgg", "image", {"width": 2, "groups": 2, "hidden": 8}),
)
"""At least one of every family."""


def records_for(contract: DataContract, count: int, *, seed: int = 0) -> Tensor:
    """`count` records (count, *shape) of standard normal numbers."""
    return torch.randn(count, *contract.input_shape, generator=torch.Generator().manual_seed(seed))


def labels_for(contract: DataContract, events: Tensor) -> Tensor:
    """Labels (records,) int64 of those with `events` (records,) 0 or 1; followed up, these have one early."""
    if contract.label.follow_up is None:
        return events
    early = TICKS // 8
    return 2 * torch.where(events == 1, early, TICKS - early) + events


def problem_for(contract: DataContract, count: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Records, and labels that follow from a pattern in them: a wave along the longest axis, upside down in half."""
    records = records_for(contract, count, seed=seed)
    events = torch.arange(count) % 2
    shape = contract.input_shape
    axis = max(range(len(shape)), key=lambda each: shape[each])
    steps = torch.arange(shape[axis]).view([-1 if each == axis else 1 for each in range(len(shape))])
    wave = torch.sin(steps * (3.0 / max(1, shape[axis]) if prod(shape) > shape[axis] else 1.0))
    signs = (2 * events - 1).view(-1, *[1] * len(shape))
    return records + 1.5 * signs * wave, labels_for(contract, events)
