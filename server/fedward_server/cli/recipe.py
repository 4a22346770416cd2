"""`fedward-coordinator study recipe`: how a model is trained well, as lines to paste into a study file."""

from __future__ import annotations

from math import isinf
from typing import Annotated

import typer

from fedward_shared.console import next_step, say
from fedward_shared.errors import UsageError

__all__ = ["recipe"]

_MODELS = "models"


def recipe(
    model: Annotated[str, typer.Argument(help="A model's name, such as mlp or cnn1d; or models: all that there are.")],
    sites: Annotated[
        list[str] | None,
        typer.Option("--site", help="A site and its agreed number of patients, such as north=400. Can be repeated."),
    ] = None,
    epsilon: Annotated[
        float, typer.Option("--epsilon", help="The ε that a patient's records may cost; inf: without privacy.")
    ] = 3.0,
    strategy: Annotated[
        str, typer.Option("--strategy", help="fedavg, fedprox, fedadam, fedyogi or fedavgm.")
    ] = "fedavg",
) -> None:
    """Print tested settings for a model, from its sites to its limits: lines to paste into a study file."""
    from fedward_shared.recipes.recipe import recipe as find
    from fedward_shared.recipes.tables import recipe_tables

    if model == _MODELS:
        _list()
        return
    if not epsilon > 0:
        raise UsageError(f"--epsilon {epsilon:g} is no budget", hint="Give a number above 0, or inf for no privacy.")
    found = find(model, _sizes(sites or []), private=not isinf(epsilon), strategy=strategy)
    say(recipe_tables(found, epsilon=None if isinf(epsilon) else epsilon))
    for warning in found.warnings:
        say(f"# warning: {warning}")
    next_step(f"fedward-coordinator study init study.toml --model {model}", "a whole study file with such settings")


def _list() -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from fedward_shared.recipes.schedules import FAMILIES

    table = Table(box=SIMPLE)
    for heading in ("model", "for", "patients with privacy", "steps with privacy"):
        table.add_column(heading)
    for name, family in sorted(FAMILIES.items(), key=lambda item: (item[1].records, item[1].fewest)):
        steps = f"{family.private.rounds} x {family.private.local_steps}"
        table.add_row(name, family.records, f"from about {family.fewest}", steps)
    Console().print(table)
    next_step("fedward-coordinator study recipe logistic --site north=400 --site south=300", "one model's settings")


def _sizes(sites: list[str]) -> dict[str, int]:
    """`NAME=NUMBER` of each site; two example sites where nobody named any."""
    sizes: dict[str, int] = {}
    for text in sites:
        name, _, number = text.partition("=")
        if not name or not number.isdecimal() or int(number) < 1 or name in sizes:
            raise UsageError(
                f"--site {text!r} does not say a site and its number of patients",
                hint="Write each site once, such as: --site north=400 --site south=300",
            )
        sizes[name] = int(number)
    return sizes or {"north": 400, "south": 300}
