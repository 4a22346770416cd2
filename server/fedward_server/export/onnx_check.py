"""That model.onnx is the model: both are run on records made up for it, before anything is signed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fedward_server.export.onnx_graph import INPUT, OUTPUTS
from fedward_shared.contracts.arrays import Text
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.errors import FedwardError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["TOLERANCE", "OnnxCheck", "check_onnx", "made_up"]

TOLERANCE = 1e-5
"""Scores and logits may differ by this, and by this share of a logit's size."""
_BATCHES = (1, 7, 32)
_SEED = 20
_SPREAD = 2.0


@dataclass(frozen=True, slots=True)
class OnnxCheck:
    """What was compared: `records` made-up ones; the largest difference of a score; by which runtime ("": nowhere)."""

    runtime: str
    records: int
    largest_difference: float
    tolerance: float = TOLERANCE

    @property
    def done(self) -> bool:
        """Whether there was a runtime to compare with."""
        return bool(self.runtime)


def check_onnx(content: bytes, scored: nn.Module, shape: tuple[int, ...], contract: DataContract) -> OnnxCheck:
    """Compares the graph with PyTorch on made-up records, one, seven and 32 at a time.

    Raises:
        FedwardError: they differ.
    """
    if find_spec("onnxruntime") is None:
        return OnnxCheck("", 0, 0.0)
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    source = np.random.default_rng(_SEED)
    largest = 0.0
    for count in _BATCHES:
        records = made_up(count, shape, contract, source)
        with torch.no_grad():
            expected = [values.numpy() for values in scored(torch.from_numpy(records))]
        found = session.run(list(OUTPUTS), {INPUT: records})
        largest = max(largest, float(np.max(np.abs(found[0] - expected[0]), initial=0.0)))
        for ours, theirs in zip(expected, found, strict=True):
            if ours.shape != theirs.shape or not np.allclose(theirs, ours, rtol=TOLERANCE, atol=TOLERANCE):
                raise FedwardError(
                    "the ONNX graph gives other scores than the model, so nothing was exported",
                    hint="Export with --no-onnx, and report this with the versions of torch, onnx and onnxscript.",
                )
    return OnnxCheck(f"onnxruntime {version('onnxruntime')}", sum(_BATCHES), largest)


def made_up(count: int, shape: tuple[int, ...], contract: DataContract, source: np.random.Generator) -> NDArray[Any]:
    """Records nobody has: tokens of the contract, or normal numbers of twice the usual spread, and some zeros."""
    from fedward_server.export.inputs import input_type

    if input_type(contract) == "int64" and isinstance(contract.form, Text):
        return source.integers(0, contract.form.buckets, (count, *shape), dtype=np.int64)
    values = source.standard_normal((count, *shape)) * _SPREAD
    values[source.random(values.shape) < 0.1] = 0.0  # noqa: PLR2004 - a missing value is an input of 0
    return values.astype(np.float32)
