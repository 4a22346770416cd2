"""From the bytes of study.toml to a `Study`. All mistakes are told at once; nothing but `StudyFileError` is raised."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn
from fedward_shared.contracts.study import (
    Limits,
    ModelTerms,
    PrivacyTerms,
    Resolved,
    ResolvedSite,
    SiteTerms,
    StrategyTerms,
    Study,
    TensorSpec,
    TrainingTerms,
)
from fedward_shared.errors import StudyFileError
from fedward_shared.manifest import checks, schema
from fedward_shared.manifest.findings import Findings, shown, suggestion
from fedward_shared.manifest.lines import Lines, TooDeepError, scan
from fedward_shared.version import PROTOCOL, VERSION

__all__ = ["LARGEST", "load", "load_and", "study_hash"]

LARGEST = 1024 * 1024
"""Bytes that a study file may have."""
_MOST_SITES = 1000
_MOST_COLUMNS = 10_000
_NAME = re.compile(schema.SITE_NAME[:-1] + r"\Z")
_TABLES = ("study", "model", "data", "sites", "training", "strategy", "privacy", "limits", "resolved")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")

Values = Mapping[str, Any]
Read = TypeVar("Read", bound=schema.Table)


def study_hash(manifest: bytes) -> bytes:
    """What names a study everywhere: SHA-256 of the published bytes (32 bytes)."""
    return hashlib.sha256(manifest).digest()


def load(manifest: bytes) -> Study:
    """Reads and checks a study file, published or not.

    A published one carries `[resolved]`, which must agree with what the file declares as far as that can be told
    without computing (`resolve.check_resolved` computes). The model's name and options are left to `resolve`, which
    loads torch. The declared code version is not compared with this program's: a vault does that itself, and answers
    in its own way.

    Raises:
        StudyFileError: with every mistake in `problems`, in the order of the file.
    """
    return load_and(manifest, lambda _study, _findings: None)


def load_and(manifest: bytes, look: Callable[[Study, Findings], None]) -> Study:
    """`load`, with a further look at what was read, so that its findings are told together with all others.

    Raises:
        StudyFileError: as `load`.
    """
    values, lines = _parse(manifest)
    reader = _Reader(values, Findings(lines))
    study = reader.study()
    reader.findings.stop()
    if study is None:  # pragma: no cover - a part that cannot be read is always a finding
        raise StudyFileError("the study file cannot be read")
    checks.check(study, reader.findings)
    look(study, reader.findings)
    reader.findings.stop()
    return study


def _parse(manifest: bytes) -> tuple[dict[str, Any], Lines]:
    if len(manifest) > LARGEST:
        raise StudyFileError(
            f"the study file has {len(manifest)} bytes; the most is {LARGEST}", hint="Shorten lists and comments."
        )
    try:
        text = manifest.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = manifest.count(b"\n", 0, error.start) + 1
        raise StudyFileError(
            f"the study file is not UTF-8 (line {line})", hint="Save it as UTF-8 in your editor."
        ) from error
    try:
        lines = scan(text)
    except TooDeepError as error:
        raise StudyFileError(
            f"the study file is nested deeper than any study needs (line {error.line})",
            hint="Start again from: fedward-coordinator study init FILE",
        ) from error
    findings = Findings(lines)
    for path, first, second in lines.twice:
        table = lines.tables.get(path) == first
        (lines.tables if table else lines.keys)[path] = second
        where = path if table else path[:-1]
        findings.add(where, None if table else path[-1], f"was already given on line {first}; keep one of the two")
    findings.stop()
    try:
        return tomllib.loads(text), lines
    except (ValueError, RecursionError, OverflowError) as error:
        raise _syntax(error, text) from error


def _syntax(error: Exception, text: str) -> StudyFileError:
    message = str(error)
    place = _PLACE.search(message)
    what = message[: place.start()] if place else message
    what = what if what.isprintable() else ascii(what)
    where = f"line {place[1]}, column {place[2]}" if place and place[1] else "the end of the file"
    if place and place[1]:
        row = text.split("\n")[int(place[1]) - 1 :][:1]
        what = f"{what} in: {shown(row)[1:-1]}"
    return StudyFileError(
        "the study file is not valid TOML",
        problems=(f"{where if place else 'a value'}: {what[:200]}",),
        hint="Texts need quotes, tables look like [privacy], true and false are small. See https://toml.io",
    )


@dataclass(slots=True)
class _Reader:
    values: dict[str, Any]
    findings: Findings

    def study(self) -> Study | None:
        for name in self.values:
            if name not in _TABLES:
                self.findings.add((name,), None, f"is not a table of a study; {suggestion(name, _TABLES)}")
        head = self._read(schema.StudyTable, ("study",))
        published = "resolved" in self.values
        if head and published and (head.code_version is None or head.protocol is None):
            self.findings.add(("study",), None, "code_version and protocol are missing, and a published study has both")
        model, data, sites = self._model(), self._data(), self._sites()
        training = self._read(schema.TrainingTable, ("training",))
        strategy, privacy = self._strategy(), self._read(schema.PrivacyTable, ("privacy",))
        limits = self._read(schema.LimitsTable, ("limits",))
        resolved = self._resolved() if published else None
        if not (head and model and data and sites and training and strategy and privacy and limits):
            return None
        return Study(
            name=head.name,
            title=head.title,
            purpose=head.purpose,
            contact=head.contact,
            protocol=PROTOCOL if head.protocol is None else head.protocol,
            code_version=head.code_version or VERSION,
            model=model,
            data=data,
            sites=MappingProxyType(sites),
            training=TrainingTerms(**training.model_dump()),
            strategy=strategy,
            privacy=PrivacyTerms(**privacy.model_dump()),
            limits=Limits(**limits.model_dump()),
            resolved=resolved,
        )

    def _table(self, path: tuple[str, ...], holds: str = "", *, optional: bool = False) -> Values | None:
        """The raw values at `path`; notes a table that is missing, or that is no table."""
        at: Any = self.values
        for depth, part in enumerate(path):
            if part not in at:
                if not optional and (depth == len(path) - 1 or depth == 0):
                    self.findings.add(path, None, f"the table is missing; it holds {holds}")
                return None
            at = at[part]
            if not isinstance(at, Mapping):
                if depth == len(path) - 1:
                    self.findings.add(path, None, f"is {shown(at)}; must be a table")
                return None
        return at  # type: ignore[no-any-return]  # tomllib's tables are dicts

    def _read(self, kind: type[Read], path: tuple[str, ...], *inner: str, optional: bool = False) -> Read | None:
        """The table at `path` without its inner tables, as its class."""
        needed = [name for name, field in kind.model_fields.items() if field.is_required()]
        values = self._table(path, ", ".join(needed), optional=optional)
        if values is None:
            return kind() if optional and path[0] in self.values and path[-1] == "options" else None
        own = {key: value for key, value in values.items() if key not in inner}
        return self.findings.read(kind, path, own)

    def _model(self) -> ModelTerms | None:
        table = self._read(schema.ModelTable, ("model",), "options")
        options = self._read(schema.OptionsTable, ("model", "options"), optional=True)
        if table is None or options is None:
            return None
        chosen = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in (options.model_extra or {}).items()
        }
        return ModelTerms(name=table.name, options=MappingProxyType(chosen), seed=table.seed)

    def _strategy(self) -> StrategyTerms | None:
        table = self._read(schema.StrategyTable, ("strategy",), "options")
        options = self._read(schema.OptionsTable, ("strategy", "options"), optional=True)
        if table is None or options is None:
            return None
        chosen = dict(options.model_extra or {})
        if not checks.strategy_options(table.name, chosen, self.findings):
            return None
        numbers = {name: float(value) for name, value in chosen.items()}
        return StrategyTerms(**table.model_dump(), options=MappingProxyType(numbers))

    def _data(self) -> DataContract | None:
        table = self._read(schema.DataTable, ("data",), "label", "columns")
        label = self._read(schema.LabelTable, ("data", "label")) if "data" in self.values else None
        columns = self._columns()
        if table is None or label is None or columns is None:
            return None
        return DataContract(
            kind=DataKind(table.kind),
            label=Label(label.column, tuple(tuple(spellings) for spellings in label.classes), tuple(label.names)),
            columns=columns,
            patient=table.patient,
            split=table.split,
            records_per_patient=table.records_per_patient,
            shape=tuple(table.shape or ()),
        )

    def _columns(self) -> tuple[NumberColumn | CategoryColumn, ...] | None:
        values = self._table(("data", "columns"), optional=True) or {}
        if len(values) > _MOST_COLUMNS:
            self.findings.add(("data", "columns"), None, f"has {len(values)} columns; the most is {_MOST_COLUMNS}")
            return None
        columns = [self._column(name) for name in values]
        read = tuple(column for column in columns if column is not None)
        return read if len(read) == len(columns) else None

    def _column(self, name: str) -> NumberColumn | CategoryColumn | None:
        path = ("data", "columns", name)
        values = self._table(path)
        if values is None:
            return None
        if not checks.column_name(name):
            self.findings.add(path, None, "a column's name has 1 to 200 characters, none of them invisible")
            return None
        if values.get("type") not in {"number", "category"}:
            what = f"is {shown(values['type'])}" if "type" in values else "is missing"
            self.findings.add(path, "type", f'{what}; must be "number" or "category"')
            return None
        if values["type"] == "category":
            category = self.findings.read(schema.CategoryTable, path, values)
            return _category(name, category) if category else None
        number = self.findings.read(schema.NumberTable, path, values)
        return _number(name, number) if number else None

    def _sites(self) -> dict[str, SiteTerms] | None:
        values = self._table(("sites",), "a table [sites.NAME] for each hospital")
        if values is None:
            return None
        if not 1 <= len(values) <= _MOST_SITES:
            self.findings.add(("sites",), None, f"has {len(values)} sites; must have 1 to {_MOST_SITES}")
            return None
        sites: dict[str, SiteTerms] = {}
        for name in values:
            if not _NAME.match(name):
                self.findings.add(
                    ("sites", name), None, "a site's name is small letters, digits and hyphens, at most 63"
                )
                continue
            table = self._read(schema.SiteTable, ("sites", name))
            if table:
                sites[name] = SiteTerms(name=name, **table.model_dump())
        return sites if len(sites) == len(values) else None

    def _resolved(self) -> Resolved | None:
        table = self._read(schema.ResolvedTable, ("resolved",), "sites")
        names = self._table(("resolved", "sites"), "what `study publish` writes") if "resolved" in self.values else None
        if table is None or names is None:
            return None
        sites = {name: self._read(schema.ResolvedSiteTable, ("resolved", "sites", name)) for name in names}
        read = {name: ResolvedSite(**site.model_dump()) for name, site in sites.items() if site is not None}
        tensors = tuple(TensorSpec(tensor.name, tuple(tensor.shape)) for tensor in table.tensors)
        return Resolved(tensors=tensors, sites=MappingProxyType(read)) if len(read) == len(sites) else None


def _number(name: str, table: schema.NumberTable) -> NumberColumn:
    return NumberColumn(
        name=name,
        unit=table.unit,
        minimum=table.range[0],
        maximum=table.range[1],
        centre=table.centre,
        scale=table.scale,
        missing=tuple(table.missing),
        missing_indicator=table.missing_indicator,
        required=table.required,
    )


def _category(name: str, table: schema.CategoryTable) -> CategoryColumn:
    return CategoryColumn(
        name=name,
        values=tuple(table.values),
        missing=tuple(table.missing),
        missing_indicator=table.missing_indicator,
        required=table.required,
    )
