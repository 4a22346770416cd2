"""Whether patients can have been watched for as long as their cells say: negative times, and times of another unit."""

from __future__ import annotations

from collections.abc import Iterator

from fedward_client.importer.preflight.findings import Defect, Finding, Severity
from fedward_client.importer.preflight.profile import NumberFacts

__all__ = ["follow_up_findings"]

_SHORT = 0.05
"""Of the declared maximum: a study that follows patients up for years expects some who were."""
_LONG = 0.9
_MANY = 0.05


def follow_up_findings(facts: NumberFacts, *, confirmed: bool) -> Iterator[Finding]:
    """Findings about the time that patients were watched; `confirmed` where the mapping says its unit."""
    coded = sum(code.cells for code in facts.codes if code.text.startswith("-"))
    negative = facts.below - coded
    if negative > 0:
        yield Finding(
            Severity.WRONG if negative > _MANY * facts.numbers else Severity.LOOK,
            Defect.OUT_OF_RANGE,
            facts.name,
            f"{negative} times of {facts.name} are negative; an import leaves these patients out",
            "Did something happen before time zero, or are two dates exchanged? Look at those rows in the source.",
        )
    severity = Severity.NOTE if confirmed else Severity.LOOK
    most, unit = f"{facts.maximum:g} {facts.unit}", facts.unit_here
    if facts.quantiles and facts.quantiles[-1] < _SHORT * facts.maximum:
        yield Finding(
            severity,
            Defect.WRONG_UNIT,
            facts.name,
            f"hardly anybody was watched for more than {facts.quantiles[-1]:.3g} {facts.unit}; {most} count",
            f"Is {facts.name} in {unit}? If not, say its unit under [columns.{facts.name}] in the mapping.",
        )
    elif facts.numbers and facts.above > _LONG * facts.numbers:
        yield Finding(
            severity,
            Defect.WRONG_UNIT,
            facts.name,
            f"{facts.above / facts.numbers:.0%} of patients were watched for more than the {most} that count",
            f"Is {facts.name} in {unit}? If not, say its unit under [columns.{facts.name}] in the mapping.",
        )
