"""Asks a researcher what a table cannot say: one question at a time, each with the answer that seems right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fedward_server.inspection.drafting import Choices
from fedward_server.inspection.guesses import guess_encounter, guess_label, guess_patient, guess_unit
from fedward_server.inspection.profiles import Kind, Profile
from fedward_server.inspection.reading import Sample
from fedward_server.inspection.yes_no import guess_positive
from fedward_shared.errors import SourceDataError
from fedward_shared.manifest.findings import suggestion
from fedward_shared.units import is_concentration, known
from fedward_shared.units.substances import SUBSTANCES, substance_key

__all__ = ["Ask", "Interview", "interview"]

Ask = Callable[[str, str], str]
"""A question and the answer that an empty line stands for."""
_NONE = "none"
_HOLDOUT = "holdout"
_EACH = "each"
_REST = "!"
_LONGEST_UNIT = 200
_SHOWN = 12
_TWO = 2


@dataclass(slots=True)
class Interview:
    """Asks until an answer makes sense. After "!" every further question answers itself."""

    ask: Ask
    say: Callable[[str], None]
    hurried: bool = False

    def answer(self, question: str, default: str, wrong: Callable[[str], str]) -> str:
        """An answer to which `wrong` has no objection (it returns one as text, or "").

        An empty default is no answer: whoever is asked must give one, and who is not gets "".
        """
        while not self.hurried:
            given = self.ask(question, default).strip()
            if given == _REST:
                self.hurried = True
                break
            objection = wrong(given)
            if not objection:
                return given
            self.say(objection)
        return default


def interview(sample: Sample, profiles: Mapping[str, Profile], talk: Interview, *, name: str, key: str) -> Choices:
    """All questions, in the order of the study file. `key` is for the holdout's hash, `name` the study's.

    Raises:
        SourceDataError: no column can be predicted, or none is left to predict from.
    """
    patient = _patient(profiles, talk)
    encounter = _encounter(profiles, talk, patient)
    label = _label(profiles, talk, patient)
    classes, names, unsure = _classes(profiles[label], talk)
    split, holdout = _split(sample, talk, patient=patient, label=label)
    inputs = [
        one
        for one in profiles.values()
        if one.kind in {Kind.NUMBER, Kind.CATEGORY} and one.name not in {patient, encounter, label, split}
    ]
    if not inputs:
        raise SourceDataError(
            "no column is left to predict from", hint="Numbers and columns of few values can be used."
        )
    missing = {one.name: _missing(one, talk) for one in inputs}
    units = {one.name: _unit(one, talk) for one in inputs if one.kind is Kind.NUMBER}
    return Choices(
        name=name,
        patient=patient,
        encounter=encounter,
        split=split,
        holdout_key=key if holdout else "",
        label=label,
        classes=classes,
        class_names=names,
        unsure=unsure,
        inputs=tuple(one.name for one in inputs),
        units=units,
        coded_missing=missing,
    )


def _patient(profiles: Mapping[str, Profile], talk: Interview) -> str | None:
    default = guess_patient(profiles.values()) or _NONE
    given = talk.answer(
        f'Which column tells patients apart? ("{_NONE}": each row is a patient of its own)',
        default,
        lambda text: "" if text == _NONE or text in profiles else _unknown(text, profiles),
    )
    return None if given == _NONE and _NONE not in profiles else given


def _unknown(text: str, profiles: Mapping[str, Profile]) -> str:
    return f"There is no such column that can be used; {suggestion(text, list(profiles)[:_SHOWN])}."


def _encounter(profiles: Mapping[str, Profile], talk: Interview, patient: str | None) -> str | None:
    """Asked only where a column's name says that there may be one."""
    default = guess_encounter(profiles.values(), patient) if patient else None
    if default is None:
        return None
    given = talk.answer(
        f'Which column tells the stays of a patient apart? ("{_NONE}": no column does)',
        default,
        lambda text: "" if text == _NONE or (text in profiles and text != patient) else _unknown(text, profiles),
    )
    return None if given == _NONE and _NONE not in profiles else given


def _label(profiles: Mapping[str, Profile], talk: Interview, patient: str | None) -> str:
    possible = {one.name: one for one in profiles.values() if one.kind is Kind.CATEGORY and one.name != patient}
    default = guess_label(possible.values())
    if default is None:
        raise SourceDataError(
            "no column can be predicted", hint="A label has a few values, such as 0 and 1, or yes and no."
        )
    return talk.answer(
        "Which column is to be predicted?",
        default,
        lambda text: (
            "" if text in possible else f"A label has a few values; {suggestion(text, list(possible)[:_SHOWN])}."
        ),
    )


