"""What a column's name and figures suggest: its unit and substance, and round figures around its values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fedward_server.inspection.naming import names_patients, names_stays
from fedward_server.inspection.profiles import Kind, Profile
from fedward_shared.units import known
from fedward_shared.units.substances import substance_key

__all__ = ["Figures", "figures", "guess_encounter", "guess_label", "guess_patient", "guess_unit"]

_LABELS = re.compile(
    r"^(label|target|class|outcome|disease|diagnosis|num|y|died|dead|death|mortality|event|readmitted|output|result)$"
)
_LABEL_ENDING = re.compile(r"(^|[^a-z])(label|outcome|diagnosis|death|mortality|disease|event|status)$")
_WIDEST = 1e5
_MOST = {"%": 100.0, "fraction": 1.0}
"""The largest value that a unit has by its meaning."""
_IN_NAME = re.compile(r"[(\[]([^()\[\]]+)[)\]]\s*$")
_WORD = re.compile(r"[a-z][a-z0-9]*")
_UNITS: tuple[tuple[frozenset[str], tuple[tuple[float, str], ...], str], ...] = (
    (frozenset({"age"}), ((130, "years"), (math.inf, "days")), ""),
    (
        frozenset({"trestbps", "sbp", "dbp", "bp", "map", "pressure", "systolic", "diastolic"}),
        ((math.inf, "mmHg"),),
        "",
    ),
    (frozenset({"hr", "pulse", "thalach", "thalch", "heartrate", "heart"}), ((math.inf, "bpm"),), ""),
    (frozenset({"rr", "resp", "breathing"}), ((math.inf, "/min"),), ""),
    (frozenset({"temp", "temperature"}), ((50, "°C"), (math.inf, "°F")), ""),
    (frozenset({"spo2", "sao2", "saturation"}), ((1.5, "fraction"), (math.inf, "%")), ""),
    (frozenset({"percent", "pct", "prozent", "perc"}), ((math.inf, "%"),), ""),
    (frozenset({"ef", "lvef", "hct", "haematocrit", "hematocrit", "hkt"}), ((1, "fraction"), (math.inf, "%")), ""),
    (frozenset({"bmi"}), ((math.inf, "kg/m2"),), ""),
    (frozenset({"height", "length"}), ((3, "m"), (math.inf, "cm")), ""),
    (frozenset({"weight"}), ((math.inf, "kg"),), ""),
    (frozenset({"chol", "cholesterol"}), ((20, "mmol/L"), (math.inf, "mg/dL")), "cholesterol"),
    (frozenset({"hdl"}), ((8, "mmol/L"), (math.inf, "mg/dL")), "hdl cholesterol"),
    (frozenset({"ldl"}), ((15, "mmol/L"), (math.inf, "mg/dL")), "ldl cholesterol"),
    (frozenset({"triglycerides", "trig"}), ((15, "mmol/L"), (math.inf, "mg/dL")), "triglycerides"),
    (frozenset({"glucose", "glu"}), ((30, "mmol/L"), (math.inf, "mg/dL")), "glucose"),
    (frozenset({"creatinine", "crea", "creat"}), ((15, "mg/dL"), (math.inf, "umol/L")), "creatinine"),
    (frozenset({"bun"}), ((math.inf, "mg/dL"),), "urea nitrogen"),
    (frozenset({"urea"}), ((15, "mmol/L"), (math.inf, "mg/dL")), "urea"),
    (frozenset({"bilirubin", "bili"}), ((4, "mg/dL"), (math.inf, "umol/L")), "bilirubin"),
    (frozenset({"hb", "hgb", "haemoglobin", "hemoglobin"}), ((25, "g/dL"), (math.inf, "g/L")), "haemoglobin"),
    (frozenset({"hba1c", "a1c"}), ((20, "%"), (math.inf, "mmol/mol")), "hba1c"),
    (frozenset({"albumin", "alb"}), ((10, "g/dL"), (math.inf, "g/L")), "albumin"),
    (frozenset({"sodium", "na"}), ((math.inf, "mmol/L"),), "sodium"),
    (frozenset({"potassium", "k"}), ((math.inf, "mmol/L"),), "potassium"),
    (frozenset({"chloride", "cl"}), ((math.inf, "mmol/L"),), "chloride"),
    (frozenset({"lactate"}), ((math.inf, "mmol/L"),), "lactate"),
    (frozenset({"calcium", "ca2"}), ((5, "mmol/L"), (math.inf, "mg/dL")), "calcium"),
    (frozenset({"crp"}), ((math.inf, "mg/L"),), "crp"),
    (frozenset({"wbc", "platelets", "plt", "leukocytes"}), ((1000, "10^9/L"), (math.inf, "/uL")), ""),
)
"""Words in a column's name, the unit up to each median, and the substance."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Round figures for one number: the range, rounded outwards, centre and scale."""

    minimum: float
    maximum: float
    centre: float
    scale: float


