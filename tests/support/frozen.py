"""A study of small pictures whose model sees frozen features, and imports for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fedward_client.importer.tensors import write_tensor_set
from fedward_shared.manifest.parse import load
from tests.support.samples import TWO_SITES

__all__ = ["SCATTERING", "frozen_study", "write_pictures"]

SCATTERING = '[model.backbone]\nname = "scattering"\n\n[model.backbone.options]\nL = 4\n'
_DATA = """
[data]
kind = "tensor"
patient = "patient"
split = "split"
shape = [1, 12, 12]

[data.label]
column = "ill"
classes = [["0"], ["1"]]
names = ["no", "yes"]

"""


def frozen_study(tables: str = SCATTERING) -> str:
    """The sample study over pictures, with further tables below `[model]`; σ is declared, so publishing is quick."""
    start, end = TWO_SITES.index("[data]"), TWO_SITES.index("[sites.north]")
    text = TWO_SITES[:start] + tables + _DATA + TWO_SITES[end:]
    return text.replace("target_epsilon = 3.0", "noise_multiplier = 4.0")


def write_pictures(folder: Path, text: str, count: int = 40, seed: int = 0) -> None:
    """An import in which the classes differ in their texture; every fourth patient is for testing."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count)
    pictures = generator.normal(size=(count, 1, 12, 12)).astype(np.float32)
    pictures[labels == 1] += np.roll(pictures[labels == 1], 1, axis=3)
    write_tensor_set(
        folder,
        load(text.encode()).data,
        x=pictures,
        y=labels,
        unit=np.arange(count),
        split=(np.arange(count) % 4 == 0).astype(np.uint8),
    )
