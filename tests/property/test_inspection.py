"""Any table at all becomes a right study file, or is told why not."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_server.inspection import Interview, draft, interview, profile, read_sample
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100

NAMES = st.one_of(
    st.sampled_from(["age", "outcome", "chol", "patient", "Glucose (mg/dL)", "split"]), st.text(max_size=12)
)
CELLS = st.one_of(
    st.sampled_from(["0", "1", "-9", "999", "", "NA", "yes", "no", "2020-01-01", "1e400", "-1e-300", "1e12", "m", "f"]),
    st.integers(-100, 1000).map(str),
    st.floats().map(str),
    st.text(max_size=8),
)


def _objected(what: str) -> None:
    """A proposed answer is never refused; what a person should look at is remarked on."""
    remarks = ("is not a known unit", "CHECK: ", "each is a class of its own")
    assert any(remark in what for remark in remarks)


def _drafted(content: bytes) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(content)
        talk = Interview(ask=lambda _, default: default or "!", say=_objected)  # no default: the rest as it comes
        try:
            sample = read_sample(path)
            profiles = profile(sample)
            return draft(sample, profiles, interview(sample, profiles, talk, name="t", key="k"))
        except UsageError as error:
            assert error.diagnostics().replace("\n", "").isprintable()  # noqa: PT017 - both ways out are checked
            return None


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    names=st.lists(NAMES, min_size=2, max_size=5),
    data=st.data(),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    repeats=st.integers(1, 30),
)
def test_any_table_is_drafted_or_told(names: list[str], data: st.DataObject, separator: str, repeats: int) -> None:
    row = st.lists(CELLS, min_size=len(names), max_size=len(names))
    rows = data.draw(st.lists(row, min_size=2, max_size=8))
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([names, *rows * repeats])

    drafted = _drafted(text.getvalue().encode("utf-8", "replace"))

    assert drafted is None or load(drafted.encode()).data.columns


@settings(max_examples=EXAMPLES, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_drafted_or_told(content: bytes) -> None:
    drafted = _drafted(content)

    assert drafted is None or load(drafted.encode()).data.columns
