"""Reads a source of events once: keeps what the study wants, in its units, and counts what cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from fedward_client.importer.checking.cells import NumberCells, by_number, parse_codes, parse_numbers, text
from fedward_client.importer.checking.people import keys
from fedward_client.importer.checking.spellings import Spellings
from fedward_client.importer.events.clock import times
from fedward_client.importer.events.losses import NO_LOSSES, Losses
from fedward_client.importer.events.matching import EVENT_SCHEMA, patient_hash
from fedward_client.importer.events.measures import Measure
from fedward_client.importer.quarantine import Reason
from fedward_client.importer.sources.source import EVENT_COLUMNS, ROW, Source
from fedward_shared.errors import SourceDataError, UsageError

__all__ = ["EventReader"]

_MOST_UNITS = 10_000
_MISSING = "missing"
_WHOLE = r"^(-?[0-9]+)\.0*$"
"""As `contract.canonical` compares categories."""
_JUDGED = (ROW, "patient", "encounter", "time", "measure", "number", "text", "same", "unlike", "reason")
_FEW = 10
"""So many events may be lost for one reason, and none used, before that is taken to be the reader's mistake."""

_ZONE = (
    "Say in the mapping, at the source whose times have an offset, where they are local: "
    'zone = "Europe/Berlin" (or another). Where its type has no such option, write both in one way.'
)


