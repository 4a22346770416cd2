"""The option that every command of `fedward-site` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DEFAULT_HOME", "HomeOption"]

DEFAULT_HOME = Path("fedward-site")

HomeOption = Annotated[Path, typer.Option("--home", envvar="FEDWARD_HOME", help="The site's folder.")]
