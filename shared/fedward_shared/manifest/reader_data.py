"""From the values of `[data]` to a `DataContract`, table by table."""

from __future__ import annotations

from dataclasses import dataclass

from fedward_shared.contracts.arrays import Pick
from fedward_shared.contracts.cohort import (
    CategoryColumn,
    DataContract,
    DataKind,
    FollowUp,
    Holdout,
    Label,
    NumberColumn,
    Outside,
    Rule,
    Timing,
)
from fedward_shared.manifest import schema_data as schema
from fedward_shared.manifest.checks_columns import check_column, check_label
from fedward_shared.manifest.checks_contract import check_contract
from fedward_shared.manifest.findings import Findings, shown
from fedward_shared.manifest.reader_forms import FormReader, named, pair
from fedward_shared.manifest.tables import Tables

__all__ = ["DataReader", "rule_of"]

_MOST_COLUMNS = 10_000
_MOST_RULES = 100
_INNER = ("label", "columns", "holdout", "include", *schema.FORMS)

Column = NumberColumn | CategoryColumn


@dataclass(frozen=True, slots=True)
class DataReader:
    """Reads `[data]` and all tables in it."""

    tables: Tables

    def contract(self) -> DataContract | None:
        """The contract, or None where a part of it could not be read at all."""
        table = self.tables.read(schema.DataTable, ("data",), *_INNER)
        label = self._label() if "data" in self.tables.values else None
        columns, rules, form, holdout = self._columns(), self._rules(), FormReader(self.tables).form(), self._holdout()
        declared = self._declared()
        shaped = table is None or table.shape is not None or form is not None or declared.isdisjoint(schema.FORMS)
        if table is None or label is None or not shaped:
            return None
        contract = DataContract(
            kind=DataKind(table.kind),
            label=label,
            columns=columns,
            patient=table.patient,
            split=table.split,
            records_per_patient=table.records_per_patient,
            shape=tuple(table.shape or ()),
            encounter=table.encounter,
            time_zero=table.time_zero,
            holdout=holdout,
            include=rules,
            form=form,
        )
        check_contract(contract, declared, self._findings)
        return contract

    @property
    def _findings(self) -> Findings:
        return self.tables.findings

    def _declared(self) -> frozenset[str]:
        """What is declared, right or wrong: a mistake in it must not look as if it were not there."""
        found = {name for name in (*schema.FORMS, "holdout") if self.tables.holds("data", name)}
        return frozenset(found | ({"columns"} if self.tables.count("data", "columns") else set()))

    def _label(self) -> Label | None:
        path = ("data", "label")
        table = self.tables.read(schema.LabelTable, path, "follow_up")
        watched = self.tables.read(schema.FollowUpTable, (*path, "follow_up"), optional=True)
        if table is None or (watched is None and self.tables.holds(*path, "follow_up")):
            return None
        if (table.codes is None) != (table.window is None):
            given, other = ("codes", "window = [0, 720]") if table.window is None else ("window", "codes")
            self._findings.add(path, given, f"is given alone; add {other}, or leave it out")
        label = Label(
            column=table.column,
            classes=tuple(tuple(spellings) for spellings in table.classes),
            names=tuple(table.names),
            time=table.time or "",
            codes=tuple(table.codes or ()),
            window=pair(table.window) if table.window and table.codes else None,
            reference=tuple(table.reference or ()),
            follow_up=FollowUp(**watched.model_dump()) if watched else None,
        )
        check_label(label, self._findings)
        return label

    def _holdout(self) -> Holdout | None:
        table = self.tables.read(schema.HoldoutTable, ("data", "holdout"), optional=True)
        return Holdout(table.share, table.key) if table else None

    def _columns(self) -> tuple[Column, ...]:
        """The columns that could be read; each of the others left a finding."""
        values = self.tables.at(("data", "columns"), optional=True) or {}
        if len(values) > _MOST_COLUMNS:
            self._findings.add(("data", "columns"), None, f"has {len(values)} columns; the most is {_MOST_COLUMNS}")
            return ()
        columns = [self._column(name) for name in values]
        return tuple(column for column in columns if column is not None)

    def _column(self, name: str) -> Column | None:
        path = ("data", "columns", name)
        values = named(self.tables, path, "column")
        if values is None:
            return None
        if values.get("type") not in ("number", "category"):
            what = f"is {shown(values['type'])}" if "type" in values else "is missing"
            self._findings.add(path, "type", f'{what}; must be "number" or "category"')
            return None
        column: Column | None
        if values["type"] == "category":
            category = self._findings.read(schema.CategoryTable, path, values)
            column = _category(name, category, self._timing(path, category)) if category else None
        else:
            number = self._findings.read(schema.NumberTable, path, values)
            column = _number(name, number, self._timing(path, number)) if number else None
        if column is not None:
            check_column(column, self._findings)
        return column

    def _timing(self, path: tuple[str, ...], table: schema.TimedTable) -> Timing | None:
        """When values were taken; None, with findings, where the keys do not make sense together."""
        if table.pick is not None and table.codes is None:
            self._findings.add(path, "pick", "is only for values made of events; add codes, or leave it out")
        if table.time is not None and table.codes is not None:
            self._findings.add(path, "codes", "is given beside time; keep one: a value is a cell, or made of events")
        elif table.window is None and (table.time is not None or table.codes is not None):
            given = "time" if table.codes is None else "codes"
            self._findings.add(path, given, "is given without window; add one, such as window = [-24, 0]")
        elif table.window is not None and table.time is None and table.codes is None:
            self._findings.add(
                path, "window", "says when, but not of what; add time (a column) or codes (of events), or leave it out"
            )
        elif table.window is not None:
            pick = Pick(table.pick or Pick.LAST)
            return Timing(pair(table.window), table.time or "", tuple(table.codes or ()), pick)
        return None

    def _rules(self) -> tuple[Rule, ...]:
        rules = []
        for path, values in self.tables.entries(("data", "include"), most=_MOST_RULES):
            table = self._findings.read(schema.RuleTable, path, values)
            rules.append(rule_of(table, path, self._findings) if table else None)
        return tuple(rule for rule in rules if rule is not None)


def rule_of(table: schema.RuleTable, path: tuple[str, ...], findings: Findings) -> Rule | None:
    """The rule, or None where it has no range and no values, or both."""
    if (table.range is None) == (table.values is None):
        what = "range and values are both missing" if table.range is None else "range and values are both given"
        findings.add(path, None, f"{what}; must have one of the two")
        return None
    if table.range is None:
        return Rule(table.column, values=tuple(table.values or ()))
    return Rule(table.column, minimum=table.range[0], maximum=table.range[1])


def _number(name: str, table: schema.NumberTable, timing: Timing | None) -> NumberColumn:
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
        substance=table.substance or "",
        fill=table.fill,
        timing=timing,
        reference=tuple(table.reference or ()),
        higher_in=table.higher_in or "",
        outside=Outside(table.outside),
    )


def _category(name: str, table: schema.CategoryTable, timing: Timing | None) -> CategoryColumn:
    return CategoryColumn(
        name=name,
        values=tuple(table.values),
        missing=tuple(table.missing),
        missing_indicator=table.missing_indicator,
        required=table.required,
        synonyms=tuple(table.synonyms.items()),
        fill=table.fill,
        timing=timing,
        reference=tuple(table.reference or ()),
    )
