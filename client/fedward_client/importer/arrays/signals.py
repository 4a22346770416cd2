"""WFDB records as the declared signal: leads by name, one rate, one unit, cut or padded, clipped.

Where a record marks samples as missing, the result is 0 there; a lead of which more than a tenth is missing is refused.
What follows the end of a short record is 0 too. Rates are changed by scipy's polyphase filter (Kaiser window, zero
phase), the ends held.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.arrays.wfdb_record import Lead, Record, read_header, read_lead
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Signal
from fedward_shared.errors import UsageError
from fedward_shared.units import Affine, conversion

__all__ = ["read_signal"]

_MOST_MISSING = 0.1
_LARGEST_RATIO = 10_000
_CLOSE = 1e-5
_FILTER = 10
"""Half the filter's length, in samples of the slower rate (scipy's `resample_poly`)."""
_PREFIXES = ("lead", "ecg", "ekg")


def read_signal(path: Path, form: Signal, *, largest: int) -> NDArray[np.float32]:
    """The record whose header is at `path`, as `form` says: (samples, leads).

    Raises:
        UnreadableError: of `read_header` and `read_lead`; WRONG_SHAPE where a lead is not there, or twice, or at a rate
            that is no simple ratio of the declared one; UNIT_UNKNOWN; MISSING where too much is missing.
    """
    record = read_header(path, largest=largest)
    by_name: dict[str, list[Lead]] = {}
    for lead in record.leads:
        by_name.setdefault(_spelt(lead.name), []).append(lead)
    found = []
    for name in form.leads:
        named = by_name.get(_spelt(name), [])
        if len(named) != 1:
            raise UnreadableError(Reason.WRONG_SHAPE)
        found.append(_column(record, named[0], form, largest))
    return np.stack(found, axis=1)


def _spelt(name: str) -> str:
    """Lead names that mean the same are spelt the same: `Lead aVR`, `ECG_AVR` and `avr`."""
    plain = name.casefold().replace("_", " ")
    for prefix in _PREFIXES:
        plain = plain.strip().removeprefix(prefix)
    return plain.replace(" ", "")


def _column(record: Record, lead: Lead, form: Signal, largest: int) -> NDArray[np.float32]:
    rate = record.rate * lead.samples
    ratio = Fraction(form.rate / rate).limit_denominator(_LARGEST_RATIO)
    if not math.isclose(ratio, form.rate / rate, rel_tol=_CLOSE) or ratio > _LARGEST_RATIO:
        raise UnreadableError(Reason.WRONG_SHAPE)
    beyond = _FILTER * (1 + math.ceil(1 / ratio)) + 2
    needed = math.ceil(form.samples / ratio) + beyond
    values = read_lead(record, lead, -(-needed // lead.samples), largest=largest)[:needed]
    values = _converted(values, lead.unit, form.unit)
    missing = ~np.isfinite(values)
    if len(values) == 0 or missing.mean() > _MOST_MISSING:
        raise UnreadableError(Reason.MISSING)
    column = _resampled(np.where(missing, form.centre, values), ratio)
    column = (np.clip(column, -form.limit, form.limit) - form.centre) / form.scale
    column[_gaps(missing, ratio, len(column))] = 0
    filled = np.zeros(form.samples, np.float32)
    filled[: len(column)] = column[: form.samples]
    return filled


def _resampled(values: NDArray[np.float64], ratio: Fraction) -> NDArray[np.float64]:
    if ratio == 1:
        return values
    from scipy.signal import resample_poly

    up, down = ratio.numerator, ratio.denominator
    result: NDArray[np.float64] = resample_poly(values, up, down, window=_low_pass(max(up, down)), padtype="edge")
    return result


@lru_cache(16)
def _low_pass(slower: int) -> NDArray[np.float64]:
    """The filter that `resample_poly` makes at every call."""
    from scipy.signal import firwin

    taps: NDArray[np.float64] = firwin(2 * _FILTER * slower + 1, 1 / slower, window=("kaiser", 5.0))
    return taps


def _gaps(missing: NDArray[np.bool_], ratio: Fraction, samples: int) -> NDArray[np.bool_]:
    """Which samples of the result lie nearest to a missing one."""
    nearest = np.round(np.arange(samples) / float(ratio)).astype(int)
    gaps: NDArray[np.bool_] = missing[np.minimum(nearest, len(missing) - 1)]
    return gaps


def _converted(values: NDArray[np.float64], unit: str, wanted: str) -> NDArray[np.float64]:
    """Values in `unit` in the contract's unit."""
    change = _change(unit, wanted)
    return values if change.same else values * change.factor + change.offset


@lru_cache(256)
def _change(unit: str, wanted: str) -> Affine:
    try:
        return conversion(unit, wanted)
    except UsageError:
        raise UnreadableError(Reason.UNIT_UNKNOWN) from None
