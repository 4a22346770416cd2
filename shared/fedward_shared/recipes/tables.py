"""A recipe as the lines of study.toml that it stands for."""

from __future__ import annotations

from fedward_shared.recipes.recipe import Recipe

__all__ = ["recipe_tables"]

_SITE = """\
[sites.{name}]
size = {size}
sampling_rate = {rate:g}
normaliser = {normaliser:g}

"""
_TERMS = """\
[training]
local_steps = {steps}
learning_rate = {rate:g}
optimizer = "{optimizer}"
proximal_mu = {mu:g}

[strategy]
name = "{strategy}"
rounds = {rounds}
quorum = {quorum}
deadline_seconds = 600
spare_attempts = 2
average_last = {average}

[strategy.options]
{options}
[privacy]
clip_norm = {clip:g}
delta = {delta:g}
{epsilon}
[limits]
max_weight = 100.0
"""


def recipe_tables(found: Recipe, *, epsilon: float | None = 3.0, delta: float = 1e-5, rate_factor: float = 1.0) -> str:
    """The tables from `[sites.NAME]` to `[limits]`; without an ε the study says `unsafe_no_privacy`.

    `rate_factor` multiplies the learning rate, for whoever compares.
    """
    schedule = found.schedule
    sites = "".join(
        _SITE.format(
            name=name, size=found.sizes[name], rate=found.sampling_rates[name], normaliser=found.normalisers[name]
        )
        for name in found.sizes
    )
    return sites + _TERMS.format(
        steps=schedule.local_steps,
        rate=schedule.learning_rate * rate_factor,
        optimizer=schedule.optimizer,
        mu=found.proximal_mu,
        strategy=found.strategy,
        rounds=schedule.rounds,
        quorum=len(found.sizes),
        average=schedule.average_last,
        options="".join(f"{name} = {value:g}\n" for name, value in found.options.items()),
        clip=schedule.clip_norm,
        delta=delta,
        epsilon="unsafe_no_privacy = true" if epsilon is None else f"target_epsilon = {epsilon:g}",
    )
