"""What takes two fields of a form, or a form and `[training.augment]`, to judge."""

from __future__ import annotations

from fedward_shared.contracts.arrays import Image, Series, Signal, Text, TextForm, Volume
from fedward_shared.contracts.augmentation import Augment
from fedward_shared.contracts.cohort import DataContract, DataKind, NumberColumn
from fedward_shared.manifest.checks_columns import check_scaling, check_window
from fedward_shared.manifest.findings import Findings

__all__ = ["check_augment", "check_form"]

_WHOLE = 1e-6
_IMAGE_AXES = 3
_SERIES_AXES = 2
_PICTURE = frozenset({"flip", "rotate", "shift", "intensity", "noise"})
_RECORDING = frozenset({"shift", "intensity", "drop", "noise"})


def check_form(form: Image | Volume | Signal | Series | Text, findings: Findings) -> bool:
    """Notes where the keys of a form contradict each other; True where they do not."""
    before = len(findings.found)
    if isinstance(form, Image | Volume):
        path = ("data", "image" if isinstance(form, Image) else "volume")
        if form.window is not None and not form.window[1] > 0:
            findings.add(
                path, "window", f"has the width {form.window[1]:g}; must be [centre, width], the width above 0"
            )
        check_scaling(path, (0.0, 1.0), form.centre, form.scale, findings)
    elif isinstance(form, Signal):
        _signal(form, findings)
    elif isinstance(form, Series):
        _series(form, findings)
    return len(findings.found) == before


def _signal(form: Signal, findings: Findings) -> None:
    path = ("data", "signal")
    if len({lead.casefold() for lead in form.leads}) != len(form.leads):
        findings.add(path, "leads", "has a lead twice (upper and lower case are the same); keep one")
    samples = form.rate * form.seconds
    if form.samples < 1 or abs(samples - form.samples) > _WHOLE * form.samples:
        findings.add(path, "seconds", f"times rate is {samples:g} samples a lead; must be a whole number from 1")
    check_scaling(path, (-form.limit, form.limit), form.centre, form.scale, findings)


def _series(form: Series, findings: Findings) -> None:
    path = ("data", "series")
    check_window(path, form.window, findings)
    hours = form.window[1] - form.window[0]
    if hours > 0 and (form.steps < 1 or abs(hours / form.step - form.steps) > _WHOLE * form.steps):
        findings.add(path, "step", f"is {form.step:g}; must divide the window of {hours:g} hours without a rest")


def check_augment(augment: Augment, data: DataContract, findings: Findings) -> None:
    """Notes changes that make no sense for what the study's records are."""
    path = ("training", "augment")
    changes = ("flip", "rotate", "shift", "intensity", "drop", "noise")
    used = [name for name in changes if getattr(augment, name)]
    allowed, what = _allowed(data)
    for name in used:
        if name not in allowed:
            others = [change for change in changes if change in allowed]
            known = f"for {what} there is {', '.join(others)}" if others else "leave the table out"
            findings.add(path, name, f"makes no sense for {what}; {known}")
    if augment.copies > 1 and not used:
        findings.add(path, "copies", f"is {augment.copies}, but nothing changes them; add a change such as noise = 0.1")


def _allowed(data: DataContract) -> tuple[frozenset[str], str]:
    """The changes that suit a study's records, and what these are called."""
    axes = len(data.input_shape)
    if data.kind is DataKind.TABLE:
        numbers = not data.columns or any(isinstance(column, NumberColumn) for column in data.columns)
        return (frozenset({"noise"}), "tables") if numbers else (frozenset(), "tables without numbers")
    if isinstance(data.form, Text):
        tokens = data.form.form is TextForm.TOKENS
        return (frozenset(), "texts as tokens") if tokens else (frozenset({"noise"}), "texts")
    if isinstance(data.form, Image) or (data.form is None and axes == _IMAGE_AXES):
        return _PICTURE, "images"
    if isinstance(data.form, Series) and data.form.deltas:  # a moved or dropped value would keep the age of another
        return _RECORDING - {"shift", "drop"}, "series with deltas"
    if isinstance(data.form, Signal | Series) or (data.form is None and axes == _SERIES_AXES):
        return _RECORDING, "signals and series"
    return frozenset({"noise"}), "volumes" if isinstance(data.form, Volume) else "arrays of this shape"
