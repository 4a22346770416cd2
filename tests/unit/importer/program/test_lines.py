"""Documents that travel between the importer and its worker."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_client.importer.program.lines import Lines, line
from fedward_shared.errors import ImporterError

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.dictionaries(st.text(), _VALUES, max_size=4), max_size=4), st.integers(1, 9))
def test_documents_arrive_in_whatever_pieces(documents: list[dict[str, object]], size: int) -> None:
    stream = b"".join(map(line, documents))
    lines = Lines()

    found = [one for at in range(0, len(stream), size) for one in lines.add(stream[at : at + size])]

    assert found == documents


@pytest.mark.parametrize("text", [b"\n", b"nothing\n", b"[1]\n", b"3\n", b"\xff\n", b"[" * 50_000 + b"\n"])
def test_what_is_no_document_is_told(text: bytes) -> None:
    with pytest.raises(ImporterError, match="something else"):
        list(Lines().add(text))


def test_a_line_without_an_end_is_not_kept() -> None:
    lines = Lines(longest=10)
    assert list(lines.add(b"0123456789")) == []

    with pytest.raises(ImporterError, match="without an end"):
        list(lines.add(b"x"))


def test_a_document_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(ImporterError, match="too long"):
        line({"much": "x" * (33 << 20)})
