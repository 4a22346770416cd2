"""Warnings that follow from a card's facts. Each has its condition here, and is left out where it does not hold."""

from __future__ import annotations

from collections.abc import Iterator

from fedward_server.export.card.card import Card

__all__ = ["NO_EVALUATION", "limits_of"]

NO_EVALUATION = (
    "No evaluation was released by the hospitals: how well this model works is not known here. Each hospital has "
    "figures on its own held-out patients in its own report."
)


def limits_of(card: Card) -> tuple[str, ...]:
    """The sentences, the gravest first."""
    return (*_evidence(card), *_privacy(card), *_participation(card), *_scope(card))


def _evidence(card: Card) -> Iterator[str]:
    if card.evaluation is None:
        yield NO_EVALUATION
    elif card.evaluation.simulation:
        yield (
            "The figures under Performance come from a simulation on one machine, not from this model's use at the "
            "hospitals."
        )
    if card.evaluation is not None and not card.evaluation.same_study:
        yield "The figures under Performance are of another study than this one: compare the hashes before using them."
    yield (
        "Nothing in this card shows that using the model helps patients, or that it works at a hospital that did not "
        "take part. Validate it on local patients before anybody relies on it."
    )
    if not card.subgroups:
        yield "No subgroups were declared, so nobody looked at them: it may work worse for some patients."


def _privacy(card: Card) -> Iterator[str]:
    if not card.privacy.protected:
        yield (
            "This study was run without differential privacy (unsafe_no_privacy): the weights may give away single "
            "patients of the training data. Treat the model file as patient data."
        )
        return
    yield (
        "ε bounds what the model can give away about one patient of one hospital. Who was treated at two hospitals "
        "adds both up, and ε of other studies on the same patients comes on top."
    )
    if card.privacy.unit == "record":
        yield "No patient column was declared: ε is for one record, and a patient with several is protected less."


def _participation(card: Card) -> Iterator[str]:
    absent = [site.name for site in card.sites if not site.rounds_joined]
    if absent:
        yield f"Declared, and in no completed round: {', '.join(absent)}. The model learned nothing from there."
    training = card.training
    partly = [site.name for site in card.sites if 0 < site.rounds_joined < training.rounds_completed]
    if partly:
        yield f"In some rounds only: {', '.join(partly)}. The model learned less from there."


def _scope(card: Card) -> Iterator[str]:
    if card.data.included:
        yield f"It was trained only on records with {'; '.join(card.data.included)}. Others are out of scope."
    if card.data.kind == "table":
        yield (
            "Values outside the declared ranges, in other units or with other codes are not what it was trained on; "
            "inputs.json lists what each input means."
        )
    if card.provenance.backbone:
        name = card.provenance.backbone["name"]
        yield f"It needs the features of the backbone {name}; without them, its scores mean nothing."
