"""Seeded randomness repeats for the same seed and site, and for nothing else."""

import numpy as np

from fedward_simulations.randomness import SeededSource


def draws(seed: int, site: str, orders: int) -> list[list[float]]:
    source = SeededSource(seed, site)
    return [source(bytes([number])).gaussian(4).tolist() for number in range(orders)]


def test_same_seed_and_site_repeat_whatever_the_digests() -> None:
    other = SeededSource(1, "north")
    assert draws(1, "north", 3) == [other(b"another digest").gaussian(4).tolist() for _ in range(3)]


def test_orders_sites_and_seeds_all_differ() -> None:
    rows = [*draws(1, "north", 3), *draws(1, "south", 3), *draws(2, "north", 3)]
    assert len(np.unique(np.array(rows), axis=0)) == 9
