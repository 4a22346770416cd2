"""The quality benchmark: a small case with generated hospitals from import to lines, and what every case promises."""

import json
from collections.abc import Mapping, Sequence
from math import inf, isnan
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import quality
from benchmarks.quality_cases import LEFT_OUT, Aim, Case, Variant
from benchmarks.quality_figures import accuracy, area, brier, c_index, mean_accuracy, within
from benchmarks.quality_heart import HEART_FLAMBY
from benchmarks.quality_running import Asked, CaseRun, Told
from benchmarks.quality_studies import SPLIT, UNIT, import_sites, quarter_held_out, study_text
from benchmarks.quality_survival import SURVIVAL
from benchmarks.quality_tables import TABLES
from benchmarks.quality_told import grouped, judged, model_line, summary_lines, table
from fedward_client.vault.training.dataset import open_data_set
from fedward_shared.evaluation.scored import Scored
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.resolve import load_draft
from fedward_shared.recipes.schedules import Schedule
from fedward_simulations.grid.running import State

SITES = ("north", "south", "west")
DATA = {
    "kind": "table",
    "patient": UNIT,
    "split": SPLIT,
    "label": {"column": "ill", "classes": [["0"], ["1"]], "names": ["well", "ill"]},
    "columns": {
        name: {"type": "number", "unit": "1", "range": [-9, 9], "centre": 0, "scale": 1, "missing": [""]}
        for name in ("first", "second")
    },
}
RATES = (2.0, 0.001)
Rows = Mapping[str, Sequence[Mapping[str, str]]]


def variants(epsilon: float) -> tuple[Variant, ...]:
    sizes = dict.fromkeys(SITES, 60)
    return tuple(
        Variant(
            f"rate {rate:g}",
            study_text("generated", {"name": "logistic"}, DATA, sizes, Schedule(3, 1, rate, average_last=1)),
        )
        for rate in (RATES if epsilon == inf else RATES[:1])
    )


def generated(*, turned: bool = False) -> tuple[Rows, Mapping[str, NDArray[np.bool_]]]:
    """Hospitals with one telling input; `turned` has the outcome of all test rows the other way round."""
    rng = np.random.default_rng(7)
    rows: dict[str, list[dict[str, str]]] = {}
    held = {}
    for number, site in enumerate(SITES):
        inputs = rng.normal(size=(80, 2))
        ill = inputs[:, 0] + 0.5 * rng.normal(size=80) > 0
        held[site] = quarter_held_out(ill.tolist(), 0, number)
        told = ill ^ held[site] if turned else ill
        rows[site] = [
            {"first": f"{one:.3f}", "second": f"{two:.3f}", "ill": str(int(label))}
            for (one, two), label in zip(inputs.tolist(), told.tolist(), strict=True)
        ]
    return rows, held


def imports(data: Path, folder: Path, seed: int) -> Mapping[str, Path] | None:
    del seed
    if not data.is_dir():
        return None
    rows, held = generated(turned=data.name == "turned")
    return import_sites(folder, variants(inf)[0].study, rows, held)


CASE = Case(
    name="generated",
    title="Generated hospitals",
    protocol="a quarter judges",
    chosen="nowhere: generated",
    imports=imports,
    variants=variants,
    figures={"AUC": area, "within": within, "accuracy": accuracy, "Brier": brier},
    aims=(Aim(0.6), Aim(1.01, epsilon=3.0), Aim(0.5, method=LEFT_OUT, site="west")),
    methods=("local", "centralised", "federated", LEFT_OUT),
    epsilons=(inf, 3.0),
    seeds=1,
    shortfall="nothing ranks better than perfectly",
)


def run_case(data: Path, cache: Path, case: Case = CASE) -> tuple[list[Told], list[State]]:
    states: list[State] = []
    run = CaseRun(case, data, cache, seeds=(0,), jobs=1, notify=lambda _, state: states.append(state))
    assert run.there()
    return run.rows(), states


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quality")
    (folder / "straight").mkdir()
    (folder / "turned").mkdir()
    return folder


