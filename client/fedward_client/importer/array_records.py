"""From accepted rows to arrays: each row's file is decoded, its text encoded, or its events laid on a grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.checking.plan import array_column
from fedward_client.importer.output import check_output
from fedward_client.importer.quarantine import Rejection, UnreadableError
from fedward_client.importer.sources.source import ROW
from fedward_client.importer.tensors import ShardWriter
from fedward_client.shards import record_bytes
from fedward_shared.contracts.arrays import Series, Text
from fedward_shared.contracts.cohort import DataContract

if TYPE_CHECKING:
    import polars as pl

    from fedward_client.importer.tally import Tally

__all__ = ["Arrays", "decoded", "write_arrays"]

_PIECE_BYTES = 1 << 26
"""Arrays held at a time."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """Some accepted rows and their arrays: `x` (rows, *shape) float32."""

    table: pl.DataFrame
    x: NDArray[np.float32]


def decoded(
    tables: Iterable[pl.DataFrame], contract: DataContract, folder: Path, largest: int, tally: Tally
) -> Iterator[Arrays]:
    """The array of every row whose file or text can be taken; the other rows are counted as rejected.

    Args:
        tables: accepted rows.
        contract: of kind "tensor", and not a series.
        folder: what file columns point into.
        largest: bytes of the largest file.
        tally: is told what cannot be read.
    """
    column = array_column(contract) or ""
    most = max(1, _PIECE_BYTES // record_bytes(contract.input_shape))
    for table in tables:
        for piece in table.iter_slices(most):
            x = np.empty((piece.height, *contract.input_shape), np.float32)
            fine = np.zeros(piece.height, np.bool_)
            wrong = []
            for at, (row, cell) in enumerate(piece.select(ROW, column).iter_rows()):
                try:
                    x[at] = _array(cell, contract, folder, largest)
                    fine[at] = True
                except UnreadableError as error:
                    wrong.append(Rejection(row, column, error.reason))
            tally.rejected(wrong)
            yield Arrays(piece.filter(fine), x[fine] if wrong else x)


def _array(cell: str, contract: DataContract, folder: Path, largest: int) -> NDArray[np.float32]:
    from fedward_client.importer.arrays.registry import decode, encode_text, inside, read_numpy

    form = contract.form
    if isinstance(form, Text):
        return encode_text(cell, form)
    path = inside(folder, cell)
    if form is None or isinstance(form, Series):
        return read_numpy(path, contract.input_shape, largest=largest)
    return decode(path, form, largest=largest)


def write_arrays(pieces: Iterable[Arrays], contract: DataContract, folder: Path | None, most: int) -> tuple[str, ...]:
    """Writes all records into `folder` (None: nowhere) and gives the shards' names.

    Raises:
        SourceDataError: the files would hold more than `most` bytes.
    """
    with ExitStack() as stack:
        writer = stack.enter_context(ShardWriter(folder, contract)) if folder else None
        written = 0
        for piece in pieces:
            written += piece.x.nbytes
            check_output(written, most)
            if writer and piece.table.height:
                writer.add(piece.x, *_labels(piece.table, contract))
    return writer.files if writer else ()


def _labels(
    table: pl.DataFrame, contract: DataContract
) -> tuple[NDArray[np.int64], list[str] | None, NDArray[np.uint8]]:
    side = contract.split_column
    split = (table[side] == "test").to_numpy() if side else np.zeros(table.height)
    units = table[contract.patient].to_list() if contract.patient else None
    return table[contract.label.column].to_numpy(), units, split.astype(np.uint8)
