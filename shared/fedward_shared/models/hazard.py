"""A hazard network: a perceptron with one output an interval, so that patients' risks may cross over time."""

from __future__ import annotations

from dataclasses import replace

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.models.mlp import Perceptron, mlp
from fedward_shared.models.problem import Problem
from fedward_shared.models.times import refuse_classes

__all__ = ["hazard"]


def hazard(terms: ModelTerms, problem: Problem) -> Perceptron:
    """`[model] name = "hazard"`: the options of `mlp`, with one hidden layer of 32 unless `hidden` says otherwise.

    Each interval has a hazard of its own, and nothing makes them proportional (Gensheimer & Narasimhan, PeerJ 2019).

    Raises:
        UsageError: the label has no follow-up, or as `mlp`.
    """
    refuse_classes(terms, problem)
    return mlp(replace(terms, options={"hidden": (32,), **terms.options}), problem)
