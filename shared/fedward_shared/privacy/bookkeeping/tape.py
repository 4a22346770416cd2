"""What one backward pass leaves behind: squared norms for the clip, and what each clipped sum needs.

Book-keeping DP-SGD (Bu et al. 2023): parameters enter the forward pass detached, so autograd computes no gradient for
them; a layer's rule notes the layer's inputs and the gradient of its output. From those come each patient's norm and
then, once the factors are known, the clipped sum over patients as one ordinary matrix product a layer.

A wrong norm would be a broken promise, so the tape fails closed. Every trainable parameter is noted exactly once in
a backward pass, with one row a record, or an error names it: a parameter that is tied, reused, left out, or used past
its rule never reaches the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn

from fedward_shared.errors import TrainingError
from fedward_shared.privacy.bookkeeping.grouping import Grouping
from fedward_shared.privacy.bookkeeping.norms import ghost_is_cheaper, ghost_squares, product_squares, squares
from fedward_shared.privacy.bookkeeping.tap import Tap
from fedward_shared.privacy.bookkeeping.weights import Weights

__all__ = ["Tape"]

Sinks = Mapping[nn.Parameter, Tensor]
"""Where each parameter's clipped sum is added."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One layer in one backward pass: its squared norms, and how to add the clipped sum.

    `squares` is (patients,) float64, or the factors of a product, which all layers of the kind then measure at once.
    `reads` are those of the layer's tensors that `add` will read again, with their versions, if they still exist then.
    """

    parameters: tuple[nn.Parameter, ...]
    squares: Tensor | tuple[Tensor, Tensor, int]
    add: Callable[[Weights, Sinks], None]
    reads: tuple[tuple[ReferenceType[Tensor], int], ...]


class Tape:
    """The notes of one backward pass after another. `names` gives each trainable parameter's name.

    `announced_only`: a batch without a grouping is refused, instead of taken as one record a patient.
    """

    def __init__(self, names: Mapping[nn.Parameter, str]) -> None:
        # By identity: a parameter's own hash is a call, and small models feel every call.
        self._parameters = tuple(names)
        self._names = {id(parameter): name for parameter, name in names.items()}
        self._position = {id(parameter): place for place, parameter in enumerate(names)}
        self._entries: list[_Entry] = []
        self._noted: set[int] = set()
        self._grouping: Grouping | None = None
        self.announced_only = False

    @property
    def grouping(self) -> Grouping:
        """The grouping of the batch; before the first note of a batch that was not announced, an error."""
        if self._grouping is None:
            raise TrainingError("there was no backward pass since the last step")
        return self._grouping

    def begin(self, grouping: Grouping | None = None) -> None:
        """Forgets what is noted; the next backward pass is of a batch so grouped (default: a record, a patient)."""
        self._entries.clear()
        self._noted.clear()
        self._grouping = grouping

    def trains(self, *parameters: nn.Parameter | None) -> bool:
        """Whether gradients are wanted now for any of `parameters`."""
        return torch.is_grad_enabled() and any(id(each) in self._names for each in parameters)

    # -- what the rules of layers call ------------------------------------------------------------------------------

    def watch(self, output: Tensor, note: Callable[..., None], *inputs: Tensor) -> Tensor:
        """`output` again; in the backward pass `note` is given its gradient, and `inputs` as they are now.

        All of them are float32 at least.
        """
        # Let go of as soon as noted, as autograd lets go of what it kept.
        kept: list[tuple[Tensor, int]] | None = [(values.detach(), values._version) for values in inputs]  # noqa: SLF001

        def receive(gradient: Tensor) -> None:
            nonlocal kept
            if kept is None:
                raise TrainingError(
                    "a backward pass went a second time through a layer that one forward pass used",
                    hint="Call backward() once for each forward pass, on the sum of all losses.",
                )
            given, kept = kept, None
            for values, version in given:
                if values._version != version:  # noqa: SLF001
                    raise TrainingError(
                        "a layer's input was changed in place after the layer had used it",
                        hint="Use the operation that makes a new tensor (relu instead of relu_, a + b instead of "
                        "a += b).",
                    )
            _refuse_imprecision(gradient.device)
            if not gradient.shape[0]:
                self.begin(Grouping.one_each(0))
                return
            with torch.no_grad():
                note(_wide(gradient), *[_wide(values) for values, _ in given])

        if output._is_view():  # noqa: SLF001  # else an operation in place would part our hook from its history
            output = torch.ops.aten._unsafe_view(output, output.shape)  # noqa: SLF001
        if output.requires_grad:
            output.register_hook(receive)  # type: ignore[no-untyped-call]  # torch has no stub for it
            return output
        return Tap.on(output, receive)

    def outer(
        self,
        gradients: Tensor,
        inputs: Sequence[tuple[nn.Parameter, Tensor]],
        biases: Sequence[nn.Parameter | None] = (),
    ) -> None:
        """Notes matrices used as y = Σ W x + Σ b at every position.

        Args:
            gradients: of y, (records, positions..., d).
            inputs: each matrix (d, p) with its x (records, positions..., p).
            biases: each (d,), or None.
        """
        given = [(weight, _wide(values)) for weight, values in inputs if id(weight) in self._names]
        added = tuple(bias for bias in biases if bias is not None and id(bias) in self._names)
        grouping = self.of_records(gradients, *(values for _, values in given))
        if not given and not added:
            return
        rows = _by_position(gradients)
        flat = [(weight, _by_position(values)) for weight, values in given]
        if rows.shape[1] * grouping.most == 1:
            self._rank_one(rows.squeeze(1), [(weight, values.squeeze(1)) for weight, values in flat], added)
        elif self._ghost_is_cheaper(rows, flat):
            self._ghost(rows, flat, added)
        else:
            self._instantiate(rows, flat, added)

    def of_records(self, *rows: Tensor) -> Grouping:
        """The grouping of the batch, of which each of `rows` has one row a record.

        Raises:
            TrainingError: it has not.
        """
        if self._grouping is None and self.announced_only:
            raise TrainingError(
                "nobody said whose the records of this batch are",
                hint="Call patients(owner, number) before each forward pass.",
            )
        if self._grouping is None:
            self._grouping = Grouping.one_each(rows[0].shape[0])
        if any(each.shape[0] != self._grouping.records for each in rows):
            raise TrainingError(
                "a layer was given another number of rows than the batch has records",
                hint="The first axis of every layer's input must be the record. A layer that sees a part of the "
                "records, or time before the batch, needs the slow way.",
            )
        return self._grouping

    def per_record(self, parameter: nn.Parameter, gradients: Tensor) -> None:
        """Notes a parameter by the gradient of each record's own share: (records, *parameter shape)."""
        if id(parameter) not in self._names:
            return
        grouping = self.of_records(gradients)
        self.per_patient((parameter,), (grouping.sums(_wide(gradients).flatten(1)),))

    def per_patient(self, parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor]) -> None:
        """Notes parameters by each patient's gradient, (patients, parameter size) each."""

        def add(weights: Weights, sinks: Sinks) -> None:
            for parameter, each in zip(parameters, gradients, strict=True):
                sinks[parameter].view(-1).addmv_(weights.of_patients(each).t(), weights.patients)

        self.note(parameters, _total([squares(each) for each in gradients]), add)

    def note(
        self,
        parameters: Sequence[nn.Parameter],
        norms: Tensor | tuple[Tensor, Tensor, int],
        add: Callable[[Weights, Sinks], None],
        *reads: Tensor,
    ) -> None:
        """Notes `parameters` with the squared norms (patients,), float64 upper bounds, of all of them together.

        Instead of norms the factors of a product can be given (`product_squares`). `add` adds the clipped sums to the
        sinks; what it sums must have the norms given. `reads` are tensors of others (a layer's input) that it may read.
        """
        for parameter in parameters:
            if id(parameter) in self._noted:
                raise TrainingError(
                    f"{self._names[id(parameter)]} was used twice in one step, so that a patient's gradient has two "
                    "parts that only their sum bounds",
                    hint="Use each layer once in a forward pass, untie shared weights, or ask for the slow way. "
                    "In a loop of your own, call optimizer.step() or zero_grad() between two backward passes.",
                )
            self._noted.add(id(parameter))
        versions = tuple((ref(values), values._version) for values in reads)  # noqa: SLF001
        self._entries.append(_Entry(tuple(parameters), norms, add, versions))

    # -- what the step calls ----------------------------------------------------------------------------------------

    def squares(self) -> Tensor:
        """Upper bounds of squared norms, (layers, patients) float64, layers in the order of the model.

        Raises:
            TrainingError: a trainable parameter was not noted.
        """
        self._check_complete()
        self._entries.sort(key=lambda entry: min(self._position[id(each)] for each in entry.parameters))
        products = [entry.squares for entry in self._entries if isinstance(entry.squares, tuple)]
        measured = iter(product_squares(products)) if products else iter(())
        rows = [next(measured) if isinstance(each.squares, tuple) else each.squares for each in self._entries]
        return torch.stack(rows)

    def add_clipped(self, factors: Tensor, lost: Tensor | None, sinks: Sinks) -> None:
        """Adds each layer's clipped sum to the sinks; the tape is empty afterwards.

        `factors` (layers or 1, patients) float64; `lost` (patients,) marks those left out, None where nobody is.
        """
        grouping = self.grouping
        _refuse_imprecision(factors.device)
        entries, self._entries = self._entries, []
        if any(_changed(entry) for entry in entries):
            raise TrainingError(
                "a layer's input was written over between backward() and the step",
                hint="Take the step before the memory of a batch is used for the next one.",
            )
        # Below the smallest normal number a factor could be rounded up: it is rounded down, to nothing.
        kind = next(iter(sinks.values())).dtype
        alike = factors.shape[0] == 1 or factors.stride(0) == 0
        narrow = nn.functional.threshold((factors[:1] if alike else factors).to(kind), torch.finfo(kind).tiny, 0.0)
        shared = Weights.of(narrow[0], grouping, lost) if alike else None
        for place, entry in enumerate(entries):
            entry.add(shared or Weights.of(narrow[place], grouping, lost), sinks)
        self.begin()

    def _check_complete(self) -> None:
        if len(self._noted) == len(self._names):
            return
        name = next(name for place, name in self._names.items() if place not in self._noted)
        raise TrainingError(
            f"{name} took no part in the loss",
            hint="Take it out of the model, freeze it (requires_grad_(False)), or ask for the slow way.",
        )

    # -- three ways for a matrix ------------------------------------------------------------------------------------

    def _ghost_is_cheaper(self, rows: Tensor, inputs: Sequence[tuple[nn.Parameter, Tensor]]) -> bool:
        positions, width = rows.shape[1] * self.grouping.most, sum(values.shape[2] for _, values in inputs)
        return ghost_is_cheaper(positions, width, rows.shape[2])

    def _rank_one(
        self, rows: Tensor, inputs: Sequence[tuple[nn.Parameter, Tensor]], biases: tuple[nn.Parameter, ...]
    ) -> None:
        """One position: the gradient is g (x, 1)ᵀ."""

        def add(weights: Weights, sinks: Sinks) -> None:
            kept = weights.of_records(rows)
            scaled = kept * weights.records[:, None]
            for weight, values in inputs:
                sinks[weight].addmm_(scaled.t(), weights.of_records(values))
            for bias in biases:
                sinks[bias].addmv_(kept.t(), weights.records)

        norms: Tensor | tuple[Tensor, Tensor, int]
        if len(inputs) == 1:
            norms = (rows, inputs[0][1], len(biases))
        else:
            norms = squares(rows) * (len(biases) + sum((squares(values) for _, values in inputs), rows.new_zeros(())))
        self.note((*(weight for weight, _ in inputs), *biases), norms, add, *(values for _, values in inputs))

    def _ghost(
        self, rows: Tensor, inputs: Sequence[tuple[nn.Parameter, Tensor]], biases: tuple[nn.Parameter, ...]
    ) -> None:
        grouping = self.grouping
        norms = ghost_squares(
            grouping.by_patient(rows), [grouping.by_patient(values) for _, values in inputs], len(biases)
        )

        def add(weights: Weights, sinks: Sinks) -> None:
            scaled = (weights.of_records(rows) * weights.records[:, None, None]).flatten(0, 1).t()
            for weight, values in inputs:
                sinks[weight].addmm_(scaled, weights.of_records(values).flatten(0, 1))
            if biases:
                total = scaled.sum(dim=1)
                for bias in biases:
                    sinks[bias].add_(total)

        self.note((*(weight for weight, _ in inputs), *biases), norms, add, *(values for _, values in inputs))

    def _instantiate(
        self, rows: Tensor, inputs: Sequence[tuple[nn.Parameter, Tensor]], biases: tuple[nn.Parameter, ...]
    ) -> None:
        """Each patient's own gradient, kept: what is measured is what is summed."""
        grouped = self.grouping.by_patient(rows)
        parameters = [weight for weight, _ in inputs]
        gradients = [torch.bmm(grouped.mT, self.grouping.by_patient(values)).flatten(1) for _, values in inputs]
        if biases:
            gradients += [grouped.sum(dim=1)] * len(biases)
        self.per_patient([*parameters, *biases], gradients)