@pytest.fixture(scope="module")
def told(place: Path) -> list[Told]:
    return run_case(place / "straight", place / "cache")[0]


def find(told: Sequence[Told], method: str, epsilon: float = inf, left_out: str = "") -> Told:
    return next(one for one in told if one.asked == Asked(method, epsilon, 0, left_out))


def test_every_method_is_judged_on_the_test_rows_of_every_site(told: Sequence[Told]) -> None:
    _, held = generated()
    rows = {site: int(mask.sum()) for site, mask in held.items()}
    methods = {one.asked.method for one in told if one.asked.method != LEFT_OUT}
    assert methods == {"logistic_regression", "gradient_boosting", "local", "centralised", "federated"}
    assert all(
        {site: scored.rows for site, scored in one.run.items()} == rows for one in told if one.asked.method != LEFT_OUT
    )
    assert area(find(told, "federated").run) > 0.8


def test_a_site_that_is_left_out_is_judged_on_all_of_its_rows(told: Sequence[Told]) -> None:
    for epsilon in CASE.epsilons:
        for site in SITES:
            assert {name: scored.rows for name, scored in find(told, LEFT_OUT, epsilon, site).run.items()} == {site: 80}


def test_privacy_is_spent_only_where_it_is_asked_for(told: Sequence[Told]) -> None:
    for one in told:
        if one.asked.epsilon == inf:
            assert one.spent is None
        else:
            assert one.spent is not None
            assert 2.5 < one.spent <= 3.0


def test_the_better_variant_is_chosen_without_the_rows_that_judge(told: Sequence[Told], place: Path) -> None:
    turned, _ = run_case(place / "turned", place / "cache")
    for method in ("federated", "centralised", "local"):
        before, after = find(told, method), find(turned, method)
        assert before.variant.name == "rate 2"
        assert before.tried["rate 2"] >= before.tried["rate 0.001"] - 0.002
        assert (after.variant, after.tried) == (before.variant, before.tried)
    assert area(find(turned, "federated").run) < 0.2
    assert area(find(told, "federated").run) > 0.8


def test_a_second_run_trains_nothing(told: Sequence[Told], place: Path) -> None:
    again, states = run_case(place / "straight", place / "cache")
    assert states
    assert all(state.total == state.reused for state in states)
    assert [one.asked for one in again] == [one.asked for one in told]


def test_lines_say_what_was_aimed_at_and_where_settings_come_from(told: Sequence[Told]) -> None:
    models = [judged(CASE, one) for one in told]
    lines = [json.loads(json.dumps(model_line(CASE, model), allow_nan=False)) for model in models]
    assert len(lines) == 2 + 2 + 2 + 6
    federated = next(line for line in lines if line["method"] == "federated" and line["epsilon"] is None)
    assert federated["low"] <= federated["value"] <= federated["high"]
    assert federated["configuration"]["learning_rate"] == 2.0
    assert "five folds of its training rows" in federated["chosen"]
    summaries = [json.loads(json.dumps(line, allow_nan=False)) for line in summary_lines(CASE, grouped(models))]
    aims = {(line["method"], line["epsilon"]): line["aims"] for line in summaries if line["aims"]}
    assert [aim["reached"] for aim in aims["federated", None]] == [True]
    assert aims["federated", 3.0][0]["why_not"] == "nothing ranks better than perfectly"
    assert len(aims[LEFT_OUT, None]) == 1
    assert table(CASE, grouped(models)).row_count == len(grouped(models))


def test_data_that_are_not_there_are_no_case(tmp_path: Path) -> None:
    run = CaseRun(CASE, tmp_path / "absent", tmp_path, seeds=(0,), jobs=1, notify=lambda *_: None)
    assert not run.there()


