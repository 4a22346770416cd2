"""Other ways to train the same study, as studies of their own: alone, centralised, without privacy.

Model, data contract, steps and rounds stay what they are, so that a difference in the figures is the way of training.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from fedward_shared.errors import UsageError
from fedward_shared.manifest.resolve import load_draft, published

__all__ = ["POOLED", "alone", "centralised", "without_privacy"]

POOLED = "pooled"
"""The site name of everybody's rows in one place."""


def without_privacy(manifest: bytes) -> bytes:
    """The same federation without clipping and noise; published."""
    return _published(_plain(_read(manifest)))


def alone(manifest: bytes, site: str) -> bytes:
    """One hospital by itself, without clipping and noise; published.

    Raises:
        UsageError: the study has no such site.
    """
    terms = _read(manifest)
    if site not in terms["sites"]:
        raise UsageError(f"the study has no site {site}", hint=f"It has {', '.join(terms['sites'])}.")
    return _published(_plain(_single(terms, site, terms["sites"][site])))


def centralised(manifest: bytes) -> bytes:
    """All rows in one place, without clipping and noise; published.

    Its one site's size and normaliser are the sums over the sites, so that an epoch takes as many steps as theirs.
    """
    terms = _read(manifest)
    sites: Sequence[dict[str, Any]] = list(terms["sites"].values())
    size = sum(int(site["size"]) for site in sites)
    rate = sum(float(site["sampling_rate"]) * int(site["size"]) for site in sites) / size
    together = {
        "size": size,
        "sampling_rate": min(1.0, rate),
        "normaliser": float(sum(float(site["normaliser"]) for site in sites)),
    }
    return _published(_plain(_single(terms, POOLED, together)))


def _read(manifest: bytes) -> dict[str, Any]:
    load_draft(manifest)
    terms = tomllib.loads(manifest.decode("utf-8-sig"))
    terms.pop("resolved", None)
    return terms


def _plain(terms: dict[str, Any]) -> dict[str, Any]:
    privacy = {
        key: value for key, value in terms["privacy"].items() if key not in {"target_epsilon", "noise_multiplier"}
    }
    limits = {key: value for key, value in terms["limits"].items() if key != "max_update_norm"}
    return {**terms, "privacy": {**privacy, "unsafe_no_privacy": True}, "limits": limits}


def _single(terms: dict[str, Any], name: str, site: dict[str, Any]) -> dict[str, Any]:
    return {**terms, "sites": {name: site}, "strategy": {**terms["strategy"], "quorum": 1}}


def _published(terms: dict[str, Any]) -> bytes:
    import tomlkit

    return published(tomlkit.dumps(terms).encode())
