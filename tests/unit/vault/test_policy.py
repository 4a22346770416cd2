"""policy.toml: what it may say, and that nothing else gets through."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedward_client.vault.policy import DEFAULT_POLICY, Policy, load_policy, unsafe_simulation_policy
from fedward_shared.contracts.budget import Budget
from fedward_shared.errors import UsageError


def load(tmp_path: Path, text: str) -> Policy:
    (tmp_path / "policy.toml").write_text(text)
    return load_policy(tmp_path / "policy.toml")


def test_the_default_policy_is_careful(tmp_path: Path) -> None:
    policy = load(tmp_path, DEFAULT_POLICY)
    assert policy == Policy(max_epsilon=10.0, delta=1e-5, allow_unsafe_no_privacy=False)
    assert policy.budget == Budget(10.0, 1e-5)


def test_studies_without_privacy_are_forbidden_unless_allowed(tmp_path: Path) -> None:
    assert not load(tmp_path, "max_epsilon = 3\ndelta = 1e-5").allow_unsafe_no_privacy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "max_epsilon = 3",
        "delta = 1e-5",
        "max_epsilon = 3\ndelta = 1e-5\nmax_epsilonn = 4",
        "max_epsilon = 0\ndelta = 1e-5",
        "max_epsilon = -1\ndelta = 1e-5",
        "max_epsilon = inf\ndelta = 1e-5",
        "max_epsilon = nan\ndelta = 1e-5",
        "max_epsilon = '3'\ndelta = 1e-5",
        "max_epsilon = 3\ndelta = 0",
        "max_epsilon = 3\ndelta = 0.5",
        "max_epsilon = 3\ndelta = 1e-5\nallow_unsafe_no_privacy = 'yes'",
        "max_epsilon = 3\ndelta = 1e-5\nallow_unsafe_no_privacy = 1",
        "max_epsilon = ",
        "[policy]\nmax_epsilon = 3",
    ],
)
def test_a_policy_that_is_none_is_refused_with_a_hint(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    assert "max_epsilon = 10.0" in caught.value.hint


def test_a_missing_policy_is_an_error_and_not_a_permission(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"policy\.toml"):
        load_policy(tmp_path / "policy.toml")


def test_a_simulation_says_that_it_is_unsafe() -> None:
    policy = unsafe_simulation_policy(1e-5)
    assert policy.allow_unsafe_no_privacy
    assert policy.max_epsilon == float("inf")
