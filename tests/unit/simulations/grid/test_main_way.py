"""Which of a grid's ways of training the report is about."""

from math import inf

import pytest

from fedward_shared.manifest.parse import load
from fedward_simulations.grid.command import main_way
from fedward_simulations.grid.plan import Asked, planned
from tests.support.samples import TWO_SITES

STUDY = load(TWO_SITES.encode())


@pytest.mark.parametrize(
    ("strategies", "epsilons", "expected"),
    [
        (("fedadam", "fedavg"), (1.0, 3.0, inf), ("fedavg", 3.0)),
        (("fedavg",), (1.0, 8.0, inf), ("fedavg", 1.0)),
        (("fedavg", "fedadam"), (inf,), ("fedavg", inf)),
        (("fedadam",), (inf, 3.0), ("fedadam", 3.0)),
        (("",), (1.0, 3.0), ("", 3.0)),
    ],
)
def test_it_is_the_studys_own_strategy_at_its_own_epsilon(
    strategies: tuple[str, ...], epsilons: tuple[float, ...], expected: tuple[str, float]
) -> None:
    asked = Asked(("local", "federated", "leave_one_out"), strategies=strategies, epsilons=epsilons)
    first = main_way(planned(asked, STUDY.site_names), STUDY).first
    assert (first.strategy, first.epsilon) == expected
    assert first.method == "federated"
