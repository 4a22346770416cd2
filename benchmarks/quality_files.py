"""Imports of the quality cases whose records are files: PNG pictures and WFDB recordings, beside a table of labels."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality_studies import SPLIT, UNIT
from fedward_client.importer.importing import import_here
from fedward_client.importer.mapping_file import parse_mapping
from fedward_client.importer.order import ImportOrder
from fedward_simulations.importing import import_into

__all__ = [
    "FILE",
    "LABEL",
    "Bools",
    "Indices",
    "Records",
    "Writer",
    "held_out_patients",
    "import_files",
    "write_png",
    "write_wfdb",
]

FILE, LABEL = "file", "label"
"""Columns of the table: a record's file below ``files``, and its class."""
_MAPPING = b'files = "files"\n\n[source]\ntype = "csv"\npath = "labels.csv"\n'
_PARTS = 4
_GAIN = 1000.0

Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]
Writer = Callable[[Path, int], str]
"""(folder of files, row) -> the name of the file that it wrote there."""


@dataclass(frozen=True, slots=True)
class Records:
    """Rows of a data set: each one's class, its patient's name, and whether it is held out for testing."""

    labels: Sequence[int]
    units: Sequence[str]
    test: Bools


def import_files(
    folder: Path, study: str, records: Records, sites: Mapping[str, Indices], write: Writer
) -> dict[str, Path]:
    """Writes each site's files and table, as a hospital would have them, and imports them under the study's contract.

    Args:
        folder: becomes full of imports, one a site.
        study: study.toml.
        records: all rows.
        sites: which of them are whose.
        write: makes a row's file.
    """
    for site, rows in sites.items():
        place = folder / site
        (place / "files").mkdir(parents=True)
        with (place / "labels.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([UNIT, SPLIT, LABEL, FILE])
            for row in rows.tolist():
                side = "test" if records.test[row] else "train"
                writer.writerow([records.units[row], side, records.labels[row], write(place / "files", row)])
        order = ImportOrder(study.encode(), parse_mapping(_MAPPING), place, site)
        import_into(folder / "imports", site, partial(import_here, order))
    return {site: folder / "imports" / site for site in sites}


def changed(study: str, *table: str, **values: float) -> str:
    """study.toml with other values in one of its tables."""
    import tomlkit

    terms: Any = tomlkit.parse(study)
    place = terms
    for name in table:
        place = place[name]
    place.update(values)
    return tomlkit.dumps(terms)


def held_out_patients(units: Sequence[str], strata: Sequence[str], seed: int) -> Bools:
    """Rows of a random quarter of the patients of each stratum: a patient's rows stay together.

    Args:
        units: each row's patient.
        strata: each row's stratum; a patient belongs to that of the first row.
        seed: of the draw.
    """
    first: dict[str, str] = {}
    for unit, stratum in zip(units, strata, strict=True):
        first.setdefault(unit, stratum)
    rng, held, dealt = np.random.default_rng(seed), set(), 0
    for stratum in sorted(set(first.values())):
        patients = rng.permutation([unit for unit, own in first.items() if own == stratum])
        held |= {str(unit) for place, unit in enumerate(patients) if (place + dealt) % _PARTS == 0}
        dealt += len(patients)
    return np.array([unit in held for unit in units])


def write_png(pictures: NDArray[np.uint8]) -> Writer:
    """Pictures (rows, height, width) or (rows, height, width, 3)."""
    from PIL import Image

    def write(folder: Path, row: int) -> str:
        name = f"{row:05d}.png"
        Image.fromarray(pictures[row]).save(folder / name)
        return name

    return write


def write_wfdb(microvolts: NDArray[np.int16], leads: Sequence[str], rate: int) -> Writer:
    """Recordings (rows, time, leads), at `rate` Hz."""
    import wfdb

    def write(folder: Path, row: int) -> str:
        name, count = f"{row:05d}", len(leads)
        wfdb.wrsamp(
            name, fs=rate, units=["mV"] * count, sig_name=list(leads), fmt=["16"] * count, d_signal=microvolts[row],
            adc_gain=[_GAIN] * count, baseline=[0] * count, write_dir=str(folder),
        )  # fmt: skip
        return name

    return write
