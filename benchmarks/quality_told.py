"""What `benchmarks.quality` says: a line a model, a line a method with its aims, and a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan
from statistics import median

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from benchmarks.quality_cases import LEFT_OUT, Aim, Case, Figure
from benchmarks.quality_running import Asked, Told
from fedward_shared.contracts.study import Study
from fedward_shared.evaluation.bootstrap import Draws
from fedward_shared.evaluation.scored import Scored, pooled
from fedward_shared.manifest.resolve import load_draft

__all__ = ["Group", "Line", "Model", "grouped", "judged", "model_line", "summary_lines", "table"]

RESAMPLES = 500
_BOUNDS = (0.025, 0.975)
_DIGITS = 4

Line = dict[str, object]
Scores = Mapping[str, Scored]


@dataclass(frozen=True, slots=True)
class Model:
    """One trained model and its figures. `sites` is the headline of single sites, where it exists."""

    told: Told
    figures: Mapping[str, float]
    low: float
    high: float
    sites: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Group:
    """All seeds of one method at one ε (and of one site that was left out)."""

    method: str
    epsilon: float
    left_out: str
    models: tuple[Model, ...]

    def value(self, figure: str) -> float:
        """The median over seeds."""
        return median(model.figures[figure] for model in self.models)


def judged(case: Case, told: Told) -> Model:
    """The figures of one model; the interval of the first one is by 500 draws of patients within site and class."""
    figures = {name: _value(figure, told.run) for name, figure in case.figures.items()}
    headline = case.figures[case.headline]
    low, high = _interval(headline, told.run)
    sites = {site: _value(headline, {site: scored}) for site, scored in told.run.items()}
    return Model(told, figures, low, high, {site: value for site, value in sites.items() if not isnan(value)})


def grouped(models: Iterable[Model]) -> tuple[Group, ...]:
    """The models of each method together, in their order."""
    found: dict[tuple[str, float, str], list[Model]] = {}
    for model in models:
        asked = model.told.asked
        found.setdefault((asked.method, asked.epsilon, asked.left_out), []).append(model)
    return tuple(Group(*key, tuple(several)) for key, several in found.items())


def model_line(case: Case, model: Model) -> Line:
    """One (data set, method, ε, seed)."""
    told = model.told
    return {
        "kind": "model",
        **_named(case, told.asked),
        "seed": told.asked.seed,
        "metric": case.headline,
        "value": _round(model.figures[case.headline]),
        "low": _round(model.low),
        "high": _round(model.high),
        "figures": {name: _round(value) for name, value in model.figures.items()},
        "sites": {site: _round(value) for site, value in model.sites.items()},
        "rows": sum(scored.rows for scored in told.run.values()),
        "epsilon_spent": None if told.spent is None else _round(told.spent),
        "configuration": _configuration(told),
        "chosen": _where(case, told),
        "tried": dict(told.tried),
        "seconds": told.seconds,
    }


def summary_lines(case: Case, groups: Sequence[Group]) -> Iterator[Line]:
    """One line a method and ε, with what was aimed at."""
    for group in groups:
        values = [model.figures[case.headline] for model in group.models]
        line: Line = {
            "kind": "summary",
            **_named(case, group.models[0].told.asked),
            "metric": case.headline,
            "seeds": len(values),
            "median": _round(median(values)),
            "least": _round(min(values)),
            "most": _round(max(values)),
            "figures": {name: _round(group.value(name)) for name in case.figures},
            "protocol": case.protocol,
            "notes": list(case.notes),
            "aims": [_aim_line(case, group, aim) for aim in case.aims if _meant(aim, group)],
        }
        yield line


def table(case: Case, groups: Sequence[Group]) -> Table:
    """For people: medians over seeds."""
    made = Table(title=f"{case.title}\n{case.protocol}", box=SIMPLE, title_justify="left")
    made.add_column("method")
    made.add_column("ε", justify="right")
    for name in case.figures:
        made.add_column(name, justify="right")
    made.add_column("least to most", justify="right")
    made.add_column("95 % of seed 0", justify="right")
    made.add_column("aim")
    for group in groups:
        made.add_row(*_cells(case, group))
    return made


def _cells(case: Case, group: Group) -> list[str]:
    values = [model.figures[case.headline] for model in group.models]
    first = group.models[0]
    aims = [_aim_line(case, group, aim) for aim in case.aims if _meant(aim, group)]
    return [
        f"{group.method}, {group.left_out}" if group.left_out else group.method,
        "none" if group.epsilon == inf else f"{group.epsilon:g}",
        *(_brief(group.value(name)) for name in case.figures),
        f"{_brief(min(values))}–{_brief(max(values))}",
        f"{_brief(first.low)}–{_brief(first.high)}",
        "; ".join(f"{aim['figure']} {aim['at_least']}: {'met' if aim['reached'] else 'missed'}" for aim in aims),
    ]


def _meant(aim: Aim, group: Group) -> bool:
    site = group.left_out if aim.method == LEFT_OUT else ""
    return (aim.method, aim.epsilon, aim.site) == (group.method, group.epsilon, site)


def _aim_line(case: Case, group: Group, aim: Aim) -> Line:
    figure = aim.figure or case.headline
    value = group.value(figure)
    line: Line = {"figure": figure, "at_least": aim.at_least, "median": _round(value), "reached": value >= aim.at_least}
    return line if value >= aim.at_least else line | {"why_not": case.shortfall or "not known"}


def _named(case: Case, asked: Asked) -> Line:
    line: Line = {
        "case": case.name,
        "method": asked.method,
        "epsilon": None if asked.epsilon == inf else asked.epsilon,
    }
    return line | ({"left_out": asked.left_out} if asked.left_out else {})


def _configuration(told: Told) -> Line:
    study: Study = load_draft(told.variant.study.encode())
    training, strategy = study.training, study.strategy
    return {
        "variant": told.variant.name,
        "model": study.model.name,
        "options": {key: value for key, value in study.model.options.items() if key != "cuts"},
        "strategy": strategy.name,
        "rounds": strategy.rounds,
        "average_last": strategy.average_last,
        "local_steps": training.local_steps,
        "optimizer": training.optimizer,
        "learning_rate": training.learning_rate,
        "weight_decay": training.weight_decay,
        "sampling_rate": max(site.sampling_rate for site in study.sites.values()),
        "clip_norm": None if told.asked.epsilon == inf else study.privacy.clip_norm,
        "inputs": list(study.data.input_shape),
    }


def _where(case: Case, told: Told) -> str:
    if not told.tried:
        return case.chosen
    rows = "by leaving another site out" if told.asked.method == LEFT_OUT else "by five folds of its training rows"
    return f"of {len(told.tried)} variants within this seed, {rows}; {case.chosen}"


def _value(figure: Figure, run: Scores) -> float:
    try:
        return float(figure(run))
    except (ValueError, ZeroDivisionError):
        return float("nan")


def _interval(figure: Figure, run: Scores) -> tuple[float, float]:
    everybody = pooled(run.values())
    site = np.repeat(np.arange(len(run)), [scored.rows for scored in run.values()])
    kinds = int(everybody.labels.max()) + 1
    survival = kinds > _MOST_CLASSES
    strata = site * (2 if survival else kinds) + (everybody.labels % 2 if survival else everybody.labels)
    values = []
    for weights in Draws(everybody.units, strata, resamples=RESAMPLES).weights():
        for counts in weights.astype(np.int64):
            drawn = np.repeat(np.arange(len(counts)), counts)
            run_again = {
                name: Scored(everybody.labels[rows], everybody.scores[rows], everybody.units[rows])
                for number, name in enumerate(run)
                if len(rows := drawn[site[drawn] == number])
            }
            values.append(_value(figure, run_again))
    low, high = np.nanquantile(values, _BOUNDS)
    return float(low), float(high)


_MOST_CLASSES = 1 << 12
"""Labels above are survival's."""


def _round(value: float) -> float | None:
    return None if isnan(value) else round(value, _DIGITS)


def _brief(value: float) -> str:
    return "–" if isnan(value) else f"{value:.3f}".removeprefix("0")
