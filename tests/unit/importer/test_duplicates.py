"""Records of one patient with the same inputs and label count once, in whatever batches they come."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_client.importer import duplicates
from fedward_client.importer.duplicates import Seen, array_digests, row_digests

INPUTS = ["age", "pain", "label"]
ROWS = pl.DataFrame(
    {
        "patient": ["a", "a", "b", "a", "a", "a", "b"],
        "age": [50.0, 50.0, 50.0, None, None, 0.0, 50.0],
        "pain": ["1", "1", "1", "1", None, None, "1"],
        "label": [0, 0, 0, 0, 0, 0, 1],
        "source": range(7),
    }
)
FRESH = [True, False, True, True, True, True, True]


def test_equal_records_of_one_patient_count_once_and_of_two_patients_twice() -> None:
    assert Seen().fresh(ROWS["patient"], row_digests(ROWS, INPUTS)).to_list() == FRESH


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_it_does_not_matter_in_which_batches_they_come(size: int) -> None:
    seen = Seen()
    found = [
        flag
        for part in ROWS.iter_slices(size)
        for flag in seen.fresh(part["patient"], row_digests(part, INPUTS)).to_list()
    ]
    assert found == FRESH
    assert not seen.fresh(ROWS["patient"], row_digests(ROWS, INPUTS)).any()


def test_minus_zero_is_zero() -> None:
    table = pl.DataFrame({"age": [0.0, -0.0]})
    assert row_digests(table, ["age"]).n_unique() == 1


def test_arrays_differ_by_every_bit_and_by_label() -> None:
    x = np.zeros((5, 2, 3), dtype=np.float32)
    x[1, 1, 2] = np.float32(1e-45)
    x[2, 0, 0] = np.float32(1e-45)
    digests = array_digests(x, np.array([0, 0, 0, 1, 0]))
    assert digests.n_unique() == 4
    assert digests[0] == digests[4]
    assert Seen().fresh(pl.Series(["p"] * 5), digests).to_list() == [True, True, True, True, False]


def test_nothing_is_empty() -> None:
    seen = Seen()
    assert seen.fresh(pl.Series([], dtype=pl.String), pl.Series([], dtype=pl.UInt64)).to_list() == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60), max_size=8))
def test_it_agrees_with_a_set_while_it_grows(batches: list[list[tuple[int, int]]]) -> None:
    """Few slots, so that it grows and keys meet."""
    known: set[tuple[int, int]] = set()
    seen = Seen()
    seen._latest = duplicates._Words(2)
    for batch in batches:
        patients = pl.Series([str(patient) for patient, _ in batch], dtype=pl.String)
        digests = pl.Series([digest for _, digest in batch], dtype=pl.UInt64)
        expected = []
        for record in batch:
            expected.append(record not in known)
            known.add(record)
        assert seen.fresh(patients, digests).to_list() == expected


def test_many_records_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_PORTION", 1000)
    seen, numbers = Seen(), np.arange(200_000, dtype=np.uint64)
    patients = pl.Series(["p"]).new_from_index(0, len(numbers))
    assert seen.fresh(patients, pl.Series(numbers)).all()
    assert seen.fresh(patients, pl.Series(numbers + 100_000)).to_list() == [False] * 100_000 + [True] * 100_000


def test_of_very_many_the_latest_are_remembered_in_memory_that_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_PORTION", 100)
    monkeypatch.setattr(duplicates, "_FIRST_SLOTS", 64)
    monkeypatch.setattr(duplicates, "_MOST_SLOTS", 1024)
    seen, numbers = Seen(), np.arange(10_000, dtype=np.uint64)
    patients = pl.Series(["p"]).new_from_index(0, len(numbers))
    assert seen.fresh(patients, pl.Series(numbers)).all(), "none is dropped that was not there"
    assert seen._before is not None
    assert seen._latest.slots == seen._before.slots == 1024
    remembered = ~seen.fresh(patients[:600], pl.Series(numbers[-600:])).to_numpy()
    assert remembered.all()


def test_a_forgotten_record_is_remembered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_FIRST_SLOTS", 16)
    monkeypatch.setattr(duplicates, "_MOST_SLOTS", 16)
    seen = Seen()

    def fresh(number: int) -> bool:
        return bool(seen.fresh(pl.Series(["p"]), pl.Series([number], dtype=pl.UInt64))[0])

    assert [fresh(number) for number in (1, 1, *range(2, 40), 1, 1)] == [True, False, *[True] * 39, False]
