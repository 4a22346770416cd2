"""The rule of `nn.LSTM`, `nn.GRU` and `nn.RNN`: layers, directions, lengths and states, as the stock layers have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping.cell import Cell
from fedward_shared.privacy.bookkeeping.elman import ReluRnn, TanhRnn
from fedward_shared.privacy.bookkeeping.gru import Gru
from fedward_shared.privacy.bookkeeping.lstm import Lstm
from fedward_shared.privacy.bookkeeping.tape import Tape
from fedward_shared.privacy.bookkeeping.timeline import Timeline

__all__ = ["recurrent"]

_CELLS: dict[str, Any] = {"LSTM": Lstm, "GRU": Gru, "RNN_TANH": TanhRnn, "RNN_RELU": ReluRnn}

Series = Tensor | PackedSequence
States = tuple[Tensor, ...]
"""h, and for an LSTM c: (layers * directions, records, states) each, or without the first axis for one of them."""


def recurrent(layer: nn.RNNBase, tape: Tape) -> Callable[..., tuple[Series, Tensor | States]]:
    """A forward of `layer` that is noted; it takes and gives what the stock one does.

    Under autocast the recurrence is computed, and given, in the type of the weights.

    Raises:
        UsageError: the layer projects its states, or makes its weights of others.
    """
    if layer.proj_size:
        raise UsageError(
            "an nn.LSTM with proj_size has no rule for private gradients",
            hint="Put an nn.Linear after an nn.LSTM without proj_size, or ask for the slow way.",
        )
    parameters = list(layer.parameters())
    if sum(map(len, layer.all_weights)) != len(parameters) or not all(
        isinstance(each, nn.Parameter) for group in layer.all_weights for each in group
    ):
        raise UsageError(
            f"an nn.{type(layer).__name__} whose weights are made of others has no rule for private gradients",
            hint="Take weight_norm or the like off the layer, or ask for the slow way.",
        )

    def forward(
        input: Series,  # noqa: A002  # what callers may name it
        hx: Tensor | States | None = None,
    ) -> tuple[Series, Tensor | States]:
        if not tape.trains(*parameters):
            stock: tuple[Series, Tensor | States] = type(layer).forward(layer, input, hx)
            return stock
        states = (hx,) if isinstance(hx, Tensor) else hx
        output: Series
        if isinstance(input, PackedSequence):
            output, last = _packed(layer, tape, input, states)
        else:
            output, last = _even(layer, tape, input, states)
        return output, last if layer.mode == "LSTM" else last[0]

    return forward


def _even(layer: nn.RNNBase, tape: Tape, series: Tensor, states: States | None) -> tuple[Tensor, States]:
    if series.dim() == len(("steps", "n")):
        raise TrainingError(
            f"an nn.{type(layer).__name__} was given one series without a record axis, so that it is nobody's",
            hint="Give it (records, steps, n), or (steps, records, n) without batch_first.",
        )
    by_step = series.transpose(0, 1) if layer.batch_first else series
    if not len(by_step):
        raise TrainingError(
            f"an nn.{type(layer).__name__} was given series without a step", hint="Give it series of one step at least."
        )
    states = _checked(layer, series, states, by_step.shape[1], None)
    output, last = _layers(layer, tape, by_step, states, Timeline.even(*by_step.shape[:2]))
    return (output.transpose(0, 1) if layer.batch_first else output), last


def _packed(
    layer: nn.RNNBase, tape: Tape, series: PackedSequence, states: States | None
) -> tuple[PackedSequence, States]:
    rows, sizes, order, back = series
    if states is not None and order is not None:
        states = tuple(each.index_select(1, order) for each in states)
    states = _checked(layer, rows, states, int(sizes[0]), sizes)
    output, last = _layers(layer, tape, rows, states, Timeline.packed(sizes, order, rows.device))
    if back is not None:
        last = tuple(each.index_select(1, back) for each in last)
    return PackedSequence(output, sizes, order, back), last


def _checked(layer: nn.RNNBase, values: Tensor, states: States | None, records: int, sizes: Tensor | None) -> States:
    """The first states, zero if not given; what the stock layer would refuse, it refuses."""
    if states is None:
        shape = (layer.num_layers * (1 + layer.bidirectional), records, layer.hidden_size)
        states = (values.new_zeros(shape),) * (2 if layer.mode == "LSTM" else 1)
    given: Any = states if layer.mode == "LSTM" else states[0]
    layer.check_forward_args(values, given, sizes)
    return states


def _layers(layer: nn.RNNBase, tape: Tape, values: Tensor, states: States, timeline: Timeline) -> tuple[Tensor, States]:
    """`values` (rows, n) or (steps, records, n) -> the same of the last layer (n: directions * states), last states."""
    sweep, directions = _CELLS[layer.mode], 1 + layer.bidirectional
    last: list[States] = []
    for depth in range(layer.num_layers):
        outputs = []
        for back in range(directions):
            number = len(last)
            parameters = layer.all_weights[number]
            matrix_ih, matrix_hh, *biases = parameters
            bias_ih, bias_hh = biases or (None, None)
            whole = all(tape.trains(each) for each in parameters)
            seen = timeline.reverse() if back else timeline
            cell = Cell(matrix_ih, matrix_hh, bias_ih, bias_hh, timeline=seen, tape=tape, whole=whole)
            turned = timeline.turn(values) if back else values
            first = [each[number] for each in states]
            if not first[0].requires_grad:
                first[0] = first[0].detach().requires_grad_()  # so that a backward pass comes by, whatever the input is
            output, *after = sweep.apply(turned, *first, cell)
            outputs.append(timeline.turn(output) if back else output)
            last.append(tuple(after))
        values = outputs[0] if directions == 1 else torch.cat(outputs, dim=-1)
        if layer.dropout and layer.training and depth < layer.num_layers - 1:
            values = functional.dropout(values, layer.dropout, training=True)
    return values, tuple(torch.stack(each) for each in zip(*last, strict=True))
