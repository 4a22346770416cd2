"""What the families that predict times, and no classes, have in common."""

from __future__ import annotations

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.problem import Problem

__all__ = ["refuse_classes"]


def refuse_classes(terms: ModelTerms, problem: Problem) -> None:
    """Stops a family that predicts times where the label says nothing about them.

    Raises:
        UsageError: the label has no follow-up.
    """
    if problem.contract.label.follow_up is None:
        raise UsageError(
            f"[model] name: {terms.name} predicts when the event happens, and the label does not say how long patients "
            "were watched",
            hint="Add [data.label.follow_up] with column, unit and maximum, or choose a model of classes.",
        )
