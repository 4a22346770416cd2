"""Two small hospitals with an age that tells a disease, as imports that a grid trains on."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import numpy as np

from fedward_client.importer.importing import import_here
from fedward_client.importer.order import ImportOrder
from fedward_simulations.importing import import_into
from tests.support.samples import TWO_SITES

__all__ = ["SITES", "STUDY", "import_two_sites"]

SITES = {"north": 90, "south": 60}
STUDY = TWO_SITES.encode()


def import_two_sites(folder: Path, *, shift: int = 0, study: bytes = STUDY) -> dict[str, Path]:
    """One import a site in `folder`, under a study of `STUDY`'s columns; another `shift` of ages makes other data."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for site, patients in SITES.items():
        file = folder / f"{site}.csv"
        with file.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["patient_id", "split", "age", "chest_pain", "disease"])
            for number in range(patients):
                age = int(rng.integers(30, 80))
                ill = int(rng.random() < 1 / (1 + np.exp(-(age - 55) / 8)))
                split = "test" if number % 6 == 0 else "train"
                writer.writerow([f"p{number}", split, age + shift, int(rng.integers(1, 5)), ill])
        order = ImportOrder.of_file(file, study, site)
        import_into(folder, site, partial(import_here, order))
    return {site: folder / site for site in SITES}
