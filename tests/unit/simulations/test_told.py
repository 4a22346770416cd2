"""What `fedward-sim run` says of its figures at the end."""

from __future__ import annotations

from fedward_simulations.simulate import told


def test_each_site_is_told_with_its_mean_over_seeds() -> None:
    assert list(told({"north": {"auc": [0.7, 0.8]}, "south": {"auc": [None, None]}})) == [
        "north: AUC 0.750 on its test rows",
        "south: no AUC",
    ]


def test_that_nothing_was_held_out_is_told() -> None:
    (line,) = told({"north": {"rounds_joined": 3}})
    assert "held out" in line


def test_survival_is_told_by_its_c_index() -> None:
    assert list(told({"north": {"c_index": [0.6, 0.7]}, "south": {"c_index": [None, None]}})) == [
        "north: C-index 0.650 on its test rows",
        "south: no C-index",
    ]
    (line,) = told({"north": {"c_index": [None]}})
    assert "No C-index: no patients with events" in line
