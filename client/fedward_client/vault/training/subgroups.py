"""Who belongs to the subgroups that a study declares, by the columns of imported tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.vault.training.reading import HINT
from fedward_shared.contracts.cohort import Rule
from fedward_shared.contracts.study import Subgroup
from fedward_shared.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["members"]


def members(table: pl.DataFrame, subgroups: Sequence[Subgroup]) -> dict[str, NDArray[np.bool_]]:
    """A mask (rows,) for each subgroup: a row whose value is missing belongs to none.

    Raises:
        UsageError: the import has no such column, or one of another type.
    """
    return {group.name: _inside(table, group.rule) for group in subgroups}


def _inside(table: pl.DataFrame, rule: Rule) -> NDArray[np.bool_]:
    if rule.column not in table.columns:
        raise UsageError(f"the imported table has no column {rule.column!r}, which a subgroup needs", hint=HINT)
    column = table[rule.column]
    if rule.minimum is None or rule.maximum is None:
        return column.is_in(list(rule.values)).fill_null(value=False).to_numpy().astype(np.bool_)
    if not column.dtype.is_numeric():
        raise UsageError(f"the imported column {rule.column!r} holds no numbers", hint=HINT)
    return column.is_between(rule.minimum, rule.maximum).fill_null(value=False).to_numpy().astype(np.bool_)
