"""Shadow models for the membership attack: the study trained on random halves of every site's patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from fedward_client.vault.training.local_round import load_weights, on_device, train_round
from fedward_shared.models.heads.head import head_for
from fedward_shared.models.registry import build, initial_weights
from fedward_shared.privacy.randomness.noise import KeystreamSource

if TYPE_CHECKING:
    from fedward_client.vault.training.dataset import Part
    from fedward_shared.contracts.study import Study

__all__ = ["Shadows", "train_shadows"]

Floats = npt.NDArray[np.float64]
Members = npt.NDArray[np.bool_]
_EDGE = 1e-7
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Shadows:
    """What the attacker learnt: for each model and patient (models, patients), confidence and who was a member.

    `confidence` is log(p / (1 − p)) of the true label (Carlini et al. 2022, section IV), or the log-likelihood of the
    true time; the mean over the patient's records. `members` says whether the patient's site trained this model with
    it.
    """

    confidence: Floats
    members: Members


def train_shadows(
    study: Study, parts: Mapping[str, Part], count: int, *, seed: int, advance: Callable[[int], None]
) -> Shadows:
    """Trains `count` models, each on a half of each site's patients, drawn anew.

    Local rounds are the product's own, with privacy or without as `study` says. The server's part is the mean of the
    changes, weighted by the declared sizes, and of the last models where the study asks for it: whatever a strategy
    does with the changes is post-processing. UNSAFE: all randomness follows from `seed`.
    """
    confidence, members = [], []
    for number in range(count):
        coins = _halves(parts, np.random.default_rng([seed, number]))
        halved = {site: _only(part, coins[site]) for site, part in parts.items()}
        model = _train(study, halved, f"{seed}/{number}", advance)
        confidence.append(np.concatenate([_confidence(study, model, part) for part in parts.values()]))
        members.append(np.concatenate(list(coins.values())))
    return Shadows(np.stack(confidence), np.stack(members))


def _train(
    study: Study, parts: Mapping[str, Part], label: str, advance: Callable[[int], None]
) -> dict[str, npt.NDArray[np.float32]]:
    weights = initial_weights(study.model, study.data)
    last: list[dict[str, npt.NDArray[np.float32]]] = []
    data = {site: on_device(part, torch.device("cpu")) for site, part in parts.items()}
    total = sum(study.sites[site].size for site in parts)
    model = build(study.model, study.data)
    for number in range(study.strategy.rounds):
        changes = [
            (
                study.sites[site].size / total,
                train_round(study, site, model=model, data=rows, weights=weights, source=source),
            )
            for site, rows in data.items()
            for source in (KeystreamSource.unsafe_seeded(0, f"shadow/{label}/{site}/{number}".encode()),)
        ]
        weights = {
            name: (before + sum(share * change[name] for share, change in changes)).astype(np.float32)
            for name, before in weights.items()
        }
        last = [*last, weights][-study.strategy.average_last :]
        advance(1)
    return {name: np.mean([one[name] for one in last], axis=0).astype(np.float32) for name in weights}


def _halves(parts: Mapping[str, Part], random: np.random.Generator) -> dict[str, Members]:
    return {site: random.random(part.count) < _HALF for site, part in parts.items()}


def _only(part: Part, kept: Members) -> Part:
    """The rows of the patients that are kept, numbered anew."""
    from fedward_client.vault.training.dataset import Part as Rows

    rows = kept[part.units]
    return Rows(
        part.records[rows], part.labels[rows], (np.cumsum(kept) - 1)[part.units[rows]], int(kept.sum()), part.rows[rows]
    )


def _confidence(study: Study, weights: Mapping[str, npt.NDArray[np.float32]], part: Part) -> Floats:
    model, head = build(study.model, study.data).eval(), head_for(study.model, study.data)
    load_weights(model, weights)
    found = np.zeros(len(part.labels))
    with torch.no_grad():
        for rows in _portions(len(part.labels)):
            logits = model(torch.from_numpy(part.records[rows])).double()
            found[rows] = -head.losses(logits, torch.from_numpy(part.labels[rows])).numpy()
    if study.data.label.follow_up is None:
        chance = np.clip(np.exp(found), _EDGE, 1 - _EDGE)
        found = np.log(chance / (1 - chance))
    sums = np.bincount(part.units, found, part.count)
    return np.asarray(sums / np.maximum(np.bincount(part.units, minlength=part.count), 1))


def _portions(rows: int, size: int = 1024) -> Iterator[slice]:
    for start in range(0, rows, size):
        yield slice(start, start + size)
