"""What privacy costs on the four-hospital heart table, beside FLamby's curve: `python -m benchmarks.privacy_utility`.

For every ε and every seed a fresh random split (a quarter of each class of each hospital is for testing), the whole
study through the inline engine with that seed's noise, and the final model judged on the test rows, three times:

auc          with the learning rate that the study declares for this ε; it was chosen on the 718 training rows of the
             scenario's fixed split, which are most of the rows that judge here
auc_nested   with the learning rate chosen inside this split's own training rows: no row that judges had a say in it
auc_fixed    the declared rate on the scenario's own split: its 202 test rows had no say in any choice

Aims: median AUC ≥ .88 at ε = 1 and ≥ .89 at ε = 3. docs/results.md says how to read the rest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from math import inf
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.flamby_curve import NO_PRIVACY, PUBLISHED, Corrected, Point, Reference, correct, references
from benchmarks.heart_levels import Bench, Figures, Level
from fedward_shared.console import run_command
from fedward_shared.errors import UsageError

__all__ = ["AIMS", "main"]

EPSILONS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, inf)
SEEDS = 10
AIMS = {1.0: 0.88, 3.0: 0.89}
_SHOWN_DELTA = 1e-4
_LARGEST_SHOWN = 100.0

Line = dict[str, object]
Curve = Sequence[Corrected]


def main() -> None:
    """Reads the command line, measures, and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.privacy_utility", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"random splits for each ε (default {SEEDS})")
    parser.add_argument(
        "--epsilons", type=_numbers, default=EPSILONS, help="such as 1,3,inf (default: the aims' seven)"
    )
    parser.add_argument("--no-nested", action="store_true", help="leave out choosing inside each split (half the time)")
    parser.add_argument("--no-flamby", action="store_true", help="leave out FLamby's curve (a minute)")
    parser.add_argument("--data", type=Path, help="DIR/flamby_results holds FLamby's own files: shows them, too")
    parser.add_argument("--plot", type=Path, help="writes the curve into this file (.svg, .png, .pdf)")
    chosen = parser.parse_args()
    run_command(lambda: _benchmark(chosen))


def _numbers(text: str) -> tuple[float, ...]:
    values = tuple(float(part) for part in text.split(","))
    if not all(value > 0 for value in values):
        raise argparse.ArgumentTypeError("every ε must be above 0")
    return values


def _benchmark(chosen: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(1)  # a logistic regression: threads would only wait for each other
    if chosen.seeds < 1:
        raise UsageError("--seeds must be at least 1")
    known = references(chosen.data / "flamby_results") if chosen.data else ()
    begun = time.perf_counter()
    levels, curve = _measured(chosen)
    lines = [*map(_level_line, levels), *_flamby_lines(curve), *map(_reference_line, known)]
    lines.append({"kind": "run", "seconds": round(time.perf_counter() - begun, 1), "seeds": chosen.seeds})
    if chosen.plot:
        from benchmarks.privacy_utility_plot import draw

        draw(levels, curve, chosen.plot)
    if chosen.json:
        print("\n".join(map(json.dumps, lines)))
    else:
        _print(levels, curve, known)


def _measured(chosen: argparse.Namespace) -> tuple[list[Level], Curve]:
    nested = not chosen.no_nested
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        tempfile.TemporaryDirectory() as folder,
    ):
        points = () if chosen.no_flamby else PUBLISHED
        pieces = len(chosen.epsilons) * chosen.seeds * (3 if nested else 2) + len(points)
        task = progress.add_task("importing four hospitals", total=pieces)

        def tick(title: str) -> None:
            progress.update(task, description=title, advance=1)

        bench = Bench(Path(folder), tick)
        levels = [bench.level(epsilon, range(chosen.seeds), nested=nested) for epsilon in chosen.epsilons]
        return levels, _corrected(points, tick)


def _corrected(points: Iterable[Point], tick: Callable[[str], None]) -> Curve:
    made: list[Corrected] = []
    for point in points:
        tick(f"FLamby's accounting at ε = {point.epsilon:g}, δ = {point.delta:g}")
        made.append(correct(point))
    return made


def _level_line(level: Level) -> Line:
    terms = level.terms
    line: Line = {
        "kind": "fedward",
        "epsilon": _finite(level.epsilon),
        "delta": terms.delta,
        "epsilon_ledger": _finite(terms.ledger),
        "epsilon_pld": _finite(terms.pld),
        "noise_multiplier": round(terms.noise_multiplier, 4),
        "clip_norm": terms.clip_norm,
        "steps": terms.steps,
        "sampling_rate": 1.0,
        "learning_rate": level.rate,
        "seeds": len(level.declared),
    }
    for name in Figures.__slots__:
        line |= _spread(name, (getattr(one, name) for one in level.declared))
    line |= _spread("auc_fixed", (one.auc for one in level.fixed))
    line |= _spread("within_fixed", (one.within for one in level.fixed))
    if level.nested:
        line |= _spread("auc_nested", (one.auc for one in level.nested))
        line |= _spread("within_nested", (one.within for one in level.nested))
        line["learning_rates_nested"] = list(level.nested_rates)
    if level.epsilon in AIMS:
        line |= {"aim": AIMS[level.epsilon], "met": _median(level.declared) >= AIMS[level.epsilon]}
    return line


