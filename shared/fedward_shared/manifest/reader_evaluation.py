"""From the values of `[evaluation]` to `EvaluationTerms`, and what stands against them."""

from __future__ import annotations

from fedward_shared.contracts.cohort import CategoryColumn, DataContract, NumberColumn, Rule
from fedward_shared.contracts.study import EvaluationTerms, Subgroup
from fedward_shared.manifest import schema_data as schema
from fedward_shared.manifest.findings import Findings, shown
from fedward_shared.manifest.reader_data import rule_of
from fedward_shared.manifest.tables import Tables

__all__ = ["read_evaluation"]

_MOST_SUBGROUPS = 50


def read_evaluation(tables: Tables, data: DataContract | None) -> EvaluationTerms:
    """What reports look at; the defaults where the table is missing. What is wrong is noted."""
    table = tables.read(schema.EvaluationTable, ("evaluation",), "subgroups", optional=True)
    defaults = EvaluationTerms()
    low, high = table.thresholds if table else defaults.thresholds
    if not low < high:
        tables.findings.add(("evaluation",), "thresholds", f"is [{low:g}, {high:g}]; the first must be the smaller")
    horizons = tuple(table.horizons) if table else ()
    groups = _subgroups(tables, data)
    if data is not None:
        _check_horizons(horizons, data, tables.findings)
    return EvaluationTerms(horizons=horizons, thresholds=(low, high), subgroups=groups)


def _subgroups(tables: Tables, data: DataContract | None) -> tuple[Subgroup, ...]:
    groups: list[Subgroup] = []
    for path, values in tables.entries(("evaluation", "subgroups"), most=_MOST_SUBGROUPS):
        table = tables.findings.read(schema.SubgroupTable, path, values)
        rule = rule_of(table, path, tables.findings) if table else None
        if table is None or rule is None:
            continue
        if any(group.name == table.name for group in groups):
            tables.findings.add(path, "name", f"{shown(table.name)} is the name of another subgroup, too")
        if data is not None:
            _check_rule(path, rule, data, tables.findings)
        groups.append(Subgroup(table.name, rule))
    return tuple(groups)


def _check_rule(path: tuple[str, ...], rule: Rule, data: DataContract, findings: Findings) -> None:
    """A subgroup is told apart by a column that is imported, so by one of the contract's."""
    column = next((column for column in data.columns if column.name == rule.column), None)
    if column is None:
        known = "; ".join(column.name for column in data.columns) or "none, since records are no rows of a table"
        findings.add(path, "column", f"{shown(rule.column)} is no column of [data.columns]; there are: {known}")
    elif isinstance(column, NumberColumn) and rule.minimum is None:
        findings.add(path, "values", f"are for categories, and {column.name} is a number; give range instead")
    elif isinstance(column, CategoryColumn):
        if rule.minimum is not None:
            findings.add(path, "range", f"is for numbers, and {column.name} is a category; give values instead")
        for value in rule.values:
            if value not in column.values:
                findings.add(path, "values", f"contains {shown(value)}, which is none of the column's values")
    elif rule.minimum is not None and rule.maximum is not None and not rule.minimum < rule.maximum:
        findings.add(path, "range", f"is [{rule.minimum:g}, {rule.maximum:g}]; the first must be the smaller")


def _check_horizons(horizons: tuple[float, ...], data: DataContract, findings: Findings) -> None:
    watched = data.label.follow_up
    if horizons and watched is None:
        findings.add(("evaluation",), "horizons", "are given, and the label has no follow_up; leave them out")
    elif watched is not None and any(horizon > watched.maximum for horizon in horizons):
        findings.add(("evaluation",), "horizons", f"go beyond the follow-up, which ends at {watched.maximum:g}")
