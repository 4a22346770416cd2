"""FLamby's accounting, corrected: every figure against another way to get it."""

import os
from math import exp
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.flamby_curve import PUBLISHED, RECORDS, Loader, Point, correct, references, shuffled_at_least
from fedward_shared.errors import UsageError

LONG = os.environ.get("FEDWARD_LONG") == "1"
ONE = next(point for point in PUBLISHED if (point.epsilon, point.delta) == (1, 1e-4))
LOADERS = {"cleveland": (50, 30), "hungary": (43, 35), "switzerland": (8, 188), "va": (22, 69)}


def gaussian_delta(mu: float, epsilon: float) -> float:
    """δ of a Gaussian mechanism at ε (Balle and Wang 2018, theorem 8)."""
    return float(norm.cdf(mu / 2 - epsilon / mu) - exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu))


@pytest.mark.parametrize("hospital", RECORDS)
def test_a_hospitals_loader_gives_as_many_batches_as_its_records_fill(hospital: str) -> None:
    loader = Loader.of(RECORDS[hospital])
    assert (loader.batches, loader.passes) == LOADERS[hospital]
    assert loader.steps == 1500


def test_every_published_point_stands_once() -> None:
    points = {(point.epsilon, point.delta) for point in PUBLISHED}
    assert len(PUBLISHED) == len(points) == 20
    assert points == {(e, d) for e in (0.1, 1, 5, 10, 50) for d in (0.1, 0.01, 0.001, 0.0001)}


@pytest.mark.parametrize("hospital", RECORDS)
def test_the_noise_meets_the_nominal_cost_at_the_steps_they_counted_and_not_at_those_they_took(hospital: str) -> None:
    from opacus.accountants import RDPAccountant

    loader = Loader.of(RECORDS[hospital])
    sigma = loader.noise(ONE.epsilon, ONE.delta)
    accountant = RDPAccountant()
    accountant.history = [(sigma, 1 / loader.batches, 15 * loader.batches)]
    assert 0.98 <= accountant.get_epsilon(delta=ONE.delta) <= 1
    accountant.history = [(sigma, 1 / loader.batches, loader.steps)]
    assert accountant.get_epsilon(delta=ONE.delta) > 1.4


def test_a_nominal_one_is_several_times_as_much_for_a_swiss_patient() -> None:
    found = correct(ONE, samples=20_000)
    assert [cost.hospital for cost in found.hospitals] == ["switzerland", "va", "hungary", "cleveland"]
    dearest = found.hospitals[0]
    assert dearest.noise_multiplier == pytest.approx(5.0, abs=0.01)
    assert dearest.counted == pytest.approx(3.73, abs=0.02)
    assert dearest.at_most == pytest.approx(13.33, abs=0.05)
    assert found.at_least == pytest.approx(dearest.counted, rel=0.1)
    assert [cost.counted for cost in found.hospitals[1:]] == pytest.approx([2.06, 1.41, 1.30], abs=0.02)


def test_the_upper_bound_is_the_gaussian_mechanism_of_all_passes() -> None:
    dearest = correct(ONE, samples=100).hospitals[0]
    mu = 188**0.5 / dearest.noise_multiplier
    assert gaussian_delta(mu, dearest.at_most) == pytest.approx(ONE.delta, rel=1e-3)


def test_without_shuffling_the_monte_carlo_figure_is_the_gaussian_mechanism() -> None:
    loader = Loader(batches=1, steps=16)
    found = shuffled_at_least(loader, 4.0, 0.01, seed=1, samples=200_000)
    assert gaussian_delta(1.0, found) == pytest.approx(0.01, rel=0.05)


def test_a_larger_pass_hides_better_and_a_larger_delta_costs_less() -> None:
    few, many = (
        shuffled_at_least(Loader(batches, 20 * batches), 1.0, 0.01, seed=1, samples=20_000) for batches in (4, 40)
    )
    assert 0 < many < few
    assert shuffled_at_least(Loader(4, 80), 1.0, 0.1, seed=1, samples=20_000) < few


def test_so_much_delta_that_nothing_is_left_to_bound() -> None:
    assert shuffled_at_least(Loader(50, 1500), 100.0, 0.1, seed=1, samples=1000) == 0.0


@pytest.mark.parametrize("point", PUBLISHED if LONG else [ONE], ids=lambda point: f"{point.epsilon:g}, {point.delta:g}")
def test_the_recorded_noise_is_what_opacus_gives(point: Point) -> None:
    noise = [Loader.of(records).noise(point.epsilon, point.delta) for records in RECORDS.values()]
    assert noise == pytest.approx(point.noise, rel=1e-5)


def test_the_noise_falls_as_either_of_epsilon_and_delta_grows() -> None:
    noise = {(point.epsilon, point.delta): np.array(point.noise) for point in PUBLISHED}
    for (epsilon, delta), sigma in noise.items():
        dearer = [
            other for (e, d), other in noise.items() if e <= epsilon and d <= delta and (e, d) != (epsilon, delta)
        ]
        assert all(np.all(other > sigma) for other in dearer)


HEADER = "Metric,Method,Test\n"


def result(method: str, *, pooled: float, hospitals: tuple[float, ...]) -> str:
    rows = [f"{value},{method},client_test_{number}\n" for number, value in enumerate(hospitals)]
    return "".join([*rows, f"{pooled},{method},Pooled Test\n"])


def test_their_own_files_are_averaged_over_seeds(tmp_path: Path) -> None:
    for seed, pooled in ((42, 0.7), (43, 0.8)):
        text = HEADER + result("FedAvg100", pooled=pooled, hospitals=(0.5, 0.6, 0.7, pooled))
        (tmp_path / f"heart_{seed}.csv").write_text(text)
    (one,) = references(tmp_path)
    assert (one.method, one.seeds) == ("FedAvg100", 2)
    assert one.pooled == pytest.approx(0.75)
    assert one.hospitals == pytest.approx((0.5 + 0.6 + 0.7 + 0.75) / 4)


def test_a_folder_without_their_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no heart_\*\.csv"):
        references(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2\n", HEADER + "high,FedAvg100,Pooled Test\n", HEADER + result("FedAvg100", pooled=0.7, hospitals=(0.5,))],
    ids=["other columns", "no number", "a hospital is missing"],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "heart_42.csv").write_text(text)
    with pytest.raises(UsageError, match="not a result of FLamby"):
        references(tmp_path)
