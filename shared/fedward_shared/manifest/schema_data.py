"""The tables of `[data]` and `[evaluation]` in study.toml, one class each, exactly as people write them.

As in `schema`, a field's description completes the sentence "must be …".
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fedward_shared.manifest.schema import MOST, Line, Spelling, Spellings, Table

__all__ = [
    "FORMS",
    "CategoryTable",
    "ChannelTable",
    "DataTable",
    "EvaluationTable",
    "FollowUpTable",
    "HoldoutTable",
    "ImageTable",
    "LabelTable",
    "NumberTable",
    "RuleTable",
    "SeriesTable",
    "SignalTable",
    "SubgroupTable",
    "TextTable",
    "TimedTable",
    "VolumeTable",
]

FORMS = ("image", "volume", "signal", "series", "text")
"""The tables of `[data]` that say how an array is made; a contract has at most one."""
_MOST_SIDE = 100_000
_MOST_HOURS = 1_000_000.0

Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
Codes = Annotated[list[Line], Field(min_length=1, max_length=10_000)]
Side = Annotated[int, Field(ge=1, le=_MOST_SIDE)]
Hours = Annotated[list[Annotated[float, Field(ge=-_MOST_HOURS, le=_MOST_HOURS)]], Field(min_length=2, max_length=2)]
PickName = Literal["last", "first", "lowest", "highest", "mean", "median", "count", "any"]

_WINDOW = "two numbers, hours from and to, counted from time zero, such as [-24, 0]"
_CODES = 'a list of one or more codes as texts, such as ["8867-4"]'
_PICKS = '"last", "first", "lowest", "highest", "mean", "median", "count" or "any"'
_SUBSTANCE = 'the name of what is measured, such as "glucose", in quotes'
_RANGE = "two numbers, the smallest and the largest that are possible"
_CENTRE = "a number: it is subtracted before the model sees a value"
_SCALE = "a number above 0: values are divided by it"
_FILE = "the name of the column that holds each record's file"
_GREYS = "two numbers, centre and width (above 0) of what is shown, such as [-600, 1500]"
_SIDE = f"a whole number from 1 to {_MOST_SIDE}"


class DataTable(Table):
    """`[data]`."""

    kind: Literal["table", "tensor"] = Field(description='"table" (rows of a table) or "tensor" (images, series)')
    patient: Line | None = Field(default=None, description="the name of the column that tells patients apart")
    encounter: Line | None = Field(
        default=None, description="the name of the column that tells a patient's stays apart"
    )
    time_zero: Line | None = Field(default=None, description="the name of the column with the moment of prediction")
    split: Line | None = Field(default=None, description='the name of the column that holds "train" or "test"')
    records_per_patient: int = Field(
        default=1, ge=1, le=MOST, description="a whole number from 1: how many records of a patient are used at most"
    )
    shape: list[Annotated[int, Field(ge=1, le=1_000_000)]] | None = Field(
        default=None,
        min_length=1,
        max_length=4,
        description="one to four whole numbers: [channels, height, width] or [time, channels]",
    )


class HoldoutTable(Table):
    """`[data.holdout]`."""

    share: float = Field(gt=0, lt=1, description="a number above 0 and below 1: the share of patients held out")
    key: Line = Field(description='a text that is made up for this study, such as "heart-2026", in quotes')


class RuleTable(Table):
    """`[[data.include]]`."""

    column: Line = Field(description="the name of the column that the rule looks at")
    range: Pair | None = Field(default=None, description="two numbers, from and to")
    values: Spellings | None = Field(default=None, min_length=1, description='a list of texts, such as ["yes", "1"]')


class SubgroupTable(RuleTable):
    """`[[evaluation.subgroups]]`."""

    name: Line = Field(description='what these patients are called, such as "women", in quotes')


class EvaluationTable(Table):
    """`[evaluation]`."""

    horizons: list[Annotated[float, Field(gt=0, le=1e9)]] = Field(
        default=[], max_length=20, description="a list of times above 0, such as [365, 1825]"
    )
    thresholds: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=[0.05, 0.5],
        min_length=2,
        max_length=2,
        description="two risks above 0 and below 1, from and to, such as [0.05, 0.5]",
    )


class LabelTable(Table):
    """`[data.label]`."""

    column: Line = Field(description="the name of the column that is predicted")
    classes: list[Annotated[list[Spelling], Field(min_length=1, max_length=1000)]] = Field(
        min_length=2,
        max_length=10_000,
        description='a list of spellings for each class, two classes at least, such as [["0"], ["1", "2"]]',
    )
    names: list[Line] = Field(description='a name for each class, such as ["healthy", "ill"]')
    time: Line | None = Field(default=None, description="the name of the column that says when the outcome happened")
    codes: Codes | None = Field(default=None, description=_CODES)
    window: Hours | None = Field(default=None, description=_WINDOW)
    reference: list[float] | None = Field(
        default=None, max_length=10_000, description="a list of shares, one a class, such as [0.8, 0.2]"
    )


class FollowUpTable(Table):
    """`[data.label.follow_up]`."""

    column: Line = Field(description="the name of the column that says how long a patient was watched")
    unit: Line = Field(description='the unit of that time as text, such as "days"')
    maximum: float = Field(gt=0, le=1e9, description="a number above 0: who was watched for longer counts until here")


class TimedTable(Table):
    """What every `[data.columns.NAME]` has."""

    missing: Spellings = Field(default=[], description='a list of texts, such as ["", "NaN"]')
    missing_indicator: bool = Field(default=False, description="true or false")
    required: bool = Field(default=False, description="true or false")
    window: Hours | None = Field(default=None, description=_WINDOW)
    time: Line | None = Field(default=None, description="the name of the column that says when the value was taken")
    codes: Codes | None = Field(default=None, description=_CODES)
    pick: PickName | None = Field(default=None, description=_PICKS)


class NumberTable(TimedTable):
    """`[data.columns.NAME]` with type = "number"."""

    type: Literal["number"] = Field(description='"number" or "category"')
    unit: Spelling = Field(description='the unit as text, such as "years" ("" where there is none)')
    substance: Line | None = Field(default=None, description=_SUBSTANCE)
    range: Pair = Field(description=_RANGE)
    centre: float = Field(description=_CENTRE)
    scale: float = Field(gt=0, description=_SCALE)
    fill: float | None = Field(default=None, description="a number that stands for a missing one")
    reference: list[float] | None = Field(
        default=None,
        min_length=5,
        max_length=5,
        description="five numbers, below which 5, 25, 50, 75 and 95 % of patients are expected",
    )
    higher_in: Line | None = Field(
        default=None, description="the name of the class whose patients have the larger values"
    )
    outside: Literal["reject", "missing"] = Field(
        default="reject", description='"reject" or "missing": what a value outside the range means'
    )


class CategoryTable(TimedTable):
    """`[data.columns.NAME]` with type = "category"."""

    type: Literal["category"] = Field(description='"number" or "category"')
    values: Spellings = Field(min_length=1, description='the closed list of values as texts, such as ["m", "f"]')
    synonyms: dict[Spelling, Spelling] = Field(
        default={},
        max_length=1000,
        description='spellings and what they stand for, such as { male = "m", female = "f" }',
    )
    fill: Spelling | None = Field(default=None, description="one of the values: it stands for a missing one")
    reference: list[float] | None = Field(
        default=None, max_length=1000, description="a list of shares, one a value, such as [0.6, 0.4]"
    )


class ImageTable(Table):
    """`[data.image]`."""

    file: Line = Field(description=_FILE)
    channels: Literal[1, 3] = Field(description="1 (grey) or 3 (red, green, blue)")
    height: Side = Field(description=_SIDE)
    width: Side = Field(description=_SIDE)
    fit: Literal["stretch", "pad", "crop"] = Field(default="pad", description='"pad", "crop" or "stretch"')
    window: Pair | None = Field(default=None, description=_GREYS)
    centre: float = Field(default=0.5, description=_CENTRE)
    scale: float = Field(default=0.25, gt=0, description=_SCALE)


class VolumeTable(Table):
    """`[data.volume]`."""

    file: Line = Field(description=_FILE)
    depth: Side = Field(description=_SIDE)
    height: Side = Field(description=_SIDE)
    width: Side = Field(description=_SIDE)
    spacing: list[Annotated[float, Field(ge=0.01, le=1000)]] = Field(
        min_length=3, max_length=3, description="three numbers from 0.01 to 1000: mm between slices, rows and columns"
    )
    window: Pair = Field(description=_GREYS)
    centre: float = Field(default=0.5, description=_CENTRE)
    scale: float = Field(default=0.25, gt=0, description=_SCALE)


class SignalTable(Table):
    """`[data.signal]`."""

    file: Line = Field(description=_FILE)
    leads: list[Line] = Field(
        min_length=1, max_length=1000, description='the names of the leads in order, such as ["I", "II", "V1"]'
    )
    rate: float = Field(ge=0.001, le=1e6, description="a number from 0.001 to 1000000: samples a second")
    seconds: float = Field(gt=0, le=1e6, description="a number above 0: how long a record is")
    unit: Line = Field(default="mV", description='the unit as text, such as "mV"')
    limit: float = Field(default=10.0, gt=0, description="a number above 0: values beyond it are cut")
    centre: float = Field(default=0.0, description=_CENTRE)
    scale: float = Field(default=1.0, gt=0, description=_SCALE)


class SeriesTable(Table):
    """`[data.series]`."""

    window: Hours = Field(description="two numbers, hours from and to, counted from time zero, such as [0, 48]")
    step: float = Field(
        ge=0.001, le=_MOST_HOURS, description="a number from 0.001: hours from one step of the grid to the next"
    )
    masks: bool = Field(default=True, description="true or false")
    deltas: bool = Field(default=False, description="true or false")
    hold: bool = Field(default=True, description="true or false")


class ChannelTable(Table):
    """`[data.series.channels.NAME]`."""

    unit: Spelling = Field(description='the unit as text, such as "bpm" ("" where there is none)')
    range: Pair = Field(description=_RANGE)
    centre: float = Field(description=_CENTRE)
    scale: float = Field(gt=0, description=_SCALE)
    codes: Codes | None = Field(default=None, description=_CODES)
    substance: Line | None = Field(default=None, description=_SUBSTANCE)
    pick: PickName = Field(default="last", description=_PICKS)


class TextTable(Table):
    """`[data.text]`."""

    column: Line = Field(description="the name of the column that holds the text")
    form: Literal["bag", "tokens"] = Field(default="bag", description='"bag" or "tokens"')
    buckets: int = Field(default=4096, ge=2, le=2**24, description="a whole number from 2 to 16777216")
    length: int = Field(default=256, ge=1, le=_MOST_SIDE, description=_SIDE)
    ngrams: int = Field(default=2, ge=1, le=5, description="a whole number from 1 to 5: words in the longest n-gram")
