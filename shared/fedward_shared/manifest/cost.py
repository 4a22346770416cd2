"""What a study costs: ε, bytes, steps, and a rough time. Computed from declared constants before anybody is asked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fedward_shared.contracts.cohort import DataKind
from fedward_shared.contracts.study import Resolved, ResolvedSite, SiteTerms, Study
from fedward_shared.manifest.resolve import resolve

__all__ = ["TIME_BASIS", "Cost", "SiteCost", "cost"]

TIME_BASIS = "rough: two cores at 5 Gflop/s, per-patient clipping at five times a plain step, 10 MB/s a link"

_FLOPS_A_WEIGHT = 6.0
"""Forward and backward pass of one record: two and four operations for each time a weight is used."""
_CLIPPING = 5.0
_FLOPS_A_SECOND = 5e9
_SECONDS_A_STEP = 0.005
_SECONDS_A_ROUND = 0.1
_LINK_BYTES_A_SECOND = 10e6
_HEAD_BYTES = 600
_IMAGE_AXES = 3
_POOLED = 4.0


@dataclass(frozen=True, slots=True)
class SiteCost:
    """One site's share. `epsilon` is at the study's δ for all rounds and spare attempts; bytes are per round."""

    name: str
    resolved: ResolvedSite
    bytes_down: int
    bytes_up: int
    seconds_a_round: float


@dataclass(frozen=True, slots=True)
class Cost:
    """A study's cost. Totals cover the declared rounds at all sites, without spare attempts; steps are per site."""

    sites: tuple[SiteCost, ...]
    delta: float
    parameters: int
    rounds: int
    bytes_a_round: int
    bytes_total: int
    steps_a_round: int
    steps_total: int
    seconds_total: float


def cost(study: Study) -> Cost:
    """The cost of a study, published or not.

    Raises:
        StudyFileError: as `resolve`.
        UsageError: the model does not fit, or no noise meets the target ε.
    """
    resolved = study.resolved or resolve(study)
    payload = _payload_bytes(resolved)
    sites = tuple(
        SiteCost(
            name=name,
            resolved=resolved.sites[name],
            bytes_down=payload + _HEAD_BYTES,
            bytes_up=payload + _HEAD_BYTES,
            seconds_a_round=_seconds(study, site, resolved.parameters, payload),
        )
        for name, site in study.sites.items()
    )
    a_round = sum(site.bytes_down + site.bytes_up for site in sites)
    rounds = study.strategy.rounds
    return Cost(
        sites=sites,
        delta=study.privacy.delta,
        parameters=resolved.parameters,
        rounds=rounds,
        bytes_a_round=a_round,
        bytes_total=(rounds * a_round) + payload * len(sites),
        steps_a_round=study.training.local_steps,
        steps_total=rounds * study.training.local_steps,
        seconds_total=rounds * max(site.seconds_a_round for site in sites),
    )


def _payload_bytes(resolved: Resolved) -> int:
    from fedward_shared.wire.tensors import layout

    return layout(resolved.tensors).payload_bytes


def _seconds(study: Study, site: SiteTerms, parameters: int, payload: int) -> float:
    """A site's time for one round, all steps and both transfers, on the stated basis."""
    copies = study.training.augment.copies if study.training.augment else 1
    records = site.size * site.sampling_rate * study.data.records_per_patient * copies
    private = 1.0 if study.privacy.unsafe_no_privacy else _CLIPPING
    work = _FLOPS_A_WEIGHT * parameters * _reuse(study) * records * private
    step = _SECONDS_A_STEP + work / _FLOPS_A_SECOND
    return _SECONDS_A_ROUND + study.training.local_steps * step + 2 * payload / _LINK_BYTES_A_SECOND


def _reuse(study: Study) -> float:
    """How often a record uses each weight: at every pixel of an image (less pooling), or at every time step."""
    shape = study.data.input_shape
    if study.data.kind is DataKind.TABLE or study.model.name in {"logistic", "mlp"}:
        return 1.0
    return max(1.0, math.prod(shape[1:]) / _POOLED) if len(shape) == _IMAGE_AXES else float(shape[0])
