"""Whatever stands in a source's cells, preflight measures, judges and reports it, and its figures add up."""

from __future__ import annotations

import os

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_client.importer.mapping import Mapping
from fedward_client.importer.preflight.judge import judge
from fedward_client.importer.preflight.page import report_page
from fedward_client.importer.preflight.profile_document import profile_from, profile_to
from tests.support.preflighting import CONTRACT, SITE, looked, people

_EXAMPLES = 40 * (10 if os.environ.get("FEDWARD_LONG") else 1)
_NUMBERS = st.one_of(st.floats(), st.integers(), st.sampled_from([0.0, -0.0, 5e-324, 1.7e308])).map(str)
_CELLS = st.one_of(
    st.text(max_size=12),
    _NUMBERS,
    st.sampled_from(["", "NaN", "NA", "-9", "1,5", "<3", "6.1", "61", "female", "W", "0", "1", "yes", "p1", "p2"]),
)
_ROWS = st.lists(st.tuples(*[_CELLS] * 6), max_size=40)
_NAMES = tuple(people(1).columns)


def _table(rows: list[tuple[str, ...]], clean: int) -> pl.DataFrame:
    made = pl.DataFrame(rows, schema=dict.fromkeys(_NAMES, pl.String), orient="row")
    return pl.concat([people(clean, seed=len(rows)).cast(pl.String), made]) if clean else made


@given(rows=_ROWS, clean=st.sampled_from([0, 30]), batches=st.integers(1, 4))
@settings(max_examples=_EXAMPLES, deadline=None)
def test_any_cells_can_be_looked_at(rows: list[tuple[str, ...]], clean: int, batches: int) -> None:
    table = _table(rows, clean)
    profile = looked(table, batches=batches)
    judgement = judge(profile, CONTRACT, Mapping(), SITE, 0.2)
    page = report_page(profile, judgement, CONTRACT, SITE, title="t", made="m")

    cohort = profile.cohort
    assert cohort.rows == table.height == cohort.accepted + cohort.rejected + cohort.excluded
    assert all(sum(facts.accepted) <= facts.counts.valid for facts in profile.numbers)
    assert all(facts.below + facts.above + sum(facts.all_numbers) == facts.numbers for facts in profile.numbers)
    assert all(sum(facts.shares) <= cohort.accepted for facts in profile.categories)
    assert profile_from(profile_to(profile)) == profile
    assert page.endswith("</html>\n")


@given(rows=_ROWS, batches=st.integers(2, 5))
@settings(max_examples=_EXAMPLES, deadline=None)
def test_how_rows_are_batched_changes_nothing(rows: list[tuple[str, ...]], batches: int) -> None:
    table = _table(rows, 30)

    assert looked(table, batches=batches) == looked(table, batches=1)
