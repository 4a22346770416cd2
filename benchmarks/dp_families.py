"""The product's own families as `benchmarks.dp_step` measures them: each built by the registry, in a usual size.

Pictures are small and the first stage of the large networks is narrow, so that a row takes seconds. Survival models
are timed with cross-entropy over their intervals in the place of their likelihood: the model costs, and not the loss.
There are three classes, because two are one logit, for which the other arms have no loss.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from torch import nn

from fedward_shared.contracts.arrays import Channel, Series, Signal
from fedward_shared.contracts.cohort import DataContract, DataKind, FollowUp, Label, NumberColumn
from fedward_shared.contracts.study import ModelTerms, Scalar
from fedward_shared.models.registry import build

__all__ = ["BARE", "IMAGE", "SERIES", "SIGNAL", "TABLE", "TIMES", "VOLUME", "family"]

_LABEL = Label("outcome", (("0",), ("1",), ("2",)), ("none", "mild", "severe"))
_FOLLOWED = Label("outcome", (("0",), ("1",)), ("no", "yes"), follow_up=FollowUp("days", "days", 1000))
_COLUMNS = tuple(NumberColumn(f"n{place}", "mmol/L", 0, 10, 5, 2, missing_indicator=True) for place in range(30))
_VITALS = tuple(Channel(f"c{place}", "mmHg", 0, 300, 100, 20) for place in range(12))
_LEADS = tuple(f"lead{place}" for place in range(12))

TABLE = DataContract(DataKind.TABLE, _LABEL, _COLUMNS)
"""30 numbers and whether they are missing."""
TIMES = DataContract(DataKind.TABLE, _FOLLOWED, _COLUMNS)
"""The same with a follow-up."""
SERIES = DataContract(DataKind.TENSOR, _LABEL, form=Series((0, 48), 1, _VITALS, masks=True, deltas=True))
"""48 hours of 12 channels with masks and deltas."""
SIGNAL = DataContract(DataKind.TENSOR, _LABEL, form=Signal("file", _LEADS, rate=100, seconds=10))
"""10 s of 12 leads."""
BARE = DataContract(DataKind.TENSOR, _LABEL, form=Series((0, 48), 1, _VITALS, masks=False))
"""The same without masks and deltas, which Opacus' attention does not take."""
IMAGE = DataContract(DataKind.TENSOR, _LABEL, shape=(1, 28, 28))
"""28 x 28 pixels."""
VOLUME = DataContract(DataKind.TENSOR, _LABEL, shape=(1, 16, 32, 32))
"""16 slices of 32 x 32."""


def family(name: str, contract: DataContract, **options: Scalar | tuple[Scalar, ...]) -> Callable[[], nn.Module]:
    """What builds the family's model for these data."""
    return lambda: build(ModelTerms(name, MappingProxyType(options)), contract)
