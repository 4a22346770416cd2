"""What is kept of patients: hashes only, of at most a million rows, so that memory does not follow the source.

Two samples by key: all rows of some patients (records, labels, sides of the split), and all rows of some records
(which record several patients share). Both are everything while the source is small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.checking.checked import Checked
from fedward_client.importer.preflight.profile import CohortFacts
from fedward_client.importer.preflight.sketches import KeySample
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.survival import classes

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CohortSketch"]

_ROWS = 1_000_000
_SEED = 17
_PATIENT, _RECORD, _LABEL, _TEST = range(4)

Hashes = NDArray[np.uint64]


class CohortSketch:
    """Everything that is counted a row or a patient."""

    def __init__(self, contract: DataContract, rows: int = _ROWS) -> None:
        self._contract = contract
        self._people = KeySample(rows)
        self._records = KeySample(rows)
        self._rows = self._accepted = self._rejected = self._excluded = 0

    def add(self, rows: int, checked: Checked) -> None:
        """Takes a batch of `rows` rows (those that could not be read included)."""
        self._rows += rows
        self._accepted += checked.table.height
        self._rejected += rows - checked.table.height - checked.excluded
        self._excluded += checked.excluded
        if checked.table.height:
            columns = self._hashes(checked.table)
            self._people.add(columns)
            self._records.add(columns[:, [_RECORD, _PATIENT]])

    def facts(self, sample: pl.DataFrame | None) -> CohortFacts:
        """What was found; `sample` is a sample of accepted rows, for what chance explains."""
        people, share = self._people.rows(), self._people.share
        if not len(people):
            return CohortFacts(self._rows, self._accepted, self._rejected, self._excluded)
        once = np.unique(people, axis=0)
        patients, index, records = np.unique(once[:, _PATIENT], return_inverse=True, return_counts=True)
        sides = np.bincount(index, once[:, _TEST], len(patients)) / records
        repeated = len(people) - len(np.unique(once[:, :2], axis=0))
        several = _distinct(once[:, [_PATIENT, _LABEL]], patients) > 1

        def scaled(count: int) -> int:
            return round(count / share)

        return CohortFacts(
            rows=self._rows,
            accepted=self._accepted,
            rejected=self._rejected,
            excluded=self._excluded,
            patients=scaled(len(patients)),
            training=scaled(int((sides < 1).sum())),
            most_records=int(records.max()),
            over=scaled(int((records > self._contract.records_per_patient).sum())),
            repeated=scaled(repeated),
            shared=round(_shared_pairs(self._records.rows()) / self._records.share),
            chance=_chance(sample, self._accepted),
            conflicting=scaled(int(several.sum())),
            straddling=scaled(int(((sides > 0) & (sides < 1)).sum())),
            share=share,
        )

    def _hashes(self, table: pl.DataFrame) -> Hashes:
        """(rows, 4): hashed patient, hashed record, class, 1 where the row is for testing."""
        contract = self._contract
        rows = table.height
        about = {contract.patient, contract.encounter, contract.split_column, "fedward_row"}
        record = table.drop([name for name in about if name in table.columns])
        hashes = np.empty((rows, 4), dtype=np.uint64)
        hashes[:, _RECORD] = record.hash_rows(_SEED).to_numpy()
        if contract.patient and contract.patient in table.columns:
            hashes[:, _PATIENT] = table[contract.patient].hash(_SEED).to_numpy()
        else:
            first = self._accepted - rows
            hashes[:, _PATIENT] = _spread(np.arange(first, first + rows, dtype=np.uint64))
        hashes[:, _LABEL] = classes(table[contract.label.column].to_numpy(), contract.label).astype(np.uint64)
        side = contract.split_column
        hashes[:, _TEST] = (table[side] == "test").to_numpy() if side and side in table.columns else 0
        return hashes


def _spread(numbers: Hashes) -> Hashes:
    """Different numbers to different, evenly spread ones (the finaliser of SplitMix64, a bijection)."""
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def _distinct(pairs: Hashes, patients: Hashes) -> NDArray[np.int64]:
    """How many different second entries each patient has."""
    unique = np.unique(pairs, axis=0)
    return np.bincount(np.searchsorted(patients, unique[:, 0]), minlength=len(patients)).astype(np.int64)


def _shared_pairs(records: Hashes) -> int:
    """Pairs of different patients that have an equal record."""
    if not len(records):
        return 0
    unique = np.unique(records, axis=0)
    _, holders = np.unique(unique[:, 0], return_counts=True)
    return int((holders * (holders - 1) // 2).sum())


def _chance(sample: pl.DataFrame | None, accepted: int) -> float:
    """Pairs of equal rows that independent columns with these frequencies would give by chance."""
    if sample is None or sample.height < 2:  # noqa: PLR2004 - a pair takes two
        return 0.0
    pairs = accepted * (accepted - 1) / 2
    for name in sample.columns:
        counts = sample[name].value_counts()["count"].to_numpy().astype(np.float64)
        pairs *= float((counts * (counts - 1)).sum()) / (sample.height * (sample.height - 1))
    return pairs
