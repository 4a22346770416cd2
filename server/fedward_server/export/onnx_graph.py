"""The trained model as an ONNX graph: records in, scores and logits out, for any number of records.

Exporters leave source paths, stack traces and module names of the exporting machine in the file. All of it is taken
out, so that the bytes follow from the study and the weights alone.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fedward_shared.errors import UsageError
from fedward_shared.version import VERSION

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedward_shared.models.heads.head import Head

__all__ = ["INPUT", "OPSET", "OUTPUTS", "check_available", "exporter_versions", "scoring", "to_onnx"]

OPSET = 18
"""Of the default operator set: what onnxruntime 1.14 (2023) and later run."""
INPUT = "records"
OUTPUTS = ("scores", "logits")
_PACKAGES = ("onnx", "onnxscript")
_LARGEST = 1_900_000_000
"""Bytes of weights: one protobuf message holds at most 2 GiB."""
_TRACED = 3
"""Records in the batch that is traced: neither 0 nor 1, which exporters take for constants."""


def check_available() -> None:
    """Whether the packages that write ONNX are installed.

    Raises:
        UsageError: one is not.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"writing ONNX needs {' and '.join(missing)}",
            hint="Install fedward[coordinator], or leave the ONNX file out with --no-onnx.",
        )


def exporter_versions() -> dict[str, str]:
    """Versions of what wrote the graph."""
    return {name: version(name) for name in ("torch", *_PACKAGES)}


def scoring(model: nn.Module, head: Head) -> nn.Module:
    """The model followed by its head: (records, *shape) -> scores (records, columns), logits (records, outputs)."""
    from torch import nn

    class Scoring(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, records: Tensor) -> tuple[Tensor, Tensor]:
            logits: Tensor = self.model(records)
            return head.scores(logits), logits

    return Scoring().eval()


def to_onnx(scored: nn.Module, shape: tuple[int, ...], kind: str, facts: Mapping[str, str]) -> bytes:
    """The bytes of model.onnx. `scored` is what `scoring` made, for records of `shape` and element type `kind`.

    `facts` become the file's metadata. The same weights and versions give the same bytes.

    Raises:
        UsageError: the weights do not fit into one file.
    """
    import onnx
    import torch

    weights = sum(parameter.numel() * parameter.element_size() for parameter in scored.parameters())
    if weights > _LARGEST:
        raise UsageError(f"{weights} bytes of weights do not fit into one ONNX file", hint="Export with --no-onnx.")
    records = torch.zeros((_TRACED, *shape), dtype=getattr(torch, kind))
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            scored,
            (records,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes={INPUT: {0: torch.export.Dim("batch", min=1)}},
            external_data=False,
            verbose=False,
        )
    graph = _bare(program.model_proto, facts) if program is not None else None
    if graph is None or not graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise UsageError(
            "this model cannot be written as ONNX for any number of records",
            hint="Export with --no-onnx, and report this: every family is meant to be.",
        )
    onnx.checker.check_model(graph, full_check=True)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def _bare(found: Any, facts: Mapping[str, str]) -> Any:
    """A copy without anything that the exporter noted on the side, and with our facts."""
    import onnx

    graph = onnx.ModelProto()
    graph.CopyFrom(found)
    del graph.metadata_props[:]
    graph.producer_name, graph.producer_version, graph.doc_string, graph.domain = "fedward", VERSION, "", ""
    graph.graph.name = "fedward"
    for part in _parts(graph.graph):
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
        part.ClearField("doc_string")
    for function in graph.functions:
        del function.metadata_props[:]
        function.ClearField("doc_string")
        for number, node in enumerate(function.node):
            node.name = f"f{number}"
            del node.metadata_props[:]
            node.ClearField("doc_string")
    for key in sorted(facts):
        graph.metadata_props.add(key=key, value=facts[key])
    return graph


def _parts(graph: Any) -> Iterator[Any]:
    """The graph, its nodes (and the graphs within them), weights, inputs, outputs and values."""
    yield graph
    for number, node in enumerate(graph.node):
        node.name = f"n{number}"
        yield node
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
            for inner in (attribute.g, *attribute.graphs):
                if inner.ByteSize():
                    yield from _parts(inner)
    for values in (graph.initializer, graph.input, graph.output, graph.value_info):
        yield from values


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter tells its own developers."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
