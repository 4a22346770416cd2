"""Every combination once, and nothing that makes no sense."""

from math import inf

import pytest

from fedward_shared.errors import UsageError
from fedward_simulations.grid.cell import Cell
from fedward_simulations.grid.plan import LEAVE_ONE_OUT, METHODS, Asked, planned

SITES = ("north", "south", "west")


def test_methods_strategies_epsilons_and_seeds_are_multiplied_where_they_mean_something() -> None:
    asked = Asked(METHODS, ("fedavg", "fedadam"), (inf, 3.0), (4, 5))
    ways = {way.key: way for way in planned(asked, SITES)}
    assert list(ways) == [
        "logistic_regression",
        "gradient_boosting",
        "local",
        "local-eps3",
        "centralised",
        *(
            f"{method}-{strategy}{epsilon}"
            for method in ("federated", LEAVE_ONE_OUT)
            for strategy in ("fedavg", "fedadam")
            for epsilon in ("", "-eps3")
        ),
    ]
    assert ways["gradient_boosting"].cells == ((Cell("gradient_boosting", 4),),)
    assert ways["local-eps3"].cells == ((Cell("local", 4, epsilon=3.0),), (Cell("local", 5, epsilon=3.0),))
    left = ways["leave_one_out-fedadam-eps3"]
    assert left.leaves_out
    assert left.cells[1] == tuple(Cell("federated", 5, "fedadam", 3.0, site) for site in SITES)
    assert len({way.title for way in ways.values()}) == len({way.short for way in ways.values()}) == len(ways)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"methods": ("gossip",)}, "no method 'gossip'"),
        ({"methods": ("federated",), "strategies": ("fedmagic",)}, "no strategy 'fedmagic'"),
        ({"methods": ()}, "of every method one is needed"),
        ({"methods": ("local",), "seeds": ()}, "of every seed one is needed"),
        ({"methods": ("local",), "epsilons": (3.0, 3.0)}, "each once"),
    ],
)
def test_what_makes_no_grid_is_told(asked: dict[str, tuple[str, ...]], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Asked(**asked)  # type: ignore[arg-type]  # wrong on purpose
