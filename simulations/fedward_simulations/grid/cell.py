"""A cell of the grid: one way to train one study with one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isinf

from fedward_shared.errors import UsageError

__all__ = ["BASELINES", "TRAINED", "Cell", "Fold", "Value", "Variant"]

TRAINED = ("federated", "local", "centralised")
"""Ways to train the study's own model: by rounds over all sites, at each site alone, on all rows in one place."""
BASELINES = ("logistic_regression", "gradient_boosting")
"""Plain models from scikit-learn on all rows in one place, without privacy."""

Value = str | int | float | bool | tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """The study with other values: pairs of a dotted path in study.toml and what stands there.

    ``sites.*.normaliser`` means every site. A path may name a key that the study leaves out. What is under ``data`` or
    ``sites`` decides which rows there are, and cannot change but for a site's own terms.
    """

    name: str = ""
    changes: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def of(cls, name: str, changes: Mapping[str, Value]) -> Variant:
        """The variant of this name with these changes; lists are given as tuples."""
        return cls(name, tuple(changes.items()))


@dataclass(frozen=True, slots=True)
class Fold:
    """One of `count` parts of the training patients, held out of training and scored instead of the test rows.

    `seed` says how patients fall into parts: by class and site, the same for every method and variant.
    """

    number: int
    count: int = 5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """What is trained and on whom it is judged.

    `strategy` is empty for the study's own. `epsilon` is the target ε, ∞ for training without privacy; the baselines
    know no privacy. With `held_out` that site takes no part in training, and all of its rows are scored; else every
    site's test rows are, or with `fold` that part of its training rows.

    Raises:
        UsageError: there is no such method, or the parts do not go together.
    """

    method: str
    seed: int = 0
    strategy: str = ""
    epsilon: float = inf
    held_out: str = ""
    variant: Variant = Variant()
    fold: Fold | None = None

    def __post_init__(self) -> None:
        if self.method not in (*TRAINED, *BASELINES):
            raise UsageError(f"there is no method {self.method!r}", hint=f"There are: {', '.join(TRAINED + BASELINES)}")
        if not self.epsilon > 0:
            raise UsageError(f"ε is above 0, not {self.epsilon:g}", hint="Use inf for training without privacy.")
        if self.method in BASELINES and not isinf(self.epsilon):
            raise UsageError(f"{self.method} is trained without privacy, so it has no ε")
        if self.method == "local" and self.held_out:
            raise UsageError("a hospital alone has no model for another one", hint="Leave one out of the others.")
        if self.fold and self.held_out:
            raise UsageError("a cell holds out a part of every site, or the whole of one, and not both")

    @property
    def private(self) -> bool:
        """Whether it is trained with privacy."""
        return not isinf(self.epsilon)

    @property
    def kind(self) -> tuple[object, ...]:
        """Cells of one kind take about equally long."""
        return (self.method, self.strategy, self.private, bool(self.held_out), self.fold is not None, self.variant.name)

    @property
    def title(self) -> str:
        """What it is called on the screen."""
        return ", ".join(
            filter(
                None,
                (
                    self.method,
                    self.strategy,
                    f"ε = {self.epsilon:g}" if self.private else "",
                    self.variant.name,
                    f"without {self.held_out}" if self.held_out else "",
                    f"fold {self.fold.number + 1} of {self.fold.count}" if self.fold else "",
                    f"seed {self.seed}",
                ),
            )
        )
