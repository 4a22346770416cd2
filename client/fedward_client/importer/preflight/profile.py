"""What preflight measured: counts, shares and bounded sketches of one source, as plain values that cross a process.

Nothing here is judged yet; `judge` does that. The only cell texts are the category spellings in `Unknown`, which a
person needs to see to answer a question. They are shown on the terminal and written to mapping.toml, both the site's
own, and never to a report, a log or an error; `spellings` says which spellings qualify at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedward_client.importer.checking.checked import Counts

__all__ = [
    "BARS",
    "ArrayFacts",
    "CategoryFacts",
    "CohortFacts",
    "Composite",
    "FormTrial",
    "LabelFacts",
    "Lost",
    "NumberFacts",
    "Profile",
    "Quarantined",
    "Separation",
    "TimeFacts",
    "UnitTrial",
    "Unknown",
    "Unreadable",
]

BARS = 24
"""Bars of a histogram, equally wide over the declared range."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A spelling that the contract does not know, and in how many cells it stands."""

    text: str
    cells: int


@dataclass(frozen=True, slots=True)
class UnitTrial:
    """What a column would look like if its numbers were in `unit` (the contract's own unit is the first trial).

    Shares from 0 to 1 of all numbers: `inside` the declared range; `near` the values that the contract expects.
    `mended` is the share of the numbers that do not fit as they stand (outside the range, or far from what is
    expected) which fit if only they are in `unit`. `quantiles` as in `NumberFacts`, in the contract's unit.
    """

    unit: str
    inside: float
    near: float
    mended: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """A number column. `accepted` and `all_numbers` are histograms of `BARS` bars over [minimum, maximum].

    `accepted` has the values of accepted rows; `all_numbers` whatever is a number, whether its row is accepted or not,
    with `below` and `above` beyond the range. `quantiles` are those of 5, 25, 50, 75 and 95 % of accepted values, or of
    all numbers where no row is accepted (empty where there are fewer than 20). `edges` counts accepted values below the
    first reference value, up to it, below the second, up to it, …, and at last all (11 counts; empty without a
    reference).

    Of the cells that are no number: `other_decimal` would be one with the other decimal sign (of which `grouped` look
    like thousands separators), `censored` begin with < or >, `with_text` begin with a number. `codes` are well-known
    ways to say "not measured", from a closed list, that the contract does not know (numbers out of range among them).
    `thousands` cells look like decimals and are numbers with a thousands separator. `signed` cells are numbers and have
    the decimal sign that the mapping says.
    `far` is the share of numbers that do not fit, in the sense of `UnitTrial`.
    """

    name: str
    source: str
    unit: str
    unit_here: str
    minimum: float
    maximum: float
    counts: Counts
    not_a_number: int = 0
    out_of_range: int = 0
    other_decimal: int = 0
    grouped: int = 0
    censored: int = 0
    with_text: int = 0
    thousands: int = 0
    signed: int = 0
    codes: tuple[Unknown, ...] = ()
    numbers: int = 0
    below: int = 0
    above: int = 0
    accepted: tuple[int, ...] = (0,) * BARS
    all_numbers: tuple[int, ...] = (0,) * BARS
    quantiles: tuple[float, ...] = ()
    edges: tuple[int, ...] = ()
    far: float = 0.0
    trials: tuple[UnitTrial, ...] = ()


