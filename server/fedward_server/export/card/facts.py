"""From a finished study to its card. Nothing is estimated, rounded or guessed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from fedward_server.export.card.card import (
    Card,
    DataFacts,
    Evaluation,
    Identity,
    OnnxFacts,
    Participation,
    PrivacyFacts,
    Provenance,
    SiteFacts,
    TrainingFacts,
    Use,
)
from fedward_server.export.card.limits import limits_of
from fedward_server.export.description import finite, pretrained, resolved_of, score_names
from fedward_server.export.finished import Finished
from fedward_server.export.inputs import input_document
from fedward_server.rounds.participation import Attempt, rounds_joined
from fedward_shared.contracts.cohort import DataContract, Rule
from fedward_shared.contracts.study import Study
from fedward_shared.crypto.keys import fingerprint
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.version import VERSION

__all__ = ["Export", "make_card", "rule_text"]


@dataclass(frozen=True, slots=True)
class Export:
    """What the card must know of the export itself: who exports (`coordinator`), when, under which study key (raw)."""

    coordinator: str
    study_key: bytes
    now: int
    onnx: OnnxFacts | None = None
    evaluation: Evaluation | None = None


def make_card(finished: Finished, export: Export) -> Card:
    """The card of this model."""
    study = finished.study
    card = Card(
        identity=_identity(finished, export),
        use=Use(study.purpose, study.intended_use, study.intended_users, study.out_of_scope, study.licence),
        data=_data(study),
        training=_training(study, finished.attempts),
        privacy=_privacy(study),
        sites=_sites(finished),
        participation=Participation(
            tuple((one.round, one.attempt, one.enough, one.took_part) for one in finished.attempts)
        ),
        evaluation=export.evaluation,
        subgroups=tuple(f"{group.name}: {rule_text(group.rule)}" for group in study.evaluation.subgroups),
        provenance=Provenance(
            code_version=study.code_version,
            exported_with=VERSION,
            protocol=study.protocol,
            start=pretrained(study.model.start),
            backbone=pretrained(study.model.backbone),
            study_key=fingerprint(export.study_key),
            onnx=export.onnx,
        ),
    )
    return replace(card, limits=limits_of(card))


def rule_text(rule: Rule) -> str:
    """A rule as people read it."""
    if rule.values:
        return f"{rule.column} is {' or '.join(rule.values)}"
    return f"{rule.column} from {rule.minimum:g} to {rule.maximum:g}"


def _identity(finished: Finished, export: Export) -> Identity:
    study = finished.study
    return Identity(
        name=study.name,
        title=study.title,
        study=finished.hash.hex(),
        family=study.model.name,
        options=dict(study.model.options),
        parameters=resolved_of(study).parameters,
        coordinator=export.coordinator,
        contact=study.contact,
        exported=export.now,
    )


def _data(study: Study) -> DataFacts:
    contract = study.data
    watched = contract.label.follow_up
    return DataFacts(
        unit=contract.unit,
        kind=str(contract.kind),
        shape=contract.input_shape,
        inputs=input_document(contract),
        label=contract.label.column,
        classes=contract.label.names,
        scores=score_names(study),
        follow_up=asdict(watched) if watched else None,
        time_zero=contract.time_zero,
        included=tuple(map(rule_text, contract.include)),
        held_out=_held_out(contract),
        records_per_patient=contract.records_per_patient,
        contract=contract_digest(contract).hex(),
    )


def _held_out(contract: DataContract) -> str:
    if contract.holdout:
        return f"a share of {contract.holdout.share:g} of the patients, chosen by a keyed hash of their id"
    return f"the rows marked test in the column {contract.split}" if contract.split else ""


def _training(study: Study, attempts: Sequence[Attempt]) -> TrainingFacts:
    training, strategy = study.training, study.strategy
    return TrainingFacts(
        strategy=strategy.name,
        strategy_options=dict(strategy.options),
        rounds_declared=strategy.rounds,
        rounds_completed=sum(attempt.enough for attempt in attempts),
        attempts=len(attempts),
        quorum=strategy.quorum,
        local_steps=training.local_steps,
        optimizer=training.optimizer,
        learning_rate=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        proximal_mu=training.proximal_mu,
        precision=training.precision,
        augmented=asdict(training.augment) if training.augment else None,
        average_last=strategy.average_last,
        started=min((attempt.started for attempt in attempts), default=None),
        ended=max((attempt.started + attempt.seconds for attempt in attempts), default=None),
    )


def _privacy(study: Study) -> PrivacyFacts:
    terms = study.privacy
    return PrivacyFacts(
        protected=not terms.unsafe_no_privacy,
        unit=study.data.unit,
        delta=terms.delta,
        clip_norm=terms.clip_norm,
        target_epsilon=terms.target_epsilon,
        steps_per_site=study.steps_per_site,
    )


def _sites(finished: Finished) -> tuple[SiteFacts, ...]:
    study, resolved = finished.study, resolved_of(finished.study)
    joined = rounds_joined(finished.attempts, study.site_names)
    return tuple(
        SiteFacts(
            name=name,
            declared_size=terms.size,
            sampling_rate=terms.sampling_rate,
            noise_multiplier=resolved.sites[name].noise_multiplier,
            epsilon_at_most=finite(resolved.sites[name].epsilon),
            rounds_joined=joined[name],
            missed=_missed(name, finished.attempts),
            final_model=finished.delivered.get(name, "not asked"),
        )
        for name, terms in study.sites.items()
    )


def _missed(name: str, attempts: Sequence[Attempt]) -> dict[str, int]:
    reasons = Counter(
        entry.reason for attempt in attempts for entry in attempt.sites if entry.site == name and not entry.took_part
    )
    return dict(sorted(reasons.items()))
