"""Small data contracts, training sets and imported folders that tests of training start from."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from fedward_client.imported import record_of, table_name, write_record
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, FollowUp, Label, NumberColumn
from fedward_shared.contracts.study import ModelTerms, Scalar, SiteTerms, TrainingTerms
from fedward_shared.privacy.cohort import TrainingSet

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "MODELS",
    "TERMS",
    "contract_of",
    "put_table",
    "site",
    "small_tensors",
    "terms_of",
    "training_set",
    "write_table",
]

LABEL = Label("disease", (("0",), ("1",)), ("no disease", "disease"))
SURVIVAL = Label("died", (("0",), ("1",)), ("alive", "dead"), follow_up=FollowUp("days", "d", 3650.0))
_KINDS = {
    "table": DataContract(
        DataKind.TABLE,
        LABEL,
        (
            NumberColumn("age", "years", 18, 110, 54, 9, missing_indicator=True),
            CategoryColumn("pain", ("1", "2", "3")),
        ),
        patient="patient_id",
        split="split",
        records_per_patient=4,
    ),
    "survival": DataContract(
        DataKind.TABLE,
        SURVIVAL,
        (
            NumberColumn("age", "years", 18, 110, 54, 9, missing_indicator=True),
            CategoryColumn("stage", ("1", "2", "3")),
        ),
        patient="patient_id",
        split="split",
        records_per_patient=4,
    ),
    "image": DataContract(DataKind.TENSOR, LABEL, patient="patient", shape=(1, 8, 8), records_per_patient=4),
    "series": DataContract(DataKind.TENSOR, LABEL, patient="patient", shape=(6, 3), records_per_patient=4),
}
MODELS: dict[str, tuple[str, dict[str, Scalar | tuple[Scalar, ...]]]] = {
    "logistic": ("table", {}),
    "mlp": ("table", {"hidden": (8, 4), "activation": "tanh"}),
    "cox": ("survival", {"intervals": 4}),
    "hazard": ("survival", {"intervals": 4, "hidden": (6,)}),
    "cnn": ("image", {"channels": (4, 8), "groups": 2, "hidden": 6}),
    "resnet18": ("image", {"width": 4, "groups": 2}),
    "vgg": ("image", {"width": 4, "groups": 2, "hidden": 32}),
    "lstm": ("series", {"hidden": 5}),
    "gru": ("series", {"hidden": 5, "layers": 2}),
}
"""Every model, with the kind of data it takes and small options."""

TERMS = TrainingTerms(local_steps=2, learning_rate=0.5)


def contract_of(model: str) -> DataContract:
    """A contract that fits the model."""
    return _KINDS[MODELS[model][0]]


def terms_of(model: str, seed: int = 3) -> ModelTerms:
    """Small options of the model."""
    return ModelTerms(model, MappingProxyType(MODELS[model][1]), seed)


def site(*, rate: float = 1.0, normaliser: float = 5.0) -> SiteTerms:
    """A site's declared constants."""
    return SiteTerms("north", size=20, sampling_rate=rate, normaliser=normaliser)


def training_set(shape: tuple[int, ...], units: list[int], *, seed: int = 0, scale: float = 3.0) -> TrainingSet:
    """Random records of `shape`, one for each entry of `units`."""
    generator = torch.Generator().manual_seed(seed)
    records = torch.randn(len(units), *shape, generator=generator) * scale
    labels = torch.randint(0, 2, (len(units),), generator=generator)
    return TrainingSet.of(records, labels, np.asarray(units, dtype=np.int64), max(units, default=-1) + 1)


def write_table(folder: Path, contract: DataContract, rows: int = 60) -> dict[str, NDArray[np.generic]]:
    """An imported table under `contract` (of kind table): two rows a patient, every fourth for testing."""
    import polars as pl

    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    columns: dict[str, NDArray[np.generic]] = {
        contract.label.column: generator.integers(0, 2, rows),
        str(contract.patient): np.array([f"p{row // 2:03}" for row in range(rows)]),
        str(contract.split): np.array(["test" if row // 2 % 4 == 0 else "train" for row in range(rows)]),
    }
    for column in contract.columns:
        if isinstance(column, NumberColumn):
            columns[column.name] = generator.uniform(column.minimum, column.maximum, rows)
        else:
            columns[column.name] = generator.choice(np.array(column.values), rows)
    put_table(folder, contract, pl.DataFrame(columns))
    return columns


def put_table(folder: Path, contract: DataContract, *tables: pl.DataFrame) -> None:
    """An import of these tables, one file each, in an existing folder."""
    for number, table in enumerate(tables):
        table.write_parquet(folder / table_name(number))
    names = [table_name(number) for number in range(len(tables))]
    rows = sum(table.height for table in tables)
    write_record(folder, record_of(folder, contract, names, rows=(rows, 0)))


def small_tensors() -> dict[str, Any]:
    """Six records of shape (1, 8, 8), two a patient, the last patient for testing: what `write_tensor_set` takes."""
    return {
        "x": np.random.default_rng(0).normal(size=(6, 1, 8, 8)).astype(np.float32),
        "y": np.arange(6) % 2,
        "unit": np.arange(6) // 2,
        "split": (np.arange(6) >= 4).astype(np.uint8),
    }
