"""What an approver sees of a study: who asks, what is read, what leaves, and what it costs."""

from __future__ import annotations

from fedward_client.vault.books.studies import Dossier
from fedward_client.vault.office.views import ColumnView, DataSetChoice, StudyView, TensorView
from fedward_shared.contracts.cohort import CategoryColumn, NumberColumn
from fedward_shared.contracts.study import TensorSpec

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
    )


def _column(column: NumberColumn | CategoryColumn) -> ColumnView:
    if isinstance(column, CategoryColumn):
        return ColumnView(column.name, "category", "", ", ".join(column.values))
    return ColumnView(column.name, "number", column.unit, f"{column.minimum:g} to {column.maximum:g}")


def _tensor(spec: TensorSpec) -> TensorView:
    return TensorView(spec.name, spec.shape, spec.size * _FLOAT_BYTES)
