"""Units: there and back again, and any text at all."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_shared.errors import UsageError
from fedward_shared.units import alternatives, conversion, known
from fedward_shared.units.substances import SUBSTANCES
from fedward_shared.units.vocabulary import SPELLINGS

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100

NAMES = st.sampled_from(sorted(SUBSTANCES))
WORDS = st.sampled_from(sorted(SPELLINGS))
PIECES = st.sampled_from(
    ["/", ".", "*", " ", "^", "-1", "2", "10*3", "10^9", "{x}", "[", "]", "µ", "×", "¹", "(", "\0"]
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(name=NAMES, data=st.data(), value=st.floats(0.001, 1e6))
def test_there_and_back_again(name: str, data: st.DataObject, value: float) -> None:
    units = SUBSTANCES[name].units
    here, there = data.draw(st.sampled_from(units)), data.draw(st.sampled_from(units))
    way, back = conversion(here, there, name), conversion(there, here, name)

    assert (value * way.factor + way.offset) * back.factor + back.offset == pytest.approx(value, rel=1e-9, abs=1e-9)


@settings(max_examples=EXAMPLES, deadline=None)
@given(name=NAMES, data=st.data())
def test_a_detour_changes_nothing(name: str, data: st.DataObject) -> None:
    units = st.sampled_from(SUBSTANCES[name].units)
    first, second, third = data.draw(units), data.draw(units), data.draw(units)
    one, two, direct = conversion(first, second, name), conversion(second, third, name), conversion(first, third, name)

    assert one.factor * two.factor == pytest.approx(direct.factor, rel=1e-9)
    assert one.offset * two.factor + two.offset == pytest.approx(direct.offset, rel=1e-9, abs=1e-9)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    unit=st.one_of(st.text(max_size=80), st.lists(st.one_of(WORDS, PIECES), max_size=8).map("".join)),
    other=st.one_of(WORDS, st.text(max_size=10)),
)
def test_any_text_is_a_unit_or_told(unit: str, other: str) -> None:
    alike = unit.split() == other.split()
    try:
        way = conversion(unit, other)
    except UsageError:
        assert not alike
        return
    assert alike or (known(unit) and known(other))
    assert way.factor > 0
    assert unit not in alternatives(unit)
