"""One schedule for each family, with privacy and without: where to begin, not what every study must do.

Where the figures come from: `python -m benchmarks.recipes` trains every family with its recipe, and with half and twice
its learning rate, on generated hospitals; a recipe stays here only while neither is clearly better. Three rules are
behind all of them, and the studies that taught them:

* with privacy a step's noise is the same however many patients take part, so everybody takes part (sampling rate near
  1) in few steps (De et al. 2022, arXiv:2204.13650), and the last models are averaged, which is free (Shejwalkar et al.
  2022, arXiv:2210.01864);
* a clip norm of 1 with inputs of size about 1, and the learning rate carries the scale;
* without privacy plain federated averaging over several local steps (McMahan et al. 2017) with Adam for what is deep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

__all__ = ["FAMILIES", "Family", "Schedule"]

Optimizer = Literal["sgd", "adam", "adamw"]
Records = Literal["table", "survival", "images", "signals", "series"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """`rounds` x `local_steps` steps at every site; each step sees about `batch` patients (0: all of them)."""

    rounds: int
    local_steps: int
    learning_rate: float
    optimizer: Optimizer = "sgd"
    average_last: int = 1
    clip_norm: float = 1.0
    batch: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """A family: the template it belongs to, its two schedules, and the patients of one site below which to take less.

    `fewest` is how many patients of all sites together the private schedule needs before the family is worth its noise.
    """

    records: Records
    plain: Schedule
    private: Schedule
    fewest: int


_DEEP = Schedule(20, 10, 0.003, "adam", batch=64)
_DEEP_PRIVATE = Schedule(20, 5, 5.0, average_last=5, batch=400)
_LARGE = Schedule(30, 20, 0.001, "adam", batch=64)
_LARGE_PRIVATE = Schedule(30, 5, 5.0, average_last=5, batch=1000)
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "cnn": Family("images", _DEEP, _DEEP_PRIVATE, 2000),
        "cnn1d": Family("signals", _DEEP, _DEEP_PRIVATE, 2000),
        "cnn_lstm": Family("signals", _DEEP, _DEEP_PRIVATE, 3000),
        "cox": Family("survival", Schedule(20, 5, 0.5, average_last=5), Schedule(20, 2, 1.5, average_last=5), 500),
        "gru": Family("series", replace(_DEEP, learning_rate=0.01), _DEEP_PRIVATE, 3000),
        "hazard": Family(
            "survival",
            Schedule(20, 10, 0.01, "adam", average_last=5, batch=128),
            Schedule(20, 5, 2.0, average_last=5),
            1000,
        ),
        "logistic": Family("table", Schedule(20, 5, 1.0, average_last=5), Schedule(20, 2, 1.5, average_last=5), 300),
        "lstm": Family("series", replace(_DEEP, learning_rate=0.01), _DEEP_PRIVATE, 3000),
        "mlp": Family("table", Schedule(20, 10, 0.003, "adam", batch=128), Schedule(20, 5, 4.0, average_last=5), 1000),
        "resnet18": Family("images", _LARGE, _LARGE_PRIVATE, 20_000),
        "transformer": Family(
            "series", replace(_DEEP, learning_rate=0.001), replace(_DEEP_PRIVATE, learning_rate=2.0), 5000
        ),
        "vgg": Family("images", _LARGE, _LARGE_PRIVATE, 20_000),
    }
)
"""By the model's name in the registry."""