def _spread(name: str, values: Iterable[float]) -> Line:
    """Median, mean and standard deviation over the seeds; each seed is also another split, but for the fixed split."""
    figures = list(values)
    deviation = statistics.stdev(figures) if len(figures) > 1 else None
    return {
        name: round(statistics.median(figures), 4),
        f"{name}_mean": round(statistics.fmean(figures), 4),
        f"{name}_sd": None if deviation is None else round(deviation, 4),
    }


def _median(figures: Sequence[Figures]) -> float:
    return statistics.median(one.auc for one in figures)


def _finite(value: float) -> float | None:
    return round(value, 4) if value < inf else None


def _flamby_lines(curve: Curve) -> list[Line]:
    if not curve:
        return []
    lines: list[Line] = [
        {"kind": "flamby", "epsilon": None, "hospitals": NO_PRIVACY.accuracy, "hospitals_sd": NO_PRIVACY.deviation}
    ]
    for corrected in curve:
        point, dearest = corrected.point, corrected.hospitals[0]
        lines.append(
            {
                "kind": "flamby",
                "epsilon": point.epsilon,
                "delta": point.delta,
                "hospitals": point.accuracy,
                "hospitals_sd": point.deviation,
                "dearest": dearest.hospital,
                "epsilon_counted": round(dearest.counted, 2),
                "epsilon_at_least": round(corrected.at_least, 2),
                "epsilon_at_most": round(dearest.at_most, 2),
                "sites": {
                    one.hospital: {
                        "noise_multiplier": round(one.noise_multiplier, 3),
                        "epsilon_counted": round(one.counted, 2),
                        "epsilon_at_most": round(one.at_most, 2),
                    }
                    for one in corrected.hospitals
                },
            }
        )
    return lines


def _reference_line(one: Reference) -> Line:
    figures = {"accuracy_mean": round(one.pooled, 4), "hospitals_mean": round(one.hospitals, 4)}
    return {"kind": "flamby-no-privacy", "method": one.method, "seeds": one.seeds, **figures}


def _print(levels: Sequence[Level], curve: Curve, known: Sequence[Reference]) -> None:
    console = Console()
    ours = Table(title="Four hospitals, δ = 1e-5 per patient; medians over splits", box=SIMPLE)
    for name in ("ε", "σ", "rate", "AUC", "± sd", "nested", "fixed", "within", "accuracy", "mean", "Brier"):
        ours.add_column(name, justify="right")
    for level in levels:
        ours.add_row(*_cells(level))
    console.print(ours)
    if levels:
        only = statistics.median(one.hospital_only for one in levels[0].declared)
        console.print(f'Knowing only the hospital: AUC {_brief(only)}. "mean": of the four accuracies')
    for level in levels:
        if level.epsilon in AIMS:
            aim, reached = AIMS[level.epsilon], _median(level.declared)
            met = "met" if reached >= aim else "missed"
            console.print(f"Aim at ε = {level.epsilon:g}: AUC at least {aim}; {reached:.4f}: {met}")
    if curve:
        console.print(_flamby_table(curve))
    if known:
        console.print(_reference_table(known))


def _cells(level: Level) -> list[str]:
    def median(figures: Sequence[Figures], name: str) -> str:
        return _brief(statistics.median(getattr(one, name) for one in figures)) if figures else "–"

    deviation = _spread("auc", (one.auc for one in level.declared))["auc_sd"]
    return [
        "none" if level.epsilon == inf else f"{level.epsilon:g}",
        f"{level.terms.noise_multiplier:.2f}",
        f"{level.rate:g}",
        median(level.declared, "auc"),
        "–" if deviation is None else _brief(float(str(deviation))),
        median(level.nested, "auc"),
        median(level.fixed, "auc"),
        *(median(level.declared, name) for name in ("within", "accuracy", "hospitals", "brier")),
    ]


def _brief(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _flamby_table(curve: Curve) -> Table:
    table = Table(title=f"FLamby's curve, δ = {_SHOWN_DELTA:g}: what ε was at its dearest hospital", box=SIMPLE)
    for name in ("ε said", "accuracy", "± sd", "hospital", "σ", "counted", "at least", "at most"):
        table.add_column(name, justify="right")
    for corrected in curve:
        point, worst = corrected.point, corrected.hospitals[0]
        if point.delta == _SHOWN_DELTA:
            table.add_row(
                f"{point.epsilon:g}",
                _brief(point.accuracy),
                _brief(point.deviation),
                worst.hospital,
                f"{worst.noise_multiplier:.2f}",
                *map(_shown, (worst.counted, corrected.at_least, worst.at_most)),
            )
    return table


def _shown(epsilon: float) -> str:
    return f"> {_LARGEST_SHOWN:g}" if epsilon > _LARGEST_SHOWN else f"{epsilon:.2f}"


def _reference_table(known: Sequence[Reference]) -> Table:
    table = Table(title="FLamby without privacy, from its own files: means over seeds", box=SIMPLE)
    for name in ("method", "seeds", "accuracy, pooled test", "mean over hospitals"):
        table.add_column(name, justify="right")
    for one in known:
        table.add_row(one.method, str(one.seeds), _brief(one.pooled), _brief(one.hospitals))
    return table


if __name__ == "__main__":
    main()
