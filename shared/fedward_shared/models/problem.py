"""What a model must fit: the shape of a record on one side, the number of outputs on the other."""

from __future__ import annotations

from dataclasses import dataclass

from fedward_shared.contracts.cohort import DataContract

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One study's problem, as a family's function sees it.

    `shape` is that of one record as the model gets it: the contract's, or that of a backbone's features. `contract`
    tells what the inputs mean (columns, leads, masks); with a backbone (`frozen`) they no longer are the model's.
    `outputs` is how many numbers the model gives for a record; their meaning is the head's (`heads`).
    """

    contract: DataContract
    shape: tuple[int, ...]
    outputs: int
    frozen: bool = False
