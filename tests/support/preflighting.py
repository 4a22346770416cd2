"""Small hospitals for preflight: a contract with every declaration that it uses, clean rows, and one way to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from fedward_client.importer.checking.check import Checker
from fedward_client.importer.mapping import Mapping
from fedward_client.importer.preflight.findings import Defect, Finding
from fedward_client.importer.preflight.judge import Judgement, judge
from fedward_client.importer.preflight.profile import Profile
from fedward_client.importer.preflight.profiling import Profiler
from fedward_client.importer.sources.source import ROW, Batch
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn
from fedward_shared.contracts.study import SiteTerms

__all__ = ["CONTRACT", "SITE", "found", "judged", "looked", "number", "people", "with_columns"]

_NORMAL = (-1.645, -0.674, 0.0, 0.674, 1.645)


def number(name: str, low: float, high: float, centre: float, scale: float, **more: object) -> NumberColumn:
    """A number column that expects a normal distribution around its centre; `more` are further declarations."""
    declared: dict[str, object] = {"unit": "", "missing": ("",), "higher_in": "ill", **more}
    declared.setdefault("reference", tuple(centre + step * scale for step in _NORMAL))
    return NumberColumn(name=name, minimum=low, maximum=high, centre=centre, scale=scale, **declared)  # type: ignore[arg-type]


CONTRACT = DataContract(
    kind=DataKind.TABLE,
    label=Label("disease", (("0", "no"), ("1", "yes")), ("well", "ill"), reference=(0.7, 0.3)),
    columns=(
        number("age", 18, 110, 60, 12, unit="years"),
        number("glucose", 2, 40, 6, 1, unit="mmol/L", substance="glucose"),
        number("pressure", 60, 250, 130, 15, unit="mmHg"),
        CategoryColumn("sex", ("female", "male"), missing=("",), reference=(0.5, 0.5)),
    ),
    patient="patient",
)
SITE = SiteTerms("north", size=400, sampling_rate=1.0, normaliser=400.0)


def people(count: int = 400, seed: int = 0, *, signal: float = 0.6) -> pl.DataFrame:
    """Clean rows for `CONTRACT`, one a patient; ill ones have values higher by `signal` scales."""
    draw = np.random.default_rng(seed)
    ill = draw.random(count) < 0.3
    shift = np.where(ill, signal * 0.7, -signal * 0.3)
    return pl.DataFrame(
        {
            "patient": [f"p{at}" for at in range(count)],
            "age": np.clip(60 + 12 * (draw.normal(size=count) + shift), 18, 110).round(),
            "glucose": np.clip(6 + draw.normal(size=count) + shift, 2, 40).round(1),
            "pressure": np.clip(130 + 15 * (draw.normal(size=count) + shift), 60, 250).round(1),
            "sex": np.where(draw.random(count) < 0.5, "female", "male"),
            "disease": ill.astype(int),
        }
    )


def with_columns(contract: DataContract, *columns: NumberColumn | CategoryColumn) -> DataContract:
    """The contract with these columns instead of its own of the same names, or beside them."""
    named = {column.name: column for column in (*contract.columns, *columns)}
    return replace(contract, columns=tuple(named.values()))


def looked(
    rows: pl.DataFrame, contract: DataContract = CONTRACT, mapping: Mapping | None = None, *, batches: int = 3
) -> Profile:
    """The profile of rows that come in some batches, as texts."""
    mapping = mapping or Mapping()
    table = rows.cast(pl.String).with_row_index(ROW, 2).with_columns(pl.col(ROW).cast(pl.UInt64))
    checker = Checker(contract, mapping, rows.columns)
    profiler = Profiler(contract, mapping, rows.columns)
    for part in table.iter_slices(max(1, -(-table.height // batches))):
        batch = Batch(part.select(ROW, *checker.columns))
        profiler.add(batch, checker.check(batch))
    return profiler.profile()


def judged(
    rows: pl.DataFrame, contract: DataContract = CONTRACT, mapping: Mapping | None = None, site: SiteTerms | None = SITE
) -> Judgement:
    """What preflight concludes about rows."""
    return judge(looked(rows, contract, mapping), contract, mapping or Mapping(), site, 0.2)


def found(judgement: Judgement, defect: Defect) -> Sequence[Finding]:
    """The findings about one thing."""
    return [finding for finding in judgement.findings if finding.defect is defect]
