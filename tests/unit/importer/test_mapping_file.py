"""mapping.toml: what is read from it, what is refused, and that what is written reads as the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_client.importer.mapping import Answer, Mapping, SourceTerms
from fedward_client.importer.mapping_file import LARGEST_MAPPING, load_mapping, mapping_text, parse_mapping
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from tests.support.samples import TWO_SITES

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100
WHOLE = """
decimal = ","
files = "images/2026"

[source]
type = "csv"
path = "export.csv"
separator = ";"
quotes = false
header = ["a", "b"]

[events]
type = "sql"
seconds = 1.5
rows = 1000

[columns.age]
source = "ALTER"
unit = "months"
missing = ["", "-9"]

[columns."chest pain"]
values = { "1" = "typical", "2.0" = "atypical" }
"""
READ = Mapping(
    source=SourceTerms("csv", Path("export.csv"), {"separator": ";", "quotes": False, "header": ("a", "b")}),
    events=SourceTerms("sql", None, {"seconds": 1.5, "rows": 1000}),
    files=Path("images/2026"),
    decimal=",",
    columns={
        "age": Answer("ALTER", "months", ("", "-9")),
        "chest pain": Answer(values={"1": "typical", "2.0": "atypical"}),
    },
)


def test_everything_that_a_mapping_can_say(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(WHOLE)

    assert load_mapping(path) == READ


def test_an_empty_file_says_nothing() -> None:
    assert parse_mapping(b"") == Mapping()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("decimals = ','", "the file has no key 'decimals'\nDid you mean 'decimal'?"),
        ("decimal = ';'", 'decimal must be "." or ","'),
        ("decimal = 1", 'decimal must be "." or ","'),
        ("files = '../images'", "files must name a folder below the mapping's own"),
        ("files = '/images'", "files must name a folder below"),
        ("files = 'C:\\images'", "files must name a folder below"),
        ("files = 'a\\..\\..\\b'", "files must name a folder below"),
        ("files = ''", "files must name a folder below"),
        ("files = 1", "files must be a text in quotes"),
        ("source = 'a.csv'", "source must be a table: [source]"),
        ("[source]\ntype = 1", "[source] type must be a text in quotes"),
        ("[source]\ntype = 'csv'\npath = ['a']", "[source] path must be a text"),
        ("[source]\ntype = 'csv'\nat = 2026-01-01", "[source] at must be a text, a number"),
        ("[source]\ntype = 'csv'\nat = [1]", "[source] at must be a text, a number"),
        ("columns = 1", "columns must be a table"),
        ("[columns]\nage = 'AGE'", "[columns.age] must be a table"),
        ("[columns.age]\nunits = 'mg'", "[columns.age] has no key 'units'\nDid you mean 'unit'?"),
        ("[columns.age]\nsource = 5", "[columns.age] source must be a text"),
        ("[columns.age]\nmissing = 'NA'", "[columns.age] missing must be a list of texts"),
        ("[columns.age]\nmissing = [-9]", "[columns.age] missing must be a list of texts"),
        ("[columns.age]\nvalues = ['m']", "[columns.age] values must say text for text"),
        ("[columns.age]\nvalues = { m = 1 }", "[columns.age] values must say text for text"),
        ("decimal = ", "is not TOML in UTF-8"),
        ("[columns.age]\n[columns.age]", "is not TOML in UTF-8"),
    ],
)
def test_what_else_it_says_is_refused_with_the_key(text: str, told: str) -> None:
    with pytest.raises(UsageError) as failure:
        parse_mapping(text.encode(), "map.toml")

    assert told in failure.value.diagnostics()
    assert failure.value.message.startswith("map.toml")
    assert failure.value.hint


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"a" * 10_000, b"x = " + b"[" * 100_000], ids=["utf16", "long", "deep"]
)
def test_what_is_no_toml_is_told(content: bytes) -> None:
    with pytest.raises(UsageError, match="is not TOML"):
        parse_mapping(content)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    with path.open("wb") as file:
        file.truncate(LARGEST_MAPPING + 1)

    with pytest.raises(UsageError, match="larger than"):
        load_mapping(path)


def test_it_is_written_for_review() -> None:
    text = mapping_text(READ)

    assert parse_mapping(text.encode()) == READ
    assert '[columns."chest pain"]' in text
    assert 'separator = ";"\nquotes = false\nheader = ["a", "b"]' in text


def test_with_the_contract_it_says_what_is_asked() -> None:
    contract = load(TWO_SITES.encode()).data
    mapping = Mapping(columns={name: Answer(source=name.upper()) for name in ("age", "chest_pain", "disease", "split")})

    text = mapping_text(mapping, contract)

    assert "# a number, 18 to 110 years\n[columns.age]" in text
    assert "# one of 1, 2, 3, 4\n[columns.chest_pain]" in text
    assert "# what is predicted: no disease (0), disease (1)\n[columns.disease]" in text
    assert "# train or test\n[columns.split]" in text
    assert parse_mapping(text.encode()) == mapping


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
options = st.one_of(
    texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.lists(texts).map(tuple)
)
answers = st.builds(
    Answer,
    source=texts,
    unit=texts,
    missing=st.lists(texts, max_size=3).map(tuple),
    values=st.dictionaries(texts, texts, max_size=3),
)
terms = st.builds(
    SourceTerms,
    type=texts,
    path=st.one_of(st.none(), st.sampled_from([Path("a.csv"), Path("/x/ä b.csv"), Path("a/b.parquet")])),
    options=st.dictionaries(names.filter(lambda name: name not in {"type", "path"}), options, max_size=3),
)
mappings = st.builds(
    Mapping,
    source=st.one_of(st.none(), terms),
    events=st.one_of(st.none(), terms),
    files=st.one_of(st.none(), st.just(Path("images/a b"))),
    decimal=st.sampled_from([".", ","]),
    columns=st.dictionaries(names, answers, max_size=4),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(mapping=mappings)
def test_any_mapping_is_read_back_as_it_was(mapping: Mapping) -> None:
    text = mapping_text(mapping)

    assert parse_mapping(text.encode()) == mapping
    assert mapping_text(parse_mapping(text.encode())) == text
