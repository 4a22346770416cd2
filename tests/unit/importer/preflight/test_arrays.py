"""Arrays of a sample of records: those that cannot be made are counted and listed, the scale of the others is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedward_client.importer.mapping_file import load_mapping
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.preflight.array_sketch import _Moments
from fedward_client.importer.preflight.findings import Defect
from fedward_client.importer.preflight.judge import Judgement, judge
from fedward_client.importer.preflight.profile import Profile
from fedward_client.importer.preflight.profiling import profile_source
from fedward_shared.manifest.parse import load
from fedward_simulations.generate.command import Request, generate
from tests.support.preflighting import found


def _looked(tmp_path: Path, kind: str, *defects: str) -> tuple[Profile, Judgement]:
    folder, scratch = tmp_path / "made", tmp_path / "scratch"
    scratch.mkdir()
    if not folder.exists():
        generate(Request(kind, folder, ("north",), 60, 3, tuple(f"north={one}" for one in defects)))
    mapping = load_mapping(folder / "north" / "mapping.toml")
    order = ImportOrder((folder / "study.toml").read_bytes(), mapping, folder / "north", "north", dry_run=True)
    study = load(order.manifest)
    profile = profile_source(order, scratch)
    return profile, judge(profile, study.data, mapping, study.sites["north"], 0.2)


@pytest.mark.parametrize("kind", ["pictures", "series", "wfdb"])
def test_clean_records_have_inputs_of_the_declared_scale(tmp_path: Path, kind: str) -> None:
    profile, judgement = _looked(tmp_path, kind)

    assert profile.arrays is not None
    assert (profile.arrays.tried, profile.arrays.unreadable) == (60, ())
    assert not found(judgement, Defect.ARRAY_SCALE)
    assert not judgement.stops


def test_broken_files_are_counted_and_each_is_listed(tmp_path: Path) -> None:
    profile, judgement = _looked(tmp_path, "pictures", "unreadable")

    (finding,) = found(judgement, Defect.UNREADABLE)
    assert profile.arrays is not None
    lost = sum(one.records for one in profile.arrays.unreadable)
    assert lost >= 5
    assert len(profile.quarantine) == lost
    assert len({one.row for one in profile.quarantine}) == lost
    assert f"{lost} of 60 records tried" in finding.text


def test_files_that_lie_elsewhere_ask_for_their_folder(tmp_path: Path) -> None:
    generate(Request("pictures", tmp_path / "made", ("north",), 60, 3))
    (tmp_path / "made" / "north" / "files").rename(tmp_path / "made" / "north" / "moved")
    _, judgement = _looked(tmp_path, "pictures")

    (finding,) = found(judgement, Defect.UNREADABLE)
    assert "files = " in finding.advice
    assert judgement.stops


def test_moments_of_parts_are_those_of_the_whole() -> None:
    values = np.random.default_rng(1).normal(3, 2, 1000).astype(np.float32)
    moments = _Moments()
    for part in np.array_split(values, [0, 1, 500, 501]):
        moments.add(part)

    assert moments.mean == pytest.approx(values.mean(dtype=np.float64))
    assert moments.deviation == pytest.approx(values.std(dtype=np.float64))
