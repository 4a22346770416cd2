"""policy.toml: what the site allows, whatever a study asks for."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from math import inf
from pathlib import Path

from fedward_shared.contracts.budget import Budget
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited

__all__ = ["DEFAULT_POLICY", "Policy", "load_policy", "unsafe_simulation_policy"]


DEFAULT_POLICY = """\
# What this site allows, whatever a study asks for. A running vault reads it when it starts.

# The most that all studies together may ever spend of one data set (epsilon of differential privacy), per patient.
max_epsilon = 10.0

# The delta at which it is counted. A study must declare the same.
delta = 1e-5

# Whether a study without any noise may train here at all. Its cost is infinite, and the ledger says so for ever.
allow_unsafe_no_privacy = false
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """The budget of every data set, per patient, and whether studies without privacy are let in."""

    max_epsilon: float
    delta: float
    allow_unsafe_no_privacy: bool = False

    @property
    def budget(self) -> Budget:
        """The same as a budget."""
        return Budget(self.max_epsilon, self.delta)


def load_policy(path: Path) -> Policy:
    """Reads policy.toml.

    Raises:
        UsageError: it is missing, is no TOML, has an unknown key, lacks one, or a value is out of range.
    """
    from pydantic import BaseModel, ConfigDict, Field, ValidationError

    class PolicyFile(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)
        max_epsilon: float = Field(gt=0, le=1000, allow_inf_nan=False)
        delta: float = Field(gt=0, lt=0.01, allow_inf_nan=False)
        allow_unsafe_no_privacy: bool = False

    hint = "A policy has max_epsilon = 10.0, delta = 1e-5 and allow_unsafe_no_privacy = false."
    try:
        values = PolicyFile.model_validate(tomllib.loads(read_limited(path).decode()))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: {key}: {first['msg']}", hint=hint) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", hint=hint) from error
    return Policy(values.max_epsilon, values.delta, values.allow_unsafe_no_privacy)


def unsafe_simulation_policy(delta: float) -> Policy:
    """Allows everything: for simulations, which touch no ledger of a site."""
    return Policy(max_epsilon=inf, delta=delta, allow_unsafe_no_privacy=True)
