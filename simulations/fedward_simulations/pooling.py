"""Puts the imports of several sites into one folder, for the centralised baseline. Simulations only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fedward_shared.contracts.cohort import DataContract, DataKind
from fedward_shared.files import read_limited

__all__ = ["pool"]

_LARGEST_RECORD = 1 << 20


def pool(folders: Mapping[str, Path], contract: DataContract, destination: Path) -> dict[str, int]:
    """Writes one import with the rows of all `folders`, site after site, into the new folder `destination`.

    Patients of different sites stay different patients, whatever their ids.

    Returns:
        How many rows each site brought, in the order of the rows.
    """
    destination.mkdir(parents=True)
    first = next(iter(folders.values()))
    record = json.loads(read_limited(first / "import.json", _LARGEST_RECORD))
    (destination / "import.json").write_text(json.dumps(record), encoding="utf-8")
    return (_tables if contract.kind is DataKind.TABLE else _tensors)(folders, contract, destination)


def _tables(folders: Mapping[str, Path], contract: DataContract, destination: Path) -> dict[str, int]:
    import polars as pl

    tables = {site: pl.read_parquet(folder / "table.parquet") for site, folder in folders.items()}
    if contract.patient:
        tables = {
            site: table.with_columns(pl.format("{}:{}", pl.lit(site), pl.col(contract.patient)).alias(contract.patient))
            for site, table in tables.items()
        }
    pl.concat(tables.values(), how="vertical_relaxed").write_parquet(destination / "table.parquet")
    return {site: table.height for site, table in tables.items()}


def _tensors(folders: Mapping[str, Path], contract: DataContract, destination: Path) -> dict[str, int]:
    from safetensors.numpy import load_file, save_file

    parts = {site: load_file(folder / "tensors.safetensors") for site, folder in folders.items()}
    together = {
        name: np.concatenate([part[name] for part in parts.values()])
        for name in next(iter(parts.values()))
        if name != "unit"
    }
    if contract.patient:
        units, taken = [], 0
        for part in parts.values():
            units.append(part["unit"].astype(np.int64) + taken)
            taken = int(units[-1].max(initial=taken - 1)) + 1
        together["unit"] = np.concatenate(units)
    save_file(together, destination / "tensors.safetensors")
    return {site: len(part["y"]) for site, part in parts.items()}
