"""From a number in one unit to the number in another: ``there * factor + offset``.

Factors are worked out in fractions and rounded once, so 1 g/dL is exactly 10 g/L. Between mass, amount and equivalents
the substance counts (`substances`). pint does the arithmetic, over the closed vocabulary of `vocabulary`; it is loaded
when two units that are not spelt alike are first converted (0.3 s).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from fedward_shared.errors import UsageError
from fedward_shared.units.spelling import Spelt, spelt, trimmed
from fedward_shared.units.substances import NGSP_OFFSET, NGSP_SLOPE, SUBSTANCES, Substance, substance_key
from fedward_shared.units.vocabulary import DEFINITIONS

if TYPE_CHECKING:
    import pint

__all__ = ["Affine", "alternatives", "conversion", "is_concentration", "known"]

_OFFSETS = frozenset({"degree_celsius", "degree_fahrenheit", "kelvin"})
_MASS, _AMOUNT, _CHARGE = "[mass]", "[substance]", "[charge]"
_PLAUSIBLE = 10_000.0
_QUANTITIES = (
    ("°C", "°F"),
    ("mmHg", "kPa", "cmH2O"),
    ("cm", "m", "in", "mm"),
    ("kg", "lb", "g"),
    ("years", "months", "days"),
    ("days", "hours", "minutes"),
    ("ms", "s", "min", "h"),
    ("%", "fraction"),
    ("mV", "uV", "V"),
    ("g/dL", "g/L", "mg/dL", "mg/L", "ug/dL", "ng/mL", "ng/dL", "pg/mL"),
    ("mmol/L", "umol/L", "nmol/L", "pmol/L"),
    ("10^9/L", "10^12/L", "/uL"),
    ("U/L", "ukat/L"),
    ("mU/L", "mU/mL"),
    ("bpm", "Hz"),
    ("mL/min", "mL/h", "L/min"),
    ("ug/kg/min", "mg/kg/h"),
)
"""Units in which hospitals report the same quantity."""


@dataclass(frozen=True, slots=True)
class Affine:
    """``there * factor + offset``; only temperatures and HbA1c have an offset."""

    factor: float
    offset: float = 0.0

    @property
    def same(self) -> bool:
        """Whether it changes nothing."""
        return self.factor == 1 and self.offset == 0


_SAME = Affine(1.0)


def known(unit: str) -> bool:
    """Whether a unit is understood, or none is meant (""); others only convert into their own spelling."""
    return not unit.strip() or spelt(unit) is not None


@lru_cache(maxsize=4096)
def conversion(unit_from: str, unit_to: str, substance: str = "") -> Affine:
    """How a number in `unit_from` becomes one in `unit_to`, for a named substance where that counts.

    Raises:
        UsageError: one of the units or the substance is not known, the two measure different things, or it takes a
            substance (mg/dL to mmol/L) and none is named.
    """
    if trimmed(unit_from) == trimmed(unit_to):
        return _SAME
    here, there = _read(unit_from), _read(unit_to)
    key = substance_key(substance) if substance else None
    if substance and key is None:
        raise UsageError(f'the substance "{substance}" is not known', hint=f"Known: {', '.join(SUBSTANCES)}")
    if key == "hba1c" and here.moles != there.moles:
        return _glycated(here, there)
    if here.alone in _OFFSETS and there.alone in _OFFSETS:
        return _temperature(here, there)
    if here.alone in _OFFSETS or there.alone in _OFFSETS:
        raise _different(unit_from, unit_to)
    return Affine(float(_factor(unit_from, unit_to, here, there, SUBSTANCES[key] if key else None)))


def is_concentration(unit: str) -> bool:
    """Whether a unit is a mass or an amount in a volume, so that its other half depends on the substance."""
    found = spelt(unit)
    dimensions = _measured(found)[1] if found else {}
    return any(dimensions == {part: 1, "[length]": -3} for part in (_MASS, _AMOUNT, _CHARGE))


def alternatives(unit: str, substance: str = "") -> tuple[str, ...]:
    """Other units in which hospitals plausibly report the same quantity, likely ones first.

    Those in which a number means the same (mg/L for µg/mL) are left out, and so is `unit` itself.
    """
    key = substance_key(substance) if substance else None
    candidates = SUBSTANCES[key].units if key else _same_quantity(unit)
    found: dict[Affine, str] = {_SAME: unit}
    for candidate in candidates:
        try:
            way = conversion(candidate, unit, substance)
        except UsageError:
            continue
        if key or 1 / _PLAUSIBLE <= way.factor <= _PLAUSIBLE:
            found.setdefault(way, candidate)
    return tuple(name for way, name in found.items() if way is not _SAME)


def _same_quantity(unit: str) -> tuple[str, ...]:
    """The group that holds the unit in some spelling, or else the first whose units it converts into."""
    groups = [group for group in _QUANTITIES if _converts(group[0], unit)]
    for group in groups:
        if any(conversion(member, unit).same for member in group):
            return group
    return groups[0] if groups else ()


def _converts(unit_from: str, unit_to: str) -> bool:
    try:
        conversion(unit_from, unit_to)
    except UsageError:
        return False
    return True


def _read(unit: str) -> Spelt:
    found = spelt(unit)
    if found is None:
        raise UsageError(
            f'the unit "{unit}" is not known' if unit.strip() else "there is no unit to convert",
            hint="Write it like mg/dL, mmol/L, 10^9/L, mmHg, bpm or years; any other unit only equals itself.",
        )
    return found


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry[Fraction]:
    import pint

    registry: pint.UnitRegistry[Fraction] = pint.UnitRegistry(None, non_int_type=Fraction, cache_folder=None)
    registry.load_definitions(DEFINITIONS.splitlines())
    return registry


@lru_cache(maxsize=4096)
def _measured(unit: Spelt) -> tuple[Fraction, Mapping[str, int]]:
    """A unit in base units: how many, and of which dimensions."""
    import pint

    registry = _registry()
    powers = {word if unit.alone else _difference(word): power for word, power in unit.powers}
    quantity = registry.Quantity(Fraction(1), registry.Unit(pint.util.UnitsContainer(powers)))
    dimensions = {str(name): int(str(power)) for name, power in quantity.dimensionality.items() if power}
    if unit.alone in _OFFSETS:
        return Fraction(1), dimensions
    return Fraction(quantity.to_root_units().magnitude) * unit.factor, dimensions


def _difference(word: str) -> str:
    """Within a compound, such as °C/h, a temperature is a difference."""
    return f"delta_{word}" if word in _OFFSETS - {"kelvin"} else word


def _factor(unit_from: str, unit_to: str, here: Spelt, there: Spelt, substance: Substance | None) -> Fraction:
    (size_here, here_is), (size_there, there_is) = _measured(here), _measured(there)
    factor = size_here / size_there
    all_steps = {name: there_is.get(name, 0) - here_is.get(name, 0) for name in {*here_is, *there_is}}
    step = {name: change for name, change in all_steps.items() if change != 0}
    if not step and here.moles == there.moles:
        return factor
    if not step.keys() <= {_MASS, _AMOUNT, _CHARGE} or sum(step.values()) != 0:
        raise _different(unit_from, unit_to)
    if substance is None or not step:
        raise UsageError(
            f'from "{unit_from}" to "{unit_to}" depends on the substance',
            hint='Name it in the study, such as substance = "glucose".',
        )
    if step.get(_MASS):
        factor *= Fraction(str(_need(substance.molar_mass, unit_from, unit_to))) ** step[_MASS]
    if step.get(_CHARGE):
        factor *= Fraction(str(_need(substance.charge, unit_from, unit_to))) ** step[_CHARGE]
    return factor


def _different(unit_from: str, unit_to: str) -> UsageError:
    return UsageError(f'"{unit_from}" and "{unit_to}" do not measure the same thing', hint="Check the column.")


def _need(value: float | None, unit_from: str, unit_to: str) -> float:
    if value is None:
        raise UsageError(
            f'from "{unit_from}" to "{unit_to}" is not defined for this substance', hint="Use one of its usual units."
        )
    return value


def _temperature(here: Spelt, there: Spelt) -> Affine:
    registry = _registry()
    at = [registry.Quantity(Fraction(value), here.alone).to(there.alone).magnitude for value in (0, 1)]
    return Affine(float(at[1] - at[0]), float(at[0]))


def _glycated(here: Spelt, there: Spelt) -> Affine:
    """HbA1c between shares of haemoglobin (NGSP, %) and amounts (IFCC, mmol/mol)."""
    slope, offset = Fraction(str(NGSP_SLOPE)), Fraction(str(NGSP_OFFSET))
    size_here, size_there = _measured(here)[0], _measured(there)[0]
    percent, per_mille = Fraction(1, 100), Fraction(1, 1000)
    if there.moles:
        factor = size_here / percent / slope * per_mille / size_there
        return Affine(float(factor), float(-offset / slope * per_mille / size_there))
    factor = size_here / per_mille * slope * percent / size_there
    return Affine(float(factor), float(offset * percent / size_there))
