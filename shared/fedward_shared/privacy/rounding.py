"""By how much noise is wider for what float32 adds to a sensitivity."""

from __future__ import annotations

from math import sqrt

__all__ = ["SLACK", "slack"]

SLACK = 1 + 1.25e-4
"""What `slack` is for small steps."""

_SMALL_STEP = 256
"""Patients whose clipped gradients float32 adds with an error of 1.1e-5 C (measured), a sixth of SLACK's share."""


def slack(patients: float) -> float:
    """Noise is N(0, (σ · sensitivity · slack)²): σ's accounting is then exact about rounding.

    `patients` is the *declared* number of patients in a step, never the real one. Half of SLACK is for a patient's own
    gradient (`bookkeeping.norms`). The rest is for the sum over patients: float32's additions err the more the more
    there are, and where someone comes or goes, all of them err anew. Measured at worst (aligned gradients in few
    coordinates), 4.4e-8 C times the patients in a portion; portions of 1,024 records are added in float64, so that
    their errors add up as the square root of their number. Source: Casacuberta, Shoemate, Vadhan and Wagaman (2022).
    """
    return 1 + (SLACK - 1) * max(1.0, sqrt(patients / _SMALL_STEP))
