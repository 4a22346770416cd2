"""Units as people, laboratories and UCUM write them."""

from __future__ import annotations

import pytest

from fedward_shared.units import conversion, known
from fedward_shared.units.convert import _measured
from fedward_shared.units.spelling import spelt
from fedward_shared.units.vocabulary import PHRASES, SPELLINGS

ALIKE = (
    ("mmHg", "mm Hg", "mm[Hg]", "MMHG", "MM HG", "mmhg", "Torr"),
    ("/min", "1/min", "bpm", "beats/min", "{beats}/min", "Beats per Minute", "min-1", "min⁻¹", "breaths/min", "/MIN"),
    ("10^9/L", "10*9/L", "10**9/L", "x10^9/L", "×10⁹/L", "10E9/L", "10*3/uL", "K/uL", "thou/mm3", "x10(3)/mcL"),
    ("10^12/L", "10*6/uL", "M/uL", "million/uL", "10^6/mm³"),
    ("°C", "C", "Cel", "degC", "deg C", "℃", "degrees Celsius"),
    ("°F", "F", "[degF]", "deg F"),
    ("mg/dL", "MG/DL", "mg/dl", "mg/dL.", "mg/100 mL", "mg%", "mg per dL", "mg·dL⁻¹", "mg dL^-1", "mg/dL{calc}"),
    ("ug/L", "µg/L", "μg/l", "mcg/L", "UG/L", "ng/mL"),
    ("umol/L", "µmol/L", "UMOL/L", "mcmol/L", "uM"),
    ("mmol/L", "mM", "mmol·L⁻¹", "mmol L-1", "MMOL/L"),
    ("mIU/L", "m[IU]/L", "mU/L", "µIU/mL", "uU/mL"),
    ("U/L", "IU/L", "[iU]/L", "units/L", "u/l"),
    ("kg/m2", "kg/m²", "kg/m^2", "kg/m**2", "KG/M2"),
    ("mL/min/1.73m2", "mL/min/{1.73_m2}", "mL/min/1.73 m²", "ml/min/1.73 m^2"),
    ("years", "year(s)", "yrs", "y", "a", "YEARS"),
    ("months", "mo", "month(s)"),
    ("cmH2O", "cm[H2O]", "cm H2O", "cmH₂O"),
    ("in", "[in_i]", "inches"),
    ("lb", "lbs", "[lb_av]", "pounds"),
    ("%", "percent", "pct", "%{vol}"),
    ("fraction", "1", "L/L", "ratio"),
    ("mm/h", "mm/hr"),
    ("uV", "µV", "microvolts"),
)


@pytest.mark.parametrize("units", ALIKE, ids=lambda units: units[0])
def test_spellings_of_one_unit_mean_the_same(units: tuple[str, ...]) -> None:
    for unit in units:
        assert known(unit), unit
        assert conversion(unit, units[0]).factor == pytest.approx(1, abs=1e-12), unit


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "vessels",
            "°",
            "-",
            "mg/",
            "/",
            "mg//dL",
            "(mg/dL)",
            "mg/(dL)",
            "a/b",
            "10 3/uL",
            "109/L",
            "mg/dL or mmol/L",
        ),
        *("G/L", "MU/L", "MIU/L", "MM", "M", "A"),  # giga or gram, mega or milli, mM or mm, ampere or year
        "Cal",  # a kilocalorie
        *("mg/kg.h", "mg/kg h"),  # mg/(kg·h), or (mg/kg)·h as UCUM reads it
        *(
            "9**9**9**9",
            "10^99",
            "kg9",
            "m3 m3",
            "0 mg",
            "mg/0 dL",
            "m0",
            "1e9",
            "10" * 30,
            "mg" * 10**6,
            "\0",
            "mg\x1b[31m",
        ),
        *("__import__('os')", "mg/dL; 1", "nan", "inf", "=1+1", "{", "}{", "[[[["),
    ],
)
def test_what_is_no_unit_or_could_be_two_is_not_known(unit: str) -> None:
    assert spelt(unit) is None
    assert not known(unit)


def test_no_unit_is_known_but_is_no_number_either() -> None:
    assert known("")
    assert known("  ")
    assert spelt("") is None
    assert spelt("1") is not None


@pytest.mark.parametrize("word", [*SPELLINGS, *PHRASES])
def test_every_word_has_a_definition(word: str) -> None:
    found = spelt(word)

    assert (found is None) == (word in {"A", "M"})
    assert found is None or _measured(found)[0] > 0
