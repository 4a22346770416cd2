"""What `benchmarks.quality` runs: data sets, the studies tried on them, how they are judged, and what is aimed at.

A case is declared before its test rows are looked at. Everything in it is a constant; whatever is found out from data
is found out on training rows, either once (then `chosen` says where, and there is one variant) or anew within every
seed's training rows (then there are several variants, and the benchmark cross-validates).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

from fedward_shared.evaluation.scored import Scored
from fedward_simulations.grid.cell import BASELINES

__all__ = ["CENTRALISED", "FEDERATED", "LEFT_OUT", "LOCAL", "Aim", "Case", "Figure", "Variant"]

LOCAL = "local"
"""Every site's own model, judged on its own test rows."""
CENTRALISED = "centralised"
"""The same study with all rows in one place, without privacy."""
FEDERATED = "federated"
"""The study itself: without privacy where ε is ∞."""
LEFT_OUT = "left-out"
"""For every site a federation without it, which is judged on all rows of that site."""

Figure = Callable[[Mapping[str, Scored]], float]
"""A figure of one model's scores on the test rows of every site (that it was judged on)."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One configuration: what people call it, and its whole study.toml, not yet published.

    The ε that `[privacy]` states is replaced by the one that is run; where it is ∞, privacy is taken out.
    """

    name: str
    study: str


@dataclass(frozen=True, slots=True)
class Aim:
    """The median over seeds of `figure` (empty: the case's first) is to be at least this.

    With `site`, the figure of that site's rows alone: what `LEFT_OUT` is for.
    """

    at_least: float
    method: str = FEDERATED
    epsilon: float = inf
    figure: str = ""
    site: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One data set under one protocol.

    Attributes:
        name: what `--cell` says, such as ``heart``; a-z, 0-9 and -.
        title: for people.
        protocol: which rows train and which judge, and who fixed that when.
        chosen: where the constants of the variants come from, and what was tried.
        imports: (folder of `--data`, empty folder, seed) -> each site's import. It goes through the real importer.
            None where the data are not there.
        splits: whether another seed makes other imports; else those of seed 0 serve all.
        variants: the studies among which cross-validation chooses at this ε (∞: without privacy), the declared one
            first. Data contract and names of sites are the same in all of them, at every ε.
        figures: by name; the first one is the headline, of which an interval is given.
        aims: what is to be reached; a summary line tells for each whether it is.
        methods: of `LOCAL`, `CENTRALISED`, `FEDERATED`, `LEFT_OUT`. Only `FEDERATED` and `LEFT_OUT` run at every ε.
        epsilons: ∞ for none.
        baselines: of `fedward_simulations.grid.plain`, fitted on the pooled training rows.
        seeds: how many, from 0.
        notes: what a reader must know, such as that a split is optimistic; a note in `shortfall` says why an aim is
            not reached, where that is known.
    """

    name: str
    title: str
    protocol: str
    chosen: str
    imports: Callable[[Path, Path, int], Mapping[str, Path] | None]
    variants: Callable[[float], tuple[Variant, ...]]
    figures: Mapping[str, Figure]
    aims: tuple[Aim, ...] = ()
    splits: bool = False
    methods: tuple[str, ...] = (LOCAL, CENTRALISED, FEDERATED)
    epsilons: tuple[float, ...] = (inf, 8.0, 3.0)
    baselines: tuple[str, ...] = BASELINES
    seeds: int = 5
    notes: tuple[str, ...] = ()
    shortfall: str = ""

    @property
    def headline(self) -> str:
        """The name of the first figure."""
        return next(iter(self.figures))
