"""What is allowed in a study, but worth a second look before hospitals are asked."""

from __future__ import annotations

from collections.abc import Iterator

from fedward_shared.contracts.arrays import Series, Signal
from fedward_shared.contracts.cohort import DataContract, NumberColumn
from fedward_shared.contracts.study import Study
from fedward_shared.errors import UsageError
from fedward_shared.recipes.recipe import recipe
from fedward_shared.recipes.schedules import FAMILIES
from fedward_shared.units import conversion, is_concentration, known
from fedward_shared.units.substances import SUBSTANCES, substance_key

__all__ = ["warnings"]

_TAXED = 10.0


def warnings(study: Study) -> tuple[str, ...]:
    """What is allowed, but worth a second look before hospitals are asked."""
    found: list[str] = []
    smallest = min(site.size for site in study.sites.values())
    if not study.privacy.unsafe_no_privacy and study.privacy.delta >= 1 / smallest:
        found.append(
            f"[privacy] delta is {study.privacy.delta:g}, not below 1/{smallest} (one over the smallest site's size)"
        )
    if study.privacy.unsafe_no_privacy:
        found.append("[privacy] unsafe_no_privacy is true: ε is infinite, and sites refuse it unless their policy says")
    if (study.privacy.target_epsilon or 0.0) > _TAXED:
        found.append(f"[privacy] target_epsilon is {study.privacy.target_epsilon:g}; above 10 protects very little")
    found += [*_cohort(study.data), *_units(study.data), *_after_time_zero(study.data), *_few_patients(study)]
    if study.strategy.name == "fedprox" and study.training.proximal_mu == 0:
        found.append("[strategy] fedprox with [training] proximal_mu = 0 is the same as fedavg")
    for name, site in study.sites.items():
        expected = site.size * site.sampling_rate
        if not expected / 2 <= site.normaliser <= expected * 2:
            found.append(
                f"[sites.{name}] normaliser is {site.normaliser:g}; size × sampling_rate is {expected:g}: "
                "steps are that much larger or smaller"
            )
    return tuple(found)


def _cohort(data: DataContract) -> Iterator[str]:
    if data.patient is None:
        yield "[data] has no patient column: the unit of privacy is the record, not the patient"
    if data.split_column is None:
        yield "[data] has neither split nor holdout: all patients are trained on, and none is left to test with"


def _few_patients(study: Study) -> Iterator[str]:
    """A family that has more weights than so few patients can teach under noise."""
    if study.privacy.unsafe_no_privacy or study.model.backbone is not None or study.model.name not in FAMILIES:
        return
    sizes = {name: site.size for name, site in study.sites.items()}
    yield from (f"[model] {said}" for said in recipe(study.model.name, sizes).warnings)


def _units(data: DataContract) -> Iterator[str]:
    """Units that no program understands, and those that only a named substance can convert."""
    measured = [
        (f"data.columns.{column.name}", column.unit, column.substance)
        for column in data.columns
        if isinstance(column, NumberColumn)
    ]
    if data.label.follow_up:
        measured.append(("data.label.follow_up", data.label.follow_up.unit, ""))
    if isinstance(data.form, Series):
        measured += [(f"data.series.channels.{one.name}", one.unit, one.substance) for one in data.form.channels]
    if isinstance(data.form, Signal):
        measured.append(("data.signal", data.form.unit, ""))
    for table, unit, substance in measured:
        if not known(unit):
            yield f'[{table}] unit is "{unit}", which is not a known unit: sites can use it, but not convert into it'
        elif substance and not _fits(unit, substance):
            yield f'[{table}] unit is "{unit}", in which {substance} is not measured'
        elif not substance and is_concentration(unit):
            yield f'[{table}] unit is "{unit}", but no substance is named: sites cannot convert from mass or amount'


def _fits(unit: str, substance: str) -> bool:
    """Whether any of the usual units of a substance converts into this one."""
    key = substance_key(substance)
    for usual in SUBSTANCES[key].units if key else ():
        try:
            conversion(usual, unit, substance)
        except UsageError:
            continue
        return True
    return False


def _after_time_zero(data: DataContract) -> Iterator[str]:
    windows = [(f"data.columns.{one.name}", one.timing.window) for one in data.columns if one.timing is not None]
    if isinstance(data.form, Series):
        windows.append(("data.series", data.form.window))
    for table, (_, last) in windows:
        if last > 0:
            yield f"[{table}] window reads values up to {last:g} hours after time zero: predict no earlier than that"
