"""Reads a source of events once: keeps what the study wants, in its units, and counts what cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from fedward_client.importer.events.clock import moments, words
from fedward_client.importer.events.losses import NO_LOSSES, Losses
from fedward_client.importer.events.matching import patient_hash
from fedward_client.importer.events.measures import Measure
from fedward_client.importer.quarantine import Reason
from fedward_client.importer.sources.source import EVENT_COLUMNS, ROW, Source
from fedward_shared.errors import SourceDataError, UsageError

__all__ = ["EventReader"]

_NUMBER = {
    ".": r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$",
    ",": r"^[+-]?(?:[0-9]+,?[0-9]*|,[0-9]+)(?:[eE][+-]?[0-9]+)?$",
}
_WHOLE = r"^(-?[0-9]+)\.0*$"
_MOST_UNITS = 10_000
_MISSING = "missing"


class EventReader:
    """Takes the wanted events of a source, as `matching.EVENT_SCHEMA` says.

    An event that serves two measures comes twice. A measure that only counts keeps events without a usable value.
    """

    def __init__(self, measures: Sequence[Measure], *, dated: bool, decimal: str) -> None:
        self._measures = measures
        self._dated = dated
        self._decimal = decimal
        self._affine: dict[tuple[int, str], tuple[float, float] | None] = {}
        self._wants = pl.DataFrame(
            [(code, index) for index, measure in enumerate(measures) for code in dict.fromkeys(measure.codes)],
            schema={"code": pl.String, "measure": pl.Int32},
            orient="row",
        )
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
        """The usable ones of some events, with the columns that the class names."""
        schema = table.schema
        wanted = table.with_columns(words(pl.col("code"), schema["code"])).join(self._wants, on="code")
        cells = wanted.select(
            pl.col(ROW),
            pl.col("measure"),
            words(pl.col("patient"), schema["patient"]).alias("patient"),
            words(pl.col("encounter"), schema["encounter"]).alias("encounter"),
            moments(pl.col("time"), schema["time"], dated=self._dated).alias("time"),
            words(pl.col("value"), schema["value"]).alias("text"),
            words(pl.col("unit"), schema["unit"]).fill_null("").alias("unit"),
            self._number(schema["value"]).alias("number"),
        )
        self.with_encounter = self.with_encounter or cells["encounter"].null_count() < cells.height
        cells = self._convert(cells)
        numbers, ranks = self._kinds()
        parts = [self._numbers(cells.filter(pl.col("measure").is_in(numbers)))] if numbers else []
        parts += [self._category(cells.filter(pl.col("measure") == index), index) for index in ranks]
        judged = pl.concat(parts)
        self._count(judged)
        return judged.filter(pl.col("reason").is_null()).select(
            patient_hash(), "patient", "encounter", "time", "measure", "number", "text"
        )

    def _kinds(self) -> tuple[list[int], list[int]]:
        """Which measures are numbers (or only count), and which are categories."""
        ranks = [index for index, measure in enumerate(self._measures) if measure.words and not measure.counted]
        return [index for index in range(len(self._measures)) if index not in ranks], ranks

    def _number(self, kind: pl.DataType) -> pl.Expr:
        value = pl.col("value")
        if isinstance(kind, pl.String):
            text = words(value, kind)
            plain = pl.when(text.str.contains(_NUMBER[self._decimal])).then(text)
            value = plain.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        elif kind.is_numeric() or isinstance(kind, pl.Boolean):
            value = value.cast(pl.Float64)
        else:
            return pl.lit(None, dtype=pl.Float64)
        return pl.when(value.is_finite()).then(value + 0.0)

    def _numbers(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Numbers with the reason, if any, why each cannot be used."""
        found = cells.with_columns(
            self._reason(
                missing=self._missing(),
                wrong=pl.when(pl.col("number").is_null())
                .then(pl.lit(Reason.NOT_A_NUMBER.value))
                .when(pl.col("converted").is_null())
                .then(pl.lit(Reason.UNIT_UNKNOWN.value))
                .when(self._outside())
                .then(pl.lit(Reason.OUT_OF_RANGE.value)),
            ).alias("reason"),
            pl.col("converted").alias("number"),
        )
        return found.select(*_JUDGED).with_columns(text=pl.lit(None, dtype=pl.String))

    def _category(self, cells: pl.DataFrame, index: int) -> pl.DataFrame:
        """One category's values as ranks; those that the contract does not know keep their text."""
        measure = self._measures[index]
        ranks = {word: float(rank) for rank, word in enumerate(measure.words or ())}
        spelt = [there for there, here in measure.spellings if here in ranks]
        meant = [ranks[here] for _, here in measure.spellings if here in ranks]
        text = pl.col("text").str.replace(_WHOLE, "$1")
        rank = text.replace_strict(spelt, meant, default=None, return_dtype=pl.Float64)
        missing = text.is_null() | text.is_in(list(measure.missing))
        return cells.with_columns(
            self._reason(missing=missing, wrong=pl.lit(None, dtype=pl.String)).alias("reason"),
            number=rank,
            text=pl.when(rank.is_null()).then(text),
        ).select(*_JUDGED)

    def _reason(self, *, missing: pl.Expr, wrong: pl.Expr) -> pl.Expr:
        counted = pl.col("measure").is_in([i for i, measure in enumerate(self._measures) if measure.counted])
        return (
            pl.when(pl.col("patient").is_null())
            .then(pl.lit(Reason.NO_PATIENT.value))
            .when(pl.col("time").is_null())
            .then(pl.lit(Reason.NO_TIME.value))
            .when(counted)
            .then(None)
            .when(missing)
            .then(pl.lit(_MISSING))
            .otherwise(wrong)
        )

    def _missing(self) -> pl.Expr:
        """Whether a number stands for "not measured": nothing, or one of the measure's spellings of that."""
        missing = pl.col("text").is_null()
        for index, measure in enumerate(self._measures):
            if measure.missing:
                spelt = pl.col("text").is_in(list(measure.missing))
                numbers = pl.col("number").is_in(_floats(measure.missing)).fill_null(value=False)
                missing |= (pl.col("measure") == index) & (spelt | numbers)
        return missing

    def _outside(self) -> pl.Expr:
        lows, highs = zip(*(measure.limits or (float("-inf"), float("inf")) for measure in self._measures), strict=True)
        places = list(range(len(self._measures)))
        low = pl.col("measure").replace_strict(places, lows, return_dtype=pl.Float64)
        high = pl.col("measure").replace_strict(places, highs, return_dtype=pl.Float64)
        return ~pl.col("converted").is_between(low, high)

    def _convert(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Adds `converted`: the number in the measure's unit, null where the unit is not known."""
        pairs = cells.select("measure", "unit").unique().rows()
        for pair in pairs:
            if pair not in self._affine:
                self._affine[pair] = _affine(self._measures[pair[0]], pair[1])
        if len(self._affine) > _MOST_UNITS:
            raise SourceDataError(
                f"the events have more than {_MOST_UNITS} different units", hint="Is it the right column?"
            )
        known = [(*pair, *affine) for pair in pairs if (affine := self._affine[pair])]
        schema = {"measure": pl.Int32, "unit": pl.String, "factor": pl.Float64, "offset": pl.Float64}
        terms = pl.DataFrame(known, schema=schema, orient="row")
        converted = pl.col("number") * pl.col("factor") + pl.col("offset")
        return cells.join(terms, on=["measure", "unit"], how="left").with_columns(converted=converted + 0.0)

    def _count(self, judged: pl.DataFrame) -> None:
        lost = judged.filter(pl.col("reason").is_not_null() & (pl.col("reason") != _MISSING))
        for (measure, reason), rows in sorted(lost.partition_by("measure", "reason", as_dict=True).items()):
            numbers = rows[ROW]
            self.losses += Losses.of(self._measures[measure].name, Reason(reason), numbers, len(numbers))


_JUDGED = (ROW, "patient", "encounter", "time", "measure", "number", "text", "reason")


def _affine(measure: Measure, unit: str) -> tuple[float, float] | None:
    """Factor and offset into the measure's unit; None where there is no way."""
    here = unit or measure.given or measure.unit
    if here == measure.unit or measure.counted:
        return (1.0, 0.0)
    from fedward_shared.units import conversion

    try:
        affine = conversion(here, measure.unit, measure.substance)
    except UsageError:
        return None
    return (affine.factor, affine.offset)


def _floats(spellings: Sequence[str]) -> list[float]:
    found = []
    for spelling in spellings:
        try:
            found.append(float(spelling))
        except ValueError:
            continue
    return [number for number in found if number == number]  # noqa: PLR0124 - NaN equals nothing, itself included
