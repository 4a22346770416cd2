"""Parameters that a layer uses in disjoint parts, each with an input of its own: heard one by one, noted as one.

The norm of a patient's gradient of a matrix is not the sum of what its uses have, unless the uses are of disjoint
rows: then the gradient's rows are theirs, side by side, and squared norms add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.errors import TrainingError
from fedward_shared.privacy.bookkeeping.tape import Sinks, Tape
from fedward_shared.privacy.bookkeeping.weights import Weights

__all__ = ["Part", "Parts"]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a matrix, and as many places of a bias: y = W[rows] x + b[places]."""

    weight: nn.Parameter
    rows: slice
    bias: nn.Parameter | None
    places: slice

    def applied(self, values: Tensor) -> Tensor:
        """(..., p) -> (..., rows), without a gradient for the parameters."""
        bias = None if self.bias is None else self.bias.detach()[self.places]
        return functional.linear(values, self.weight.detach()[self.rows], bias)


class Parts:
    """The parts used in one forward pass; no two of them share a row or a place, and one by itself is a whole."""

    def __init__(self, tape: Tape, parts: Sequence[Part]) -> None:
        self._tape = tape
        self._parts = parts
        used = dict.fromkeys([*(part.weight for part in parts), *(part.bias for part in parts)])
        self._trained = {each for each in used if each is not None and tape.trains(each)}
        self._heard: dict[int, tuple[Tensor, Tensor]] = {}

    def watched(self, place: int, values: Tensor, *, axis: int) -> Tensor:
        """The output of one part for `values`, whose records are along `axis` (0 or 1)."""
        output = self._parts[place].applied(values)
        if not self._trained:
            return output

        def note(gradients: Tensor, kept: Tensor) -> None:
            self._hear(place, gradients.transpose(0, axis), kept.transpose(0, axis))

        return self._tape.watch(output, note, values)

    def _hear(self, place: int, gradients: Tensor, values: Tensor) -> None:
        """Takes the output's gradient and the input of one part, records first; the last completes the note."""
        if len(self._parts) == 1:
            part = self._parts[0]
            self._tape.outer(gradients, [(part.weight, values)], [part.bias])
            return
        if place in self._heard:
            raise TrainingError(
                "a layer that is used in parts had a second backward pass before its first was complete",
                hint="Call backward() once for each forward pass, on a loss in which the layer's output has a part.",
            )
        self._heard[place] = (gradients, values)
        if len(self._heard) == len(self._parts):
            self._note([self._heard.pop(each) for each in range(len(self._parts))])

    def _note(self, heard: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Each part is a matrix of its own on a tape of their own."""
        names: dict[nn.Parameter, str] = {}
        targets: dict[nn.Parameter, tuple[nn.Parameter, slice]] = {}
        uses = []
        for part in self._parts:
            matrix, bias = nn.Parameter(torch.empty(0)), nn.Parameter(torch.empty(0))
            for stand_in, whole, where in ((matrix, part.weight, part.rows), (bias, part.bias, part.places)):
                if whole is not None and whole in self._trained:
                    names[stand_in] = ""
                    targets[stand_in] = (whole, where)
            uses.append((matrix, bias))
        own = Tape(names)
        own.begin(self._tape.of_records(*(gradients for gradients, _ in heard)))
        for (matrix, bias), (gradients, values) in zip(uses, heard, strict=True):
            own.outer(gradients, [(matrix, values)], [bias])

        def add(weights: Weights, sinks: Sinks) -> None:
            places = {stand_in: sinks[whole][where] for stand_in, (whole, where) in targets.items()}
            own.add_clipped(weights.patients[None], weights.lost, places)

        self._tape.note(tuple(self._trained), own.squares().sum(dim=0), add)
