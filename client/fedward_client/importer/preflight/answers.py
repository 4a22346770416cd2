"""From proposals to a mapping, and from a mapping to the file that keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from fedward_client.importer.mapping import Answer, Mapping, SourceTerms
from fedward_client.importer.mapping_file import mapping_text
from fedward_client.importer.preflight.findings import Finding, Kind, Proposal
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.files import write_atomic

__all__ = ["OLD", "accepted", "apply", "save_mapping"]

OLD = ".bak"
"""What the name of the mapping before gets appended; a further one gets a number after it."""


def apply(mapping: Mapping, proposal: Proposal) -> Mapping:
    """The mapping with one more answer; a proposal that says nothing changes nothing."""
    answer = mapping.answer(proposal.column)
    match proposal.kind:
        case Kind.DECIMAL:
            return replace(mapping, decimal=proposal.decimal)
        case Kind.OPTION:
            return _with_option(mapping, proposal.option)
        case Kind.COLUMN:
            answer = replace(answer, source=proposal.source or answer.source)
        case Kind.UNIT:
            answer = replace(answer, unit=proposal.unit)
        case Kind.FORM:
            answer = replace(answer, form=proposal.form)
        case Kind.SPELLINGS:
            answer = _with_spellings(answer, proposal)
    if answer == Answer():
        return mapping
    return replace(mapping, columns=MappingProxyType({**mapping.columns, proposal.column: answer}))


def accepted(mapping: Mapping, findings: Iterable[Finding]) -> tuple[Mapping, tuple[Finding, ...]]:
    """The mapping with every proposal whose evidence is strong, and the findings whose proposals these were."""
    taken = []
    for finding in findings:
        if finding.proposal and finding.proposal.strong:
            changed = apply(mapping, finding.proposal.surely())
            if changed != mapping:
                mapping = changed
                taken.append(finding)
    return mapping, tuple(taken)


def save_mapping(path: Path, mapping: Mapping, contract: DataContract) -> Path | None:
    """Writes the mapping, readable by its owner only; gives where the one before was kept (None: there was none).

    The old file is copied first and the new one replaces it in one step, so one of the two is always whole.
    """
    content = mapping_text(mapping, contract).encode()
    before = path.read_bytes() if path.exists() else None
    kept = None
    if before is not None and before != content:
        kept = _unused(path.with_name(path.name + OLD))
        write_atomic(kept, before)
    if before != content:
        write_atomic(path, content)
    return kept


def _unused(path: Path) -> Path:
    """The path, or with the first number that no file has: what a person wrote is never overwritten."""
    number = 1
    found = path
    while found.exists() or found.is_symlink():
        number += 1
        found = path.with_name(f"{path.name}{number}")
    return found


def _with_option(mapping: Mapping, option: tuple[str, str] | None) -> Mapping:
    if option is None:
        return mapping
    terms = mapping.source or SourceTerms("")
    name, value = option
    return replace(mapping, source=replace(terms, options=MappingProxyType({**terms.options, name: value})))


def _with_spellings(answer: Answer, proposal: Proposal) -> Answer:
    values = MappingProxyType({**answer.values, **proposal.values})
    missing = tuple(dict.fromkeys((*answer.missing, *proposal.missing)))
    return replace(answer, values=values, missing=missing)
