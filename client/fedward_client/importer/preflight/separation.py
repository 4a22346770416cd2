"""How well columns tell the classes apart, on a sample of accepted rows: what a leak or a swapped label shows in.

The area under the ROC curve is Mann and Whitney's U over the number of pairs, its deviation under "no difference" with
the correction for ties (Lehmann 1975). Where patients have several records, records are not independent; all z are
scaled as if only the number of patients counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.preflight.profile import Composite, Separation
from fedward_shared.contracts.cohort import DataContract, NumberColumn
from fedward_shared.contracts.survival import classes

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FEWEST", "auc", "columns_of", "composites", "separations", "weight_of"]

FEWEST = 15
"""Records with a value that a class, and the others together, must have."""
_MOST_CLASSES = 10
_PRIOR_ROWS = 10

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


def auc(values: Numbers, inside: Flags) -> tuple[float, float]:
    """The chance that a value inside is above one outside, and its z. Both groups have values; none is NaN."""
    n, m = int(inside.sum()), int((~inside).sum())
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[group]
    area = (float(ranks[inside].sum()) - n * (n + 1) / 2) / (n * m)
    total = n + m
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / max(total * (total - 1), 1)
    deviation = np.sqrt(max(total + 1 - ties, 0.0) / (12 * n * m))
    return area, float((area - 0.5) / deviation) if deviation > 0 else 0.0


def separations(sample: pl.DataFrame, contract: DataContract, weight: float) -> tuple[Separation, ...]:
    """Every column against every class (the most frequent ten); `weight` (at most 1) scales z for repeated patients."""
    labels = classes(sample[contract.label.column].to_numpy(), contract.label)
    found = []
    for index in _classes(labels, len(contract.label.classes)):
        inside = labels == index
        for column in contract.columns:
            values = _values(sample[column.name], isinstance(column, NumberColumn), inside)
            found.append(_separation(column.name, index, values, inside, weight))
    return tuple(found)


def composites(sample: pl.DataFrame, contract: DataContract, weight: float) -> tuple[Composite, ...]:
    """All columns with a declared direction, added up as ``(value - centre) / scale``, against their classes.

    With two classes a column that is higher in one is lower in the other, and all make one sum.
    """
    labels = classes(sample[contract.label.column].to_numpy(), contract.label)
    names = contract.label.names
    two = len(names) == 2  # noqa: PLR2004 - two classes are each other's opposite
    directed = [column for column in contract.columns if isinstance(column, NumberColumn) and column.higher_in]
    found = []
    for index in [1] if two else range(len(names)):
        columns = [column for column in directed if two or column.higher_in == names[index]]
        inside = labels == index
        if not columns or not _enough(inside):
            continue
        total = np.zeros(sample.height)
        for column in columns:
            sign = 1.0 if column.higher_in == names[index] else -1.0
            score = (sample[column.name].fill_null(column.centre).to_numpy() - column.centre) / column.scale
            total += sign * np.clip(score, -4, 4)
        area, z = auc(total, inside)
        found.append(Composite(index, area, z * weight, len(columns)))
    return tuple(found)


def _classes(labels: NDArray[np.int64], count: int) -> Iterator[int]:
    """The classes to look at; of two, one says all."""
    if count == 2:  # noqa: PLR2004 - see above
        if _enough(labels == 1):
            yield 1
        return
    counts = np.bincount(labels, minlength=count)
    for index in np.argsort(-counts, kind="stable")[:_MOST_CLASSES].tolist():
        if _enough(labels == index):
            yield index


def _enough(inside: Flags) -> bool:
    return min(int(inside.sum()), int((~inside).sum())) >= FEWEST


def _values(series: pl.Series, is_number: bool, inside: Flags) -> Numbers:
    """Numbers that can be ranked, NaN where missing; a category's value becomes its share of the class.

    The share of a rare value is drawn towards that of all rows, or rare values would seem to know the class.
    """
    if is_number:
        return series.fill_null(float("nan")).to_numpy().astype(np.float64)
    import polars as pl

    codes = series.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    counts = np.bincount(codes).astype(np.float64)
    hits = np.bincount(codes, inside).astype(np.float64)
    base = float(inside.mean())
    shares = (hits + _PRIOR_ROWS * base) / (counts + _PRIOR_ROWS)
    return np.where(codes == 0, np.nan, shares[codes])


def _separation(column: str, index: int, values: Numbers, inside: Flags, weight: float) -> Separation:
    missing = np.isnan(values)
    here, there = int((inside & ~missing).sum()), int((~inside & ~missing).sum())
    area, z = auc(values[~missing], inside[~missing]) if min(here, there) >= FEWEST else (0.5, 0.0)
    gap, gap_z = _gap(missing, inside)
    return Separation(column, index, area, z * weight, here, there, gap, gap_z * weight)


def _gap(missing: Flags, inside: Flags) -> tuple[float, float]:
    """The difference of two shares and its z with the pooled share (the usual two-sample test)."""
    n, m = int(inside.sum()), int((~inside).sum())
    gap = float(missing[inside].mean() - missing[~inside].mean())
    pooled = float(missing.mean())
    deviation = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return gap, float(gap / deviation) if deviation > 0 else 0.0


def weight_of(patients: int, records: int) -> float:
    """What z is scaled by where `patients` have `records`: as if each patient counted once."""
    return float(np.sqrt(min(1.0, patients / records))) if records else 1.0


def columns_of(contract: DataContract) -> Sequence[str]:
    """The columns of accepted rows that are compared with the label, and the label."""
    return (*(column.name for column in contract.columns), contract.label.column)
