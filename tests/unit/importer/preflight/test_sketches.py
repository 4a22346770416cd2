"""Samples of bounded size: exact while they can be, uniform afterwards, the same for the same rows."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedward_client.importer.preflight.sketches import KeySample, RowSample


def _sampled(count: int, size: int, batch: int) -> pl.DataFrame:
    sample = RowSample(size)
    for start in range(0, count, batch):
        sample.add(pl.DataFrame({"row": range(start, min(start + batch, count))}))
    table = sample.table()
    assert table is not None
    return table


def test_a_short_source_is_kept_whole_and_in_order() -> None:
    assert _sampled(100, 100, 7)["row"].to_list() == list(range(100))


@given(count=st.integers(1, 3000), size=st.integers(1, 300), batch=st.integers(1, 700))
@settings(max_examples=60, deadline=None)
def test_a_long_source_is_sampled_to_its_size_without_repetition(count: int, size: int, batch: int) -> None:
    rows = _sampled(count, size, batch)["row"].to_list()

    assert len(rows) == min(count, size)
    assert rows == sorted(set(rows))


def test_the_sample_is_uniform_however_the_rows_come() -> None:
    rows = _sampled(100_000, 10_000, 999)["row"].to_numpy()

    counts = np.histogram(rows, bins=10, range=(0, 100_000))[0]
    assert abs(counts - 1000).max() < 5 * np.sqrt(900)
    assert _sampled(100_000, 10_000, 999).equals(_sampled(100_000, 10_000, 999))


def test_the_promised_error_of_a_quantile_holds() -> None:
    values = _sampled(200_000, 10_000, 50_000)["row"].to_numpy() / 200_000

    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert abs(np.quantile(values, level) - level) < 0.02


def test_no_part_gives_no_table() -> None:
    assert RowSample(10).table() is None


def _hashed(keys: int, records: int, seed: int) -> NDArray[np.uint64]:
    draw = np.random.default_rng(seed)
    names = draw.integers(0, 1 << 63, keys, dtype=np.uint64) * np.uint64(2)
    rows = np.repeat(names, records)
    return np.stack([rows, np.arange(len(rows), dtype=np.uint64)], axis=1)


def test_keys_are_kept_with_all_their_rows_or_not_at_all() -> None:
    rows = _hashed(20_000, 3, seed=1)
    sample = KeySample(5_000)
    for part in np.array_split(rows, 13):
        sample.add(part)

    kept = sample.rows()
    assert len(kept) <= 5_000
    assert set(np.unique(kept[:, 0], return_counts=True)[1].tolist()) == {3}
    assert abs(len(kept) / 3 / sample.share / 20_000 - 1) < 0.15


def test_few_keys_are_kept_exactly() -> None:
    rows = _hashed(100, 3, seed=2)
    sample = KeySample(300)
    sample.add(rows)

    assert sample.share == 1.0
    assert np.array_equal(sample.rows(), rows)


def test_one_key_with_too_many_rows_does_not_fill_the_memory() -> None:
    sample = KeySample(100)
    for _ in range(50):
        sample.add(np.full((100, 2), 1 << 62, dtype=np.uint64))

    assert len(sample.rows()) <= 100
