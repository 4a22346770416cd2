"""What is allowed in a study, but worth a second look before hospitals are asked."""

from __future__ import annotations

from fedward_shared.contracts.study import Study

__all__ = ["warnings"]

_TAXED = 10.0


def warnings(study: Study) -> tuple[str, ...]:
    """What is allowed, but worth a second look before hospitals are asked."""
    found: list[str] = []
    smallest = min(site.size for site in study.sites.values())
    if not study.privacy.unsafe_no_privacy and study.privacy.delta >= 1 / smallest:
        found.append(
            f"[privacy] delta is {study.privacy.delta:g}, not below 1/{smallest} (one over the smallest site's size)"
        )
    if study.privacy.unsafe_no_privacy:
        found.append("[privacy] unsafe_no_privacy is true: ε is infinite, and sites refuse it unless their policy says")
    if (study.privacy.target_epsilon or 0.0) > _TAXED:
        found.append(f"[privacy] target_epsilon is {study.privacy.target_epsilon:g}; above 10 protects very little")
    if study.data.patient is None:
        found.append("[data] has no patient column: the unit of privacy is the record, not the patient")
    if study.strategy.name == "fedprox" and study.training.proximal_mu == 0:
        found.append("[strategy] fedprox with [training] proximal_mu = 0 is the same as fedavg")
    for name, site in study.sites.items():
        expected = site.size * site.sampling_rate
        if not expected / 2 <= site.normaliser <= expected * 2:
            found.append(
                f"[sites.{name}] normaliser is {site.normaliser:g}; size × sampling_rate is {expected:g}: "
                "steps are that much larger or smaller"
            )
    return tuple(found)
