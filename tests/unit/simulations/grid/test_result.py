"""A finished cell on disk: whatever was changed or broken in it is told as damage, never as another error."""

import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from fedward_shared.evaluation.scored import Scored
from fedward_simulations.grid.opened import open_data
from fedward_simulations.grid.result import DamagedError, Result, read_result, write_result

ROWS = 4


def kept(folder: Path) -> Path:
    """A cell of two sites."""
    one = Scored(
        np.arange(ROWS) % 2, np.full((ROWS, 2), 0.5), np.arange(ROWS), {"women": np.ones(ROWS, dtype=np.bool_)}
    )
    place = folder / "cells" / "one"
    place.parent.mkdir(parents=True)
    result = Result({"north": one, "south": one}, {"north": 2.9, "south": 3.0}, 1.0, "a test", {})
    write_result(place, result, {"title": "one"})
    return place


def changed(place: Path, old: str, new: str) -> None:
    text = (place / "result.json").read_text()
    assert old in text
    (place / "result.json").write_text(text.replace(old, new, 1))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    found = read_result(kept(tmp_path))
    assert found.spent == {"north": 2.9, "south": 3.0}
    assert list(found.run) == ["north", "south"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2.9", "9.9"),
        ('"north"', '"south"'),
        ('"spent": {', '"spent": [], "rest": {'),
        ('"files": {', '"files": [], "rest": {'),
        ('"a test"', "NaN"),
    ],
)
def test_a_changed_record_is_damage(tmp_path: Path, old: str, new: str) -> None:
    place = kept(tmp_path)
    changed(place, old, new)
    with pytest.raises(DamagedError):
        read_result(place)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"[" * 100_000, b"{}", b"\xff"])
def test_a_broken_record_is_damage(tmp_path: Path, content: bytes) -> None:
    place = kept(tmp_path)
    (place / "result.json").write_bytes(content)
    with pytest.raises(DamagedError):
        read_result(place)


def test_broken_arrays_are_damage_whatever_their_reader_says(tmp_path: Path) -> None:
    place = kept(tmp_path)
    (place / "scores.npz").write_bytes(b"PK no archive")
    with pytest.raises(DamagedError):
        read_result(place)


def test_a_record_without_its_digest_is_damage(tmp_path: Path) -> None:
    place = kept(tmp_path)
    record = json.loads((place / "result.json").read_text())
    del record["digest"]
    (place / "result.json").write_text(json.dumps(record))
    with pytest.raises(DamagedError):
        read_result(place)


def _opens(cache: str, failures: "multiprocessing.Queue[str]") -> None:
    for _ in range(100):
        try:
            with open_data(Path(cache)) as data:
                if not data.folder.is_dir():
                    failures.put("gone")
        except OSError as error:
            failures.put(type(error).__name__)
    failures.put("")


def test_runs_that_begin_at_once_leave_each_others_folders_alone(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    failures = context.Queue()
    runs = [context.Process(target=_opens, args=(str(tmp_path), failures)) for _ in range(3)]
    for run in runs:
        run.start()
    told, ended = [], 0
    while ended < len(runs):
        one = failures.get(timeout=60)
        ended += not one
        told += [one] if one else []
    for run in runs:
        run.join()
    assert told == []
