"""The pooled import holds everybody's rows, and scores find their way back to their hospitals."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fedward_client.importer.tensors import write_tensor_set
from fedward_client.vault.training.dataset import open_data_set
from fedward_shared.contracts.cohort import DataContract, DataKind, Label
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from fedward_simulations.pooling import pool
from fedward_simulations.scores import divided, read_scores
from tests.support.cohorts import put_table
from tests.support.samples import TWO_SITES

TABLE = load(TWO_SITES.encode()).data
TENSORS = DataContract(
    kind=DataKind.TENSOR,
    label=Label("y", (("0",), ("1",)), ("no", "yes")),
    patient="patient",
    split="split",
    shape=(2,),
)


def test_tables_keep_rows_in_order_and_patients_apart(tmp_path: Path) -> None:
    folders = {}
    for site, ages in {"north": [40.0, 50.0, 60.0], "south": [70.0, 30.0]}.items():
        folders[site] = tmp_path / site
        folders[site].mkdir()
        rows = len(ages)
        table = {
            "patient_id": [f"p{number}" for number in range(rows)],
            "split": ["train"] * rows,
            "disease": [0] * rows,
            "age": ages,
            "chest_pain": ["1"] * rows,
        }
        put_table(folders[site], TABLE, pl.DataFrame(table)[:2], pl.DataFrame(table)[2:])
    assert pool(folders, TABLE, tmp_path / "pooled") == {"north": 3, "south": 2}
    data = open_data_set(tmp_path / "pooled", TABLE).train
    assert data.records[:, 0] * 9 + 54 == pytest.approx([40, 50, 60, 70, 30])
    assert data.count == 5, "patient p0 of the north is not patient p0 of the south"


def test_tensors_likewise(tmp_path: Path) -> None:
    folders = {}
    for site, units in {"north": [0, 0, 1], "south": [0, 1]}.items():
        folders[site] = tmp_path / site
        rows = len(units)
        write_tensor_set(
            folders[site],
            TENSORS,
            x=np.array([[rows, row] for row in range(rows)], np.float32),
            y=np.zeros(rows, np.int64),
            unit=np.array(units, np.int64),
            split=np.zeros(rows, np.uint8),
            shard_bytes=16,
        )
    assert pool(folders, TENSORS, tmp_path / "pooled") == {"north": 3, "south": 2}
    data = open_data_set(tmp_path / "pooled", TENSORS).train
    assert data.count == 4
    assert data.records[:, 0].tolist() == [3, 3, 3, 2, 2]


def write_scores(folder: Path, rows: list[tuple[int, int, float]]) -> None:
    lines = ["row,label,score", *(f"{row},{label},{score}" for row, label, score in rows)]
    (folder / "test_scores.csv").write_text("\n".join(lines) + "\n")


def test_scores_of_a_pooled_import_go_back_to_their_hospitals(tmp_path: Path) -> None:
    write_scores(tmp_path, [(4, 1, 0.4), (0, 0, 0.1), (2, 1, 0.2), (3, 0, 0.3)])
    run = divided(tmp_path, {"north": 3, "south": 2})
    assert run["north"].scores.tolist() == [0.1, 0.2]
    assert run["south"].scores.tolist() == [0.3, 0.4]
    assert run["south"].labels.tolist() == [0, 1]


def test_a_study_without_a_report_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no report"):
        read_scores(tmp_path)


def test_more_than_two_classes_have_no_single_score(tmp_path: Path) -> None:
    (tmp_path / "test_scores.csv").write_text("row,label,score_0,score_1,score_2\n0,2,.1,.2,.7\n")
    with pytest.raises(UsageError, match="two classes"):
        read_scores(tmp_path)
