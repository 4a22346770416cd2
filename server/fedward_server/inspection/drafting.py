"""Writes the study file: what was asked and what was seen, with examples for all that a table cannot tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from fedward_server.inspection.guesses import Figures, figures
from fedward_server.inspection.naming import names_stays, time_of
from fedward_server.inspection.profiles import Kind, Profile, settled
from fedward_server.inspection.reading import Sample
from fedward_shared.contracts.study import LARGEST_MANIFEST
from fedward_shared.errors import SourceDataError
from fedward_shared.manifest.findings import shown
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.template import head, training_terms

__all__ = ["Choices", "draft"]

_SHARE = 0.2
_TWO = 2
_NOTE = """\
# Drafted from a table of {rows} rows. Ranges, centres and scales below were rounded from that table's own values: they
# are public now. Put well-known figures in their place, and widen each range to what is possible at any hospital.

"""
_COMMA = """\
# Numbers have a decimal comma in that table: a hospital whose table is like it writes decimal = "," at the top of its
# mapping.toml.

"""
_MODEL = """\
[model]
name = "logistic"      # logistic or mlp for tables
seed = 0               # of the first weights; public

[model.options]        # mlp: hidden = [64, 32], activation = "relu" or "tanh"

# ---- The data contract: what every hospital's file must look like -------------------------------------------------

[data]
kind = "table"
"""
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the researcher said. `units` has unit and substance by column, `coded_missing` numbers for "not measured".

    `unsure`: nobody said which class means ill. `holdout_key` is empty where nobody is held out; `patient`, `encounter`
    and `split` are None where there is no such column.
    """

    name: str
    patient: str | None
    encounter: str | None
    split: str | None
    holdout_key: str
    label: str
    classes: tuple[tuple[str, ...], ...]
    class_names: tuple[str, ...]
    unsure: bool
    inputs: tuple[str, ...]
    units: Mapping[str, tuple[str, str]]
    coded_missing: Mapping[str, tuple[str, ...]]


def draft(sample: Sample, profiles: Mapping[str, Profile], choices: Choices) -> str:
    """A study file that `study check` accepts as it is.

    Raises:
        SourceDataError: the table has too many columns for a study file.
    """
    title = f"{choices.name}: say here in one line what the study does"
    purpose = "Say here which question the study answers, in words that a hospital's data protection officer reads."
    times = _times(profiles, choices)
    parts = [
        head(choices.name, title, purpose),
        _NOTE.format(rows=sample.rows) + (_COMMA if sample.decimal == "," else ""),
        _MODEL,
        _data(profiles, choices),
        _label(choices),
        *(
            _input(settled(profiles[name], choices.coded_missing[name]), choices, times.get(name, ""))
            for name in choices.inputs
        ),
        _left_out(sample, profiles, choices),
        training_terms(),
    ]
    text = "".join(parts)
    if len(text.encode()) > LARGEST_MANIFEST:
        raise SourceDataError(
            f"{len(choices.inputs)} columns make a study file larger than {LARGEST_MANIFEST} bytes",
            hint="Cut the table down to those that the study may use.",
        )
    load(text.encode())
    return text


def _data(profiles: Mapping[str, Profile], choices: Choices) -> str:
    lines = []
    records = 1
    if choices.patient is None:
        lines.append('# patient = "patient_id"     # without it, privacy is promised to records, not to patients')
    else:
        if names_stays(choices.patient):
            lines.append("# CHECK: does this tell patients apart, or only their stays?")
        lines.append(f"patient = {_text(choices.patient)}   # tells patients apart; never seen by the model")
        records = _round_up(profiles[choices.patient].most_alike)
    if choices.encounter is not None:
        lines.append(f"encounter = {_text(choices.encounter)}   # tells a patient's stays apart")
    if choices.split is not None:
        lines.append(f'split = {_text(choices.split)}   # a column made beforehand that says "train" or "test"')
    lines.append(f"records_per_patient = {records}      # rows of one patient that count at most")
    if choices.holdout_key:
        key = _text(choices.holdout_key)
        lines.append(f"holdout = {{ share = {_SHARE}, key = {key} }}   # for testing, by a hash of their names")
    return "\n".join([*lines, "", ""])


def _round_up(count: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50 and so on."""
    step = int(10 ** max(0, len(str(count - 1)) - 1))
    return next(part * step for part in (1, 2, 5, 10) if part * step >= count)


def _label(choices: Choices) -> str:
    classes = ", ".join(_texts(spellings) for spellings in choices.classes)
    asked = "# CHECK: which of these means ill? Put it last, and name both classes.\n" if choices.unsure else ""
    if len(choices.classes) > _TWO:
        asked = '# Each value is a class of its own. To tell two groups apart: classes = [["0"], ["1", "2"]]\n'
    return (
        f"[data.label]\ncolumn = {_text(choices.label)}\n{asked}"
        f"classes = [{classes}]      # for each class, every way in which it is spelt\n"
        f"names = {_texts(choices.class_names)}\n\n"
    )


def _times(profiles: Mapping[str, Profile], choices: Choices) -> dict[str, str]:
    """Inputs, and the columns of dates that by their names say when they were measured."""
    dates = [one.name for one in profiles.values() if one.kind is Kind.DATE]
    return {time_of(name): name for name in dates if time_of(name) in choices.units}


def _input(one: Profile, choices: Choices, time: str) -> str:
    lines = [f"[data.columns.{_key(one.name)}]"]
    if one.odd:
        lines.append(f"# {one.odd} cells of the table are no numbers; such rows are refused at import")
    if one.kind is Kind.CATEGORY:
        lines += ['type = "category"', f"values = {_texts(one.values)}"]
    else:
        unit, substance = choices.units[one.name]
        lines += ['type = "number"', f"unit = {_text(unit)}"]
        lines += [f"substance = {_text(substance)}"] if substance else []
        lines += _figures(figures(one, unit))
    if time:
        lines.append(f"# time = {_text(time)}   # when it was measured; needs time_zero in [data], and")
        lines.append("# window = [-24, 0]   # hours after time zero within which it counts")
    some = "true" if one.absent or one.sentinels else "false"
    return "\n".join([*lines, f"missing = {_texts(one.missing)}", f"missing_indicator = {some}", "", ""])


def _figures(found: Figures) -> list[str]:
    return [
        f"range = [{_number(found.minimum)}, {_number(found.maximum)}]",
        f"centre = {_number(found.centre)}",
        f"scale = {_number(found.scale)}",
    ]


def _left_out(sample: Sample, profiles: Mapping[str, Profile], choices: Choices) -> str:
    used = {choices.patient, choices.encounter, choices.label, choices.split, *choices.inputs}
    lines = [f"#   {shown(one.name)}: it holds {one.kind.value}" for one in profiles.values() if one.name not in used]
    lines += [f"#   {what}" for what in sample.left_out]
    return "\n".join(["# Left out of the table:", *lines, "", ""]) if lines else ""


def _key(name: str) -> str:
    return name if set(name) <= _BARE else _text(name)


def _text(text: str) -> str:
    """A TOML basic string; names and values hold no control characters."""
    return json.dumps(text, ensure_ascii=False)


def _texts(texts: tuple[str, ...]) -> str:
    return f"[{', '.join(_text(text) for text in texts)}]"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)  # noqa: PLR2004 - exact
