"""`fedward-site backbone add` and `list`: weights of frozen networks that studies name by their SHA-256."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedward_client.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say

__all__ = ["register"]

_backbone = typer.Typer(
    no_args_is_help=True,
    help="Weights of frozen networks that studies build on; each site keeps its own copy. Start with: "
    "fedward-site backbone list",
)


def register(app: typer.Typer) -> None:
    """Adds these commands to the command line."""
    app.add_typer(_backbone, name="backbone")


@_backbone.command()
def add(
    file: Annotated[Path, typer.Argument(help="A safetensors file. It is copied; nothing in it is executed.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Keeps a file of weights where the vault reads it, under its SHA-256."""
    from fedward_client.cli.words import size
    from fedward_client.home import SiteHome
    from fedward_client.vault.backbones import add_weights

    site = SiteHome(home)
    site.load()
    found = add_weights(file, site.backbones)
    say(f"Kept {file.name}: {found.tensors} tensors, {found.numbers} numbers, {size(found.size)}")
    say(f"sha256 {found.sha256}")
    next_step(f"fedward-site study show --home {home}", "a study that builds on it can be approved now")


@_backbone.command("list")
def list_files(home: HomeOption = DEFAULT_HOME) -> None:
    """Lists the files of weights that are kept here."""
    from rich.console import Console
    from rich.table import Table

    from fedward_client.cli.words import size
    from fedward_client.home import SiteHome
    from fedward_client.vault.backbones import kept_weights

    site = SiteHome(home)
    site.load()
    kept = kept_weights(site.backbones)
    if not kept:
        say("No weights are kept here. A study that needs some says so (fedward-site study show).")
        next_step(f"fedward-site backbone add FILE --home {home}")
        return
    table = Table("sha256", "tensors", "numbers", "size")
    for name, found in kept:
        told = (str(found.tensors), str(found.numbers), size(found.size)) if found else ("damaged", "", "")
        table.add_row(name, *told)
    Console().print(table)
    next_step(f"fedward-site study list --home {home}")
