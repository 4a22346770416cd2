"""Which source a mapping names: types, guesses, options."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import openpyxl
import polars as pl
import pytest

from fedward_client.importer.mapping import Option, SourceTerms
from fedward_client.importer.sources.registry import EVENTS, SOURCES, open_events, open_source
from fedward_shared.errors import SourceDataError, UsageError


@pytest.mark.parametrize("entry", sorted({*SOURCES.values(), *EVENTS.values()}))
def test_every_type_names_a_class_with_options(entry: str) -> None:
    module, name = entry.split(".")
    chosen = getattr(import_module(f"fedward_client.importer.sources.{module}"), name)

    assert all(isinstance(option, str) for option in chosen.OPTIONS)
    assert callable(chosen.open)


@pytest.mark.parametrize("name", ["t.csv", "t.TSV", "t.txt", "t.dat", "t.parquet", "t.pq", "t", "t.xlsx", "no.ending"])
def test_the_type_is_guessed_by_name_or_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    table = pl.DataFrame({"a": ["1"], "b": ["2"]})
    if name in {"t.parquet", "t.pq", "t"}:
        table.write_parquet(path)
    elif name in {"t.xlsx", "no.ending"}:
        book = openpyxl.Workbook()
        for row in (["a", "b"], ["1", "2"]):
            book.worksheets[0].append(row)
        with path.open("wb") as file:
            book.save(file)
    else:
        path.write_text("a,b\n1,2\n")

    source = open_source(SourceTerms("", Path(name)), tmp_path)

    assert source.columns() == ("a", "b")
    assert [batch.table.select("b", "a").rows() for batch in source.batches(("a", "b"))] == [[("2", "1")]]


@pytest.mark.parametrize(
    ("kind", "options", "told", "hint"),
    [
        ("cvs", {}, "no type of source called 'cvs'", "Did you mean 'csv'?"),
        ("zebra", {}, "no type of source called 'zebra'", "There are: csv, "),
        ("csv", {"seperator": ","}, "no option 'seperator'", "Did you mean 'separator'?"),
        ("csv", {"zebra": 1}, "no option 'zebra'", "Its options: encoding, header, quotes, separator."),
        ("csv", {"separator": 1}, "'separator' of a source of type 'csv' must be a text", ""),
        ("csv", {"quotes": 1}, "must be true or false", ""),
        ("csv", {"header": "a,b"}, "must be a list of texts", ""),
        ("excel", {"header_row": True}, "must be a whole number", ""),
        ("parquet", {"sheet": "x"}, "no option 'sheet'", "Its options: none."),
    ],
)
def test_what_the_mapping_gets_wrong_is_told(
    tmp_path: Path, kind: str, options: dict[str, Option], told: str, hint: str
) -> None:
    with pytest.raises(UsageError) as failure:
        open_source(SourceTerms(kind, Path("t.csv"), options), tmp_path)

    assert told in failure.value.message
    assert hint in failure.value.hint


def test_events_of_a_table_take_its_options_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no option 'zebra'") as failure:
        open_events(SourceTerms("csv", Path("t.csv"), {"zebra": 1}), tmp_path)

    assert "separator" in failure.value.hint
    assert "code" in failure.value.hint


@pytest.mark.parametrize("kind", ["csv", "parquet", "excel", ""])
def test_a_file_must_be_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UsageError, match="needs a file"):
        open_source(SourceTerms(kind), tmp_path)


def test_a_folder_is_told_which_types_take_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder") as caught:
        open_source(SourceTerms("", Path("export")), _with_folder(tmp_path))

    assert "omop, fhir, dicom" in caught.value.hint


def _with_folder(folder: Path) -> Path:
    (folder / "export").mkdir()
    return folder


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.xlsx", b"age,Zebra\n1,2\n", "seems to be text, such as CSV"),
        ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old kind"),
    ],
)
def test_what_only_is_called_a_workbook_is_told_as_what_it_seems(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(SourceDataError, match=told) as caught:
        open_source(SourceTerms("", Path(name)), tmp_path)

    assert "Zebra" not in caught.value.diagnostics()


def test_decimal_is_sent_to_the_top_of_the_mapping(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n1;2\n")

    with pytest.raises(UsageError) as caught:
        open_source(SourceTerms("csv", Path("t.csv"), MappingProxyType({"decimal": ","})), tmp_path)

    assert "top of the mapping" in caught.value.hint
