"""The benchmark of privacy and utility: its splits, its short way to train, and a small run of the whole."""

import json
import sys
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.heart_levels import Figures, Level, Terms, judge, terms_of
from benchmarks.heart_study import (
    RATES,
    Choice,
    best_rate,
    choose_rate,
    declared_rate,
    import_hospitals,
    manifest,
    split_hospitals,
    stratified,
    training_parts,
)
from benchmarks.privacy_utility import main
from fedward_client.vault.training.dataset import open_data_set
from fedward_shared.contracts.cohort import NumberColumn
from fedward_shared.contracts.study import Study
from fedward_shared.evaluation.scored import Scored
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import check_resolved
from fedward_simulations.grid.engine import federate
from fedward_simulations.inline import run_inline
from fedward_simulations.scenarios.heart import study_text


@pytest.fixture(scope="module")
def imports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The four hospitals, with the scenario's split."""
    return import_hospitals(tmp_path_factory.mktemp("imports"))


def scales(study: Study) -> list[float]:
    return [column.scale for column in study.data.columns if isinstance(column, NumberColumn)]


def test_the_study_is_the_scenarios_but_for_what_it_declares() -> None:
    ours, theirs = load(manifest(3.0, 2.0)), load(study_text().encode())
    assert scales(ours) == [2 * scale for scale in scales(theirs)]
    assert ours.sites == theirs.sites
    assert ours.model == theirs.model
    assert ours.training == replace(theirs.training, local_steps=1, learning_rate=2.0)
    assert ours.strategy == replace(theirs.strategy, spare_attempts=0)
    assert ours.privacy == replace(theirs.privacy, clip_norm=0.5)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 8.0])
def test_what_a_level_says_it_costs_is_what_its_noise_gives_by_both_accountants(epsilon: float) -> None:
    published = manifest(epsilon, 1.0)
    check_resolved(load(published))
    terms = terms_of(published)
    assert terms.steps == 20
    assert 0.99 * epsilon <= terms.ledger <= epsilon
    assert terms.pld == pytest.approx(terms.ledger, rel=0.01)


def test_without_privacy_there_is_no_noise_and_no_bound() -> None:
    terms = terms_of(manifest(inf, 1.0))
    assert (terms.noise_multiplier, terms.ledger, terms.pld) == (0.0, inf, inf)


@pytest.mark.parametrize(("epsilon", "rate"), [(0.1, 1.0), (0.5, 1.0), (1.0, 2.0), (3.0, 2.0), (5.0, 4.0), (inf, 4.0)])
def test_the_declared_rate_follows_epsilon(epsilon: float, rate: float) -> None:
    assert declared_rate(epsilon) == rate


def test_parts_are_even_in_every_class() -> None:
    labels = np.array([0] * 13 + [1] * 30)
    part = stratified(labels, 4, np.random.default_rng(0))
    for value in (0, 1):
        counts = np.bincount(part[labels == value], minlength=4)
        assert counts.max() - counts.min() <= 1
    assert np.ptp(np.bincount(part)) <= 1
    assert not np.array_equal(part, stratified(labels, 4, np.random.default_rng(1)))


def test_a_split_changes_which_rows_are_for_testing_and_nothing_else(imports: dict[str, Path], tmp_path: Path) -> None:
    split = split_hospitals(imports, tmp_path / "a", seed=7)
    again = split_hospitals(imports, tmp_path / "b", seed=7)
    other = split_hospitals(imports, tmp_path / "c", seed=8)
    contract = load(manifest(inf, 1.0)).data
    assert contract.split is not None
    for site, folder in imports.items():
        tables = [pl.read_parquet(made[site] / "table-00000.parquet") for made in (split, again, other)]
        assert tables[0].equals(tables[1])
        assert not tables[0].equals(tables[2])
        assert (
            tables[0].drop(contract.split).equals(pl.read_parquet(folder / "table-00000.parquet").drop(contract.split))
        )
        data = open_data_set(split[site], contract)
        for value in (0, 1):
            test, train = (int((part.labels == value).sum()) for part in (data.test, data.train))
            assert test == pytest.approx((test + train) / 4, abs=1)


@pytest.mark.parametrize("epsilon", [1.0, inf])
def test_the_short_way_to_train_gives_the_inline_engines_model(
    imports: dict[str, Path], tmp_path: Path, epsilon: float
) -> None:
    content = manifest(epsilon, 2.0)
    real = run_inline(content, imports, seed=5, reports=tmp_path).conclusion.model
    short = federate(load(content), training_parts(imports), seed=5)
    assert short.keys() == real.keys()
    assert all(np.array_equal(values, real[name]) for name, values in short.items())