@dataclass(frozen=True, slots=True)
class CategoryFacts:
    """A column with a closed list: a category, the label, the split. `shares` counts accepted rows by value.

    `unknown` lists the spellings that may be shown (see `spellings`), `unknown_cells` and `unknown_distinct` count
    all; the latter stops counting at a bound.
    """

    name: str
    source: str
    values: tuple[str, ...]
    counts: Counts
    shares: tuple[int, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    unknown_cells: int = 0
    unknown_distinct: int = 0


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one column tells the class `index` from all others, on a sample of accepted rows.

    `auc` is the chance that a record of the class has the larger value (.5: none; ties count half); a category's
    values are ordered by their share of the class, so that .5 is the least. `z` is its distance from .5 in standard
    deviations (of a number; a category's is too large). `gap` is the share of missing values in the class less that
    among the others, with its own `gap_z`. `inside` and `outside` count the records with a value.
    """

    column: str
    index: int
    auc: float
    z: float
    inside: int
    outside: int
    gap: float
    gap_z: float


@dataclass(frozen=True, slots=True)
class Composite:
    """All columns with a declared direction (`higher_in`) taken together, for the class `index`: .5 and up expected."""

    index: int
    auc: float
    z: float
    columns: int


@dataclass(frozen=True, slots=True)
class LabelFacts:
    """The label's cells, and what it has to do with the inputs."""

    cells: CategoryFacts
    separations: tuple[Separation, ...] = ()
    composites: tuple[Composite, ...] = ()


@dataclass(frozen=True, slots=True)
class CohortFacts:
    """Who is in the source. Patients are records where the contract declares no patient column.

    `rows` were read, of which `accepted`, `rejected`, and `excluded` by the cohort's rules. Counts of patients are of
    accepted rows; where `share` is below 1 they are scaled up from that share of patients. `training` patients have a
    training row. `over` patients have more records than the contract uses. `repeated` rows are the same record of the
    same patient again, `shared` pairs of rows are equal records of different patients, of which chance alone explains
    about `chance` pairs. `conflicting` patients have several labels; `straddling` ones are trained and tested on.
    """

    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    excluded: int = 0
    patients: int = 0
    training: int = 0
    most_records: int = 0
    over: int = 0
    repeated: int = 0
    shared: int = 0
    chance: float = 0.0
    conflicting: int = 0
    straddling: int = 0
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """How many records' files or texts could not be turned into arrays, by reason."""

    reason: str
    records: int


@dataclass(frozen=True, slots=True)
class ArrayFacts:
    """Arrays of a study of kind "tensor": how many were tried (a sample), and their inputs' mean and deviation.

    Inputs are after ``(value - centre) / scale``; about 0 and 1 are expected.
    """

    tried: int
    unreadable: tuple[Unreadable, ...] = ()
    mean: float = 0.0
    deviation: float = 0.0


@dataclass(frozen=True, slots=True)
class Lost:
    """Events of one column (or channel) that were not used for one reason."""

    column: str
    reason: str
    events: int


@dataclass(frozen=True, slots=True)
class FormTrial:
    """How many of a column's unreadable cells are dates in this form, and how many also with day and month swapped."""

    form: str
    cells: int
    swapped: int = 0


@dataclass(frozen=True, slots=True)
class TimeFacts:
    """A column of dates and times: its non-empty `cells`, and those that are no time in the mapping's `form`."""

    name: str
    cells: int
    unreadable: int
    form: str = ""
    trials: tuple[FormTrial, ...] = ()


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One line of the quarantine list."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Profile:
    """All that was measured. `absent` are contract columns that the source does not have (then little else is known).

    `columns` are the source's own names (for questions), `quarantine` the first lines of the list, `reasons` counts
    all by column and reason, as (column, reason, lines). `follow_up` tells how long patients were watched, as a number
    whose accepted values end at the declared maximum. `lost` counts events that were not used, `like_ids` ids that
    are another one but for leading zeros, a trailing ".0" or letter case.
    """

    columns: tuple[str, ...]
    absent: tuple[str, ...] = ()
    cohort: CohortFacts = field(default_factory=CohortFacts)
    numbers: tuple[NumberFacts, ...] = ()
    categories: tuple[CategoryFacts, ...] = ()
    label: LabelFacts | None = None
    split: CategoryFacts | None = None
    arrays: ArrayFacts | None = None
    reasons: tuple[tuple[str, str, int], ...] = ()
    quarantine: tuple[Quarantined, ...] = ()
    lost: tuple[Lost, ...] = ()
    times: tuple[TimeFacts, ...] = ()
    like_ids: int = 0
    follow_up: NumberFacts | None = None

    @property
    def measured(self) -> list[NumberFacts]:
        """All that is read as a number: inputs, and how long patients were watched."""
        return [*self.numbers, *([self.follow_up] if self.follow_up else [])]

    @property
    def inputs(self) -> list[NumberFacts | CategoryFacts]:
        """Numbers, then categories, each in the contract's order."""
        return [*self.numbers, *self.categories]

    @property
    def counts(self) -> Mapping[str, Counts]:
        """Counts by contract name: inputs in the contract's order, then the label."""
        found = {facts.name: facts.counts for facts in self.inputs}
        return {**found, self.label.cells.name: self.label.cells.counts} if self.label else found
