"""Splits one pooled table into sites, for studies of what heterogeneity costs. Seeded: for simulation only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fedward_shared.errors import UsageError

__all__ = ["dirichlet_sites", "even_sites", "label_sites"]

Indices = npt.NDArray[np.int64]


def even_sites(rows: int, sites: int, *, seed: int) -> list[Indices]:
    """Shuffled rows in `sites` parts whose sizes differ by at most one: identically distributed hospitals."""
    _check(rows, sites)
    order = np.random.default_rng(seed).permutation(rows)
    return [np.sort(part) for part in np.array_split(order, sites)]


def label_sites(labels: npt.NDArray[np.int64], sites: int, *, seed: int) -> list[Indices]:
    """Rows sorted by label, then cut: each hospital sees few of the classes, the hardest common benchmark."""
    _check(len(labels), sites)
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    return [np.sort(part) for part in np.array_split(order, sites)]


def dirichlet_sites(labels: npt.NDArray[np.int64], sites: int, *, concentration: float, seed: int) -> list[Indices]:
    """Each class spread over sites by a Dirichlet draw (Hsu, Qi and Brown 2019, arXiv:1909.06335).

    Args:
        labels: class of each row, shape (rows,).
        sites: how many hospitals.
        concentration: α > 0; small makes hospitals differ, large makes them alike.
        seed: of the draw.

    Returns:
        One sorted index array a site; together every row once. A site may be small, but none is empty.
    """
    _check(len(labels), sites)
    if not concentration > 0:
        raise UsageError(f"concentration must be above 0, not {concentration}", hint="0.1 is harsh, 100 is even")
    rng = np.random.default_rng(seed)
    parts: list[list[Indices]] = [[] for _ in range(sites)]
    for value in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == value))
        cuts = (np.cumsum(rng.dirichlet([concentration] * sites))[:-1] * len(rows)).astype(np.int64)
        for part, piece in zip(parts, np.split(rows, cuts), strict=True):
            part.append(piece)
    return _none_empty([np.sort(np.concatenate(pieces)) for pieces in parts])


def _none_empty(parts: Sequence[Indices]) -> list[Indices]:
    """Gives each empty site one row of the largest."""
    mended = list(parts)
    for site, part in enumerate(mended):
        if not len(part):
            largest = max(range(len(mended)), key=lambda other: len(mended[other]))
            mended[site], mended[largest] = mended[largest][:1], mended[largest][1:]
    return mended


def _check(rows: int, sites: int) -> None:
    if not 1 <= sites <= rows:
        raise UsageError(f"{rows} rows cannot be split into {sites} sites", hint="Use between 1 site and one a row.")
