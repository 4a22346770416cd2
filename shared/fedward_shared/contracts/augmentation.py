"""`[training.augment]`: declared changes to training records, drawn anew in each step inside the vault."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Augment"]


@dataclass(frozen=True, slots=True)
class Augment:
    """Random changes that leave the label true. Every key that is 0 (or false) does nothing.

    Each drawn record becomes `copies` changed ones whose gradients are averaged before the patient is clipped (De et
    al. 2022, "augmentation multiplicity"), so the privacy cost is that of one record.

    Inputs are changed after ``(value - centre) / scale``. Images: `flip` (left to right, half of the time), `rotate`
    (up to so many degrees either way), `shift` (up to this share of each side, cut and filled with the border),
    `intensity` (gain and offset up to this far from 1 and 0). Signals and series: `shift` (in time, up to this share),
    `intensity` (gain, one for all leads), `drop` (a lead's chance to be 0 throughout). All, tables too: `noise`
    (standard deviation of what is added; masks, indicators and one-hot inputs are left alone).
    """

    copies: int = 1
    flip: bool = False
    rotate: float = 0.0
    shift: float = 0.0
    intensity: float = 0.0
    drop: float = 0.0
    noise: float = 0.0