def _classes(one: Profile, talk: Interview) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...], bool]:
    """The classes, their names, and whether nobody has said which means ill."""
    values = one.values
    default = _EACH if len(values) > _TWO else guess_positive(values)

    def wrong(text: str) -> str:
        if not text:
            return "The words do not tell, so nothing is proposed: name one of the values."
        return "" if text == default else _wrong_values(text, values)

    given = talk.answer(
        f"Which of its values mean ill? They are: {', '.join(values)} "
        f'(several: with commas; "{_EACH}": a class for each value)',
        default,
        wrong,
    )
    each = tuple((value,) for value in values), tuple(_class_name(value) for value in values)
    if not given:
        talk.say(f'CHECK: which value of "{one.name}" means ill? Nobody said; correct [data.label] in the file.')
        return *each, True
    if given == _EACH and _EACH not in values:
        if len(values) > _TWO:
            talk.say(f'"{one.name}" has {len(values)} values: each is a class of its own.')
        return *each, False
    ill = (given,) if given == default else _parts(given, values)
    well = tuple(value for value in values if value not in ill)
    return (well, ill), (_class_name(f"not {one.name}"), _class_name(one.name)), False


def _class_name(text: str) -> str:
    return text[:_LONGEST_UNIT] or "(empty)"


def _parts(text: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """The values named, in their own order; one that has a comma itself must be named alone."""
    if text in values:
        return (text,)
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))


def _wrong_values(text: str, values: tuple[str, ...]) -> str:
    if text == _EACH:
        return ""
    parts = _parts(text, values)
    strange = [part for part in parts if part not in values]
    if strange:
        return f"{', '.join(strange)}: not among the values; {suggestion(strange[0], values)}."
    return "Somebody must be well, too: name some of the values, not all." if len(parts) == len(values) else ""


def _split(sample: Sample, talk: Interview, *, patient: str | None, label: str) -> tuple[str | None, bool]:
    """The column that holds "train" or "test", or whether a share of patients is held out."""
    made = [
        name
        for name, cells in sample.columns.items()
        if name not in {patient, label} and set(cells) == {"train", "test"}
    ]
    default = made[0] if made else (_HOLDOUT if patient else _NONE)

    def wrong(text: str) -> str:
        if text in made or text == _NONE or (text == _HOLDOUT and patient):
            return ""
        if text == _HOLDOUT:
            return "Patients can be held out only where a column tells them apart."
        return f'A split column holds "train" and "test"; {suggestion(text, [*made, _HOLDOUT, _NONE])}.'

    given = talk.answer(
        f'How are patients split? (a column of "train" and "test"; "{_HOLDOUT}": a fifth of them, by a hash of their '
        f'names; "{_NONE}": all are trained on)',
        default,
        wrong,
    )
    return (given if given in made else None), given == _HOLDOUT and _HOLDOUT not in made


def _missing(one: Profile, talk: Interview) -> tuple[str, ...]:
    """Which of the numbers that lie far from all others stand for "not measured"."""
    kept = []
    for code in one.sentinels:
        given = talk.answer(
            f'In "{one.name}", {code} lies far from all other values. Does it mean "not measured"?',
            "yes",
            lambda text: "" if text.casefold() in {"yes", "y", "no", "n"} else "Please answer yes or no.",
        )
        if given.casefold().startswith("y"):
            kept.append(code)
    return tuple(kept)


def _unit(one: Profile, talk: Interview) -> tuple[str, str]:
    unit, substance = guess_unit(one)
    given = talk.answer(
        f'In which unit is "{one.name}"? ("{_NONE}": it has none)',
        unit or _NONE,
        lambda text: "" if len(text) <= _LONGEST_UNIT and text.isprintable() else "A unit is a short text.",
    )
    if given == _NONE:
        return "", ""
    if not known(given):
        talk.say(f'"{given}" is not a known unit: hospitals can use it, but not convert into it.')
        return given, ""
    if not is_concentration(given):
        return given, substance if substance == "hba1c" else ""
    named = talk.answer(
        f'What is measured in "{one.name}"? (so that hospitals can convert; "{_NONE}": they need not)',
        substance or _NONE,
        lambda text: "" if text == _NONE or substance_key(text) else f"Not known; {suggestion(text, SUBSTANCES)}.",
    )
    return given, "" if named == _NONE else substance_key(named) or ""
