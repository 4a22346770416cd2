"""How often preflight names a planted defect, and how often it alarms where nothing is wrong.

    python -m benchmarks.preflight [--json] [--sites N] [--patients 100 400 2000]

Sites are generated (`fedward_simulations.generate`), each with a seed of its own, and looked at in this process: the
checks and the judgements are those of `fedward-site preflight`, without worker and report. `named` is the share of
sites where the defect's own finding appears on the right column, `95 %` its interval (Wilson); `else` the share with a
further finding that is `to look at` or worse and that the defect does not explain. Clean sites have neither.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from fedward_client.importer.checking.check import Checker
from fedward_client.importer.mapping import Mapping
from fedward_client.importer.preflight.findings import Defect as Found
from fedward_client.importer.preflight.findings import Finding, Severity
from fedward_client.importer.preflight.judge import judge
from fedward_client.importer.preflight.profiling import Profiler
from fedward_client.importer.sources.source import ROW, Batch
from fedward_shared.contracts.study import Study
from fedward_shared.manifest.parse import load
from fedward_simulations.generate.admissions import rows
from fedward_simulations.generate.defects import Defect
from fedward_simulations.generate.people import patients
from fedward_simulations.generate.studies import ADMISSIONS, study_text

__all__ = ["CASES", "Case", "Rate", "main", "measured"]

_TIME = "%Y-%m-%dT%H:%M:%S"
_TRAINED = 0.75
_Z = 1.96
_SUMMARY = "How often preflight names what is planted, and alarms at nothing."

Change = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Case:
    """A defect: planted by the generator (`defects`) or by `change`; `names` are the findings that must appear.

    `explains` are further findings that follow from it.
    """

    name: str
    names: tuple[tuple[Found, str], ...] = ()
    defects: frozenset[Defect] = frozenset()
    change: Change = lambda table: table
    explains: frozenset[Found] = frozenset()


@dataclass(frozen=True, slots=True)
class Rate:
    """One line: `named` and `other` of `sites` sites with so many patients."""

    case: str
    patients: int
    sites: int
    named: int
    other: int

    def interval(self, count: int) -> tuple[float, float]:
        """Wilson's 95 % interval of a share."""
        share, wide = count / self.sites, _Z**2 / self.sites
        middle = (share + wide / 2) / (1 + wide)
        half = _Z / (1 + wide) * math.sqrt(share * (1 - share) / self.sites + wide / (4 * self.sites))
        return max(middle - half, 0.0), min(middle + half, 1.0)


def _planted(defect: Defect, *names: tuple[Found, str], explains: frozenset[Found] = frozenset()) -> Case:
    return Case(str(defect), names, frozenset({defect}), explains=explains)


def _leaking(table: pl.DataFrame) -> pl.DataFrame:
    """Lactate in its window that follows the outcome, as if it had been entered afterwards."""
    late = pl.when(pl.col("readmitted") == "yes").then(9.0).otherwise(1.2) + pl.col("bmi").fill_null(27) / 100
    return table.with_columns(late.alias("lactate"))


def _shifted(mmhg: float) -> Change:
    return lambda table: table.with_columns(pl.col("systolic") + mmhg)


_STOPPED = frozenset({Found.REJECTED, Found.SIZE, Found.OUT_OF_RANGE, Found.NOT_NUMBERS})
CASES = (
    Case("clean"),
    _planted(Defect.WRONG_UNITS, (Found.WRONG_UNIT, "glucose"), explains=_STOPPED),
    _planted(Defect.MIXED_UNITS, (Found.MIXED_UNITS, "glucose"), explains=_STOPPED),
    _planted(Defect.DECIMAL_COMMA, (Found.DECIMAL_SIGN, ""), explains=_STOPPED),
    _planted(Defect.SPELLINGS, (Found.SPELLINGS, "sex"), (Found.SPELLINGS, "smoker"), explains=_STOPPED),
    _planted(Defect.SWAPPED_LABEL, (Found.SWAPPED_LABEL, "readmitted"), explains=frozenset({Found.LABEL_DRIFT})),
    _planted(Defect.LEAK, (Found.OUTSIDE_WINDOW, "lactate")),
    _planted(Defect.AFTER_OUTCOME, (Found.AFTER_OUTCOME, "readmitted_at"), explains=frozenset({Found.OUTSIDE_WINDOW})),
    Case("leak in the window", ((Found.LEAK, "lactate"),), change=_leaking, explains=frozenset({Found.DRIFT})),
    _planted(Defect.SHIFT, (Found.DRIFT, "systolic")),
    Case("shift of 20 mmHg", ((Found.DRIFT, "systolic"),), change=_shifted(20)),
    Case("shift of 10 mmHg", ((Found.DRIFT, "systolic"),), change=_shifted(10)),
    _planted(Defect.DUPLICATES, (Found.DUPLICATES, "patient_id")),
    _planted(Defect.CONFLICTS, (Found.CONFLICTS, "readmitted"), explains=frozenset({Found.OVER})),
)


