"""The data contract: who is in a study, which columns it reads, what they mean, and how a record becomes inputs.

Everything here is a function of one patient's own records and declared public constants (design invariant 3), so two
sites that import under one contract feed the model the same thing without exchanging anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fedward_shared.contracts.arrays import ArrayForm, Pick

__all__ = [
    "HELD_OUT",
    "TICKS",
    "CategoryColumn",
    "DataContract",
    "DataKind",
    "FollowUp",
    "Holdout",
    "Label",
    "NumberColumn",
    "Rule",
    "Timing",
]

TICKS = 1 << 20
"""A time of survival data is kept as a whole number of ticks: round(time / maximum · TICKS)."""
HELD_OUT = "fedward_split"
"""What the column that `holdout` makes is called in imported data."""


class DataKind(StrEnum):
    """What one record is."""

    TABLE = "table"
    """A row of a table; its inputs come from `columns`."""
    TENSOR = "tensor"
    """A float32 array of the declared shape, made as `form` says: an image, a volume, a signal, a series, a text."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a value was taken, so that nothing after the time of prediction is read.

    Times are hours after the contract's time zero; a value counts where ``window[0] <= time <= window[1]``.

    `time` names the column that says when a row's own cell was taken (a value outside the window is missing).
    `codes` instead make the column of events (patient, time, code, value): those with one of these codes, in the
    window, reduced by `pick`. Where the contract declares encounters, an event that names one counts only for its rows.
    A number outside the column's range is then not used and is told; `outside` is about a row's own cell.

    A date without a time of the day is the end of that day, so it is never from after time zero. Time zero and
    outcomes (`Label.time`, a label's events) are at its midnight instead.
    """

    window: tuple[float, float]
    time: str = ""
    codes: tuple[str, ...] = ()
    pick: Pick = Pick.LAST


class Outside(StrEnum):
    """What a value outside its declared range means."""

    REJECT = "reject"
    """The row is quarantined: somebody should look at it."""
    MISSING = "missing"
    """It counts as not measured: for sources in which wrong entries are known and not worth a patient."""


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A number. Input: `(value - centre) / scale`; `fill` stands for a missing one (none: the centre, an input of 0).

    `outside` says what a value outside [minimum, maximum] means; `missing` spellings count as missing. `unit` and, to
    turn mmol/L into mg/dL, `substance` are what the model expects; a site's mapping says what it has.

    For preflight only: `reference` holds the values below which 5, 25, 50, 75 and 95 % of patients are expected;
    `higher_in` names the class whose patients are expected to have the larger values.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    centre: float
    scale: float
    missing: tuple[str, ...] = ()
    missing_indicator: bool = False
    required: bool = False
    substance: str = ""
    fill: float | None = None
    timing: Timing | None = None
    reference: tuple[float, ...] = ()
    higher_in: str = ""
    outside: Outside = Outside.REJECT

    @property
    def width(self) -> int:
        """How many model inputs this column becomes."""
        return 2 if self.missing_indicator else 1


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """One of a closed list of values. Input: one-hot over `values`, all zeros where missing and no `fill` is declared.

    `synonyms` are other spellings and the value that each stands for. `reference` (preflight only) is the share of
    patients expected with each value.
    """

    name: str
    values: tuple[str, ...]
    missing: tuple[str, ...] = ()
    missing_indicator: bool = False
    required: bool = False
    synonyms: tuple[tuple[str, str], ...] = ()
    fill: str | None = None
    timing: Timing | None = None
    reference: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """How many model inputs this column becomes."""
        return len(self.values) + (1 if self.missing_indicator else 0)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """`[data.label.follow_up]`: how long each patient was watched, which makes the label one of survival.

    `column` holds the time from time zero to the event (class 1) or to the end of watching (class 0), in `unit`, from 0
    on. Who was watched for longer than `maximum` counts as watched until `maximum`, without the event.
    """

    column: str
    unit: str
    maximum: float


@dataclass(frozen=True, slots=True)
class Label:
    """What is predicted: class i is any of the spellings `classes[i]`.

    `time` names the column that says when the outcome happened (empty where it did not): a record whose time zero is
    not before it is refused, because it would predict the past. With `codes`, the label is made of events, whichever
    encounter they belong to: the cell is "1" where one of them lies within `window` hours of and strictly after time
    zero, else "0"; a record whose patient has one that nobody can date, and no other, is refused. `reference`
    (preflight only) is the share of patients expected in each class.

    With `follow_up` there are two classes, the end of watching and the event, and a record's label is one number that
    holds both: 2 · tick + class, with ticks of `maximum` / `TICKS`.
    """

    column: str
    classes: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    time: str = ""
    codes: tuple[str, ...] = ()
    window: tuple[float, float] | None = None
    reference: tuple[float, ...] = ()
    follow_up: FollowUp | None = None

    @property
    def numbers(self) -> int:
        """Labels are whole numbers from 0 to below this: classes, or with `follow_up` 2 · tick + class."""
        return len(self.classes) if self.follow_up is None else 2 * (TICKS + 1)


@dataclass(frozen=True, slots=True)
class Rule:
    """`[[data.include]]`: who belongs to the cohort.

    Only records whose value in this column lies in the range (numbers) or is one of `values` (text); a missing value
    does not. What is left out by a rule is counted and is no error. The column is an input of the contract (then in its
    unit and spelling) or any other column of the source.
    """

    column: str
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holdout:
    """`[data.holdout]`: patients are held out for testing by a keyed hash of their id, the same at every import.

    A patient is for testing where the first 8 bytes of SHA-256(key + ":" + id) (UTF-8), as a big-endian number, are
    below `share` · 2^64. `key` is public: the split hides nothing, it only must not follow from the data.
    """

    share: float
    key: str


@dataclass(frozen=True, slots=True)
class DataContract:
    """`[data]` of study.toml.

    `patient` names the patient column (None: the record is the unit of privacy, and every report says so), `encounter`
    the column that tells a patient's stays apart. Names of both are compared without blanks around them, in Unicode's
    composed form (NFC) and with `1001.0` as `1001`, wherever a source is read; leading zeros count.
    `split` names a column made beforehand that holds `train` or `test`; `holdout` makes one instead.
    `time_zero` names the column with the moment of prediction.
    `form` says how a record of kind TENSOR is made; without one, `shape` is the shape of arrays made elsewhere (.npy).
    For a table the shape is (features,). Records with the same inputs and label of one patient count once.
    """

    kind: DataKind
    label: Label
    columns: tuple[NumberColumn | CategoryColumn, ...] = ()
    patient: str | None = None
    split: str | None = None
    records_per_patient: int = 1
    shape: tuple[int, ...] = ()
    encounter: str | None = None
    time_zero: str | None = None
    holdout: Holdout | None = None
    include: tuple[Rule, ...] = ()
    form: ArrayForm | None = None

    @property
    def features(self) -> int:
        """Model inputs per row of a table."""
        return sum(column.width for column in self.columns)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one record as the model sees it."""
        if self.kind is DataKind.TABLE:
            return (self.features,)
        return self.form.shape if self.form else self.shape

    @property
    def split_column(self) -> str | None:
        """The column of imported data that holds `train` or `test`; None where all is for training."""
        return HELD_OUT if self.holdout else self.split

    @property
    def unit(self) -> str:
        """The unit of privacy: `patient`, or `record` where no patient column is declared."""
        return "patient" if self.patient else "record"
