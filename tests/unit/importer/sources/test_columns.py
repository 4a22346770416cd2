"""Columns that are not there: what is offered, and that no patient's first row is told as names."""

from __future__ import annotations

import pytest

from fedward_client.importer.sources.columns import check_names, like_values, no_header, positions
from fedward_shared.errors import SourceDataError

FIRST_ROW = ("Zebra", "1961-04-03", "71,5", "ja")


def test_the_nearest_name_and_all_names_are_offered() -> None:
    with pytest.raises(SourceDataError, match="'age' \\(is it 'Age'\\?\\)") as caught:
        positions(("Age", "sex"), ("age",), "the source")

    assert "'sex'" in caught.value.hint


@pytest.mark.parametrize(
    "row", [FIRST_ROW, ("Zebra", "12"), ("Zebra", "3.4.1961"), ("Zebra", "12:30"), ("Zebra", "ja")]
)
def test_a_first_row_of_values_is_never_told(row: tuple[str, ...]) -> None:
    with pytest.raises(SourceDataError, match="no header line") as caught:
        positions(row, ("age", "zebra"), "the source")

    told = caught.value.diagnostics()
    assert not [cell for cell in row if cell in told]
    assert "header = [" in told


def test_values_that_come_twice_are_not_told_either() -> None:
    with pytest.raises(SourceDataError, match="no header line") as caught:
        check_names(("Zebra", "1", "Zebra"), "the source")

    assert "Zebra" not in caught.value.diagnostics()
    with pytest.raises(SourceDataError, match="called 'age'"):
        check_names(("age", "sex", "age"), "the source")


@pytest.mark.parametrize("names", [("age", "sex", "na", "hb_12h", "T2", "Kreatinin (mg/dL)")])
def test_names_with_figures_are_names(names: tuple[str, ...]) -> None:
    assert not like_values(names)
    assert not no_header(names)


def test_one_figure_among_many_names_is_still_a_header() -> None:
    assert not no_header(("age", "sex", "hb", "crea", "1"))
    assert no_header(FIRST_ROW)