def test_the_best_rate_is_the_best_calibrated_of_those_that_rank_alike() -> None:
    tried = [Choice(0.5, 0.900, 0.17), Choice(1.0, 0.899, 0.15), Choice(2.0, 0.8981, 0.13), Choice(4.0, 0.897, 0.12)]
    assert best_rate(tried) == 2.0


def test_choosing_repeats_itself_and_reads_the_given_rows_only(imports: dict[str, Path]) -> None:
    training = training_parts(imports)
    flipped = {site: replace(part, labels=1 - part.labels) for site, part in training.items()}
    rate, tried = choose_rate(inf, training, seed=3, rates=RATES[:2])
    assert choose_rate(inf, training, seed=3, rates=RATES[:2]) == (rate, tried)
    assert [choice.rate for choice in tried] == list(RATES[:2])
    assert all(0.85 < choice.auc < 0.95 for choice in tried)
    assert all(0.85 < choice.auc < 0.95 for choice in choose_rate(inf, flipped, seed=3, rates=RATES[:1])[1])


def scored(labels: list[int], risks: list[float]) -> Scored:
    second = np.array(risks)
    return Scored(np.array(labels), np.stack([1 - second, second], axis=1), np.arange(len(labels)))


def test_figures_of_one_model() -> None:
    big = scored([0] * 5 + [1] * 5, [0.1] * 5 + [0.9] * 4 + [0.05])
    small = scored([0, 1], [0.6, 0.7])
    figures = judge({"big": big, "small": small}, {"big": 0.2, "small": 0.8})
    assert figures.within == pytest.approx(0.8)
    assert figures.accuracy == pytest.approx(10 / 12)
    assert figures.hospitals == pytest.approx((0.9 + 0.5) / 2)
    assert figures.hospital_only == pytest.approx(0.5)
    assert figures.auc == pytest.approx((4 * 6 + 0 + 6) / 36)
    assert figures.brier == pytest.approx((5 * 0.01 + 4 * 0.01 + 0.95**2 + 0.36 + 0.09) / 12)


def lines_of(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    """What the benchmark prints."""
    monkeypatch.setattr(sys, "argv", ["privacy_utility", *arguments])
    main()
    return capsys.readouterr().out.splitlines()


def test_a_small_run_prints_lines_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.heart_study._FOLDS", 2)
    plot = tmp_path / "curve.svg"
    asked = ["--json", "--seeds", "1", "--epsilons", "1", "--no-flamby", "--plot", str(plot)]
    line, run = map(json.loads, lines_of(capsys, monkeypatch, *asked))
    assert (line["kind"], line["epsilon"], line["seeds"], line["steps"], line["aim"]) == ("fedward", 1.0, 1, 20, 0.88)
    assert line["epsilon_ledger"] <= 1 < 1.02 * line["epsilon_pld"]
    assert line["met"] == (line["auc"] >= 0.88)
    assert line["learning_rates_nested"][0] in RATES
    for name in ("auc", "auc_nested", "auc_fixed"):
        assert 0.8 < line[name] < 0.95
        assert line[f"{name}_sd"] is None
    assert 0.65 < line["hospital_only"] < 0.8
    assert run["kind"] == "run"
    assert "<svg" in plot.read_text()


def test_the_table_for_people_says_whether_an_aim_was_met(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    level = Level(
        epsilon=3.0,
        rate=2.0,
        terms=Terms(5.0, 0.5, 1e-5, 20, 3.0, 3.01),
        declared=(Figures(0.895, 0.84, 0.82, 0.8, 0.13, 0.71), Figures(0.885, 0.84, 0.82, 0.8, 0.13, 0.71)),
        nested=(),
        nested_rates=(),
        fixed=(Figures(0.9, 0.84, 0.82, 0.8, 0.13, 0.71),),
    )
    monkeypatch.setattr("benchmarks.heart_levels.Bench.level", lambda *_, **__: level)
    shown = "\n".join(lines_of(capsys, monkeypatch, "--epsilons", "3", "--no-flamby", "--no-nested"))
    assert "AUC at least 0.89; 0.8900: met" in shown
    assert ".890" in shown
    assert "Knowing only the hospital: AUC .710" in shown


def test_an_impossible_epsilon_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="2"):
        lines_of(capsys, monkeypatch, "--epsilons", "0,1")
    assert "must be above 0" in capsys.readouterr().err
