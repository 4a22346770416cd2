"""A card as sections that every form of it (page, Markdown, terminal) shows alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from fedward_server.export.card.card import Card, SiteFacts
from fedward_server.export.card.limits import NO_EVALUATION

__all__ = ["NOT_DECLARED", "Note", "Section", "Table", "Warned", "number", "sections", "upwards"]

NOT_DECLARED = "not declared"
_PROMISE = (
    "Differential privacy, by hospital: whatever somebody computes from the model and from all that was exchanged, the "
    "odds that one {unit}'s records were used at that hospital change by a factor of at most e^ε, except with a "
    "probability of about δ."
)
_NO_PROMISE = (
    "It does not say that the model is right, fair or safe to use; it hides no fact about a hospital's patients as a "
    "whole; and it does not cover what else is published about the same patients."
)


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    """A paragraph that nobody should miss."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header; the first cell of a row names it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    title: str
    parts: tuple[Note | Warned | Table, ...]


def sections(card: Card) -> tuple[Section, ...]:
    """The card in the order in which it is read."""
    return (
        Section("Limits and warnings", tuple(Warned(text) for text in card.limits)),
        Section("Model", (_model(card),)),
        Section("Use", (_use(card),)),
        Section("Data", tuple(_data(card))),
        Section("Training", (_training(card),)),
        Section("Privacy", tuple(_privacy(card))),
        Section("Participation", tuple(_participation(card))),
        Section("Performance", tuple(_performance(card))),
        Section("Where it comes from", tuple(_provenance(card))),
        Section("How to verify and load it", tuple(_checking(card))),
    )


