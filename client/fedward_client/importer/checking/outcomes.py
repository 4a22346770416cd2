"""What one cell becomes: its value, or the reason to reject its row; as columns, over a batch that was parsed."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fedward_client.importer.quarantine import Reason
from fedward_shared.contracts.cohort import CategoryColumn, Label, NumberColumn, Outside, Rule
from fedward_shared.units import Affine

__all__ = ["REASONS", "Outcome", "category", "code", "label", "number", "ruled_out", "unless"]

REASONS = tuple(Reason)
"""A reason is told by its number in this list plus 1; 0 is none."""

_NONE = pl.lit(0, dtype=pl.UInt8)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`value` (None: not kept) is null where missing or wrong, `reason` a number (see `REASONS`); both per row.

    `late` tells values that are missing because they were taken outside their window, `beyond` those that are missing
    because they lie outside their range. For rules of the cohort: `known` values (they may be out of range) and
    `empty` ones.
    """

    value: pl.Expr | None
    reason: pl.Expr
    late: pl.Expr | None = None
    beyond: pl.Expr | None = None
    known: pl.Expr | None = None
    empty: pl.Expr | None = None

    def columns(self, at: int) -> list[pl.Expr]:
        """The expressions that are reported, as `v{at}`, `r{at}` and, where there are such, `l{at}` and `b{at}`."""
        named = {"v": self.value, "r": self.reason, "l": self.late, "b": self.beyond}
        return [one.alias(f"{letter}{at}") for letter, one in named.items() if one is not None]


def code(reason: Reason) -> pl.Expr:
    """The number of a reason."""
    return pl.lit(REASONS.index(reason) + 1, dtype=pl.UInt8)


def unless(fine: pl.Expr, reason: Reason) -> pl.Expr:
    """The reason where `fine` is false or null."""
    return pl.when(fine).then(_NONE).otherwise(code(reason))


def number(
    column: NumberColumn,
    parsed: pl.Expr,
    missing: pl.Expr,
    *,
    unit: Affine,
    given: pl.Expr | None,
    hours: pl.Expr | None,
) -> Outcome:
    """A number of the contract.

    Args:
        column: what is allowed.
        parsed: the number that stands there (null: none), in the site's unit.
        missing: whether it stands for "not measured".
        unit: into the contract's unit.
        given: numbers, in the contract's unit, that a mapping puts in place of a spelling (null: it does not).
        hours: when it was taken, in hours after time zero (null: nobody knows); None where no window is declared.
    """
    value = parsed + 0.0 if unit.same else parsed * unit.factor + (unit.offset + 0.0)
    if given is not None:
        value = pl.coalesce(given, value)
        missing = missing & given.is_null()
    present = ~missing & value.is_finite()
    late = _late(column, hours, present)
    empty = missing if late is None else missing | late
    fine = value.is_between(column.minimum, column.maximum).fill_null(value=False) & ~empty
    beyond = None
    too_far = code(Reason.OUT_OF_RANGE)
    if column.outside is Outside.MISSING and not column.required:
        beyond = (present & ~fine & ~empty).fill_null(value=False)
        too_far = _NONE
    reason = (
        pl.when(fine)
        .then(_NONE)
        .when(empty)
        .then(code(Reason.MISSING) if column.required else _NONE)
        .when(value.is_finite())
        .then(too_far)
        .otherwise(code(Reason.NOT_A_NUMBER))
    )
    known = pl.when(value.is_finite()).then(value)
    return Outcome(pl.when(fine).then(value), reason, late, beyond, known, empty)


def category(column: CategoryColumn, meaning: pl.Expr, *, hours: pl.Expr | None) -> Outcome:
    """A category: `meaning` is the index of the value, or their number for "missing", or null."""
    count = len(column.values)
    missing = (meaning == count).fill_null(value=False)
    late = _late(column, hours, meaning < count)
    empty = missing if late is None else missing | late
    value = pl.lit(pl.Series([*column.values, None], dtype=pl.String)).gather(pl.when(~empty).then(meaning))
    reason = (
        pl.when(empty)
        .then(code(Reason.MISSING) if column.required else _NONE)
        .otherwise(unless(meaning.is_not_null(), Reason.NOT_ALLOWED))
    )
    return Outcome(value, reason, late, None, value, empty)


def label(declared: Label, meaning: pl.Expr) -> Outcome:
    """The class: `meaning` is its index, or the number of classes for "missing", or null."""
    count = len(declared.classes)
    fine = (meaning < count).fill_null(value=False)
    missing = (meaning == count).fill_null(value=False)
    reason = pl.when(fine).then(_NONE).when(missing).then(code(Reason.MISSING)).otherwise(code(Reason.NO_CLASS))
    return Outcome(pl.when(fine).then(meaning).cast(pl.Int64), reason)


def ruled_out(rule: Rule, outcome: Outcome) -> pl.Expr:
    """Whether a rule of the cohort leaves the row out; a value that nobody can read leaves no row out."""
    known = outcome.known
    if known is None:
        raise ValueError("no rule can look at this")
    inside = pl.lit(value=True)
    if rule.minimum is not None:
        inside = inside & (known >= rule.minimum)
    if rule.maximum is not None:
        inside = inside & (known <= rule.maximum)
    if rule.values:
        inside = inside & known.is_in(list(rule.values))
    away = (~inside).fill_null(value=False)
    return away if outcome.empty is None else away | outcome.empty


def _late(column: NumberColumn | CategoryColumn, hours: pl.Expr | None, present: pl.Expr) -> pl.Expr | None:
    if hours is None or column.timing is None:
        return None
    inside = hours.is_between(*column.timing.window).fill_null(value=False)
    return (present & ~inside).fill_null(value=False)
