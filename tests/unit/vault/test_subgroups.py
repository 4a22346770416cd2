"""Who belongs to a declared subgroup."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fedward_client.vault.training.dataset import open_data_set
from fedward_client.vault.training.subgroups import members
from fedward_shared.contracts.cohort import Rule
from fedward_shared.contracts.study import Subgroup
from fedward_shared.errors import UsageError
from tests.support.cohorts import contract_of, write_table

OLD, WORST = Subgroup("old", Rule("age", 60, 110)), Subgroup("worst", Rule("pain", values=("2", "3")))


def test_bounds_belong_to_the_range_and_a_missing_value_to_nothing() -> None:
    table = pl.DataFrame({"age": [59.9, 60.0, 110.0, None], "pain": ["1", "3", None, "2"]})
    found = members(table, [OLD, WORST])
    assert {name: inside.tolist() for name, inside in found.items()} == {
        "old": [False, True, True, False],
        "worst": [False, True, False, True],
    }


def test_parts_know_the_subgroups_of_their_rows(tmp_path: Path) -> None:
    contract = contract_of("logistic")
    columns = write_table(tmp_path / "in", contract)
    data = open_data_set(tmp_path / "in", contract, (OLD, WORST))
    for part in (data.train, data.test):
        np.testing.assert_array_equal(part.groups["old"], columns["age"][part.rows].astype(float) >= 60)
        np.testing.assert_array_equal(part.groups["worst"], np.isin(columns["pain"][part.rows], ["2", "3"]))
    assert open_data_set(tmp_path / "in", contract).train.groups == {}


@pytest.mark.parametrize("table", [pl.DataFrame({"pain": ["1"]}), pl.DataFrame({"age": ["sixty"]})])
def test_an_import_without_the_column_is_refused_without_telling_a_value(table: pl.DataFrame) -> None:
    with pytest.raises(UsageError, match="'age'") as raised:
        members(table, [OLD])
    assert "sixty" not in raised.value.diagnostics()
