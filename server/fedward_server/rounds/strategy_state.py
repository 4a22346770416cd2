"""What a strategy remembers between rounds, as tensors and JSON, never pickle.

Every attribute of the object is looked at. Numbers, texts, arrays, lists and dictionaries of arrays, and Flower's
ArrayRecord are kept; functions are not, because building the strategy from the manifest sets them again. Anything
else is an error: a strategy whose state we cannot keep must not seem to be resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import ArrayRecord
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray

from fedward_shared.errors import FedwardError
from fedward_shared.flower.records import arrays_of, record_of

__all__ = ["StrategyState", "capture", "restore"]

Values = NDArray[Any]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StrategyState:
    """`document` is JSON and says for each attribute what it is; `tensors` are named ``attribute/index``."""

    document: Document
    tensors: Mapping[str, Values]


def capture(strategy: Strategy) -> StrategyState:
    """The state of a strategy. The tensors are those of the strategy, not copies.

    Raises:
        FedwardError: an attribute is of a kind that cannot be kept.
    """
    document: Document = {}
    tensors: dict[str, Values] = {}
    for name, value in vars(strategy).items():
        entry, arrays = _describe(type(strategy).__name__, name, value)
        if entry is not None:
            document[name] = entry
            tensors.update({f"{name}/{place}": array for place, array in enumerate(arrays)})
    return StrategyState(document, tensors)


def restore(strategy: Strategy, state: StrategyState) -> None:
    """Puts a captured state into a strategy that was newly built from the same manifest."""
    for name, entry in state.document.items():
        arrays = [state.tensors[f"{name}/{place}"] for place in range(int(entry.get("count", 0)))]
        setattr(strategy, name, _REBUILD[entry["kind"]](entry, arrays))


def _describe(owner: str, name: str, value: object) -> tuple[Document | None, Sequence[Values]]:
    if isinstance(value, (np.ndarray, np.generic)):  # first, because a numpy float is also a Python float
        return {"kind": "array" if isinstance(value, np.ndarray) else "scalar", "count": 1}, (np.asarray(value),)
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"kind": "plain", "value": value}, ()
    if isinstance(value, ArrayRecord):
        return {"kind": "record", "keys": list(value), "count": len(value)}, list(arrays_of(value).values())
    if isinstance(value, dict) and all(isinstance(part, np.ndarray) for part in value.values()):
        return {"kind": "dict", "keys": list(value), "count": len(value)}, list(value.values())
    if isinstance(value, list) and all(isinstance(part, np.ndarray) for part in value):
        return {"kind": "list", "count": len(value)}, value
    if callable(value):
        return None, ()
    raise FedwardError(
        f"the state of {owner} cannot be kept: attribute {name} is a {type(value).__name__}",
        hint="Only numbers, texts and arrays (in lists or dictionaries) survive a restart; use another strategy.",
    )


_REBUILD: dict[str, Callable[[Document, list[Values]], object]] = {
    "plain": lambda entry, _: entry["value"],
    "scalar": lambda _, arrays: arrays[0][()],
    "array": lambda _, arrays: arrays[0],
    "record": lambda entry, arrays: record_of(dict(zip(entry["keys"], arrays, strict=True))),
    "dict": lambda entry, arrays: dict(zip(entry["keys"], arrays, strict=True)),
    "list": lambda _, arrays: arrays,
}
