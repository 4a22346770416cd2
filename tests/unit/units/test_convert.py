"""Numbers from one unit to another, against published tables.

[AMA] AMA Manual of Style, 11th ed., 17.5 (the table in JAMA's instructions for authors), to the digits printed there.
[NGSP] https://ngsp.org/ifcc.asp, the table of HbA1c in % and mmol/mol.
[ADA] American Diabetes Association, Standards of Care: 100 mg/dL = 5.6 mmol/L, 126 = 7.0, 200 = 11.1.
[SP811] NIST Special Publication 811, appendix B.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from fedward_shared.errors import UsageError
from fedward_shared.units import Affine, alternatives, conversion, known
from fedward_shared.units.substances import SUBSTANCES, substance_key

PUBLISHED = (  # conventional unit, factor, SI unit, substance: all [AMA]
    ("mg/dL", 0.0555, "mmol/L", "glucose"),
    ("mg/dL", 0.0259, "mmol/L", "cholesterol"),
    ("mg/dL", 0.0259, "mmol/L", "HDL"),
    ("mg/dL", 0.0259, "mmol/L", "ldl-c"),
    ("mg/dL", 0.0113, "mmol/L", "triglycerides"),
    ("mg/dL", 88.4, "umol/L", "creatinine"),
    ("mg/dL", 0.357, "mmol/L", "BUN"),
    ("mg/dL", 0.1665, "mmol/L", "urea"),
    ("mg/dL", 17.1, "umol/L", "bilirubin"),
    ("mg/dL", 0.2495, "mmol/L", "calcium"),
    ("mEq/L", 0.5, "mmol/L", "calcium"),
    ("mg/dL", 0.411, "mmol/L", "magnesium"),
    ("mg/dL", 0.323, "mmol/L", "phosphate"),
    ("mg/dL", 59.48, "umol/L", "uric acid"),
    ("g/dL", 0.621, "mmol/L", "haemoglobin"),
    ("mg/dL", 0.111, "mmol/L", "lactate"),
    ("ug/dL", 0.587, "umol/L", "ammonia"),
    ("mEq/L", 1.0, "mmol/L", "sodium"),
    ("mEq/L", 1.0, "mmol/L", "potassium"),
    ("mEq/L", 1.0, "mmol/L", "chloride"),
    ("mEq/L", 1.0, "mmol/L", "bicarbonate"),
    ("ug/dL", 0.179, "umol/L", "iron"),
    ("ug/dL", 27.59, "nmol/L", "cortisol"),
    ("ng/mL", 2.496, "nmol/L", "vitamin D"),
    ("pg/mL", 0.7378, "pmol/L", "vitamin B12"),
    ("ng/mL", 2.266, "nmol/L", "folate"),
    ("ng/dL", 12.87, "pmol/L", "T4"),
    ("ng/dL", 0.0154, "nmol/L", "T3"),
    ("ng/dL", 0.0347, "nmol/L", "testosterone"),
    ("pg/mL", 3.671, "pmol/L", "estradiol"),
    ("U/L", 0.0167, "ukat/L", ""),
    ("g/dL", 10.0, "g/L", "albumin"),
    ("mg/dL", 0.01, "g/L", "fibrinogen"),
    ("mm Hg", 0.133, "kPa", ""),
    ("x10^3/uL", 1.0, "10^9/L", ""),
)


@pytest.mark.parametrize(("conventional", "factor", "si", "substance"), PUBLISHED)
def test_factors_are_the_published_ones(conventional: str, factor: float, si: str, substance: str) -> None:
    digits = len(f"{factor:.10f}".rstrip("0").split(".")[1])

    assert conversion(conventional, si, substance).factor == pytest.approx(factor, abs=0.51 * 10**-digits)
    assert conversion(si, conventional, substance).factor == pytest.approx(1 / factor, rel=5e-3)


@pytest.mark.parametrize(
    ("value", "here", "result", "there", "substance"),
    [
        (100, "mg/dL", 5.6, "mmol/L", "glucose"),  # [ADA]
        (126, "mg/dL", 7.0, "mmol/L", "glucose"),  # [ADA]
        (200, "mg/dL", 11.1, "mmol/L", "glucose"),  # [ADA]
        (7.0, "%", 53, "mmol/mol", "HbA1c"),  # [NGSP], and the next three
        (6.0, "%", 42, "mmol/mol", "HbA1c"),
        (48, "mmol/mol", 6.5, "%", "HbA1c"),
        (108, "mmol/mol", 12.0, "%", "hba1c"),
        (98.6, "°F", 37.0, "°C", ""),
        (-40, "degF", -40.0, "Cel", ""),
        (0, "°C", 273.15, "K", ""),
        (1, "lb", 0.45359237, "kg", ""),  # [SP811]
        (70, "in", 177.8, "cm", ""),
        (1, "°C/h", 1.8, "°F/h", ""),
        (30, "mg/g", 3.4, "mg/mmol", "creatinine"),  # KDIGO 2012: 30 mg/g = 3 mg/mmol, 3.39 exactly
        (6, "months", 0.5, "years", ""),
        (37, "%", 0.37, "L/L", ""),
        (1, "K/uL", 1000, "cells/µL", ""),
        (1, "mV", 1000, "µV", ""),
        (1, "mg/dL", 10, "mg/L", "crp"),
    ],
)
def test_values_become_what_is_published(value: float, here: str, result: float, there: str, substance: str) -> None:
    way = conversion(here, there, substance)
    digits = len(str(float(result)).split(".")[1]) if not float(result).is_integer() else 0

    assert value * way.factor + way.offset == pytest.approx(result, abs=0.51 * 10**-digits)


def test_whole_factors_are_exact() -> None:
    assert conversion("g/dL", "g/L") == Affine(10.0)
    assert conversion("10*3/uL", "10^9/L") == Affine(1.0)
    assert conversion("kg", "g") == Affine(1000.0)
    assert conversion("mmol/L", "mg/dL", "glucose") == Affine(18.0156)


def test_the_same_spelling_needs_no_knowledge() -> None:
    assert conversion("vessels", " vessels ").same
    assert conversion("", "").same
    assert not conversion("g/dL", "g/L").same


@pytest.mark.parametrize(
    ("here", "there", "substance", "told"),
    [
        ("mg/dL", "mmol/L", "", "depends on the substance"),
        ("%", "mmol/mol", "", "depends on the substance"),
        ("mEq/L", "mmol/L", "", "depends on the substance"),
        ("mEq/L", "mmol/L", "glucose", "not defined for this substance"),
        ("mg/L", "mmol/L", "crp", "not defined for this substance"),
        ("mmHg", "mmol/L", "glucose", "do not measure the same thing"),
        ("mg/dL", "mg/dL/h", "glucose", "do not measure the same thing"),
        ("mL/min", "mL/min/1.73m2", "", "do not measure the same thing"),
        ("vessels", "count", "", '"vessels" is not known'),
        ("", "%", "", "there is no unit"),
        ("mg/dL", "mmol/L", "gluten", '"gluten" is not known'),
        ("G/L", "10^9/L", "", '"G/L" is not known'),
    ],
)
def test_what_cannot_be_converted_says_why_and_what_to_do(here: str, there: str, substance: str, told: str) -> None:
    with pytest.raises(UsageError) as failure:
        conversion(here, there, substance)

    assert told in failure.value.message
    assert failure.value.hint


def test_alternatives_are_the_units_a_hospital_may_have_instead() -> None:
    assert alternatives("mmol/L", "glucose") == ("mg/dL", "g/L")
    assert alternatives("%", "hba1c") == ("mmol/mol",)
    assert alternatives("g/dL", "hemoglobin") == ("g/L", "mmol/L")
    assert alternatives("°C") == ("°F",)
    assert alternatives("mm[Hg]") == ("kPa", "cmH2O")
    assert alternatives("years") == ("months", "days")
    assert alternatives("cm") == ("m", "in", "mm")
    assert "mg/L" in alternatives("mg/dL")
    assert alternatives("mmol/L", "sodium") == ("mg/dL",)
    assert alternatives("vessels") == alternatives("") == ()


@pytest.mark.parametrize("name", SUBSTANCES)
def test_every_unit_of_a_substance_converts_into_every_other(name: str) -> None:
    units = SUBSTANCES[name].units

    assert all(known(unit) for unit in units)
    for there in units:
        for here in alternatives(there, name):
            assert conversion(here, there, name).factor > 0
        assert {here for here in units if not conversion(here, there, name).same} >= set(alternatives(there, name))


def test_substances_have_other_names_too() -> None:
    assert substance_key("  Blood Urea_Nitrogen ") == "urea nitrogen"
    assert substance_key("Hgb") == "haemoglobin"
    assert substance_key("gluten") is None


def test_pint_is_loaded_only_when_something_is_converted() -> None:
    code = (
        "import sys\n"
        "from fedward_shared.units import conversion, known\n"
        "assert known('mg/dL') and conversion('mg/dL', 'mg/dL').same\n"
        "print('pint' in sys.modules)\n"
        "conversion('mg/dL', 'g/L')\n"
        "print('pint' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)

    assert done.stdout.split() == ["False", "True"]
