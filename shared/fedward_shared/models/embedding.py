"""Embeddings of a table's numbers (Gorishniy, Rubachev and Babenko 2022, "On embeddings for numerical features").

A network that sees a number as one input bends slowly; one that sees it in pieces, or as waves, can fit a threshold or
a U-shape at once. Everything here is made of declared constants, never of quantiles of the data, which would be
released without being charged. A missing value (its indicator is 1) is all zeros, and the indicator is passed on; so
are categories. The encoded numbers come first, column by column, then what is passed on in the contract's order.
"""

from __future__ import annotations

from itertools import pairwise
from math import pi

import torch
from torch import Tensor, nn

from fedward_shared.contracts.cohort import DataKind, NumberColumn
from fedward_shared.errors import UsageError
from fedward_shared.models.bands import PIECEWISE_OPTIONS, Place, piecewise_cuts, places
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["EMBEDDING_OPTIONS", "Periodic", "Piecewise", "embedded"]

EMBEDDING_OPTIONS = ("embedding", *PIECEWISE_OPTIONS, "waves", "frequency", "trainable")
"""Keys of `[model.options]` that `embedded` reads."""
_WAVES, _FREQUENCY = 4, 0.25


class _Numbers(nn.Module):
    """What both embeddings share: which inputs are numbers, which say that one is missing, which are passed on."""

    width: int

    def __init__(self, numbers: tuple[Place, ...], features: int) -> None:
        super().__init__()
        self.numbers = tuple(place.first for place in numbers)
        self.indicators = tuple(-1 if place.missing is None else place.missing for place in numbers)
        self.others = tuple(at for at in range(features) if at not in self.numbers)

    def forward(self, records: Tensor) -> Tensor:
        """(records, features) -> (records, width)."""
        numbers = records.index_select(1, _whole(self.numbers, records))
        others = records.index_select(1, _whole(self.others, records))
        padded = torch.cat([records, records.new_zeros(records.shape[0], 1)], dim=1)
        at = tuple(index % padded.shape[1] for index in self.indicators)
        present = 1 - padded.index_select(1, _whole(at, records))
        return torch.cat([self.encode(numbers, present), others], dim=1)

    def encode(self, numbers: Tensor, present: Tensor) -> Tensor:
        """(records, columns) twice -> (records, width without what is passed on)."""
        raise NotImplementedError


class Piecewise(_Numbers):
    """Piecewise-linear encoding (their equation 1): band t of a column says how far a value has come within it.

    0 below the band, 1 above it, linear between; outside of the first and the last cut point nothing changes any more,
    so one odd value moves a gradient no further. All codes are shifted to be 0 at the declared centre, which is what a
    missing value is too: inputs as small as that make good use of a clip norm. A linear model of them is a sum of
    piecewise-linear curves, one a column: an additive model, read off as such (`scorecard`).
    """

    def __init__(self, numbers: tuple[Place, ...], cuts: tuple[tuple[float, ...], ...], features: int) -> None:
        super().__init__(numbers, features)
        self.owners = tuple(index for index, ends in enumerate(cuts) for _ in pairwise(ends))
        bands = [band for ends in cuts for band in pairwise(ends)]
        self.lows, self.spans = tuple(low for low, _ in bands), tuple(high - low for low, high in bands)
        self.width = len(bands) + len(self.others)

    def encode(self, numbers: Tensor, present: Tensor) -> Tensor:
        """See the class."""
        owners = _whole(self.owners, numbers)
        lows, spans = numbers.new_tensor(self.lows), numbers.new_tensor(self.spans)
        codes = ((numbers.index_select(1, owners) - lows) / spans).clamp(0, 1)
        return (codes - (-lows / spans).clamp(0, 1)) * present.index_select(1, owners)

    def extra_repr(self) -> str:
        """What no parameter shows."""
        return f"{self.owners}, {self.lows}, {self.spans}"


class Periodic(_Numbers):
    """Periodic encoding (their section 3.3): each number, and sine and cosine of some multiples of it.

    Frequencies are declared: `frequency`, 2 · `frequency`, … waves over one `scale` of the column; or they start there
    and are trained, as one diagonal layer.
    """

    def __init__(self, numbers: tuple[Place, ...], waves: int, frequency: float, features: int, trained: bool) -> None:
        super().__init__(numbers, features)
        columns = len(numbers)
        self.waves, self.frequency = waves, frequency
        self.width = columns * (1 + 2 * waves) + len(self.others)
        self.frequencies: nn.Conv1d | None = None
        if trained:
            self.frequencies = nn.Conv1d(columns, columns * waves, 1, groups=columns, bias=False)
            with torch.no_grad():
                start = self._declared(self.frequencies.weight).repeat(columns)
                self.frequencies.weight.copy_(start.view_as(self.frequencies.weight))

    def encode(self, numbers: Tensor, present: Tensor) -> Tensor:
        """See the class."""
        if self.frequencies is None:
            angles = (numbers[:, :, None] * self._declared(numbers)).flatten(1)
        else:
            angles = self.frequencies(numbers[:, :, None])[:, :, 0]
        there = present.repeat_interleave(self.waves, dim=1)
        return torch.cat([numbers * present, angles.sin() * there, angles.cos() * there], dim=1)

    def _declared(self, like: Tensor) -> Tensor:
        steps = torch.arange(1, self.waves + 1, dtype=like.dtype, device=like.device)
        return steps * (2 * pi * self.frequency)

    def extra_repr(self) -> str:
        """What no parameter shows."""
        return f"{self.waves}, {self.frequency}"


def embedded(options: Options, problem: Problem) -> Piecewise | Periodic | None:
    """The embedding that `[model.options]` asks for: `embedding` = "none", "piecewise" or "periodic".

    `piecewise` knows `bins` (bands a column) and `cuts` (cut points of single columns: "age: 40, 50, 60"); `periodic`
    knows `waves` (how many frequencies), `frequency` (the lowest, in waves over one scale), `trainable`.

    Raises:
        UsageError: an option is wrong or has no effect, or the inputs are no columns of a table with a number.
    """
    kind = options.choice("embedding", "none", ("none", "piecewise", "periodic"))
    if kind != "piecewise":
        options.without(PIECEWISE_OPTIONS, 'embedding = "piecewise"')
    if kind != "periodic":
        options.without(("waves", "frequency", "trainable"), 'embedding = "periodic"')
    if kind == "none":
        return None
    contract = problem.contract
    columns = [(place, place.column) for place in places(contract) if isinstance(place.column, NumberColumn)]
    numbers = tuple(place for place, _ in columns)
    if contract.kind is not DataKind.TABLE or problem.frozen or not numbers:
        raise UsageError(
            f'[model.options] embedding: "{kind}" is for a table with a column of numbers',
            hint='Leave it out, or declare columns of kind "number" in [data].',
        )
    if kind == "periodic":
        waves = options.whole("waves", _WAVES, least=1, most=64)
        frequency = options.number("frequency", _FREQUENCY, least=1e-3, most=100)
        return Periodic(numbers, waves, frequency, contract.features, options.flag("trainable"))
    cuts = piecewise_cuts(options, contract)
    return Piecewise(numbers, tuple(_scaled(column, cuts[column.name]) for _, column in columns), contract.features)


def _scaled(column: NumberColumn, values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple((value - column.centre) / column.scale for value in values)


def _whole(values: tuple[int, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.int64, device=like.device)
