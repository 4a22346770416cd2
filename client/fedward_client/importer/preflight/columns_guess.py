"""Which column of the source is meant where the contract's name is not among them, by the names alone."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence

from fedward_client.importer.mapping import ROW_NUMBER, Mapping
from fedward_client.importer.preflight.findings import Defect, Finding, Kind, Proposal, Severity
from fedward_client.importer.preflight.profile import Profile
from fedward_client.importer.sources.columns import NAME_THEM, no_header
from fedward_shared.contracts.cohort import DataContract

__all__ = ["alike_columns", "guess_columns"]

_SAME_THING = (
    {"patient", "patientid", "patientnumber", "patno", "pid", "subject", "subjectid", "personid", "mrn", "caseid",
     "fallnummer", "patientennummer", "pseudonym"},
    {"age", "ageyears", "alter", "leeftijd", "edad", "eta"},
    {"sex", "gender", "geschlecht", "sexe", "sexo", "sesso", "geslacht"},
    {"height", "bodyheight", "groesse", "koerpergroesse", "taille"},
    {"weight", "bodyweight", "gewicht", "koerpergewicht", "poids"},
    {"systolic", "sbp", "sysbp", "systolicbp", "systolicbloodpressure", "rrsys"},
    {"diastolic", "dbp", "diabp", "diastolicbp", "diastolicbloodpressure", "rrdia"},
    {"heartrate", "hr", "pulse", "puls", "herzfrequenz"},
    {"glucose", "glu", "gluc", "glukose", "glucoseserum", "bloodglucose", "blutzucker"},
    {"creatinine", "crea", "creat", "kreatinin", "serumcreatinine"},
    {"haemoglobin", "hemoglobin", "hb", "hgb"},
    {"split", "part", "fold", "set", "subset", "partition"},
)  # fmt: skip
"""Names that mean the same in exports; compared as `_plain` gives them."""
_ALIKE = 0.6
_MOST_CHOICES = 6
_SEPARATORS = {";": ";", "\t": "tab", "|": "|", ",": ","}


def guess_columns(profile: Profile, contract: DataContract, mapping: Mapping) -> Iterator[Finding]:
    """A finding for each absent column; where the source was not split into columns, one for that instead."""
    if not profile.absent:
        return
    separator = _separator(profile.columns)
    if separator:
        yield Finding(
            Severity.STOPS,
            Defect.ABSENT_COLUMN,
            "",
            "the source seems to have one column only: its cells are separated by another sign",
            f'Say separator = "{separator}" in [source] options.',
            Proposal(Kind.OPTION, "", option=("separator", separator), strong=True, choices=(separator,)),
        )
        return
    if no_header(profile.columns):
        yield Finding(
            Severity.STOPS,
            Defect.ABSENT_COLUMN,
            "",
            "the first row of the source seems to hold values, not the columns' names",
            NAME_THEM,
        )
        return
    taken = {mapping.answer(name).source or name for name in _named(contract)} & set(profile.columns)
    free = [column for column in profile.columns if column not in taken]
    for name in profile.absent:
        yield _absent(name, contract, mapping, free)


def alike_columns(name: str, columns: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Columns that may be meant by a contract's name, best first, and whether the first one surely is."""
    plain = _plain(name)
    same = [column for column in columns if _plain(column) == plain]
    words = [column for column in columns if any({plain, _plain(column)} <= group for group in _SAME_THING)]
    scores = {column: _score(plain, _plain(column)) for column in columns}
    near = [column for column in sorted(columns, key=lambda one: -scores[one]) if scores[column] >= _ALIKE]
    found = tuple(dict.fromkeys((*same, *words, *near)))[:_MOST_CHOICES]
    return found, len(same) == 1 or (not same and len(words) == 1)


def _named(contract: DataContract) -> tuple[str, ...]:
    from fedward_client.importer.checking.plan import contract_names

    return contract_names(contract)


def _absent(name: str, contract: DataContract, mapping: Mapping, free: Sequence[str]) -> Finding:
    said = mapping.answer(name).source
    choices, sure = alike_columns(name, free)
    what = (
        f"the mapping says that {name} is {said!r}, and the source has no such column"
        if said
        else (f"the source has no column {name!r}")
    )
    guess = f"; is it {choices[0]!r}?" if choices else ""
    row = name == contract.patient
    advice = f"Name it: source = … under [columns.{name}] in the mapping."
    if row:
        advice += f' Where every row is another patient: source = "{ROW_NUMBER}".'
    return Finding(
        Severity.STOPS,
        Defect.ABSENT_COLUMN,
        name,
        what + guess,
        advice,
        Proposal(
            Kind.COLUMN,
            name,
            source=choices[0] if choices else "",
            strong=sure,
            choices=(*choices, *(column for column in free if column not in choices), *([ROW_NUMBER] if row else [])),
        ),
    )


def _separator(columns: Sequence[str]) -> str:
    """The sign that the only column's name is full of; "" where there is none."""
    if len(columns) != 1:
        return ""
    counts = {spoken: columns[0].count(sign) for sign, spoken in _SEPARATORS.items()}
    best = max(counts, key=lambda spoken: counts[spoken])
    return best if counts[best] else ""


def _plain(name: str) -> str:
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))
    return re.sub(r"[\W_]+", "", bare.casefold().replace("ß", "ss"))


def _score(wanted: str, offered: str) -> float:
    if not wanted or not offered:
        return 0.0
    inside = min(len(wanted), len(offered)) >= 3 and (wanted in offered or offered in wanted)  # noqa: PLR2004 - words
    return max(difflib.SequenceMatcher(None, wanted, offered).ratio(), 0.7 if inside else 0.0)
