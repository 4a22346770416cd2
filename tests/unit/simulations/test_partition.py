"""Partitions give every row to exactly one site, whatever the labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedward_shared.errors import UsageError
from fedward_simulations.partition import dirichlet_sites, even_sites, label_sites

LABELS = np.repeat(np.arange(4), 25)


@given(st.integers(1, 200), st.integers(1, 20), st.integers(0, 5))
def test_each_row_goes_to_one_site(rows: int, sites: int, seed: int) -> None:
    sites = min(sites, rows)
    labels = np.arange(rows) % 3
    for parts in (
        even_sites(rows, sites, seed=seed),
        label_sites(labels, sites, seed=seed),
        dirichlet_sites(labels, sites, concentration=0.1, seed=seed),
    ):
        assert len(parts) == sites
        assert all(len(part) for part in parts)
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(rows))


def test_label_sites_give_each_hospital_few_classes() -> None:
    assert [set(LABELS[part]) for part in label_sites(LABELS, 4, seed=0)] == [{0}, {1}, {2}, {3}]


def test_concentration_decides_how_much_hospitals_differ() -> None:
    def spread(concentration: float) -> float:
        parts = dirichlet_sites(LABELS, 4, concentration=concentration, seed=1)
        shares = np.array([np.bincount(LABELS[part], minlength=4) / len(part) for part in parts])
        return float(shares.std(axis=0).mean())

    assert spread(0.1) > 3 * spread(100.0)


@pytest.mark.parametrize("sites", [0, 101])
def test_an_impossible_number_of_sites_is_refused(sites: int) -> None:
    with pytest.raises(UsageError, match="cannot be split"):
        even_sites(100, sites, seed=0)


def test_concentration_must_be_positive() -> None:
    with pytest.raises(UsageError, match="above 0"):
        dirichlet_sites(LABELS, 2, concentration=0.0, seed=0)
