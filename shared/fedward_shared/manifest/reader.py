"""From the values of study.toml to a `Study`, table by table; what is wrong with one never hides the next."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
from fedward_shared.manifest import checks, schema
from fedward_shared.manifest.findings import MOST_FINDINGS, Findings, shown, suggestion
from fedward_shared.version import PROTOCOL, VERSION

__all__ = ["Reader"]

_MOST_SITES = 1000
_MOST_COLUMNS = 10_000
_NAME = re.compile(schema.SITE_NAME[:-1] + r"\Z")
_TABLES = ("study", "model", "data", "sites", "training", "strategy", "privacy", "limits", "resolved")

Values = Mapping[str, Any]
Read = TypeVar("Read", bound=schema.Table)


@dataclass(slots=True)
class Reader:
    """Reads one file's values; `findings` tells what was wrong with them."""

    values: dict[str, Any]
    findings: Findings

    def study(self) -> Study | None:
        """The study, or None where a part of it could not be read at all."""
        unknown = [name for name in self.values if name not in _TABLES]
        for name in unknown[:MOST_FINDINGS]:
            self.findings.add((name,), None, f"is not a table of a study; {suggestion(name, _TABLES)}")
        head = self._read(schema.StudyTable, ("study",))
        published = "resolved" in self.values
        if head and published and (head.code_version is None or head.protocol is None):
            self.findings.add(("study",), None, "code_version and protocol are missing, and a published study has both")
        model, data, sites = self._model(), self._data(), self._sites()
        training, strategy, privacy = self._training(), self._strategy(), self._privacy()
        checks.check_rounds(strategy, training, self._count("sites"), self.findings)
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
            training=training,
            strategy=strategy,
            privacy=privacy,
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

    def _count(self, *path: str) -> int:
        """How many tables are declared at `path`, right or wrong."""
        at: Any = self.values
        for part in path:
            at = at.get(part) if isinstance(at, Mapping) else None
        return len(at) if isinstance(at, Mapping) else 0

    def _training(self) -> TrainingTerms | None:
        table = self._read(schema.TrainingTable, ("training",))
        if table is None:
            return None
        terms = TrainingTerms(**{**table.model_dump(), "betas": tuple(table.betas)})
        checks.check_optimizer(terms, self.findings)
        return terms

    def _privacy(self) -> PrivacyTerms | None:
        table = self._read(schema.PrivacyTable, ("privacy",))
        if table is None:
            return None
        terms = PrivacyTerms(**table.model_dump())
        checks.check_privacy(terms, self.findings)
        return terms

    def _model(self) -> ModelTerms | None:
        table = self._read(schema.ModelTable, ("model",), "options")
        options = self._read(schema.OptionsTable, ("model", "options"), optional=True)
        if table is None:
            return None
        extra = (options.model_extra if options else None) or {}
        chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in extra.items()}
        return ModelTerms(name=table.name, options=MappingProxyType(chosen), seed=table.seed)

    def _strategy(self) -> StrategyTerms | None:
        table = self._read(schema.StrategyTable, ("strategy",), "options")
        options = self._read(schema.OptionsTable, ("strategy", "options"), optional=True)
        if table is None:
            return None
        chosen = (options.model_extra if options else None) or {}
        right = checks.strategy_options(table.name, chosen, self.findings)
        numbers = {name: float(value) for name, value in chosen.items()} if right else {}
        return StrategyTerms(**table.model_dump(), options=MappingProxyType(numbers))

    def _data(self) -> DataContract | None:
        table = self._read(schema.DataTable, ("data",), "label", "columns")
        label = self._label() if "data" in self.values else None
        columns = self._columns()
        if table is None or label is None:
            return None
        contract = DataContract(
            kind=DataKind(table.kind),
            label=label,
            columns=columns,
            patient=table.patient,
            split=table.split,
            records_per_patient=table.records_per_patient,
            shape=tuple(table.shape or ()),
        )
        checks.check_contract(contract, self._count("data", "columns"), self.findings)
        return contract

    def _label(self) -> Label | None:
        table = self._read(schema.LabelTable, ("data", "label"))
        if table is None:
            return None
        label = Label(table.column, tuple(tuple(spellings) for spellings in table.classes), tuple(table.names))
        checks.check_label(label, self.findings)
        return label

    def _columns(self) -> tuple[NumberColumn | CategoryColumn, ...]:
        """The columns that could be read; each of the others left a finding."""
        values = self._table(("data", "columns"), optional=True) or {}
        if len(values) > _MOST_COLUMNS:
            self.findings.add(("data", "columns"), None, f"has {len(values)} columns; the most is {_MOST_COLUMNS}")
            return ()
        columns = [self._column(name) for name in values]
        return tuple(column for column in columns if column is not None)

    def _column(self, name: str) -> NumberColumn | CategoryColumn | None:
        path = ("data", "columns", name)
        values = self._table(path)
        if values is None:
            return None
        if not checks.column_name(name):
            self.findings.add(path, None, "a column's name has 1 to 200 characters, none of them invisible")
            return None
        if values.get("type") not in ("number", "category"):
            what = f"is {shown(values['type'])}" if "type" in values else "is missing"
            self.findings.add(path, "type", f'{what}; must be "number" or "category"')
            return None
        column: NumberColumn | CategoryColumn | None
        if values["type"] == "category":
            category = self.findings.read(schema.CategoryTable, path, values)
            column = _category(name, category) if category else None
        else:
            number = self.findings.read(schema.NumberTable, path, values)
            column = _number(name, number) if number else None
        if column is not None:
            checks.check_column(column, self.findings)
        return column

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
