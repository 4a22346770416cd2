"""Looks at a source, gets answers, and looks again, until no answer is left to give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fedward_client.importer.mapping import Mapping
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.preflight.answers import accepted, apply
from fedward_client.importer.preflight.findings import Kind, Proposal
from fedward_client.importer.preflight.judge import Judgement, judge
from fedward_client.importer.preflight.profile import Profile
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import SiteTerms

__all__ = ["Look", "Looking", "all_answers", "strong_answers"]

_MOST_ROUNDS = 5
"""Absent columns are found first, then units and spellings in them; more rounds would ask the same again."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found under one mapping."""

    mapping: Mapping
    profile: Profile
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Looking:
    """One source and one study. `measure` reads the source under an order; `site` is None where it is not known."""

    order: ImportOrder
    contract: DataContract
    site: SiteTerms | None
    measure: Callable[[ImportOrder], Profile]

    def look(self, mapping: Mapping) -> Look:
        """Reads the source once under a mapping."""
        profile = self.measure(replace(self.order, mapping=mapping))
        judgement = judge(profile, self.contract, mapping, self.site, self.order.limits.max_rejected)
        return Look(mapping, profile, judgement)

    def improved(self, first: Look, answers: Callable[[Look], Mapping]) -> Look:
        """Looks again as long as `answers` changes the mapping."""
        latest = first
        for _ in range(_MOST_ROUNDS):
            mapping = answers(latest)
            if mapping == latest.mapping:
                break
            latest = self.look(mapping)
        return latest


def strong_answers(look: Look) -> Mapping:
    """Every proposal whose evidence is strong, accepted."""
    mapping, _ = accepted(look.mapping, look.judgement.findings)
    return mapping


def all_answers(look: Look) -> Mapping:
    """Every proposal accepted, however weak its evidence; only which number is the day is left to a person."""
    mapping = look.mapping
    for finding in look.judgement.findings:
        if finding.proposal and not _coin_toss(finding.proposal):
            mapping = apply(mapping, finding.proposal)
    return mapping


def _coin_toss(proposal: Proposal) -> bool:
    return proposal.kind is Kind.FORM and not proposal.strong
