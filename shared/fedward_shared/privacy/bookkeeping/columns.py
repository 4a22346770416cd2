"""Several parameters as columns of one matrix: one product a patient, from which every one's gradient is cut."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fedward_shared.privacy.bookkeeping.norms import ghost_is_cheaper, squares
from fedward_shared.privacy.bookkeeping.tape import Sinks, Tape
from fedward_shared.privacy.bookkeeping.weights import Weights

__all__ = ["Part", "columns"]

Part = tuple[nn.Parameter, slice]
"""A parameter, (d, p) or (d,), and its columns of the matrix; biases may share one."""


def columns(tape: Tape, gradients: Tensor, inputs: Tensor, parts: Sequence[Part], *, whole: bool) -> None:
    """Notes a matrix used as y = W x at every position.

    Args:
        tape: takes the note.
        gradients: of y, (records, positions, d).
        inputs: x, (records, positions, p); where W has a column of biases, x is one.
        parts: what W's columns are.
        whole: no part is frozen.
    """
    grouping = tape.of_records(gradients, inputs)
    positions, before, after = gradients.shape[1] * grouping.most, inputs.shape[2], gradients.shape[2]
    if not whole or ghost_is_cheaper(positions, before, after):
        matrices = [(parameter, inputs[..., place]) for parameter, place in parts if parameter.dim() > 1]
        tape.outer(gradients, matrices, [parameter for parameter, _ in parts if parameter.dim() == 1])
        return
    each = torch.bmm(grouping.by_patient(inputs).mT, grouping.by_patient(gradients))
    # Columns that two biases share are the gradient of both.
    norms = torch.stack([squares(each[:, place]) for _, place in parts]).sum(dim=0)

    def add(weights: Weights, sinks: Sinks) -> None:
        total = torch.mv(weights.of_patients(each.flatten(1)).t(), weights.patients).view(each.shape[1:])
        for parameter, place in parts:
            sinks[parameter].add_(total[place].t().view(parameter.shape))

    tape.note([parameter for parameter, _ in parts], norms, add)
