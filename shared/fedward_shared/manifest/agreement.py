"""Whether `[resolved]` can belong to the rest of a published file, as far as that shows without computing."""

from __future__ import annotations

import math

from fedward_shared.contracts.study import Resolved, ResolvedSite, Study
from fedward_shared.manifest.findings import Findings

__all__ = ["MOST_PARAMETERS", "resolved_agrees"]

MOST_PARAMETERS = 2**31
"""Numbers that one model may have."""
_RESOLVED = ("resolved",)


def resolved_agrees(study: Study, findings: Findings) -> None:
    """Notes where `[resolved]` contradicts what the study declares."""
    resolved = study.resolved
    if resolved is None:
        return
    _tensors(resolved, findings)
    if tuple(resolved.sites) != study.site_names:
        findings.add((*_RESOLVED, "sites"), None, "does not list the study's sites in their order; publish again")
        return
    for name, site in resolved.sites.items():
        for key, what in _contradictions(study, site):
            findings.add((*_RESOLVED, "sites", name), key, f"{what}; publish again")


def _tensors(resolved: Resolved, findings: Findings) -> None:
    if len({spec.name for spec in resolved.tensors}) != len(resolved.tensors):
        findings.add(_RESOLVED, "tensors", "has a name twice; publish again")
    if resolved.parameters > MOST_PARAMETERS:
        findings.add(_RESOLVED, "tensors", f"has more than {MOST_PARAMETERS} numbers; publish again")


def _contradictions(study: Study, site: ResolvedSite) -> list[tuple[str, str]]:
    terms, found = study.privacy, []
    declared = 0.0 if terms.unsafe_no_privacy else terms.noise_multiplier
    if declared is not None and site.noise_multiplier != declared:
        found.append(("noise_multiplier", f"is {site.noise_multiplier:g}, but [privacy] means {declared:g}"))
    elif site.noise_multiplier == 0 and not terms.unsafe_no_privacy:
        found.append(("noise_multiplier", "is 0, but [privacy] asks for privacy"))
    if not (site.epsilon >= 0 and math.isinf(site.epsilon) == terms.unsafe_no_privacy):
        found.append(("epsilon", f"is {site.epsilon:g}, which [privacy] contradicts"))
    elif terms.target_epsilon is not None and site.epsilon > terms.target_epsilon:
        found.append(("epsilon", f"is {site.epsilon:g}, above target_epsilon"))
    if study.limits.max_update_norm not in {None, site.max_update_norm}:
        found.append(("max_update_norm", "is not that of [limits]"))
    return found