def number(value: float) -> str:
    """A number with all its digits; whole ones without a point."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)  # noqa: PLR2004 - above, repr is exact and short


def upwards(epsilon: float) -> str:
    """ε to three decimals, never less than it is."""
    return str(Decimal(epsilon).quantize(Decimal("0.001"), ROUND_CEILING))


def _model(card: Card) -> Table:
    identity = card.identity
    return _pairs(
        ("Title", identity.title),
        ("Study", identity.name),
        ("Study hash", identity.study),
        ("Model", identity.family),
        ("Options", _options(identity.options)),
        ("Parameters", str(identity.parameters)),
        ("Made by", identity.coordinator),
        ("Contact", identity.contact),
        ("Exported", _day(identity.exported)),
        ("Licence", _declared(card.use.licence, "licence")),
    )


def _use(card: Card) -> Table:
    use = card.use
    return _pairs(
        ("Purpose of the study", use.purpose),
        ("Intended use", _declared(use.intended_use, "intended_use")),
        ("Intended users", _declared(use.intended_users, "intended_users")),
        ("Out of scope", _declared(use.out_of_scope, "out_of_scope")),
    )


def _declared(text: str, key: str) -> str:
    """The text, or that nobody declared it, and where it would be."""
    return text or f"{NOT_DECLARED} (add {key} under [study] in study.toml before publishing)"


def _data(card: Card) -> Iterator[Note | Table]:
    data = card.data
    watched = data.follow_up
    yield _pairs(
        ("One record", "a row of a table" if data.kind == "table" else f"an array of shape {_shape(data.shape)}"),
        ("Unit of privacy", data.unit),
        ("Most records of a patient", str(data.records_per_patient)),
        ("Predicted", f"{data.label}: {', '.join(data.classes)}"),
        (
            "Follow-up",
            f"{watched['column']}, up to {number(watched['maximum'])} {watched['unit']}" if watched else "none",
        ),
        ("Scores", "; ".join(data.scores)),
        ("Time of prediction", data.time_zero or NOT_DECLARED),
        ("Who was included", "; ".join(data.included) or "every record that fits the contract"),
        ("Held out for testing", data.held_out or "nothing"),
        ("Contract", data.contract),
    )
    yield Note("Hospitals and the numbers of patients on which they agreed; real numbers are told to nobody.")
    yield Table(("Hospital", "Declared patients"), tuple((site.name, str(site.declared_size)) for site in card.sites))
    columns = data.inputs.get("columns")
    if columns:
        yield Note("Inputs. A number enters as (value - centre) / scale, a category as one input for each value.")
        yield Table(("Input", "Values", "Centre, scale", "If missing"), tuple(map(_column, columns)))


def _column(column: Mapping[str, Any]) -> tuple[str, str, str, str]:
    told = " and an input that says so" if column.get("missing_indicator") else ""
    if column["type"] == "category":
        return column["name"], ", ".join(column["values"]), "", f"{column.get('fill', 'none of them')}{told}"
    values = f"{number(column['minimum'])} to {number(column['maximum'])} {column.get('unit', '')}".strip()
    scaling = f"{number(column['centre'])}, {number(column['scale'])}"
    return column["name"], values, scaling, f"{number(column.get('fill', column['centre']))}{told}"


def _training(card: Card) -> Table:
    training = card.training
    return _pairs(
        ("Strategy", f"{training.strategy} {_options(training.strategy_options, '')}".strip()),
        ("Rounds", f"{training.rounds_completed} of {training.rounds_declared}, in {training.attempts} attempts"),
        ("Quorum", f"{training.quorum} hospitals"),
        ("Steps at a hospital in a round", str(training.local_steps)),
        ("Optimizer", training.optimizer),
        ("Learning rate", number(training.learning_rate)),
        ("Momentum", number(training.momentum)),
        ("Weight decay", number(training.weight_decay)),
        ("Proximal term", number(training.proximal_mu)),
        ("Precision", training.precision),
        ("Augmentation", _options(training.augmented or {}, "none")),
        ("Released", "the last model" if training.average_last == 1 else f"mean of the last {training.average_last}"),
        ("From", _day(training.started)),
        ("To", _day(training.ended)),
    )


def _privacy(card: Card) -> Iterator[Note | Warned | Table]:
    terms = card.privacy
    if not terms.protected:
        yield Warned("None: the study says unsafe_no_privacy. No bound holds on what the weights give away.")
        return
    yield Note(_PROMISE.format(unit=terms.unit))
    yield Note(_NO_PROMISE)
    yield _pairs(
        ("Unit", terms.unit),
        ("δ", number(terms.delta)),
        ("Clip norm", number(terms.clip_norm)),
        ("Declared target ε", NOT_DECLARED if terms.target_epsilon is None else number(terms.target_epsilon)),
        ("Most noisy steps at a hospital", str(terms.steps_per_site)),
    )
    header = ("Hospital", "ε at most", "Noise multiplier σ", "Sampling rate q")
    yield Table(header, tuple(_spent(site) for site in card.sites))
    yield Note("ε covers every attempt that the study allows; what a hospital really spent is in its own ledger.")


def _spent(site: SiteFacts) -> tuple[str, str, str, str]:
    epsilon = "no bound" if site.epsilon_at_most is None else upwards(site.epsilon_at_most)
    return site.name, epsilon, number(site.noise_multiplier), number(site.sampling_rate)


def _participation(card: Card) -> Iterator[Note | Table]:
    done = card.training.rounds_completed
    rows = []
    for site in card.sites:
        missed = "; ".join(f"{reason} ({count})" for reason, count in site.missed.items())
        rows.append((site.name, f"{site.rounds_joined} of {done}", missed or "none", site.final_model or "taken"))
    yield Note("A hospital takes part only if a person there approved the study by its hash.")
    yield Table(("Hospital", "Rounds that count", "Attempts missed, and why", "Final model"), tuple(rows))
    yield Note("participation.json tells every attempt.")


def _performance(card: Card) -> Iterator[Note | Warned | Table]:
    found = card.evaluation
    if found is None:
        yield Warned(NO_EVALUATION)
    else:
        kind = "a simulation" if found.simulation else "an evaluation"
        which = "of this study" if found.same_study else "of ANOTHER study"
        yield Note(
            f"From {found.file}, {kind} {which}; its SHA-256 is {found.sha256}. Figures as they stand there, with "
            "their intervals in brackets."
        )
        if found.provenance:
            yield Table(("Scores", "Where they come from"), found.provenance)
        yield Table(("What", "Figure"), found.figures)
    told = "; ".join(card.subgroups) or f"{NOT_DECLARED} (add [[evaluation.subgroups]] to study.toml)"
    yield Note(f"Subgroups: {told}.")


def _provenance(card: Card) -> Iterator[Note | Table]:
    facts = card.provenance
    yield _pairs(
        ("Trained with", f"fedward {facts.code_version}, protocol {facts.protocol}"),
        ("Exported with", f"fedward {facts.exported_with}"),
        ("First weights", _weights(facts.start) or "from the declared seed"),
        ("Backbone", _weights(facts.backbone) or "none"),
    )
    if facts.onnx is None:
        yield Note("There is no ONNX file in this export.")
        return
    versions = ", ".join(f"{name} {version}" for name, version in facts.onnx.versions.items())
    yield Note(f"model.onnx: opset {facts.onnx.opset}, written by {versions}.")
    if facts.onnx.runtime:
        yield Note(
            f"It was compared with PyTorch in {facts.onnx.runtime} on {facts.onnx.records} made-up records: scores "
            f"differ by at most {facts.onnx.largest_difference:.1e} (allowed: {facts.onnx.tolerance:g})."
        )
    else:
        yield Note("It was NOT compared with PyTorch, because onnxruntime was not installed where it was exported.")


def _checking(card: Card) -> Iterator[Note]:
    yield Note(
        f'Run: fedward-coordinator model verify FOLDER --study-key "{card.provenance.study_key}". Take the fingerprint '
        "from your invite or by telephone from the consortium, not from this card."
    )
    yield Note("model.json says how the model is loaded, inputs.json what each input is.")


def _weights(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return ""
    parts = [str(told.get("name", "")), str(told.get("source", "")), f"licence {told.get('licence', NOT_DECLARED)}"]
    if "sha256" in told:
        parts.append(f"SHA-256 {told['sha256']}")
    return ", ".join(part for part in parts if part)


def _pairs(*rows: tuple[str, str]) -> Table:
    return Table(("", ""), rows)


def _options(options: Mapping[str, Any], empty: str = "defaults") -> str:
    told = [f"{key} = {list(value) if isinstance(value, tuple) else value}" for key, value in options.items()]
    return ", ".join(told) or empty


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _day(seconds: float | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