def measured(case: Case, count: int, sites: int) -> Rate:
    """Looks at so many sites of `count` patients each."""
    study = load(study_text("synthetic-csv", ADMISSIONS, {"north": max(1, round(_TRAINED * count))}).encode())
    named = other = 0
    for seed in range(sites):
        findings = _looked(_site(case, count, seed), study)
        seen = {(one.defect, one.column) for one in findings}
        named += bool(case.names) and set(case.names) <= seen
        other += any(_unexplained(one, case) for one in findings)
    return Rate(case.name, count, sites, named, other)


def _unexplained(finding: Finding, case: Case) -> bool:
    if finding.severity is Severity.NOTE or finding.defect in case.explains:
        return False
    return (finding.defect, finding.column) not in case.names


def _site(case: Case, count: int, seed: int) -> pl.DataFrame:
    """A site's rows as texts. All sites' patients are alike: the study's reference is theirs."""
    draw = np.random.default_rng([seed, count])
    table = case.change(rows(patients("north", count, draw), case.defects, draw))
    table = table.with_columns(pl.selectors.datetime().dt.strftime(_TIME))
    if Defect.DECIMAL_COMMA in case.defects:
        table = table.with_columns(pl.selectors.float().cast(pl.String).str.replace(".", ",", literal=True))
    return table.cast(pl.String)


def _looked(table: pl.DataFrame, study: Study) -> tuple[Finding, ...]:
    mapping = Mapping()
    checker = Checker(study.data, mapping, table.columns)
    profiler = Profiler(study.data, mapping, table.columns)
    numbered = table.with_row_index(ROW, 2).with_columns(pl.col(ROW).cast(pl.UInt64))
    batch = Batch(numbered.select(ROW, *checker.columns))
    profiler.add(batch, checker.check(batch))
    return judge(profiler.profile(), study.data, mapping, study.sites["north"], 0.2).findings


def main() -> None:
    """Prints one table, or with --json one line for each case and size."""
    parser = argparse.ArgumentParser(description=_SUMMARY)
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    parser.add_argument("--sites", type=int, default=50, help="sites for each line")
    parser.add_argument("--patients", type=int, nargs="+", default=[100, 400, 2000], help="patients of a site")
    arguments = parser.parse_args()
    rates = (measured(case, count, arguments.sites) for case in CASES for count in arguments.patients)
    if arguments.json:
        for rate in rates:
            print(json.dumps(_line(rate)), flush=True)
        return
    table = Table("planted", "patients", "sites", "named", "95 %", "something else named", "95 %")
    for rate in rates:
        table.add_row(*_cells(rate))
    Console().print(table)


def _line(rate: Rate) -> dict[str, str | int | list[float]]:
    return {
        "case": rate.case,
        "patients": rate.patients,
        "sites": rate.sites,
        "named": rate.named,
        "named_interval": [round(end, 4) for end in rate.interval(rate.named)],
        "else": rate.other,
        "else_interval": [round(end, 4) for end in rate.interval(rate.other)],
    }


def _cells(rate: Rate) -> Iterator[str]:
    yield from (rate.case, str(rate.patients), str(rate.sites))
    for count, told in ((rate.named, rate.case != CASES[0].name), (rate.other, True)):
        low, high = rate.interval(count)
        yield f"{count / rate.sites:.0%}" if told else "–"
        yield f"{low:.0%}–{high:.0%}" if told else "–"


if __name__ == "__main__":
    main()
