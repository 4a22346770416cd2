"""Trains the heart study at one ε over random splits and judges it on their test rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from pathlib import Path

import numpy as np

from benchmarks.heart_study import (
    FIXED_SPLIT,
    choose_rate,
    declared_rate,
    import_hospitals,
    manifest,
    split_hospitals,
    training_parts,
)
from fedward_shared.evaluation.calibration import brier
from fedward_shared.evaluation.discrimination import accuracy
from fedward_shared.evaluation.outcome import ClassOutcome
from fedward_shared.evaluation.ranking import auc
from fedward_shared.evaluation.scored import Floats, Ints, pooled
from fedward_shared.evaluation.summary import comparable
from fedward_shared.manifest.parse import load
from fedward_simulations.inline import run_inline
from fedward_simulations.report.compared import Run
from fedward_simulations.scores import read_scores

__all__ = ["Bench", "Figures", "Level", "Terms", "judge", "terms_of"]

_OUTCOME = ClassOutcome(("no disease", "disease"))


@dataclass(frozen=True, slots=True)
class Figures:
    """One model on its split's test rows.

    `within` is the mean AUC over hospitals with at least five test patients of each class, `hospitals` FLamby's figure:
    the mean over all hospitals of their accuracy. `hospital_only` is the AUC of knowing nothing but the hospital.
    """

    auc: float
    within: float
    accuracy: float
    hospitals: float
    brier: float
    hospital_only: float


@dataclass(frozen=True, slots=True)
class Terms:
    """What a patient is charged at one ε: the same at every hospital, since q = 1 everywhere.

    `ledger` is ε by the product's accountant (analytic Gaussian), `pld` by dp-accounting's privacy loss distribution.
    """

    noise_multiplier: float
    clip_norm: float
    delta: float
    steps: int
    ledger: float
    pld: float


@dataclass(frozen=True, slots=True)
class Level:
    """One ε, a model a seed: with the declared rate, with the rate chosen inside the split, and on the fixed split."""

    epsilon: float
    rate: float
    terms: Terms
    declared: tuple[Figures, ...]
    nested: tuple[Figures, ...]
    nested_rates: tuple[float, ...]
    fixed: tuple[Figures, ...]


class Bench:
    """The imported hospitals, and every split of them that is asked for.

    Args:
        folder: an empty folder.
        tick: called after each piece of work, with what is next.
    """

    def __init__(self, folder: Path, tick: Callable[[str], None]) -> None:
        self._folder = folder
        self._tick = tick
        self._splits = {FIXED_SPLIT: import_hospitals(folder / "imports")}
        self._reports = 0

    def level(self, epsilon: float, seeds: Sequence[int], *, nested: bool) -> Level:
        """Everything at one ε. Two ticks a seed, three with `nested`."""
        rate = declared_rate(epsilon)
        declared, chosen, rates, fixed = [], [], [], []
        for seed in seeds:
            self._tick(f"ε = {epsilon:g}, split {seed}")
            declared.append(self._run(epsilon, rate, seed, split=seed))
            self._tick(f"ε = {epsilon:g}, fixed split, noise {seed}")
            fixed.append(self._run(epsilon, rate, seed, split=FIXED_SPLIT))
            if nested:
                self._tick(f"ε = {epsilon:g}, split {seed}, choosing")
                rates.append(choose_rate(epsilon, training_parts(self._split(seed)), seed=seed)[0])
                same = rates[-1] == rate
                chosen.append(declared[-1] if same else self._run(epsilon, rates[-1], seed, split=seed))
        terms = terms_of(manifest(epsilon, rate))
        return Level(epsilon, rate, terms, tuple(declared), tuple(chosen), tuple(rates), tuple(fixed))

    def _split(self, seed: int) -> Mapping[str, Path]:
        if seed not in self._splits:
            folder = self._folder / f"split-{seed}"
            self._splits[seed] = split_hospitals(self._splits[FIXED_SPLIT], folder, seed=seed)
        return self._splits[seed]

    def _run(self, epsilon: float, rate: float, seed: int, *, split: int) -> Figures:
        folders = self._split(split)
        self._reports += 1
        reports = self._folder / "reports" / str(self._reports)
        content = manifest(epsilon, rate)
        run = run_inline(content, folders, seed=seed, reports=reports)
        groups = [group.name for group in load(content).evaluation.subgroups]
        ill = {site: float((part.labels == 1).mean()) for site, part in training_parts(folders).items()}
        return judge({site: read_scores(told.report, groups) for site, told in run.sites.items()}, ill)


def judge(run: Run, train_prevalence: Mapping[str, float]) -> Figures:
    """The figures of one model's test scores."""
    whole = pooled(run.values())
    known = np.concatenate([np.full(scored.rows, train_prevalence[site]) for site, scored in run.items()])
    return Figures(
        auc=_area(whole.labels, whole.scores[:, 1]),
        within=float(np.mean([_area(run[site].labels, run[site].scores[:, 1]) for site in comparable(run, _OUTCOME)])),
        accuracy=accuracy(whole.labels, whole.scores),
        hospitals=float(np.mean([accuracy(scored.labels, scored.scores) for scored in run.values()])),
        brier=brier(whole.labels, whole.scores),
        hospital_only=_area(whole.labels, known),
    )


def _area(labels: Ints, scores: Floats) -> float:
    area = auc(scores, labels == 1)
    return np.nan if area is None else area


def terms_of(published: bytes) -> Terms:
    """The dearest site's terms in a published study."""
    study = load(published)
    if study.resolved is None:
        raise ValueError("the study is not published")
    site, resolved = max(study.resolved.sites.items(), key=lambda item: item[1].epsilon)
    privacy = study.privacy
    sigma, steps, rate = resolved.noise_multiplier, study.steps_per_site, study.sites[site].sampling_rate
    pld = resolved.epsilon if isinf(resolved.epsilon) else _pld(sigma, rate, steps, privacy.delta)
    return Terms(sigma, privacy.clip_norm, privacy.delta, steps, resolved.epsilon, pld)


def _pld(sigma: float, rate: float, steps: int, delta: float) -> float:
    from dp_accounting.pld import privacy_loss_distribution

    step = privacy_loss_distribution.from_gaussian_mechanism(
        sigma, pessimistic_estimate=True, value_discretization_interval=1e-4, sampling_prob=rate
    )
    return float(step.self_compose(steps).get_epsilon_for_delta(delta))
