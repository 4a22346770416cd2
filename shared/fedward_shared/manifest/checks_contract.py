"""What takes two tables of `[data]` to judge: kind and form, the roles of columns, times, rules and the split."""

from __future__ import annotations

import math
from collections.abc import Iterator

from fedward_shared.contracts.arrays import Image, Series, Signal, Text, Volume
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, NumberColumn, Rule
from fedward_shared.manifest.checks_columns import column_name
from fedward_shared.manifest.checks_forms import check_form
from fedward_shared.manifest.contract import canonical
from fedward_shared.manifest.findings import Findings, shown, suggestion
from fedward_shared.manifest.schema_data import FORMS

__all__ = ["MOST_INPUTS", "check_contract"]

MOST_INPUTS = 2**28
"""Numbers that one record may have."""
_OURS = "fedward_"

Path = tuple[str, ...]
_DATA: Path = ("data",)
_LABEL: Path = ("data", "label")


def check_contract(data: DataContract, declared: frozenset[str], findings: Findings) -> None:
    """Notes what the tables of `[data]` cannot mean together.

    `declared` names those of `columns`, `holdout` and the forms that the file has, right or wrong.
    """
    _kind(data, declared, findings)
    _patients(data, declared, findings)
    _roles(data, findings)
    _times(data, findings)
    _higher_in(data, findings)
    for number, rule in enumerate(data.include, start=1):
        _rule(data, rule, ("data", "include", f"#{number}"), findings)


def _kind(data: DataContract, declared: frozenset[str], findings: Findings) -> None:
    forms = [name for name in FORMS if name in declared]
    if data.kind is DataKind.TENSOR:
        _tensor(data, forms, declared, findings)
    else:
        if "columns" not in declared:
            findings.add(_DATA, None, "has no columns; add a table [data.columns.NAME] for each input")
        if data.shape:
            findings.add(_DATA, "shape", 'is only for kind = "tensor"; leave it out')
        for name in forms:
            findings.add((*_DATA, name), None, 'is only for kind = "tensor"; leave it out')
    if math.prod(data.input_shape) > MOST_INPUTS:
        findings.add(_DATA, None, f"makes {math.prod(data.input_shape)} inputs a record; the most is {MOST_INPUTS}")


def _tensor(data: DataContract, forms: list[str], declared: frozenset[str], findings: Findings) -> None:
    if "columns" in declared:
        findings.add(("data", "columns"), None, 'is only for kind = "table"; leave it out')
    if not data.shape and not forms:
        findings.add(_DATA, None, 'shape is missing; kind = "tensor" needs it, such as [1, 28, 28]')
    for name in forms[1:]:
        findings.add((*_DATA, name), None, f"is given beside [data.{forms[0]}]; keep one of the two")
    if data.form is None:
        return
    right = check_form(data.form, findings)
    if right and data.shape and data.shape != data.form.shape:
        findings.add(
            _DATA,
            "shape",
            f"is {list(data.shape)}; must be {list(data.form.shape)}, as [data.{forms[0]}] says, or left out",
        )


def _patients(data: DataContract, declared: frozenset[str], findings: Findings) -> None:
    """What cannot be without a patient column."""
    if data.split is not None and "holdout" in declared:
        findings.add(_DATA, "split", "is given beside [data.holdout]; keep one: a column made beforehand, or a hash")
    if data.patient is not None:
        return
    if data.records_per_patient > 1:
        findings.add(_DATA, "records_per_patient", "is above 1, but no patient column is declared; add patient")
    if data.holdout is not None:
        findings.add(("data", "holdout"), None, "holds out patients, but no patient column is declared; add patient")
    if data.encounter is not None:
        findings.add(
            _DATA, "encounter", "tells a patient's stays apart, but no patient column is declared; add patient"
        )
    for table, key in _made_of_events(data):
        findings.add(table, key, "needs events, which belong to patients; add patient to [data]")


def _made_of_events(data: DataContract) -> Iterator[tuple[Path, str | None]]:
    for column in data.columns:
        if column.timing is not None and column.timing.codes:
            yield ("data", "columns", column.name), "codes"
    if data.label.codes:
        yield _LABEL, "codes"
    if isinstance(data.form, Series):
        yield ("data", "series"), None


def _roles(data: DataContract, findings: Findings) -> None:
    """One column, one role: what is no input never reaches the model."""
    channels = data.form.channels if isinstance(data.form, Series) else ()
    inputs = {
        **{column.name: ("data", "columns") for column in data.columns},
        **{channel.name: ("data", "series", "channels") for channel in channels},
    }
    for name, table in inputs.items():
        if name.startswith(_OURS):
            findings.add((*table, name), None, f'must not begin with "{_OURS}": such names are Fedward\'s own')
    taken: dict[str, str] = {}
    for table, key, name, role in _named(data):
        if not column_name(name):
            findings.add(table, key, f"is {shown(name)}; must be a name without blanks around it")
        elif name.startswith(_OURS):
            findings.add(table, key, f'is {shown(name)}; names that begin with "{_OURS}" are Fedward\'s own')
        elif name in inputs:
            where = ".".join(inputs[name])
            findings.add(table, key, f"is {shown(name)}, which is also in [{where}]; the model must not see it")
        elif taken.get(name, role) != role or (name in taken and role != "time"):
            findings.add(table, key, f"is {shown(name)}, which is also the {taken[name]}; each needs its own column")
        else:
            taken[name] = role