def figures(profile: Profile, unit: str = "") -> Figures:
    """Round figures around the values of a column; its codes for "not measured" stay outside the range.

    Percentages and fractions stay within 0 and 100, or 0 and 1, where the values do.
    """
    low, high = profile.numbers[0], profile.numbers[-1]
    step = _step(high - low)
    minimum, maximum = _rounded(low, step, -1) - step, _rounded(high, step, 1) + step
    if low >= 0:
        minimum = max(minimum, 0.0)
    most = _MOST.get(unit, math.inf)
    if low >= 0 and high <= most:
        maximum = min(maximum, most)
    for code in map(float, profile.sentinels):
        if minimum <= code < low:
            minimum = _between(code, low, step, -1)
        elif high < code <= maximum:
            maximum = _between(code, high, step, 1)
    count = len(profile.numbers)
    lower, middle, upper = (profile.numbers[min(count - 1, round(share * count))] for share in (0.16, 0.5, 0.84))
    scale = _significant((upper - lower) / 2, 1) or _significant((high - low) / 4, 1)
    scale = max(scale, _significant((maximum - minimum) / _WIDEST, 1))
    return Figures(_tidy(minimum, low, min), _tidy(maximum, high, max), _significant(middle, 2), scale)


def _step(spread: float) -> float:
    """A power of ten, or half of one, that divides a spread into two to ten parts."""
    step = 10.0 ** math.floor(math.log10(spread))
    return step / 2 if spread < 2 * step else step


def _rounded(value: float, step: float, way: int) -> float:
    return (math.ceil(value / step) if way > 0 else math.floor(value / step)) * step


def _between(code: float, value: float, step: float, way: int) -> float:
    """The roundest figure from a value outwards that does not reach a code."""
    for _ in range(20):
        figure = _rounded(value, step, way)
        if (figure - code) * -way > 0:
            return figure
        step /= 10
    return value


def _significant(value: float, digits: int) -> float:
    return float(f"{value:.{digits - 1}e}")


def _tidy(value: float, beyond: float, outer: Callable[[float, float], float]) -> float:
    """Without the dust of binary fractions, but never within the values."""
    return outer(float(f"{value:.10g}"), beyond) + 0.0


def guess_unit(profile: Profile) -> tuple[str, str]:
    """Unit and substance, as the name and the median suggest; empty where they do not."""
    name = profile.name.casefold()
    words = _WORD.findall(name)
    written = _IN_NAME.search(profile.name)
    middle = profile.numbers[len(profile.numbers) // 2]
    for names, units, substance in _UNITS:
        if names & set(words):
            unit = next(unit for most, unit in units if middle <= most)
            return (written[1] if written and known(written[1]) else unit), substance
    if written and known(written[1]):
        return written[1], substance_key(profile.name[: written.start()]) or ""
    return "", ""


def guess_patient(profiles: Iterable[Profile]) -> str | None:
    """The column that tells patients apart: by its name, else the first that names anything at all.

    A column of stays comes last: it protects less than a patient's would, but more than no column.
    """
    found = [one.name for one in profiles if one.kind is Kind.IDENTIFIER]
    return next(iter(sorted(found, key=lambda name: (not names_patients(name), names_stays(name)))), None)


def guess_encounter(profiles: Iterable[Profile], patient: str) -> str | None:
    """The column that tells the stays of a patient apart, by its name."""
    found = (one.name for one in profiles if one.kind is Kind.IDENTIFIER and one.name != patient)
    return next((name for name in found if names_stays(name)), None)


def guess_label(profiles: Iterable[Profile]) -> str | None:
    """The column that is predicted: by its name, or else the last with few values."""
    categories = [one.name for one in profiles if one.kind is Kind.CATEGORY]
    for pattern in (_LABELS, _LABEL_ENDING):
        named = [name for name in categories if pattern.search(name.casefold())]
        if named:
            return named[-1]
    return categories[-1] if categories else None
