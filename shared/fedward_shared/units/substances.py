"""Molar masses of what laboratories measure, so that mmol/L can become mg/dL, and the units each is reported in.

Molar masses are computed from the molecular formula with IUPAC's standard atomic weights (abridged, 2021: C 12.011,
H 1.008, N 14.007, O 15.999, S 32.06, Cl 35.45); proteins and conventions as laboratories use them:

- urea nitrogen (BUN) counts the two nitrogen atoms of urea only (28.014), so its factor differs from urea's (60.056);
- phosphate in mg/dL is reported as phosphorus (30.974), magnesium, calcium, iron and the salts as the element;
- haemoglobin in mmol/L counts monomers with one iron atom each, 16 114 g/mol (IFCC/IUPAC C-NPU terminology);
- triglycerides count as triolein, 885.4 g/mol; lactate as lactic acid, 90.08 g/mol; albumin 66 500 g/mol;
- HbA1c in % (NGSP) and in mmol/mol (IFCC) differ by the master equation NGSP = 0.09148 · IFCC + 2.152
  (Hoelzel et al., Clin Chem 2004;50:166; Weykamp et al., Clin Chem 2008;54:240; https://ngsp.org/ifcc.asp).

The factors that follow agree with the published tables to the digits printed there: AMA Manual of Style, 11th ed.,
17.5, "Conventional units and SI units"; Young, Ann Intern Med 1987;106:114.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["NGSP_OFFSET", "NGSP_SLOPE", "SUBSTANCES", "Substance", "substance_key"]

NGSP_SLOPE = 0.09148
"""% NGSP for each mmol/mol IFCC."""
NGSP_OFFSET = 2.152
"""% NGSP at 0 mmol/mol IFCC."""


@dataclass(frozen=True, slots=True)
class Substance:
    """One measured substance.

    `molar_mass` is in g/mol (None: it is never converted between mass and amount), `charge` what one mole has in
    equivalents (None: mEq are not used for it), `units` what laboratories report, the commonest first.
    """

    molar_mass: float | None
    units: tuple[str, ...]
    charge: int | None = None


_LIPID = ("mg/dL", "mmol/L", "g/L")
_SALT = ("mmol/L", "mEq/L", "mg/dL")
_TRACE = ("ng/mL", "nmol/L", "ng/dL", "pmol/L")

SUBSTANCES: Mapping[str, Substance] = MappingProxyType(
    {
        "glucose": Substance(180.156, ("mg/dL", "mmol/L", "g/L")),
        "cholesterol": Substance(386.66, _LIPID),
        "hdl cholesterol": Substance(386.66, _LIPID),
        "ldl cholesterol": Substance(386.66, _LIPID),
        "triglycerides": Substance(885.4, _LIPID),
        "creatinine": Substance(113.12, ("mg/dL", "umol/L", "mg/L", "mmol/L")),
        "urea": Substance(60.056, ("mmol/L", "mg/dL", "g/L")),
        "urea nitrogen": Substance(28.014, ("mg/dL", "mmol/L")),
        "bilirubin": Substance(584.67, ("mg/dL", "umol/L", "mg/L")),
        "calcium": Substance(40.078, ("mmol/L", "mg/dL", "mEq/L"), 2),
        "magnesium": Substance(24.305, ("mmol/L", "mg/dL", "mEq/L"), 2),
        "phosphate": Substance(30.974, ("mmol/L", "mg/dL")),
        "uric acid": Substance(168.11, ("mg/dL", "umol/L", "mmol/L", "mg/L")),
        "haemoglobin": Substance(16114.0, ("g/dL", "g/L", "mmol/L")),
        "hba1c": Substance(None, ("%", "mmol/mol")),
        "lactate": Substance(90.078, ("mmol/L", "mg/dL")),
        "ammonia": Substance(17.031, ("umol/L", "ug/dL")),
        "sodium": Substance(22.990, _SALT, 1),
        "potassium": Substance(39.098, _SALT, 1),
        "chloride": Substance(35.45, _SALT, 1),
        "bicarbonate": Substance(61.016, ("mmol/L", "mEq/L"), 1),
        "albumin": Substance(66500.0, ("g/dL", "g/L", "umol/L")),
        "total protein": Substance(None, ("g/dL", "g/L")),
        "iron": Substance(55.845, ("ug/dL", "umol/L")),
        "ferritin": Substance(None, ("ng/mL", "ug/L")),
        "transferrin": Substance(79570.0, ("mg/dL", "g/L", "umol/L")),
        "cortisol": Substance(362.466, ("ug/dL", "nmol/L", "ng/mL")),
        "vitamin d": Substance(400.647, ("ng/mL", "nmol/L")),
        "vitamin b12": Substance(1355.37, ("pg/mL", "pmol/L")),
        "folate": Substance(441.404, ("ng/mL", "nmol/L")),
        "thyroxine": Substance(776.87, ("ng/dL", "pmol/L", "ug/dL", "nmol/L")),
        "triiodothyronine": Substance(650.97, ("ng/dL", "nmol/L", "pg/mL", "pmol/L")),
        "testosterone": Substance(288.43, _TRACE),
        "oestradiol": Substance(272.388, ("pg/mL", "pmol/L")),
        "crp": Substance(None, ("mg/L", "mg/dL", "ug/mL")),
        "troponin": Substance(None, ("ng/L", "ng/mL", "ug/L")),
        "d-dimer": Substance(None, ("ng/mL", "ug/mL", "mg/L")),
        "procalcitonin": Substance(None, ("ng/mL", "ug/L")),
        "fibrinogen": Substance(None, ("mg/dL", "g/L")),
    }
)
"""By name, in small letters."""

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "total cholesterol": "cholesterol",
        "hdl": "hdl cholesterol",
        "hdl-c": "hdl cholesterol",
        "ldl": "ldl cholesterol",
        "ldl-c": "ldl cholesterol",
        "triglyceride": "triglycerides",
        "bun": "urea nitrogen",
        "blood urea nitrogen": "urea nitrogen",
        "phosphorus": "phosphate",
        "urate": "uric acid",
        "hemoglobin": "haemoglobin",
        "hb": "haemoglobin",
        "hgb": "haemoglobin",
        "haemoglobin a1c": "hba1c",
        "hemoglobin a1c": "hba1c",
        "lactic acid": "lactate",
        "25-hydroxyvitamin d": "vitamin d",
        "25-oh vitamin d": "vitamin d",
        "c-reactive protein": "crp",
        "cobalamin": "vitamin b12",
        "folic acid": "folate",
        "t4": "thyroxine",
        "t3": "triiodothyronine",
        "estradiol": "oestradiol",
        "protein": "total protein",
    }
)


def substance_key(name: str) -> str | None:
    """The name under which `SUBSTANCES` has a substance; None for one that is not known."""
    key = " ".join(name.casefold().replace("_", " ").split())
    key = _ALIASES.get(key, key)
    return key if key in SUBSTANCES else None
