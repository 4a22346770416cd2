"""A study and its hospitals' imports, and the published studies that the cells of a grid train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from fedward_shared.contracts.study import Study
from fedward_shared.errors import UsageError
from fedward_shared.manifest.resolve import load_draft
from fedward_simulations.baselines import (
    POOLED,
    Terms,
    at_epsilon,
    published_terms,
    single_site,
    terms_of,
    together,
    without_site,
)
from fedward_simulations.grid.cell import BASELINES, Cell, Value, Variant
from fedward_simulations.grid.strategies import Overrides, averaged_by
from fedward_simulations.model_files import ModelFiles

__all__ = ["FEDERATION", "Bench", "Task", "studies_of"]

FEDERATION = ""
"""What the study of all sites is listed under in `studies_of`, in place of a site's name."""
_KEPT = 512


@dataclass(frozen=True, slots=True)
class Bench:
    """What cells are trained on.

    `study` is study.toml, published or not; `folders` each site's import by name, in the study's order; `overrides`
    are options of strategies that replace the grid's defaults; `files` are weights that the study names.
    """

    study: bytes
    folders: tuple[tuple[str, Path], ...]
    overrides: Overrides = field(default_factory=Overrides)
    files: ModelFiles = field(default_factory=ModelFiles)

    @classmethod
    def of(
        cls,
        study: bytes,
        folders: Mapping[str, Path],
        overrides: Overrides | None = None,
        files: ModelFiles | None = None,
    ) -> Bench:
        """The bench of a study and its imports.

        Raises:
            StudyFileError: the study has mistakes.
            UsageError: a site has no import.
        """
        names = load_draft(study).site_names
        if missing := [site for site in names if site not in folders]:
            raise UsageError(
                f"there are no imported data for {', '.join(missing)}",
                hint="Each site of the study needs a folder of its own name, made by: fedward-sim import",
            )
        ordered = tuple((site, folders[site]) for site in names)
        return cls(study, ordered, overrides or Overrides(), files or ModelFiles())

    @property
    def terms(self) -> Study:
        """The study as it is written."""
        return load_draft(self.study)

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites, in the study's order."""
        return tuple(site for site, _ in self.folders)


@dataclass(frozen=True, slots=True)
class Task:
    """One cell on one bench."""

    bench: Bench
    cell: Cell


def studies_of(bench: Bench, cell: Cell) -> Mapping[str, bytes]:
    """The published studies that a cell trains: one by site name for `local`, else a single one.

    Baselines get the centralised study, of which they use data and head.

    Raises:
        UsageError: the cell does not fit the study.
    """
    return _studies(bench, replace(cell, seed=0, fold=None))


@lru_cache(maxsize=_KEPT)
def _studies(bench: Bench, cell: Cell) -> Mapping[str, bytes]:
    terms = _changed(terms_of(bench.study), cell.variant)
    if cell.strategy:
        terms = averaged_by(terms, cell.strategy, bench.overrides)
    if cell.held_out:
        terms = without_site(terms, cell.held_out)
    terms = at_epsilon(terms, cell.epsilon)
    if cell.method == "local":
        return {site: published_terms(single_site(terms, site)) for site in terms["sites"]}
    if cell.method == "centralised" or cell.method in BASELINES:
        return {POOLED: published_terms(together(terms))}
    return {FEDERATION: published_terms(terms)}


def _changed(terms: Terms, variant: Variant) -> Terms:
    for path, value in variant.changes:
        keys = path.split(".")
        if keys[0] in {"data", "study", "resolved"} or (keys[0] == "sites" and len(keys) != 3):  # noqa: PLR2004  # sites.NAME.key
            raise UsageError(
                f"variant {variant.name!r} changes {path!r}, which decides which rows there are",
                hint="Change [model], [training], [strategy], [privacy] or a site's own terms.",
            )
        terms = _with(terms, keys, value, path)
    return terms


def _with(table: dict[str, Any], keys: list[str], value: Value, path: str) -> dict[str, Any]:
    """A copy of `table` in which `value` stands at `keys`."""
    first, *rest = keys
    if first == "*":
        return {name: _with(inner, rest, value, path) for name, inner in table.items()}
    if not rest:
        return {**table, first: _plain(value)}
    inner = table.get(first, {})
    if not isinstance(inner, dict):
        raise UsageError(f"{path!r} leads through a value that is no table")
    return {**table, first: _with(inner, rest, value, path)}


def _plain(value: Value) -> object:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
