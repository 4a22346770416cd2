"""Puts the imports of several sites into one folder, for the centralised baseline. Simulations only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fedward_client.imported import read_record, record_of, table_name, write_record
from fedward_client.importer.tensors import ShardWriter
from fedward_client.vault.training.reading import read_shard, read_table
from fedward_shared.contracts.cohort import DataContract, DataKind

__all__ = ["pool"]


def pool(folders: Mapping[str, Path], contract: DataContract, destination: Path) -> dict[str, int]:
    """Writes one import with the rows of all `folders`, site after site, into the new folder `destination`.

    Patients of different sites stay different patients, whatever their ids.

    Returns:
        How many rows each site brought, in the order of the rows.

    Raises:
        UsageError: an import is damaged.
    """
    destination.mkdir(parents=True)
    files = (_tables if contract.kind is DataKind.TABLE else _tensors)(folders, contract, destination)
    rows = {site: read_record(folder).rows_accepted for site, folder in folders.items()}
    write_record(destination, record_of(destination, contract, files, rows=(sum(rows.values()), 0)))
    return rows


def _tables(folders: Mapping[str, Path], contract: DataContract, destination: Path) -> Sequence[str]:
    import polars as pl

    files: list[str] = []
    for site, folder in folders.items():
        for name, digest in read_record(folder).files:
            table = read_table(folder / name, digest)
            if contract.patient:
                own = pl.format("{}:{}", pl.lit(site), pl.col(contract.patient))
                table = table.with_columns(own.alias(contract.patient))
            files.append(table_name(len(files)))
            table.write_parquet(destination / files[-1])
    return files


def _tensors(folders: Mapping[str, Path], contract: DataContract, destination: Path) -> Sequence[str]:
    with ShardWriter(destination, contract) as writer:
        for site, folder in folders.items():
            for name, digest in read_record(folder).files:
                shard = read_shard(folder / name, digest, contract.input_shape)
                units = [f"{site}:{unit}" for unit in shard.unit.tolist()] if contract.patient else None
                writer.add(shard.x, shard.y, units, shard.split)
    return writer.files
