"""mapping.toml: reads it strictly, and writes it for a person to review. The format is that of `mapping`'s classes.

::

    decimal = ","                      # how this site writes 1.5
    files = "images"                   # what file columns point into, below the mapping's own folder

    [source]                           # what to read; options of the type stand beside type and path
    type = "csv"
    path = "export.csv"
    separator = ";"

    [columns.sex]                      # the contract's name
    source = "GESCHL"                  # the source's
    missing = ["9"]
    values = { "1" = "Male", "2" = "Female" }

    [columns.admitted]
    form = "dd.mm.yyyy hh:mm"          # how times are written, if not as ISO 8601
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Table
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType

from fedward_client.importer.mapping import DATE_FORMS, ROW_NUMBER, Answer, Mapping, Option, SourceTerms
from fedward_shared.contracts.arrays import Series
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, NumberColumn
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited

__all__ = ["LARGEST_MAPPING", "load_mapping", "mapping_text", "parse_mapping"]

LARGEST_MAPPING = 8 << 20
"""Bytes."""

_TOP = ("decimal", "files", "source", "events", "columns")
_ANSWER = ("source", "unit", "missing", "values", "form")
_HEAD = (
    "# How this site's data say what the study asks. Nothing here leaves the site.",
    "# A column that is not named is read under the contract's own name, unit and spelling.",
)


def load_mapping(path: Path) -> Mapping:
    """Reads a mapping file.

    Raises:
        UsageError: it cannot be read, or says something else than a mapping does; the message tells the key.
    """
    return parse_mapping(read_limited(path, LARGEST_MAPPING), path.name)


def parse_mapping(content: bytes, name: str = "mapping.toml") -> Mapping:
    """The mapping that the bytes of a file say; `name` is the file's, for messages.

    Raises:
        UsageError: as `load_mapping`.
    """
    try:
        document = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        told = f": {error}" if isinstance(error, tomllib.TOMLDecodeError) else ""
        raise UsageError(f"{name} is not TOML in UTF-8{told}", hint="Compare it with docs/data.md.") from error
    reader = _Reader(name)
    reader.known(document, _TOP, "")
    columns = reader.table(document, "columns", "")
    return Mapping(
        source=reader.terms(document, "source"),
        events=reader.terms(document, "events"),
        files=reader.files(document),
        decimal=reader.decimal(document),
        columns=MappingProxyType({column: reader.answer(columns, column) for column in columns}),
    )


class _Reader:
    """Takes values out of tables and refuses what is not of their kind."""

    def __init__(self, name: str) -> None:
        self._name = name

    def wrong(self, where: str, what: str, hint: str = "") -> UsageError:
        return UsageError(f"{self._name}: {where} {what}", hint=hint or "docs/data.md lists what a mapping can say.")

    def known(self, table: Table[str, object], keys: Iterable[str], where: str) -> None:
        for key in table:
            if key not in keys:
                near = difflib.get_close_matches(key, list(keys), n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(keys)}."
                raise self.wrong(where or "the file", f"has no key {key!r}", hint)

    def table(self, parent: Table[str, object], key: str, where: str) -> dict[str, object]:
        value = parent.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(f"{where}{key}", f"must be a table: [{key}]")
        return value

    def text(self, table: Table[str, object], key: str, where: str) -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            raise self.wrong(f"{where} {key}", "must be a text in quotes")
        return value

    def texts(self, table: Table[str, object], key: str, where: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(f"{where} {key}", 'must be a list of texts, such as ["", "NA"]')
        return tuple(value)

    def decimal(self, document: Table[str, object]) -> str:
        decimal = document.get("decimal", ".")
        if decimal not in {".", ","}:
            raise self.wrong("decimal", 'must be "." or ","')
        return str(decimal)

    def files(self, document: Table[str, object]) -> Path | None:
        if "files" not in document:
            return None
        written = self.text(document, "files", "")
        path = PurePosixPath(written.replace("\\", "/"))
        if not written or path.is_absolute() or PureWindowsPath(written).drive or ".." in path.parts:
            raise self.wrong("files", "must name a folder below the mapping's own", 'Such as files = "images"')
        return Path(path)

    def terms(self, document: Table[str, object], key: str) -> SourceTerms | None:
        if key not in document:
            return None
        table = self.table(document, key, "")
        where = f"[{key}]"
        options = {
            name: self.option(name, value, where) for name, value in table.items() if name not in {"type", "path"}
        }
        path = self.text(table, "path", where)
        return SourceTerms(self.text(table, "type", where), Path(path) if path else None, MappingProxyType(options))

    def option(self, name: str, value: object, where: str) -> Option:
        if isinstance(value, str | int | float):
            return value
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise self.wrong(f"{where} {name}", "must be a text, a number, true or false, or a list of texts")

    def answer(self, columns: Table[str, object], name: str) -> Answer:
        where = f"[columns.{name}]"
        table = columns[name]
        if not isinstance(table, dict):
            raise self.wrong(where, "must be a table", f'Such as [columns.{name}] and, below it, source = "their name"')
        self.known(table, _ANSWER, where)
        values = table.get("values", {})
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise self.wrong(f"{where} values", 'must say text for text, such as { "1" = "Male" }')
        return Answer(
            source=self.text(table, "source", where),
            unit=self.text(table, "unit", where),
            missing=self.texts(table, "missing", where),
            values=MappingProxyType(values),
            form=self.form(table, where),
        )

    def form(self, table: Table[str, object], where: str) -> str:
        form = self.text(table, "form", where)
        if form and form not in DATE_FORMS:
            raise self.wrong(f"{where} form", "is no form of dates", f"There are: {', '.join(DATE_FORMS)}.")
        return form


def mapping_text(mapping: Mapping, contract: DataContract | None = None) -> str:
    """A mapping as the text of its file; the same mapping gives the same text, which reads as the same mapping.

    With the `contract`, each column is preceded by what the study asks of it.
    """
    lines = [*_HEAD, ""]
    if mapping.decimal != ".":
        lines.append(f"decimal = {_quoted(mapping.decimal)}")
    if mapping.files is not None:
        lines.append(f"files = {_quoted(mapping.files.as_posix())}")
    for name, terms in (("source", mapping.source), ("events", mapping.events)):
        if terms is not None:
            lines += ["", f"[{name}]", *_terms(terms)]
    asked = _asked(contract) if contract else {}
    for name, answer in mapping.columns.items():
        lines += ["", *asked.get(name, ()), f"[columns.{_key(name)}]", *_answer(answer)]
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip("\n") + "\n"


def _terms(terms: SourceTerms) -> Iterator[str]:
    yield f"type = {_quoted(terms.type)}"
    if terms.path is not None:
        yield f"path = {_quoted(terms.path.as_posix())}"
    for name, value in terms.options.items():
        yield f"{_key(name)} = {_value(value)}"


def _answer(answer: Answer) -> Iterator[str]:
    if answer.source:
        comment = "  # each row is a patient" if answer.source == ROW_NUMBER else ""
        yield f"source = {_quoted(answer.source)}{comment}"
    if answer.unit:
        yield f"unit = {_quoted(answer.unit)}"
    if answer.form:
        yield f"form = {_quoted(answer.form)}"
    if answer.missing:
        yield f"missing = {_value(answer.missing)}"
    if answer.values:
        pairs = ", ".join(f"{_quoted(there)} = {_quoted(here)}" for there, here in answer.values.items())
        yield f"values = {{ {pairs} }}"


def _value(value: Option) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_quoted, value))}]"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if plain else _quoted(name)


def _asked(contract: DataContract) -> dict[str, list[str]]:
    """A comment for each column: what the contract calls right."""
    told = {column.name: _expected(column) for column in contract.columns}
    names = ", ".join(f"{name} ({'|'.join(texts)})" for name, texts in zip(*_classes(contract), strict=True))
    told[contract.label.column] = f"what is predicted: {names}"
    if watched := contract.label.follow_up:
        told[watched.column] = (
            f"how long the patient was watched, to the event or without it: a number of {watched.unit}"
        )
    if isinstance(contract.form, Series):
        told |= {one.name: f"a measurement in {one.unit or 'no unit'}" for one in contract.form.channels}
    roles = {
        contract.patient: "tells patients apart",
        contract.encounter: "tells a patient's stays apart",
        contract.split: "train or test",
        contract.time_zero: "the moment of prediction",
        contract.label.time: "when the outcome happened",
    }
    told |= {name: what for name, what in roles.items() if name}
    return {name: [_comment(what)] for name, what in told.items()}


def _classes(contract: DataContract) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    return contract.label.names, contract.label.classes


def _expected(column: NumberColumn | CategoryColumn) -> str:
    if isinstance(column, CategoryColumn):
        return f"one of {', '.join(column.values)}"
    unit = f" {column.unit}" if column.unit else ""
    return f"a number, {column.minimum:g} to {column.maximum:g}{unit}"


def _comment(text: str) -> str:
    return "# " + "".join(sign if sign.isprintable() else "?" for sign in text)