def _named(data: DataContract) -> Iterator[tuple[Path, str, str, str]]:
    """Every column that is named but is no input: table, key, name, role."""
    yield _LABEL, "column", data.label.column, "label"
    for key in ("patient", "encounter", "time_zero", "split"):
        name = getattr(data, key)
        if name is not None:
            yield _DATA, key, name, key.replace("_", " ")
    if isinstance(data.form, Image | Volume | Signal):
        yield ("data", type(data.form).__name__.lower()), "file", data.form.file, "file"
    elif isinstance(data.form, Text):
        yield ("data", "text"), "column", data.form.column, "text"
    if data.label.follow_up:
        yield (*_LABEL, "follow_up"), "column", data.label.follow_up.column, "follow-up"
    if data.label.time:
        yield _LABEL, "time", data.label.time, "time of the outcome"
    for column in data.columns:
        if column.timing is not None and column.timing.time:
            yield ("data", "columns", column.name), "time", column.timing.time, "time"


def _times(data: DataContract, findings: Findings) -> None:
    """Times need a time zero, and the outcome must lie behind what the model sees."""
    windows: list[tuple[Path, tuple[float, float]]] = [
        (("data", "columns", column.name), column.timing.window) for column in data.columns if column.timing is not None
    ]
    if isinstance(data.form, Series):
        windows.append((("data", "series"), data.form.window))
    if data.time_zero is None:
        needing: list[tuple[Path, str]] = [(table, "window") for table, _ in windows]
        needing += [(_LABEL, "window")] if data.label.window else []
        needing += [(_LABEL, "time")] if data.label.time else []
        for table, key in needing:
            findings.add(table, key, "counts from time zero, which is not declared; add time_zero to [data]")
    last = max((window[1] for _, window in windows), default=-math.inf)
    if data.label.window is not None and data.label.window[0] < last:
        findings.add(
            _LABEL,
            "window",
            f"begins at {data.label.window[0]:g} hours, but inputs are read until {last:g}; "
            "must begin there or later, or the model sees the outcome",
        )


def _higher_in(data: DataContract, findings: Findings) -> None:
    for column in data.columns:
        if isinstance(column, NumberColumn) and column.higher_in and column.higher_in not in data.label.names:
            findings.add(
                ("data", "columns", column.name),
                "higher_in",
                f"is {shown(column.higher_in)}; {suggestion(column.higher_in, data.label.names)}",
            )


def _rule(data: DataContract, rule: Rule, path: Path, findings: Findings) -> None:
    """A rule looks at an input in the input's own terms, or at a further column."""
    roles = {name: role for _, _, name, role in _named(data)}
    column = next((column for column in data.columns if column.name == rule.column), None)
    if not column_name(rule.column):
        findings.add(path, "column", f"is {shown(rule.column)}; must be a name without blanks around it")
    elif rule.column in roles and column is None:
        role = roles[rule.column]
        findings.add(path, "column", f"is {shown(rule.column)}, the {role}; must be an input or a further column")
    elif rule.column.startswith(_OURS):
        findings.add(path, "column", f'is {shown(rule.column)}; names that begin with "{_OURS}" are Fedward\'s own')
    if rule.minimum is not None and rule.maximum is not None and not rule.minimum <= rule.maximum:
        findings.add(path, "range", f"is [{rule.minimum:g}, {rule.maximum:g}]; the first must be the smaller one")
    if isinstance(column, NumberColumn):
        _number_rule(column, rule, path, findings)
    elif isinstance(column, CategoryColumn):
        _category_rule(column, rule, path, findings)


def _number_rule(column: NumberColumn, rule: Rule, path: Path, findings: Findings) -> None:
    if rule.minimum is None or rule.maximum is None:
        findings.add(path, "values", f"is given, but {shown(column.name)} is a number; must be a range")
    elif rule.maximum < column.minimum or rule.minimum > column.maximum:
        findings.add(
            path, "range", f"lies outside that of the column, [{column.minimum:g}, {column.maximum:g}]: nobody is left"
        )


def _category_rule(column: CategoryColumn, rule: Rule, path: Path, findings: Findings) -> None:
    if rule.minimum is not None:
        findings.add(path, "range", f"is given, but {shown(column.name)} is a category; must be a list of values")
    known = {canonical(value) for value in column.values}
    for value in rule.values:
        if canonical(value) not in known:
            findings.add(path, "values", f"contains {shown(value)}; {suggestion(value, column.values)}")
