"""Recipes: every model has one, and what it says is a study that loads."""

from __future__ import annotations

import pytest

from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.strategies import STRATEGIES
from fedward_shared.manifest.template import KINDS, template
from fedward_shared.models.registry import check_options, names
from fedward_shared.recipes.recipe import recipe
from fedward_shared.recipes.schedules import FAMILIES
from fedward_shared.recipes.tables import recipe_tables

_SIZES = {"north": 4000, "south": 90}
_DATA = """\
[study]
name = "recipe"
title = "A recipe"
purpose = "Find out whether the tables load."
contact = "nobody@example.org"

[model]
name = "logistic"

[data]
kind = "tensor"
shape = [3]

[data.label]
column = "outcome"
classes = [["0"], ["1"]]
names = ["no", "yes"]

"""


def test_every_model_has_a_recipe_and_no_recipe_is_for_a_model_that_is_gone() -> None:
    assert set(FAMILIES) == set(names())


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("model", sorted(FAMILIES))
def test_the_tables_of_a_recipe_say_what_the_recipe_says(model: str, *, private: bool) -> None:
    found = recipe(model, _SIZES, private=private)

    study = load((_DATA + recipe_tables(found, epsilon=3.0 if private else None)).encode())

    assert study.training.learning_rate == pytest.approx(found.schedule.learning_rate)
    assert study.training.optimizer == found.schedule.optimizer
    assert (study.strategy.rounds, study.training.local_steps) == (found.schedule.rounds, found.schedule.local_steps)
    assert study.strategy.average_last == found.schedule.average_last
    assert study.privacy.unsafe_no_privacy is not private
    for site, size in _SIZES.items():
        assert study.sites[site].size == size
        assert study.sites[site].sampling_rate == pytest.approx(found.sampling_rates[site])
        assert study.sites[site].normaliser == pytest.approx(max(1, round(size * found.sampling_rates[site])))


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_strategy_has_options_that_it_takes(strategy: str) -> None:
    found = recipe("mlp", _SIZES, strategy=strategy)

    study = load((_DATA + recipe_tables(found)).encode())

    assert study.strategy.name == strategy
    assert (study.training.proximal_mu > 0) is (strategy == "fedprox")
    assert all(STRATEGIES[strategy][name].allows(value) for name, value in found.options.items())


def test_too_few_patients_for_a_private_network_are_told() -> None:
    assert recipe("resnet18", {"north": 300}, private=True).warnings
    assert not recipe("resnet18", {"north": 300}, private=False).warnings
    assert not recipe("logistic", {"north": 4000}, private=True).warnings


def test_an_unknown_model_or_strategy_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no recipe for 'unet'"):
        recipe("unet", _SIZES)
    with pytest.raises(UsageError, match="no strategy 'fedsgd'"):
        recipe("mlp", _SIZES, strategy="fedsgd")


@pytest.mark.parametrize("model", sorted(FAMILIES))
def test_a_study_file_can_be_written_for_every_model(model: str) -> None:
    study = load(template(model=model).encode())

    check_options(study.model, study.data)
    assert study.model.name == model


def test_a_model_that_is_none_for_the_records_is_refused_before_anything_is_written() -> None:
    with pytest.raises(UsageError, match="cox is no model for images"):
        template("images", "cox")
    with pytest.raises(UsageError, match="no model 'unet'"):
        template(model="unet")


def test_the_usual_model_of_each_kind_is_one_of_that_kind() -> None:
    for kind in KINDS:
        study = load(template(kind).encode())
        if kind != "text":
            assert FAMILIES[study.model.name].records == kind
