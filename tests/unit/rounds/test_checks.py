"""What an update must be before it counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fedward_server.rounds.checks import check_model, check_update
from fedward_shared.contracts.study import TensorSpec
from fedward_shared.errors import WireError

SPECS = (TensorSpec("w", (70_000,)), TensorSpec("b", ()))
GOOD = {"w": np.full(70_000, 0.01, np.float32), "b": np.array(0.5, np.float32)}


def test_the_norm_is_over_all_tensors() -> None:
    norm = math.sqrt(70_000 * float(np.float32(0.01)) ** 2 + 0.25)
    assert check_update(SPECS, GOOD, 10.0) == pytest.approx(norm, rel=1e-12)
    assert check_update(SPECS, GOOD, norm) == pytest.approx(norm)
    with pytest.raises(WireError, match="L2 norm"):
        check_update(SPECS, GOOD, norm * (1 - 1e-9))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("index", [0, 8_191, 8_192, 69_999])
def test_one_value_that_is_not_finite_is_found_wherever_it_is(value: float, index: int) -> None:
    bad = GOOD["w"].copy()
    bad[index] = value
    with pytest.raises(WireError, match="not finite"):
        check_update(SPECS, {**GOOD, "w": bad}, math.inf)


@pytest.mark.parametrize(
    "update",
    [
        {"w": GOOD["w"]},
        {**GOOD, "extra": GOOD["b"]},
        {**GOOD, "w": GOOD["w"][:-1]},
        {**GOOD, "w": GOOD["w"].reshape(2, -1)},
        {**GOOD, "w": GOOD["w"].astype(np.float64)},
        {**GOOD, "w": GOOD["w"].astype(np.int32)},
    ],
    ids=["missing", "left over", "shorter", "another shape", "float64", "int32"],
)
def test_only_the_declared_tensors_count(update: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> None:
    with pytest.raises(WireError):
        check_update(SPECS, update, math.inf)


@given(arrays.arrays(np.float32, st.integers(1, 50), elements=st.floats(width=32)))
def test_accepted_exactly_where_numpy_agrees(values: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    specs = (TensorSpec("w", values.shape),)
    norm = float(np.linalg.norm(values.astype(np.float64)))
    good = bool(np.isfinite(values).all()) and norm <= 1.0
    try:
        check_update(specs, {"w": values}, 1.0)
    except WireError:
        assert not good or norm == pytest.approx(1.0)
    else:
        assert good or norm == pytest.approx(1.0)


@pytest.mark.parametrize(("value", "fine"), [(1.0, True), (-1.0, True), (1.01, False), (-1.01, False), (np.nan, False)])
def test_a_model_stays_within_the_declared_weights(value: float, fine: bool) -> None:
    model = {"w": np.array([0.0, value], np.float32)}
    if fine:
        check_model(model, 1.0)
    else:
        with pytest.raises(WireError, match="'w'"):
            check_model(model, 1.0)