class EventReader:
    """Takes the wanted events of a source, as `matching.EVENT_SCHEMA` says.

    An event that serves two measures comes twice; one that a source tells twice under one row number, with two codes
    of the same measure, comes once. A measure that only counts keeps events without a usable value and those without a
    usable time, which is then null (and is told as lost). A date is the end of its day, for an outcome its start.
    `aware` says whether times must have an offset from UTC (None: they may), because the rows' times have one.
    """

    def __init__(self, measures: Sequence[Measure], *, dated: bool, decimal: str, aware: bool | None = None) -> None:
        self._measures = measures
        self._dated = dated
        self._decimal = decimal
        self._aware = aware
        self._spellings = {index: Spellings(measure.meanings) for index, measure in enumerate(measures)}
        self._affine: dict[tuple[int, str], tuple[float, float] | None] = {}
        self._wants = pl.DataFrame(
            [(code, index) for index, measure in enumerate(measures) for code in measure.codes],
            schema={"code": pl.String, "measure": pl.Int32},
            orient="row",
        )
        self._ranked = [index for index, measure in enumerate(measures) if measure.words and not measure.counted]
        self._counted = [index for index, measure in enumerate(measures) if measure.counted]
        self._outcomes = [index for index, measure in enumerate(measures) if measure.outcome]
        self._unused = set(range(len(measures)))
        self._unlike: set[int] = set()
        self._like: set[int] = set()
        self.losses: Losses = NO_LOSSES
        self.with_encounter: bool | None = None
        """Whether any wanted event of an input named its encounter; None where there was no such event."""

    def read_all(self, events: Source) -> Iterator[pl.DataFrame]:
        """The usable events of a whole source.

        Raises:
            SourceDataError: the source does not offer `EVENT_COLUMNS`, or is damaged.
        """
        lacking = [name for name in EVENT_COLUMNS if name not in events.columns()]
        if lacking:
            raise SourceDataError(f"the source of events does not say {', '.join(lacking)}")
        for batch in events.batches(EVENT_COLUMNS):
            for rejection in batch.rejections:
                self.losses += Losses.of("(event)", rejection.reason, (rejection.row,), 1)
            yield self.read(batch.table)

    def read(self, table: pl.DataFrame) -> pl.DataFrame:
        """The usable ones of some events."""
        wanted = table.with_columns(text(pl.col("code"), table.schema["code"])).join(self._wants, on="code")
        if not wanted.height:
            return pl.DataFrame(schema=EVENT_SCHEMA)
        cells = wanted.select(
            ROW,
            "measure",
            *(keys(wanted[name]).alias(name) for name in ("patient", "encounter")),
            text(pl.col("unit"), wanted.schema["unit"]).alias("unit"),
            text(pl.col("value"), wanted.schema["value"]).alias("text"),
        )
        number = parse_numbers(wanted, [NumberCells("value", frozenset(), self._decimal)])["p0"]
        when = times(wanted, "time", dated=self._dated, decimal=self._decimal)
        outcome = pl.col("measure").is_in(self._outcomes)
        unlike = self._unlike_zeros(when)
        self._unlike |= set(wanted["measure"].filter(unlike).unique())
        self._like |= set(wanted["measure"].filter((when["last"] == when["micros"]) & ~unlike).unique())
        cells = cells.with_columns(
            number.alias("number"),
            pl.when(outcome).then(when["micros"]).otherwise(when["last"]).alias("time"),
            unlike.alias("unlike"),
            pl.col("encounter").replace("", None),
            pl.concat_str("encounter", wanted["code"], "text", "unit", separator="\x1f").hash(seed=0).alias("same"),
        )
        if cells.select(ROW, "measure").is_duplicated().any():
            cells = cells.unique(subset=[name for name in cells.columns if name != "same"], maintain_order=True)
        stays = cells.filter(~outcome)["encounter"]
        if len(stays):
            self.with_encounter = bool(self.with_encounter) or stays.null_count() < len(stays)
        ranked = pl.col("measure").is_in(self._ranked)
        parts = [self._numbers(cells.filter(~ranked))]
        parts += [self._category(cells.filter(pl.col("measure") == index), index) for index in self._ranked]
        judged = pl.concat(parts)
        self._count(judged)
        undated = (pl.col("reason") == Reason.NO_TIME.value) & pl.col("measure").is_in(self._counted)
        kept = judged.filter(pl.col("reason").is_null() | undated.fill_null(value=False)).with_columns(
            pl.when(pl.col("reason").is_null()).then(pl.col("time"))
        )
        return kept.select(patient_hash(), *(name for name in EVENT_SCHEMA if name != "hash"))

    def check_used(self) -> None:
        """Whether each measure whose events were lost has some left; call it after the last event.

        Raises:
            SourceDataError: of one measure, no time can be compared with the rows' time zeros, because only one of both
                has an offset from UTC; or more than a few events were lost, all for one reason.
        """
        have, lack = ("the time zeros", "they") if self._aware else ("their times", "the time zeros")
        for index, measure in enumerate(self._measures):
            if index in self._unlike - self._like:
                raise SourceDataError(
                    f"no time of {measure.name!r} can be put before or after time zero: {have} say their offset from "
                    f"UTC, and {lack} do not",
                    hint=_ZONE,
                )
            lost = {reason: count for (name, reason), count in self.losses.counts.items() if name == measure.name}
            if index in self._unused and len(lost) == 1 and sum(lost.values()) > _FEW:
                raise SourceDataError(
                    f"all {sum(lost.values())} events of {measure.name!r} are lost, each because it {next(iter(lost))}",
                    hint="Is it the right column, code or unit? See [events] and [columns] in the mapping.",
                )

    def _unlike_zeros(self, when: pl.DataFrame) -> pl.Series:
        """Which times cannot be compared with the rows' time zeros, because only one of both has an offset."""
        if self._aware is None:
            return when["micros"].is_null() & when["micros"].is_not_null()
        return when["micros"].is_not_null() & (when["aware"] != self._aware)

    def _numbers(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Numbers in their measure's unit, with the reason, if any, why each cannot be used."""
        cells = self._convert(cells)
        wrong = (
            pl.when(pl.col("bare").is_null())
            .then(pl.lit(Reason.NOT_A_NUMBER.value))
            .when(pl.col("number").is_null())
            .then(pl.lit(Reason.UNIT_UNKNOWN.value))
            .when(self._outside())
            .then(pl.lit(Reason.OUT_OF_RANGE.value))
        )
        found = cells.with_columns(reason=self._reason(missing=self._missing(), wrong=wrong))
        return found.with_columns(text=pl.lit(None, dtype=pl.String)).select(_JUDGED)

    def _category(self, cells: pl.DataFrame, index: int) -> pl.DataFrame:
        """One category's values as ranks; those that the contract does not know keep their text."""
        rank = self._spellings[index].look_up(cells["text"])
        words = len(self._measures[index].words or ())
        reason = self._reason(missing=(pl.col("rank") == words).fill_null(value=False), wrong=pl.lit(None, pl.String))
        return (
            cells.with_columns(rank.alias("rank"), pl.col("text").str.replace(_WHOLE, "$1"))
            .with_columns(
                reason=reason,
                number=pl.col("rank").cast(pl.Float64),
                text=pl.when(pl.col("rank").is_null()).then(pl.col("text")),
            )
            .select(_JUDGED)
        )

    def _reason(self, *, missing: pl.Expr, wrong: pl.Expr) -> pl.Expr:
        return (
            pl.when(pl.col("patient") == "")
            .then(pl.lit(Reason.NO_PATIENT.value))
            .when(pl.col("time").is_null() | pl.col("unlike"))
            .then(pl.lit(Reason.NO_TIME.value))
            .when(pl.col("measure").is_in(self._counted))
            .then(None)
            .when(missing)
            .then(pl.lit(_MISSING))
            .otherwise(wrong)
        )

    def _missing(self) -> pl.Expr:
        """Whether a number stands for "not measured": one of the measure's spellings of that."""
        missing = pl.col("text") == ""
        own = ((pl.col("factor") == 1) & (pl.col("offset") == 0)).fill_null(value=False)
        for index, measure in enumerate(self._measures):
            mine = pl.col("measure") == index
            if codes := measure.missing - {""}:
                missing |= mine & self._is_one_of(codes)
            if measure.missing_in_unit:
                missing |= mine & own & self._is_one_of(measure.missing_in_unit)
        return missing

    def _is_one_of(self, codes: frozenset[str]) -> pl.Expr:
        """Whether an event's value is spelt so, or is the same number."""
        numbers = parse_codes(codes, self._decimal)
        return pl.col("text").is_in(sorted(codes)) | pl.col("raw").is_in(numbers).fill_null(value=False)

    def _outside(self) -> pl.Expr:
        lows, highs = zip(*(measure.limits or (float("-inf"), float("inf")) for measure in self._measures), strict=True)
        places = list(range(len(self._measures)))
        low = pl.col("measure").replace_strict(places, [*map(float, lows)], return_dtype=pl.Float64)
        high = pl.col("measure").replace_strict(places, [*map(float, highs)], return_dtype=pl.Float64)
        return ~pl.col("number").is_between(low, high)

    def _convert(self, cells: pl.DataFrame) -> pl.DataFrame:
        """`raw` is the number as it stands, `bare` that or what stands for its text, `number` is in the right unit."""
        pairs = cells.select("measure", "unit").unique().rows()
        for pair in pairs:
            if pair not in self._affine:
                self._affine[pair] = _affine(self._measures[pair[0]], pair[1])
        if len(self._affine) > _MOST_UNITS:
            raise SourceDataError(
                f"events have more than {_MOST_UNITS} different units", hint="Is it the right column?"
            )
        known = [(*pair, *affine) for pair in pairs if (affine := self._affine[pair])]
        schema = {"measure": pl.Int32, "unit": pl.String, "factor": pl.Float64, "offset": pl.Float64}
        terms = pl.DataFrame(known, schema=schema, orient="row")
        finite = pl.when(pl.col("number").is_finite()).then(pl.col("number") + 0.0)
        cells = cells.join(terms, on=["measure", "unit"], how="left", maintain_order="left").with_columns(raw=finite)
        given = pl.lit(None, dtype=pl.Float64)
        for index, measure in enumerate(self._measures):
            if measure.given:
                texts, numbers = list(measure.given), list(measure.given.values())
                stands = pl.col("text").replace_strict(texts, numbers, default=None, return_dtype=pl.Float64)
                if swapped := by_number(measure.given, self._decimal):
                    olds, news = list(swapped), list(swapped.values())
                    by_value = pl.col("raw").replace_strict(olds, news, default=None, return_dtype=pl.Float64)
                    stands = pl.coalesce(stands, by_value)
                given = pl.when(pl.col("measure") == index).then(stands).otherwise(given)
        converted = pl.col("raw") * pl.col("factor") + pl.col("offset")
        return cells.with_columns(bare=pl.coalesce(given, pl.col("raw")), number=pl.coalesce(given, converted + 0.0))

    def _count(self, judged: pl.DataFrame) -> None:
        lost = judged.filter(pl.col("reason").is_not_null() & (pl.col("reason") != _MISSING))
        if self._unused:
            used = judged.filter(pl.col("reason").is_null() | (pl.col("reason") == _MISSING))
            self._unused -= set(used["measure"].unique())
        for (measure, reason), rows in sorted(lost.partition_by("measure", "reason", as_dict=True).items()):
            self.losses += Losses.of(self._measures[measure].name, Reason(reason), rows[ROW], rows.height)


def _affine(measure: Measure, unit: str) -> tuple[float, float] | None:
    """Factor and offset into the measure's unit; None where there is no way."""
    here = unit or measure.here or measure.unit
    if here == measure.unit or not measure.unit or measure.counted:
        return (1.0, 0.0)
    from fedward_shared.units.convert import conversion

    try:
        affine = conversion(here, measure.unit, measure.substance)
    except UsageError:
        return None
    return (affine.factor, affine.offset)
