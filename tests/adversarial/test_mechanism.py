"""An attacker with extreme patients plays the distinguishing game against the product's own step.

The games, checks and bounds are those of `fedward-sim audit`. In the step as it is they must find nothing wrong, and
yet so much that more would not escape them. What they find in a defective step is in test_mutations.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedward_client.vault.training.local_round import stepper_for
from fedward_shared.models.heads.head import head_for
from fedward_shared.models.registry import build
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.step import PrivateStepper
from fedward_simulations.audit.canaries import KINDS, Canaries
from fedward_simulations.audit.mechanism import MechanismAudit, audit_mechanism
from fedward_simulations.audit.releases import AuditedStep, Setting, flat
from fedward_simulations.audit.worlds import Cohort, Patient
from tests.support.audits import RECORDS_PER_PATIENT, audited_step, broken, small_audit, small_site
from tests.support.cohorts import MODELS, contract_of, terms_of

torch.set_num_threads(1)


PLAYED = {
    "north": ("declared", "probe", "probe, half drawn", "probe, whole round"),
    "south": ("declared", "everybody drawn"),
}
"""Site north draws everybody, south half of its patients; the probes are the same at both."""


@pytest.fixture(scope="module", params=list(PLAYED))
def audit(request: pytest.FixtureRequest) -> MechanismAudit:
    """A whole audit, its games divided among two sites."""
    return small_audit(request.param, settings=PLAYED[request.param])


def test_the_step_leaks_no_more_than_it_claims(audit: MechanismAudit) -> None:
    assert broken(audit) == set()
    assert audit.violations == []


def test_the_attack_is_not_blind(audit: MechanismAudit) -> None:
    """One that finds little would prove little: at the probe two fifths of the claimed μ are found, with few draws."""
    found = {one.game.claim.setting.name: 0.0 for one in audit.games}
    for one in audit.games:
        name = one.game.claim.setting.name
        found[name] = max(found[name], one.mu / one.claimed_mu)
    assert found.get("probe", 1.0) > 0.4
    assert found.get("probe, half drawn", 1.0) > 0.1
    assert found.get("probe, whole round", 1.0) > 0.3
    if "probe" in found:
        assert 0.3 * audit.claim.all_steps < audit.implied_epsilon <= audit.claim.all_steps


def test_every_kind_of_canary_plays_at_every_setting(audit: MechanismAudit) -> None:
    played = {(one.game.background, one.game.canary, one.game.claim.setting.name) for one in audit.games}
    settings = {one.game.claim.setting.name for one in audit.games}
    assert {("site", kind, "declared") for kind in KINDS} <= played
    assert {
        ("nobody", kind, name) for kind in KINDS for name in settings - {"declared", "probe, whole round"}
    } <= played
    assert {("crowd", "opposed", name) for name in settings & {"probe", "probe, half drawn"}} <= played


def test_the_attacker_loses_where_there_is_nothing_to_see(audit: MechanismAudit) -> None:
    """A patient of NaN adds exactly nothing, so no game finds him."""
    assert all(one.mu == 0 for one in audit.games if one.game.canary == "trap")


@pytest.mark.parametrize("name", MODELS)
def test_no_canary_moves_the_sum_by_more_than_the_clip_norm_whatever_the_model(name: str) -> None:
    study = replace(audited_step().study, model=terms_of(name), data=contract_of(name))
    step = AuditedStep(study, "south", seed=0)
    nobody = Cohort.nobody(study.data.input_shape)
    model, head = build(study.model, study.data), head_for(study.model, study.data)
    canaries = Canaries.design(model, head, study.data, nobody, step.clip_norm, seed=0)
    moved = {one.name: float(np.linalg.norm(step.noiseless(nobody.joined_by(one)))) for one in canaries.planted}
    assert moved["trap"] == 0.0
    assert max(moved.values()) <= 1 + 1e-4
    assert moved["extreme"] == pytest.approx(1.0, abs=1e-3)  # it is clipped, or it would test nothing
    crowd = Cohort.crowd(canaries.crowd_member, 4)
    without, joined = step.noiseless(crowd), step.noiseless(crowd.joined_by(canaries.opposed))
    assert 0.9 < float(np.linalg.norm(joined - without)) <= 1 + 1e-4


def test_a_patient_with_many_records_moves_the_sum_no_further_than_one() -> None:
    step, nobody = audited_step(), Cohort.nobody((5,))
    site = small_site()
    one = site.records[:1]
    many = one.repeat(4 * RECORDS_PER_PATIENT, 1) * 100
    aligned = Patient("many", many, torch.zeros(len(many), dtype=torch.int64))
    moved = step.noiseless(nobody.joined_by(aligned)) - step.noiseless(nobody)
    assert np.linalg.norm(moved) == pytest.approx(1.0, abs=1e-4)


def test_a_step_moves_the_weights_by_what_it_releases_and_nothing_else() -> None:
    """The games look at `release`; training calls `step`. From one seed both see the same."""
    step = audited_step("south")
    data = small_site().training_set()
    study = step.study

    def stepper_on(model: torch.nn.Module) -> PrivateStepper:
        stepper = stepper_for(study, "south", model, data, KeystreamSource.unsafe_seeded(1, b"twin"))
        assert isinstance(stepper, PrivateStepper)
        return stepper

    watched, trained = build(study.model, study.data), build(study.model, study.data)
    before = flat(list(trained.parameters()))
    with stepper_on(watched) as stepper:
        release = flat(stepper.release())
    with stepper_on(trained) as stepper:
        stepper.step()
    moved = before - flat(list(trained.parameters()))
    np.testing.assert_allclose(moved, study.training.learning_rate * release, rtol=1e-4, atol=1e-6)


def test_what_was_planned_is_what_was_made() -> None:
    planned: list[int] = []
    made: list[int] = []
    step = audited_step("south")
    settings = ("probe", "probe, whole round")
    audit_mechanism(step, small_site(), draws=100, seed=0, settings=settings, advance=made.append, begin=planned.append)
    assert sum(made) == sum(planned)
    assert len(planned) == 1


def test_the_audited_step_has_the_declared_constants_where_nothing_is_probed() -> None:
    step = audited_step("south")
    assert step.study.resolved is not None
    assert step.declared == Setting("declared", 0.5, step.study.resolved.sites["south"].noise_multiplier)
    site = small_site()
    once, twice, other = (next(step.releases(site, step.declared, 1, purpose)) for purpose in ("a", "a", "b"))
    np.testing.assert_array_equal(once, twice)
    assert not np.isclose(once, other).any()
