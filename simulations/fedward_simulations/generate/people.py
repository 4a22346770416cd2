"""The patients of a generated hospital: admissions with findings and the known risk of being readmitted.

Nobody's data: every number is drawn from the distributions written here, and every patient's name begins with
SYNTHETIC. Findings hang together as in adults on a general ward (older patients have higher pressure and creatinine,
heavier ones more glucose); figures are round ones, not fitted to any data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fedward_shared.errors import UsageError

__all__ = ["BASELINE", "WEIGHTS", "Hospital", "patients", "true_auc"]

Floats = NDArray[np.float64]

BASELINE = -1.3
"""Log-odds of being readmitted for the reference patient: 65 years, findings at the centres below."""
WEIGHTS = {
    "age": (65.0, 12.0, 0.7),
    "systolic": (132.0, 20.0, -0.3),
    "glucose": (6.6, 2.0, 0.6),
    "creatinine": (92.0, 35.0, 0.6),
    "lactate": (1.6, 0.8, 0.5),
    "bmi": (27.0, 5.0, 0.25),
}
"""For each finding: centre, scale, and what one scale adds to the log-odds."""
_SMOKER = 0.6
_FIRST_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 - hospitals write local time without a zone
_YEAR_HOURS = 365 * 24


@dataclass(frozen=True, slots=True)
class Hospital:
    """One hospital's admissions, one a patient; arrays have one entry each.

    `age` in years, `systolic` in mmHg, `glucose` and `lactate` in mmol/L, `creatinine` in µmol/L, `bmi` in kg/m²;
    `lactate_hours` is when lactate was taken, in hours after admission (never positive); NaN: not measured. `sex` is
    "female" or "male". `risk` is the true probability of `ill` (readmitted); `outcome_days` after admission.
    """

    site: str
    names: tuple[str, ...]
    admitted: tuple[datetime, ...]
    sex: NDArray[np.str_]
    smoker: NDArray[np.bool_]
    age: Floats
    systolic: Floats
    glucose: Floats
    creatinine: Floats
    lactate: Floats
    lactate_hours: Floats
    bmi: Floats
    risk: Floats
    ill: NDArray[np.bool_]
    outcome_days: Floats

    def __len__(self) -> int:
        return len(self.names)


def patients(site: str, count: int, generator: np.random.Generator, *, older: float = 0.0) -> Hospital:
    """Draws a hospital's patients; `older` shifts its patients' age in years, as hospitals differ.

    Raises:
        UsageError: there would be no patient.
    """
    if count < 1:
        raise UsageError("a hospital needs a patient", hint="Such as --patients 400")
    age = np.clip(generator.normal(65 + older, 12, count), 18, 103).round()
    bmi = np.clip(generator.normal(27, 5, count), 15, 60).round(1)
    systolic = np.clip(generator.normal(132 + 0.25 * (age - 65), 19, count), 70, 240).round()
    glucose = np.clip(6.6 + 0.09 * (bmi - 27) + generator.gamma(2.0, 1.1, count) - 2.2, 2.5, 35).round(1)
    creatinine = np.clip(92 * np.exp(generator.normal(0, 0.3, count) + 0.006 * (age - 65)), 30, 1200).round()
    lactate = np.clip(1.6 * np.exp(generator.normal(0, 0.4, count)), 0.3, 18).round(1)
    smoker = generator.random(count) < 0.25  # noqa: PLR2004
    logit = BASELINE + _SMOKER * smoker
    for name, values in (("age", age), ("systolic", systolic), ("glucose", glucose), ("creatinine", creatinine),
                         ("lactate", lactate), ("bmi", bmi)):  # fmt: skip
        centre, scale, weight = WEIGHTS[name]
        logit = logit + weight * (values - centre) / scale
    risk = 1 / (1 + np.exp(-logit))
    hours = generator.uniform(0, _YEAR_HOURS, count).round(1)
    return Hospital(
        site=site,
        names=tuple(f"SYNTHETIC-{site}-{index:06d}" for index in range(count)),
        admitted=tuple(_FIRST_DAY + timedelta(hours=float(hour)) for hour in hours),
        sex=np.where(generator.random(count) < 0.48, "female", "male"),  # noqa: PLR2004
        smoker=smoker,
        age=age,
        systolic=systolic,
        glucose=glucose,
        creatinine=creatinine,
        lactate=np.where(generator.random(count) < 0.3, np.nan, lactate),  # noqa: PLR2004
        lactate_hours=-generator.uniform(0, 20, count).round(1),
        bmi=np.where(generator.random(count) < 0.1, np.nan, bmi),  # noqa: PLR2004
        risk=risk,
        ill=generator.random(count) < risk,
        outcome_days=generator.uniform(2, 30, count).round(1),
    )


def true_auc(risk: Floats, ill: NDArray[np.bool_]) -> float:
    """The AUC of the true risk: what no model can beat but by chance. NaN where one class is absent."""
    order = np.argsort(risk, kind="stable")
    ranks = np.empty(len(risk))
    ranks[order] = np.arange(1, len(risk) + 1)
    positive, negative = int(ill.sum()), int((~ill).sum())
    if not positive or not negative:
        return float("nan")
    return float((ranks[ill].sum() - positive * (positive + 1) / 2) / (positive * negative))
