"""Several values of one cell become one, each pick against its words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from fedward_client.importer.events.picking import pick_values
from fedward_shared.contracts.arrays import Pick

Told = list[tuple[int, float]]
MEANINGS: dict[Pick, Callable[[Told], float]] = {
    Pick.LAST: lambda told: min(value for time, value in told if time == max(told)[0]),
    Pick.FIRST: lambda told: min(value for time, value in told if time == min(told)[0]),
    Pick.LOWEST: lambda told: min(value for _, value in told),
    Pick.HIGHEST: lambda told: max(value for _, value in told),
    Pick.MEAN: lambda told: sum(value for _, value in told) / len(told),
    Pick.MEDIAN: lambda told: float(np.median([value for _, value in told])),
    Pick.COUNT: lambda told: float(len(told)),
    Pick.ANY: lambda _: 1.0,
}


@pytest.mark.parametrize("pick", list(Pick))
def test_each_pick_means_what_it_says_in_any_order(pick: Pick) -> None:
    draw = np.random.default_rng(5)
    cells, times, values = draw.integers(0, 50, 400), draw.integers(0, 4, 400), draw.integers(-9, 9, 400).astype(float)
    told: dict[int, Told] = {}
    for cell, time, value in zip(cells.tolist(), times.tolist(), values.tolist(), strict=True):
        told.setdefault(cell, []).append((time, value))
    found = []
    for _ in range(2):
        order = draw.permutation(400)
        out = np.full(60, np.nan)
        pick_values(pl.DataFrame({"cell": cells[order], "time": times[order], "number": values[order]}), pick, out)
        found.append(out)

    assert found[0].tobytes() == found[1].tobytes()
    for cell, value in enumerate(found[0]):
        assert value == pytest.approx(MEANINGS[pick](told[cell])) if cell in told else np.isnan(value)


def test_a_mean_has_the_same_bits_in_any_order() -> None:
    draw = np.random.default_rng(7)
    values = draw.normal(size=1000) * 10.0 ** draw.integers(-8, 8, 1000)
    found = set()
    for _ in range(5):
        out = np.zeros(1)
        pick_values(pl.DataFrame({"cell": [0] * 1000, "number": draw.permutation(values)}), Pick.MEAN, out)
        found.add(out.tobytes())

    assert len(found) == 1