def test_the_command_names_its_cases_and_an_absent_one_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quality.main(["--data", str(tmp_path), "--list"])
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert set(names) >= {case.name for case in (*TABLES, *SURVIVAL)}
    quality.main(["--data", str(tmp_path), "--cell", "tcga-brca", "--cache", str(tmp_path / "cache"), "--json"])
    assert json.loads(capsys.readouterr().out) == {"kind": "absent", "case": "tcga-brca"}


def test_an_unknown_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        quality.main(["--data", str(tmp_path), "--cell", "heart-of-gold"])
    assert ended.value.code == 2


@pytest.mark.parametrize("case", [*TABLES, *SURVIVAL], ids=lambda case: case.name)
def test_all_studies_of_a_case_read_the_same_data(case: Case) -> None:
    studies = [load_draft(one.study.encode()) for epsilon in case.epsilons for one in case.variants(epsilon)]
    assert len({contract_digest(study.data) for study in studies}) == 1
    assert len({study.site_names for study in studies}) == 1
    assert all(site.sampling_rate == 1.0 for study in studies for site in study.sites.values())
    assert {aim.figure or case.headline for aim in case.aims} <= set(case.figures)
    assert {aim.site for aim in case.aims} <= {"", *studies[0].site_names}


def test_flambys_rows_are_complete_and_split_by_class(tmp_path: Path) -> None:
    folder = tmp_path / "heart_disease_4site"
    folder.mkdir()
    for name in ("cleveland", "hungarian", "switzerland", "va"):
        lines = [f"{40 + n % 30},1,{1 + n % 4},130,{200 + n},0,{n % 3},150,0,1.0,NaN,?,?,{n % 2}" for n in range(30)]
        lines.append("50,1,4,?,250,0,0,150,0,1.0,2,0,3,1")
        (folder / f"processed.{name}.data").write_text("\n".join(lines) + "\n", encoding="ascii")
    made = HEART_FLAMBY.imports(tmp_path, tmp_path / "work", 0)
    assert made is not None
    contract = load_draft(HEART_FLAMBY.variants(inf)[0].study.encode()).data
    for site in made.values():
        data = open_data_set(site, contract)
        assert (data.train.count, data.test.count) == (19, 11)
        assert abs(int(data.test.labels.sum()) - 5.5) == 0.5


def test_a_quarter_of_each_class_is_held_out() -> None:
    labels = [0] * 40 + [1] * 8
    held = quarter_held_out(labels, 3, 0)
    assert held[:40].sum() == 10
    assert held[40:].sum() == 2
    assert (held != quarter_held_out(labels, 4, 0)).any()


def scored(labels: Sequence[int], risks: Sequence[float]) -> Scored:
    risk = np.array(risks)
    return Scored(np.array(labels), np.stack([1 - risk, risk], axis=1), np.arange(len(labels)))


def test_figures_by_hand() -> None:
    run = {"a": scored([0, 1], [0.2, 0.9]), "b": scored([0, 1, 1, 1], [0.6, 0.7, 0.4, 0.8])}
    assert area(run) == pytest.approx(7 / 8)
    assert accuracy(run) == pytest.approx(4 / 6)
    assert mean_accuracy(run) == pytest.approx((1 + 0.5) / 2)
    assert brier(run) == pytest.approx((0.04 + 0.01 + 0.36 + 0.09 + 0.36 + 0.04) / 6)
    assert isnan(within(run))


def test_the_c_index_counts_pairs_whose_order_is_known() -> None:
    # (tick, event): 1 died, 2 censored, 3 died, 3 censored; risks in order but for the last two
    labels = np.array([2 * 1 + 1, 2 * 2, 2 * 3 + 1, 2 * 3])
    risks = np.array([0.9, 0.1, 0.3, 0.4])
    run = {"a": Scored(labels, risks[:, None], np.arange(4))}
    assert c_index(run) == pytest.approx(3 / 4)
