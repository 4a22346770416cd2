"""How one record of kind "tensor" is made of what a hospital has: declared constants only, one class a form.

Every form ends in float32 as ``(value - centre) / scale``; what is missing becomes 0. Axes are those the models expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ArrayForm", "Channel", "Fit", "Image", "Pick", "Series", "Signal", "Text", "TextForm", "Volume"]


class Fit(StrEnum):
    """How an image of another shape becomes one of the declared height and width."""

    STRETCH = "stretch"
    """Both sides are scaled on their own."""
    PAD = "pad"
    """Scaled to lie within, the rest filled with the darkest value."""
    CROP = "crop"
    """Scaled to cover, the middle kept."""


class Pick(StrEnum):
    """What stands for several values of one patient in one window (ties in time: the smallest value)."""

    LAST = "last"
    FIRST = "first"
    LOWEST = "lowest"
    HIGHEST = "highest"
    MEAN = "mean"
    MEDIAN = "median"
    COUNT = "count"
    """How many there are; 0, not missing, where there is none."""
    ANY = "any"
    """1 where there is one (whatever its value), else 0; never missing."""


@dataclass(frozen=True, slots=True)
class Image:
    """`[data.image]`: a picture or one DICOM frame, (channels, height, width).

    `file` names the column that holds each record's file. Grey or RGB by `channels` (1 or 3). Values run from 0 (the
    darkest that the file's type can hold) to 1 (the brightest) or, with `window` = (centre, width) in the units of
    the file after its rescaling (Hounsfield for CT), from the window's lower to its upper end, clipped.
    """

    file: str
    channels: int
    height: int
    width: int
    fit: Fit = Fit.PAD
    window: tuple[float, float] | None = None
    centre: float = 0.5
    scale: float = 0.25

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a record."""
        return (self.channels, self.height, self.width)


@dataclass(frozen=True, slots=True)
class Volume:
    """`[data.volume]`: a NIfTI image or a DICOM series, (1, depth, height, width) in RAS+ orientation, slices first.

    `spacing` is in mm for (depth, height, width): the volume is resampled (linear) to it, then cropped or padded
    around its middle. `window` as for images.
    """

    file: str
    depth: int
    height: int
    width: int
    spacing: tuple[float, float, float]
    window: tuple[float, float]
    centre: float = 0.5
    scale: float = 0.25

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a record."""
        return (1, self.depth, self.height, self.width)


@dataclass(frozen=True, slots=True)
class Signal:
    """`[data.signal]`: a recording of several leads, (time, leads), such as 10 s of a 12-lead ECG.

    Leads are found by name (upper and lower case are the same), resampled to `rate` Hz, cut or padded with 0 to
    `seconds` from the start, converted to `unit`, clipped to ±`limit`.
    """

    file: str
    leads: tuple[str, ...]
    rate: float
    seconds: float
    unit: str = "mV"
    limit: float = 10.0
    centre: float = 0.0
    scale: float = 1.0

    @property
    def samples(self) -> int:
        """Samples a lead."""
        return round(self.rate * self.seconds)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a record."""
        return (self.samples, len(self.leads))


@dataclass(frozen=True, slots=True)
class Channel:
    """`[data.series.channels.NAME]`: one measured quantity; events whose code is in `codes` (or is the name)."""

    name: str
    unit: str
    minimum: float
    maximum: float
    centre: float
    scale: float
    codes: tuple[str, ...] = ()
    substance: str = ""
    pick: Pick = Pick.LAST


@dataclass(frozen=True, slots=True)
class Series:
    """`[data.series]`: measurements at irregular times on a regular grid, (steps, width).

    The grid runs from `window[0]` to `window[1]` hours after time zero in steps of `step` hours; a step takes the
    events from its start up to, not including, its end. After the channels' values come, if asked for, as many `masks`
    (1: measured in this step) and as many `deltas` (hours since the last measurement over `step`; steps since the
    start where there was none). `hold` carries a value forward until the next one.
    """

    window: tuple[float, float]
    step: float
    channels: tuple[Channel, ...]
    masks: bool = True
    deltas: bool = False
    hold: bool = True

    @property
    def steps(self) -> int:
        """Steps of the grid."""
        return round((self.window[1] - self.window[0]) / self.step)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a record."""
        return (self.steps, len(self.channels) * (1 + self.masks + self.deltas))


class TextForm(StrEnum):
    """What a text becomes."""

    BAG = "bag"
    """(buckets,): how often each hashed word or word n-gram occurs, as log(1 + count) divided by the vector's norm."""
    TOKENS = "tokens"
    """(length,): the hashed words in order, 1 to buckets - 1, 0 after the end; cut to length."""


@dataclass(frozen=True, slots=True)
class Text:
    """`[data.text]`: free text as hashed words. A hash needs no vocabulary, which would be made of other patients."""

    column: str
    form: TextForm = TextForm.BAG
    buckets: int = 4096
    length: int = 256
    ngrams: int = 2

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a record."""
        return (self.buckets,) if self.form is TextForm.BAG else (self.length,)


ArrayForm = Image | Volume | Signal | Series | Text
