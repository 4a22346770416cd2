"""Another way to average changes what it must, and nothing else."""

import tomllib
from dataclasses import replace
from math import inf

import pytest
import tomlkit

from fedward_server.rounds.strategies import check_options
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.strategies import STRATEGIES
from fedward_shared.recipes.averaging import PROXIMAL_MU, SERVER_OPTIONS
from fedward_simulations.baselines import at_epsilon, published_terms, terms_of
from fedward_simulations.grid.strategies import Overrides, averaged_by
from tests.support.grids import STUDY


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_a_study_with_another_strategy_has_options_that_the_coordinator_takes(strategy: str) -> None:
    before, after = load(STUDY), load(published_terms(averaged_by(terms_of(STUDY), strategy, Overrides())))
    check_options(after.strategy)
    assert after.strategy == replace(before.strategy, name=strategy, options=SERVER_OPTIONS[strategy])
    mu = PROXIMAL_MU if strategy == "fedprox" else 0.0
    assert after.training == replace(before.training, proximal_mu=mu)
    assert replace(after, strategy=before.strategy, training=before.training, resolved=None) == before


def test_the_studys_own_strategy_keeps_its_options() -> None:
    document = tomllib.loads(STUDY.decode())
    document["strategy"].update(name="fedadam", options={"eta": 0.7})
    document["training"]["proximal_mu"] = 0.02
    terms = terms_of(tomlkit.dumps(document).encode())
    assert averaged_by(terms, "fedadam", Overrides()) == terms
    changed = averaged_by(terms, "fedadam", Overrides.read(("fedadam.tau=0.01",)))
    assert changed["strategy"]["options"] == {"eta": 0.7, "tau": 0.01}
    assert averaged_by(terms, "fedavg", Overrides())["training"]["proximal_mu"] == 0


def test_options_are_read_for_the_strategy_that_they_name() -> None:
    read = Overrides.read(("fedadam.eta=0.5", "fedprox.mu=0.3"))
    terms = terms_of(STUDY)
    assert averaged_by(terms, "fedadam", read)["strategy"]["options"]["eta"] == 0.5
    assert averaged_by(terms, "fedyogi", read)["strategy"]["options"] == SERVER_OPTIONS["fedyogi"]
    assert averaged_by(terms, "fedprox", read)["training"]["proximal_mu"] == 0.3


@pytest.mark.parametrize("written", ["eta=1", "fedadam.eta", "fedadam.speed=1", "fedavg.mu=1", "fedadam.eta=fast"])
def test_an_option_that_does_not_exist_is_told(written: str) -> None:
    with pytest.raises(UsageError):
        Overrides.read((written,))


def test_another_epsilon_replaces_whatever_privacy_the_study_has() -> None:
    document = tomllib.loads(STUDY.decode())
    del document["privacy"]["target_epsilon"]
    document["privacy"]["noise_multiplier"] = 5.0
    document["limits"]["max_update_norm"] = 3.0
    terms = terms_of(tomlkit.dumps(document).encode())
    private, plain = (load(published_terms(at_epsilon(terms, epsilon))) for epsilon in (2.0, inf))
    assert (private.privacy.target_epsilon, private.privacy.noise_multiplier) == (2.0, None)
    assert private.resolved is not None
    assert all(1.9 < site.epsilon <= 2.0 for site in private.resolved.sites.values())
    assert plain.privacy.unsafe_no_privacy
    assert private.limits.max_update_norm is plain.limits.max_update_norm is None
    back = load(published_terms(at_epsilon(at_epsilon(terms, inf), 2.0)))
    assert back == private
