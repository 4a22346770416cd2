"""A baseline differs from the study in the way of training, and in nothing else."""

import math
from dataclasses import replace

import pytest

from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import check_resolved, published
from fedward_simulations.baselines import POOLED, alone, centralised, without_privacy
from tests.support.samples import TWO_SITES

STUDY = TWO_SITES.encode()


@pytest.mark.parametrize("manifest", [STUDY, published(STUDY)], ids=["draft", "published"])
def test_without_privacy_keeps_everything_else(manifest: bytes) -> None:
    study, plain = load(manifest), load(without_privacy(manifest))
    privacy = replace(study.privacy, target_epsilon=None, unsafe_no_privacy=True)
    assert replace(plain, resolved=None) == replace(study, resolved=None, privacy=privacy)
    check_resolved(plain)
    assert plain.resolved is not None
    assert all(math.isinf(site.epsilon) for site in plain.resolved.sites.values())


def test_alone_is_one_site_with_its_own_terms() -> None:
    study, single = load(STUDY), load(alone(STUDY, "south"))
    assert single.site_names == ("south",)
    assert single.sites["south"] == study.sites["south"]
    assert single.strategy == replace(study.strategy, quorum=1)
    assert (single.model, single.data, single.training) == (study.model, study.data, study.training)


def test_centralised_sums_the_sites() -> None:
    pooled = load(centralised(STUDY)).sites[POOLED]
    assert (pooled.size, pooled.normaliser) == (250, 200.0)
    assert pooled.sampling_rate == pytest.approx((150 * 1.0 + 100 * 0.5) / 250)


def test_an_update_norm_limit_made_for_clipped_updates_is_dropped() -> None:
    limited = TWO_SITES + "max_update_norm = 2.0\n"
    assert load(limited.encode()).limits.max_update_norm == 2.0
    assert load(without_privacy(limited.encode())).limits.max_update_norm is None


def test_an_unknown_site_is_named() -> None:
    with pytest.raises(UsageError, match="no site west"):
        alone(STUDY, "west")
