"""Rows of the table of what a private step costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.dp_arms import brute_force, check
from benchmarks.dp_models import CASES, Case
from benchmarks.dp_peers import Settings
from fedward_shared.models.registry import names

torch.set_num_threads(1)
QUICK = [case for case in CASES if case.name.startswith(("logistic", "mlp_", "cox", "hazard", "gru_", "cnn1d"))]


def test_every_family_has_a_row_and_every_row_a_name_of_its_own() -> None:
    assert all(any(case.name.startswith(name) for case in CASES) for name in names())
    assert len({case.label for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.label)
def test_the_step_that_is_timed_is_the_right_one(case: Case) -> None:
    few = replace(case, batch=4)
    settings = Settings(normaliser=4.0)
    check("fedward", few, settings, brute_force(few, settings))
