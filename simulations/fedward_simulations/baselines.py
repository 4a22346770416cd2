"""Other ways to train the same study, as studies of their own: alone, centralised, without privacy, at another ε.

Model, data contract, steps and rounds stay what they are, so that a difference in the figures is the way of training.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from math import isinf
from typing import Any

from fedward_shared.errors import UsageError
from fedward_shared.manifest.resolve import load_draft, published

__all__ = [
    "POOLED",
    "Terms",
    "alone",
    "at_epsilon",
    "centralised",
    "published_terms",
    "single_site",
    "terms_of",
    "together",
    "without_privacy",
    "without_site",
]

POOLED = "pooled"
"""The site name of everybody's rows in one place."""

Terms = dict[str, Any]
"""study.toml as tables, without anything that publishing adds."""


def without_privacy(manifest: bytes) -> bytes:
    """The same federation without clipping and noise; published."""
    return published_terms(at_epsilon(terms_of(manifest), float("inf")))


def alone(manifest: bytes, site: str) -> bytes:
    """One hospital by itself, without clipping and noise; published.

    Raises:
        UsageError: the study has no such site.
    """
    return published_terms(at_epsilon(single_site(terms_of(manifest), site), float("inf")))


def centralised(manifest: bytes) -> bytes:
    """All rows in one place, without clipping and noise; published."""
    return published_terms(at_epsilon(together(terms_of(manifest)), float("inf")))


def terms_of(manifest: bytes) -> Terms:
    """The author's tables of a study, published or not.

    Raises:
        StudyFileError: the file has mistakes.
    """
    load_draft(manifest)
    terms = tomllib.loads(manifest.decode("utf-8-sig"))
    terms.pop("resolved", None)
    return terms


def published_terms(terms: Terms) -> bytes:
    """The study of these tables, published.

    Raises:
        StudyFileError: they make no study.
    """
    import tomlkit

    return published(tomlkit.dumps(terms).encode())


def at_epsilon(terms: Terms, epsilon: float) -> Terms:
    """With this target ε, or at ∞ without clipping and noise. A limit on updates made for another ε is dropped."""
    dropped = {"target_epsilon", "noise_multiplier", "unsafe_no_privacy"}
    kept = {key: value for key, value in terms["privacy"].items() if key not in dropped}
    asked = {"unsafe_no_privacy": True} if isinf(epsilon) else {"target_epsilon": float(epsilon)}
    limits = {key: value for key, value in terms["limits"].items() if key != "max_update_norm"}
    return {**terms, "privacy": {**kept, **asked}, "limits": limits}


def single_site(terms: Terms, site: str) -> Terms:
    """One site of the study by itself.

    Raises:
        UsageError: the study has no such site.
    """
    return _with_sites(terms, {site: _sites(terms, site)[site]})


def without_site(terms: Terms, site: str) -> Terms:
    """All sites but one.

    Raises:
        UsageError: the study has no such site, or no other.
    """
    others = {name: own for name, own in _sites(terms, site).items() if name != site}
    if not others:
        raise UsageError(f"without {site} there is no site left to train at")
    return _with_sites(terms, others)


def together(terms: Terms) -> Terms:
    """All rows in one place, at the site `POOLED`.

    Its size and normaliser are the sums over the sites, so that an epoch takes as many steps as theirs.
    """
    sites: Sequence[dict[str, Any]] = list(terms["sites"].values())
    size = sum(int(site["size"]) for site in sites)
    rate = sum(float(site["sampling_rate"]) * int(site["size"]) for site in sites) / size
    pooled = {
        "size": size,
        "sampling_rate": min(1.0, rate),
        "normaliser": float(sum(float(site["normaliser"]) for site in sites)),
    }
    return _with_sites(terms, {POOLED: pooled})


def _sites(terms: Terms, site: str) -> dict[str, Any]:
    sites: dict[str, Any] = terms["sites"]
    if site not in sites:
        raise UsageError(f"the study has no site {site}", hint=f"It has {', '.join(sites)}.")
    return sites


def _with_sites(terms: Terms, sites: dict[str, Any]) -> Terms:
    quorum = min(int(terms["strategy"]["quorum"]), len(sites))
    return {**terms, "sites": sites, "strategy": {**terms["strategy"], "quorum": quorum}}
