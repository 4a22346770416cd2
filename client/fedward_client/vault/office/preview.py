"""What an approver sees of a study: who asks, what is read, what leaves, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator

from fedward_client.vault.books.studies import Dossier
from fedward_client.vault.office.views import ColumnView, DataSetChoice, StudyView, TensorView
from fedward_shared.contracts.arrays import Series, Text
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, Label, NumberColumn
from fedward_shared.contracts.study import PretrainedTerms, Study, TensorSpec

__all__ = ["preview"]

_FLOAT_BYTES = 4


def preview(
    dossier: Dossier,
    *,
    site: str,
    study_key: str,
    epsilon: float,
    data_sets: tuple[DataSetChoice, ...],
    problems: tuple[str, ...],
) -> StudyView:
    """`study_key` is a fingerprint; `epsilon` is that of the whole study, computed here."""
    study, decision = dossier.study, dossier.decision
    resolved = study.resolved.sites[site] if study.resolved else None
    return StudyView(
        study=dossier.hash.hex(),
        name=study.name,
        title=study.title,
        purpose=study.purpose,
        contact=study.contact,
        state=str(dossier.state),
        decided_by=decision.by if decision else "",
        decided_at=decision.at if decision else 0,
        data_set=dossier.data_set,
        study_key=study_key,
        code_version=study.code_version,
        model=study.model.name,
        model_options=tuple((name, str(value)) for name, value in study.model.options.items()),
        label=study.data.label.column,
        classes=study.data.label.names,
        follow_up=_follow_up(study.data),
        columns=tuple(_column(column) for column in study.data.columns),
        shape=study.data.input_shape,
        unit=study.data.unit,
        patient_column=study.data.patient or "",
        split_column=study.data.split or "",
        sites=study.site_names,
        own_size=study.sites[site].size,
        strategy=study.strategy.name,
        rounds=study.strategy.rounds,
        spare_attempts=study.strategy.spare_attempts,
        local_steps=study.training.local_steps,
        sampling_rate=study.sites[site].sampling_rate,
        clip_norm=study.privacy.clip_norm,
        noise_multiplier=resolved.noise_multiplier if resolved else 0.0,
        max_weight=study.limits.max_weight,
        tensors=tuple(_tensor(spec) for spec in dossier.plan.specs),
        bytes_in_per_round=dossier.plan.payload_bytes,
        bytes_out_per_round=dossier.plan.payload_bytes,
        epsilon=epsilon,
        delta=study.privacy.delta,
        unsafe_no_privacy=study.privacy.unsafe_no_privacy,
        data_sets=data_sets,
        problems=problems,
        also_read=tuple(_also_read(study.data)),
        uses=tuple(_uses(study)),
        rules=tuple(_rules(study.data)),
        start=_weights(study.model.start),
        backbone=_weights(study.model.backbone),
    )


def _weights(terms: PretrainedTerms | None) -> str:
    """Where weights come from that the study does not draw; empty where there are none."""
    if terms is None:
        return ""
    options = ", ".join(f"{name} {value}" for name, value in terms.options.items())
    network = f"{terms.name}{f' ({options})' if options else ''}"
    if not terms.sha256:
        return f"{network}, which has no weights"
    came = f"{terms.source}; licence {terms.licence}; SHA-256 {terms.sha256}"
    return f"{network}: {came}" if terms.name else came


def _follow_up(data: DataContract) -> str:
    watched = data.label.follow_up
    return f"{watched.maximum:g} {watched.unit}" if watched else ""


def _uses(study: Study) -> Iterator[tuple[str, str]]:
    declared = (
        ("Use", study.intended_use),
        ("By", study.intended_users),
        ("Not for", study.out_of_scope),
        ("Licence", study.licence),
    )
    yield from ((heading, text) for heading, text in declared if text)


def _also_read(data: DataContract) -> Iterator[tuple[str, str]]:
    """Columns that are read and are neither inputs nor the label, nor tell patients apart."""
    if data.encounter:
        yield data.encounter, "tells a patient's stays apart"
    if data.time_zero:
        yield data.time_zero, "the moment of prediction, from which windows count"
    yield from _also_read_of_label(data.label)
    for column in data.columns:
        if column.timing and column.timing.time:
            yield column.timing.time, f"when {column.name} was taken"
    if data.form is not None and not isinstance(data.form, Series):
        yield (data.form.column, "the text") if isinstance(data.form, Text) else (data.form.file, "each record's file")
    if isinstance(data.form, Series):
        for channel in data.form.channels:
            yield channel.name, "a channel of the series, made of events"
    inputs = {column.name for column in data.columns}
    for name in dict.fromkeys(rule.column for rule in data.include if rule.column not in inputs):
        yield name, "says who is in the cohort"


def _also_read_of_label(label: Label) -> Iterator[tuple[str, str]]:
    if watched := label.follow_up:
        most = f"{watched.maximum:g} {watched.unit}"
        yield watched.column, f"how long each patient was watched; from {most} on, as if {most} without the event"
    if label.time:
        yield label.time, "when the outcome happened"


def _rules(data: DataContract) -> Iterator[str]:
    for column in data.columns:
        if column.timing:
            codes = f", of events with the codes {', '.join(column.timing.codes)}" if column.timing.codes else ""
            yield f"{column.name} counts from {_window(column.timing.window)}{codes}"
    if data.label.window:
        codes = f", of events with the codes {', '.join(data.label.codes)}" if data.label.codes else ""
        yield f"{data.label.column} counts from {_window(data.label.window)}{codes}"
    if isinstance(data.form, Series):
        yield f"events of the series count from {_window(data.form.window)}"
    for rule in data.include:
        if rule.values:
            yield f"Only records whose {rule.column} is {' or '.join(rule.values)}"
        else:
            ends = [(rule.minimum, "at least"), (rule.maximum, "at most")]
            told = " and ".join(f"{word} {end:g}" for end, word in ends if end is not None)
            yield f"Only records whose {rule.column} is {told}"
    if data.holdout:
        yield f"{100 * data.holdout.share:g} % of patients are held out for testing, by a hash of their names"


def _window(window: tuple[float, float]) -> str:
    return f"{window[0]:g} to {window[1]:g} hours after time zero"


def _column(column: NumberColumn | CategoryColumn) -> ColumnView:
    if isinstance(column, CategoryColumn):
        return ColumnView(column.name, "category", "", ", ".join(column.values))
    return ColumnView(column.name, "number", column.unit, f"{column.minimum:g} to {column.maximum:g}")


def _tensor(spec: TensorSpec) -> TensorView:
    return TensorView(spec.name, spec.shape, spec.size * _FLOAT_BYTES)
