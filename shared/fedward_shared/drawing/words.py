"""What figures are called, and how each is read: in the words of reports for clinicians."""

from __future__ import annotations

from collections.abc import Mapping

from fedward_shared.evaluation.bootstrap import Estimate
from fedward_shared.evaluation.figures import Figure
from fedward_shared.evaluation.outcome import ClassOutcome, Outcome

__all__ = [
    "LIMITS",
    "NAMES",
    "READ",
    "calibration_words",
    "estimate_text",
    "main_name",
    "outcome_words",
    "percent",
    "share_text",
    "time_text",
]

NAMES: Mapping[Figure, str] = {
    Figure.AUC: "AUC",
    Figure.C_INDEX: "C-index",
    Figure.ACCURACY: "accuracy",
    Figure.BALANCED_ACCURACY: "balanced accuracy",
    Figure.MACRO_F1: "macro-F1",
    Figure.BRIER: "Brier score",
    Figure.OBSERVED_EXPECTED: "observed / expected",
    Figure.IN_THE_LARGE: "calibration-in-the-large",
    Figure.INTERCEPT: "calibration intercept",
    Figure.SLOPE: "calibration slope",
    Figure.SENSITIVITY: "sensitivity",
    Figure.SPECIFICITY: "specificity",
    Figure.POSITIVE_VALUE: "positive predictive value",
    Figure.NEGATIVE_VALUE: "negative predictive value",
    Figure.OBSERVED: "observed risk",
    Figure.PREDICTED: "mean predicted risk",
}

READ: Mapping[str, str] = {
    "discrimination": (
        "How to read it: the AUC is the chance that a patient with the outcome gets a higher risk than one without; "
        ".5 is a coin and 1 is perfect. The bar is the 95 % interval: with other patients of the same hospitals the "
        "figure could as well have come out anywhere in it."
    ),
    "concordance": (
        "How to read it: the C-index is the chance that of two patients the one who has the event first had been "
        "given the higher risk; .5 is a coin and 1 is perfect. The bar is the 95 % interval: with other patients of "
        "the same hospitals the figure could as well have come out anywhere in it."
    ),
    "hospitals": (
        "How to read it: 'all together' compares patients of different hospitals too, and so rewards knowing that one"
        " hospital's patients are sicker; 'hospital only' is what that knowledge alone gives. What the model adds for"
        " the patients in front of you is the mean within hospitals."
    ),
    "thresholds": (
        "How to read it: if you acted for every patient whose risk is at least the threshold, sensitivity is the "
        "share of those with the outcome whom you would have acted for, specificity the share of the others whom you "
        "would have left alone. The predictive values hold only where the outcome is as frequent as among these "
        "patients."
    ),
    "calibration": (
        "How to read it: on the dotted diagonal, of 100 patients with a risk of 30 %, 30 had the outcome; below it "
        "the model says too much, above it too little. The band and bars are 95 % intervals; the grey bars along the "
        "bottom show how many patients got which risk."
    ),
    "decision": (
        "How to read it: the threshold says how many false alarms one found patient is worth to you (20 %: four); at "
        "your threshold the highest line is the best policy. A model whose line is not above both 'act for all' and "
        "'act for nobody' (zero) should not be used there, however good its AUC."
    ),
    "groups": (
        "How to read it: a group whose interval lies clearly below the others' is served worse. Many groups are "
        "looked at, so that one of twenty differs by chance alone; a group with too few patients gets no figure, "
        "which is not the same as no difference."
    ),
    "horizons": (
        "How to read it: each line looks at one time after the start; patients who left earlier count through those "
        "who stayed. The observed risk is Kaplan and Meier's, and observed / expected says by how much the model's "
        "mean risk missed it (1 is perfect; 1.2: a fifth more events than it said)."
    ),
    "left_out": (
        "How to read it: each hospital was judged by a model that never saw any of its patients. It is the best guess"
        " here of what a hospital that has no part in the study would get."
    ),
    "recalibration": (
        "How to read it: observed / expected and slope are 1, and calibration-in-the-large is 0, where risks are "
        "right. A slope below 1 means that high risks are too high and low ones too low; the integrated calibration "
        "index is how far a patient's risk is off on average."
    ),
    "privacy": (
        "How to read it: ε bounds how much anybody who sees all that left the hospital can learn about whether one "
        "patient was in the data; 0 is nothing, and each step up makes the bound weaker by the factor e = 2.7. It "
        "holds for each patient and hospital; who was treated at two hospitals adds both up."
    ),
}

LIMITS: tuple[str, ...] = (
    (
        "The intervals come from drawing the test patients again (1,000 times). They say nothing about other "
        "hospitals, later years, other scanners or other ways of coding."
    ),
    (
        "For firm statements about calibration, at least 100 patients with and 100 without the outcome are advised "
        "(Collins, Ogundimu & Altman, Statistics in Medicine 2016); smaller numbers show in wide intervals."
    ),
    "A good figure is not a benefit for patients: that takes a study of what people do with the risk.",
    (
        "The figures describe prediction, not causes: that a value raises the risk does not say that changing it "
        "lowers the risk."
    ),
)

_TWO = 2


def percent(share: float) -> str:
    """A share, such as 12 %."""
    return f"{share * 100:.0f}\u00a0%"


def time_text(time: float, unit: str) -> str:
    """A time after time zero, such as 333.3 days."""
    return f"{time:.1f}".removesuffix(".0") + f" {unit}"


def estimate_text(estimate: Estimate | None, *, stacked: bool = False) -> str:
    """A figure and its interval; `stacked` puts the interval on a line of its own."""
    if estimate is None:
        return "–"
    between = "–" if estimate.low >= 0 else " to "
    return f"{_signed(estimate.value)}{_gap(stacked)}({_signed(estimate.low)}{between}{_signed(estimate.high)})"


def share_text(estimate: Estimate | None, *, stacked: bool = False) -> str:
    """A share in percent and its interval."""
    if estimate is None:
        return "–"
    return f"{percent(estimate.value)}{_gap(stacked)}({estimate.low * 100:.0f}–{percent(estimate.high)})"


def _gap(stacked: bool) -> str:
    return "\n" if stacked else " "


def _signed(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def main_name(outcome: Outcome) -> str:
    """What the figure is called by which models are told apart."""
    if not isinstance(outcome, ClassOutcome):
        return "C-index"
    return "AUC" if len(outcome.names) == _TWO else "AUC, mean over classes"


def outcome_words(outcome: Outcome) -> str:
    """What is predicted, in words."""
    if isinstance(outcome, ClassOutcome):
        if len(outcome.names) == _TWO:
            return f"the risk of “{outcome.names[1]}” (against “{outcome.names[0]}”)"
        return f"which of {len(outcome.names)} classes it is: {', '.join(outcome.names)}"
    watched = outcome.follow_up
    return f"the risk of the event over time, followed up to {time_text(watched.maximum, watched.unit)}"


_FITS = (0.8, 1.25)
"""Observed over expected: within a quarter either way."""


def calibration_words(ratio: Estimate) -> str:
    """What the ratio of observed to expected outcomes says; that it fits only where its whole interval is near 1."""
    if not ratio.low <= 1 <= ratio.high:
        return f"On average its risks are too {'low' if ratio.value > 1 else 'high'}: recalibrate before using them."
    if _FITS[0] <= ratio.low and ratio.high <= _FITS[1]:
        return "On average its risks fit what happened."
    return "Whether its risks fit what happened on average cannot be told from so few outcomes."
