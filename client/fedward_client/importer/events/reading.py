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
_JUDGED = (ROW, "patient", "encounter", "time", "measure", "number", "text", "reason")


class EventReader:
    """Takes the wanted events of a source, as `matching.EVENT_SCHEMA` says.

    An event that serves two measures comes twice; one that a source tells twice under one row number, with two codes
    of the same measure, comes once. A measure that only counts keeps events without a usable value.
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
        self.losses: Losses = NO_LOSSES
        self.with_encounter = False
        """Whether any wanted event named its encounter."""

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
        cells = cells.with_columns(
            number.alias("number"), when["micros"].alias("time"), when["aware"], pl.col("encounter").replace("", None)
        )
        if cells.select(ROW, "measure").is_duplicated().any():
            cells = cells.unique(maintain_order=True)
        self.with_encounter = self.with_encounter or cells["encounter"].null_count() < cells.height
        ranked = pl.col("measure").is_in(self._ranked)
        parts = [self._numbers(cells.filter(~ranked))]
        parts += [self._category(cells.filter(pl.col("measure") == index), index) for index in self._ranked]
        judged = pl.concat(parts)
        self._count(judged)
        return judged.filter(pl.col("reason").is_null()).select(
            patient_hash(), *(name for name in EVENT_SCHEMA if name != "hash")
        )

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
        counted = pl.col("measure").is_in([i for i, measure in enumerate(self._measures) if measure.counted])
        untimed = pl.col("time").is_null()
        if self._aware is not None:
            untimed |= pl.col("aware") != self._aware
        return (
            pl.when(pl.col("patient") == "")
            .then(pl.lit(Reason.NO_PATIENT.value))
            .when(untimed)
            .then(pl.lit(Reason.NO_TIME.value))
            .when(counted)
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
        low = pl.col("measure").replace_strict(places, lows, return_dtype=pl.Float64)
        high = pl.col("measure").replace_strict(places, highs, return_dtype=pl.Float64)
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
