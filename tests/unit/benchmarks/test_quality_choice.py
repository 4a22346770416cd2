"""How a quality case chooses: with noise of its own, and never a variant that could not be judged."""

import pytest

from benchmarks.quality_cases import Variant
from benchmarks.quality_running import best, trial_seed
from fedward_shared.errors import UsageError

FIRST, SECOND, THIRD = (Variant(name, "") for name in ("first", "second", "third"))


def test_no_trial_has_the_noise_of_the_run_that_is_judged_or_of_another_trial() -> None:
    judged = range(20)
    trials = [trial_seed(seed, number) for seed in judged for number in range(10)]
    assert set(trials).isdisjoint(judged)
    assert len(set(trials)) == len(trials)


def test_a_variant_that_failed_loses() -> None:
    assert best({FIRST: float("nan"), SECOND: 0.8, THIRD: 0.9}) == THIRD


def test_the_first_within_a_hair_of_the_best_wins() -> None:
    assert best({FIRST: 0.8995, SECOND: 0.9, THIRD: 0.7}) == FIRST


def test_nothing_is_chosen_where_everything_failed() -> None:
    with pytest.raises(UsageError, match="no variant could be trained"):
        best({FIRST: float("nan"), SECOND: float("nan")})
