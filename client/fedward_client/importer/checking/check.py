"""Checks a batch of rows against the contract. Whatever is not exactly allowed rejects its row, with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from types import MappingProxyType

import polars as pl

from fedward_client.importer.checking.checked import Checked, Counts
from fedward_client.importer.checking.material import Material
from fedward_client.importer.checking.outcomes import REASONS
from fedward_client.importer.checking.people import held_out
from fedward_client.importer.checking.plan import make_plan
from fedward_client.importer.checking.slots import Slots
from fedward_client.importer.mapping import Mapping
from fedward_client.importer.quarantine import Rejection
from fedward_client.importer.sources.source import ROW, Batch
from fedward_shared.contracts.cohort import HELD_OUT, DataContract, FollowUp, Label
from fedward_shared.contracts.survival import encode

__all__ = ["Checker"]

_MOST_LISTED = 1_000_001
"""Rejections that one batch lists; whoever counts to a million knows that there were more."""


class Checker:
    """One contract and one mapping, for every batch of one source."""

    def __init__(self, contract: DataContract, mapping: Mapping, columns: Sequence[str], rows_before: int = 0) -> None:
        """Finds everything among the source's `columns`; `rows_before` is how many rows it counts before the first.

        Raises:
            UsageError: the mapping does not fit the contract.
            SourceDataError: a column is not there.
        """
        plan = make_plan(contract, mapping, columns)
        self.columns = plan.columns
        """The source's columns to ask for."""
        self._contract = contract
        self._material = Material()
        slots = Slots(contract, plan, self._material, mapping.decimal, rows_before)
        self._slots = slots.all
        self._excluded = pl.any_horizontal(slots.excluded) if slots.excluded else None
        self._wanted = [column for at, slot in enumerate(self._slots) for column in slot.outcome.columns(at)]
        self._kept = {f"v{at}": slot.name for at, slot in enumerate(self._slots) if slot.outcome.value is not None}
        self._reasons = [f"r{at}" for at in range(len(self._slots))]

    def check(self, batch: Batch) -> Checked:
        """Converts a batch and sorts out what does not fit."""
        work = self._material.prepare(batch.table)
        excluded = 0
        if self._excluded is not None:
            height = work.height
            work = work.filter(~self._excluded)
            excluded = height - work.height
        found = work.select(ROW, *self._wanted)
        wrong = found.select((pl.col(name) != 0).sum() for name in self._reasons).row(0)
        table, rejections = found.select(ROW, *self._kept), []
        if any(wrong):
            told = [pl.col(name) for name, count in zip(self._reasons, wrong, strict=True) if count]
            bad = found.select(pl.any_horizontal(reason != 0 for reason in told)).to_series()
            table = table.filter(~bad)
            rejections = self._rejections(found.select(ROW, *told).filter(bad), wrong)
        table = table.rename(self._kept)
        if self._contract.label.follow_up:
            table = _with_times(table, self._contract.label, self._contract.label.follow_up)
        if self._contract.holdout and self._contract.patient:
            table = table.with_columns(held_out(table[self._contract.patient], self._contract.holdout).alias(HELD_OUT))
        if batch.rejections:
            rejections = sorted([*batch.rejections, *rejections], key=attrgetter("row"))
        return Checked(table, tuple(rejections), excluded, self._counts(found, wrong))

    def _rejections(self, rejected: pl.DataFrame, wrong: Sequence[int]) -> list[Rejection]:
        """Every wrong thing in rows that all have one, in the order of rows and then of slots."""
        listed = []
        for at, count in enumerate(wrong):
            if count:
                bad = rejected.lazy().filter(pl.col(f"r{at}") != 0).head(_MOST_LISTED)
                listed.append(bad.select(ROW, pl.lit(at).alias("slot"), pl.col(f"r{at}").alias("reason")))
        told = pl.concat(listed).sort(ROW, "slot").head(_MOST_LISTED).collect()
        names = [slot.name for slot in self._slots]
        return [Rejection(row, names[slot], REASONS[reason - 1]) for row, slot, reason in told.iter_rows()]

    def _counts(self, found: pl.DataFrame, wrong: Sequence[int]) -> MappingProxyType[str, Counts]:
        counted = [(at, slot) for at, slot in enumerate(self._slots) if slot.counted]
        asked = [pl.col(f"v{at}").count().alias(f"v{at}") for at, _ in counted]
        asked += [pl.col(f"l{at}").sum() for at, slot in counted if slot.outcome.late is not None]
        asked += [pl.col(f"b{at}").sum() for at, slot in counted if slot.outcome.beyond is not None]
        sums = found.select(asked).row(0, named=True)
        counts = {}
        for at, slot in counted:
            valid = sums[f"v{at}"]
            counts[slot.name] = Counts(
                valid=valid,
                missing=found.height - valid - wrong[at],
                wrong=wrong[at],
                converted=valid if slot.converted else 0,
                outside_window=sums.get(f"l{at}", 0),
                beyond_range=sums.get(f"b{at}", 0),
            )
        return MappingProxyType(counts)


def _with_times(table: pl.DataFrame, label: Label, follow_up: FollowUp) -> pl.DataFrame:
    """The table with time and event in one column, the label, and without the time's own."""
    labels = encode(table[follow_up.column].to_numpy(), table[label.column].to_numpy(), follow_up)
    return table.with_columns(pl.Series(label.column, labels)).drop(follow_up.column)
