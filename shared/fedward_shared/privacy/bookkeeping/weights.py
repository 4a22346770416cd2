"""What clipping decided, as the clipped sum uses it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedward_shared.privacy.bookkeeping.grouping import Grouping

__all__ = ["Weights", "left_out"]


@dataclass(frozen=True, slots=True)
class Weights:
    """The factor of each patient, and who is left out.

    `patients` (patients,) and `records` (records,) hold the factors; `lost` (patients,) and `lost_records` (records,)
    are True for those whose loss or gradient is not finite, None where there are none. They are taken out by
    selection: a factor of zero would not do, since 0 x NaN is NaN.
    """

    patients: Tensor
    records: Tensor
    lost: Tensor | None
    lost_records: Tensor | None

    @classmethod
    def of(cls, factors: Tensor, grouping: Grouping, lost: Tensor | None) -> Weights:
        """`factors` (patients,) in the type of the gradients."""
        lost_records = None if lost is None else grouping.to_records(lost)
        return cls(factors, grouping.to_records(factors), lost, lost_records)

    def of_patients(self, values: Tensor) -> Tensor:
        """(patients, ...) with the rows of those left out zero."""
        return _without(values, self.lost)

    def of_records(self, values: Tensor) -> Tensor:
        """(records, ...) with the rows of those left out zero."""
        return _without(values, self.lost_records)


def left_out(factors: Tensor) -> Tensor | None:
    """Whom a clip's factors (layers, patients) leave out, those with a 0: (patients,) bool, None where nobody is."""
    return None if bool(factors.all()) else (factors == 0).any(dim=0)


def _without(values: Tensor, lost: Tensor | None) -> Tensor:
    return values if lost is None else values.masked_fill(lost.view(-1, *[1] * (values.dim() - 1)), 0)
