"""Asks a person what a mapping should say, one question at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from fedward_client.importer.mapping import ROW_NUMBER, Mapping
from fedward_client.importer.preflight.answers import apply
from fedward_client.importer.preflight.findings import Finding, Kind, Proposal
from fedward_client.importer.preflight.profile import CategoryFacts, Profile
from fedward_client.importer.preflight.words import sentence, shown
from fedward_shared.contracts.cohort import DataContract

__all__ = ["Ask", "ask_all", "told"]

_SKIP = "(leave it)"
_MISSING = "(not known)"
_EVERY_ROW = "(every row is another patient)"
_MOST = 6
_MORE = "(another column)"


class Ask(Protocol):
    """How a person is asked."""

    def __call__(self, question: str, choices: Sequence[str], default: str) -> str:
        """One of `choices`; `default` where the person only agrees."""
        ...


def ask_all(
    findings: Iterable[Finding], profile: Profile, contract: DataContract, mapping: Mapping, ask: Ask
) -> Mapping:
    """The mapping with every answer that a person gave."""
    for finding in findings:
        proposal = finding.proposal
        match proposal and proposal.kind:
            case Kind.SPELLINGS if _facts(finding.column, profile):
                mapping = _ask_spellings(finding, profile, contract, mapping, ask)
            case Kind.UNIT:
                mapping = _ask_unit(finding, mapping, ask)
            case Kind.FORM:
                mapping = _ask_form(finding, mapping, ask)
            case Kind.COLUMN:
                mapping = _ask_column(finding, mapping, ask)
            case Kind.DECIMAL | Kind.OPTION | Kind.SPELLINGS:
                mapping = _ask_yes(finding, mapping, ask)
    return mapping


def told(proposal: Proposal) -> str:
    """A proposal in one line of words, for people who are not asked; "" where it proposes nothing."""
    match proposal.kind:
        case Kind.DECIMAL:
            said = f'decimal = "{proposal.decimal}"'
        case Kind.OPTION:
            said = f"[source] {' = '.join(proposal.option or ())}"
        case Kind.UNIT:
            said = f"{proposal.column} is in {proposal.unit}"
        case Kind.FORM:
            said = f"{proposal.column} is written as {proposal.form}"
        case Kind.COLUMN:
            said = f"{proposal.column} is the source's {shown(proposal.source)!r}" if proposal.source else ""
        case Kind.SPELLINGS:
            doubt = dict.fromkeys(proposal.unsure, " (not sure)")
            pairs = [
                f"{shown(there)!r} stands for {here!r}{doubt.get(there, '')}" for there, here in proposal.values.items()
            ]
            pairs += [f"{shown(there)!r} is not known{doubt.get(there, '')}" for there in proposal.missing]
            said = f"{proposal.column}: {', '.join(pairs)}" if pairs else ""
    sure = proposal.strong or proposal.kind is Kind.SPELLINGS or not said
    return said if sure else f"{said} (not sure)"


def _ask_yes(finding: Finding, mapping: Mapping, ask: Ask) -> Mapping:
    agreed = ask(f"{_ended(finding.text)} {sentence(finding.advice)}", ("yes", "no"), "yes") == "yes"
    return apply(mapping, finding.proposal) if agreed and finding.proposal else mapping


def _ended(text: str) -> str:
    """A finding as a whole sentence, before another one."""
    said = sentence(text)
    return said if said.endswith((".", "?")) else f"{said}."


def _ask_unit(finding: Finding, mapping: Mapping, ask: Ask) -> Mapping:
    proposal = finding.proposal
    if proposal is None:
        return mapping
    question = f"{_ended(finding.text)} In which unit is it in the source?"
    unit = ask(question, (*proposal.choices, _SKIP), proposal.unit)
    return mapping if unit == _SKIP else apply(mapping, replace(proposal, unit=unit))


def _ask_form(finding: Finding, mapping: Mapping, ask: Ask) -> Mapping:
    proposal = finding.proposal
    if proposal is None:
        return mapping
    default = proposal.form if proposal.strong else _SKIP
    form = ask(f"{_ended(finding.text)} How is it written?", (*proposal.choices, _SKIP), default)
    return mapping if form == _SKIP else apply(mapping, replace(proposal, form=form))


def _ask_column(finding: Finding, mapping: Mapping, ask: Ask) -> Mapping:
    proposal = finding.proposal
    if proposal is None:
        return mapping
    names = {ROW_NUMBER: _EVERY_ROW}
    offered = [names.get(choice, choice) for choice in proposal.choices]
    first = [choice for choice in offered if choice != _EVERY_ROW][:_MOST]
    rest = [_EVERY_ROW] if _EVERY_ROW in offered else []
    more = [_MORE] if len(offered) > len(first) + len(rest) else []
    default = proposal.source or _SKIP
    question = f"{_ended(finding.text)} Which column of the source is it?"
    answer = ask(question, (*first, *rest, *more, _SKIP), default)
    if answer == _MORE:
        answer = ask("Which of all columns?", (*offered, _SKIP), default)
    if answer == _SKIP:
        return mapping
    return apply(mapping, replace(proposal, source=ROW_NUMBER if answer == _EVERY_ROW else answer))


def _ask_spellings(finding: Finding, profile: Profile, contract: DataContract, mapping: Mapping, ask: Ask) -> Mapping:
    proposal, facts = finding.proposal, _facts(finding.column, profile)
    if proposal is None or facts is None:
        return mapping
    words = _words(facts, contract)
    for unknown in facts.unknown:
        guess = proposal.values.get(unknown.text, _MISSING if unknown.text in proposal.missing else _SKIP)
        default = next((name for name, word in words.items() if word == guess), guess)
        question = f"{proposal.column}: {shown(unknown.text)!r} stands in {unknown.cells} cells. What does it mean?"
        answer = ask(question, (*words, _MISSING, _SKIP), default)
        if answer == _MISSING:
            mapping = apply(mapping, Proposal(Kind.SPELLINGS, proposal.column, missing=(unknown.text,)))
        elif answer != _SKIP:
            values = MappingProxyType({unknown.text: words[answer]})
            mapping = apply(mapping, Proposal(Kind.SPELLINGS, proposal.column, values=values))
    return mapping


def _facts(column: str, profile: Profile) -> CategoryFacts | None:
    every = [*profile.categories, *([profile.label.cells] if profile.label else []), *filter(None, [profile.split])]
    return next((facts for facts in every if facts.name == column), None)


def _words(facts: CategoryFacts, contract: DataContract) -> dict[str, str]:
    """What a person chooses from, and the word that a mapping writes for each."""
    if facts.name == contract.label.column:
        return {name: texts[0] for name, texts in zip(contract.label.names, contract.label.classes, strict=True)}
    return {value: value for value in facts.values}
