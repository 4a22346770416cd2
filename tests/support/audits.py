"""A small study to audit, and its site's patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_simulations.audit.mechanism import SETTINGS, MechanismAudit, audit_mechanism
from fedward_simulations.audit.releases import AuditedStep
from fedward_simulations.audit.worlds import Cohort, Patient
from tests.support.samples import TWO_SITES

__all__ = ["RECORDS_PER_PATIENT", "audited_step", "broken", "small_audit", "small_site"]

RECORDS_PER_PATIENT = 4


def audited_step(site: str = "north", *, text: str = TWO_SITES, seed: int = 0) -> AuditedStep:
    """The step of a site: q = 1 in the north, 0.5 in the south; at most four records of a patient."""
    several = text.replace("records_per_patient = 1", f"records_per_patient = {RECORDS_PER_PATIENT}")
    return AuditedStep(load(published(several.encode())), site, seed=seed)


def small_site(patients: int = 6, features: int = 5) -> Cohort:
    """Patients with one to three ordinary records each."""
    generator = torch.Generator().manual_seed(5)

    def one(number: int) -> Patient:
        rows = 1 + number % 3
        records = torch.randn(rows, features, generator=generator)
        return Patient("ordinary", records, torch.randint(0, 2, (rows,), generator=generator))

    nobody = Cohort.nobody((features,))
    joined = nobody.joined_by(*(one(number) for number in range(patients)))
    return Cohort("site", joined.records, joined.labels, joined.units, joined.count)


def small_audit(
    site: str = "north", *, draws: int = 400, seed: int = 0, settings: Sequence[str] = SETTINGS
) -> MechanismAudit:
    """The whole mechanism audit, with fewer draws than the command makes."""
    return audit_mechanism(audited_step(site, seed=seed), small_site(), draws=draws, seed=seed, settings=settings)


def broken(audit: MechanismAudit) -> set[str]:
    """Names of the checks that failed, and `game: canary in background, setting` of the games."""

    def names() -> Iterator[str]:
        for one in audit.games:
            if one.violated:
                yield f"game: {one.game.canary} in {one.game.background}, {one.game.claim.setting.name}"
        for check in audit.findings:
            if check.violated(audit.alpha):
                yield check.check

    return set(names())