def _total(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(list(parts)).sum(dim=0)


def _by_position(values: Tensor) -> Tensor:
    """(records, positions..., n) -> (records, positions, n); of nobody, too, where reshape could not tell how many."""
    return values.unsqueeze(1) if values.dim() == len(("records", "n")) else values.flatten(1, -2)


def _wide(values: Tensor) -> Tensor:
    """bfloat16 as float32: the sums are float32, and their norms are of what is summed."""
    return values.float() if values.dtype in {torch.bfloat16, torch.float16} else values


def _changed(entry: _Entry) -> bool:
    alive = ((reference(), version) for reference, version in entry.reads)
    return any(values is not None and values._version != version for values, version in alive)  # noqa: SLF001


def _refuse_imprecision(device: torch.device) -> None:
    """Norms and sums in less than float32 would be bounds of nothing."""
    if torch.is_autocast_enabled(device.type):
        raise TrainingError(
            "backward() or step() was called inside autocast",
            hint="Keep the forward pass and the loss inside the autocast block, and what follows outside.",
        )
    try:
        precise = torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # set by PyTorch's newer switches, of which the older one cannot tell
        precise = False
    if not precise:
        raise TrainingError(
            "products of float32 matrices are set to be less precise than float32",
            hint='Call torch.set_float32_matmul_precision("highest"), and use autocast for speed instead.',
        )
