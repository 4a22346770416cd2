"""How the model follows what a step released. All of it is post-processing of noised gradients."""

from __future__ import annotations

import torch
from torch import nn

from fedward_shared.contracts.study import TrainingTerms
from fedward_shared.privacy.flat import FlatModel

__all__ = ["Descent"]


class Descent:
    """SGD with momentum, Adam or AdamW, with weight decay and a prox term towards the first weights.

    Sources: SGD as torch.optim.SGD (v ← m·v + g + λ·w, w ← w − lr·v), on one tensor in three operations; Kingma and
    Ba 2015; Loshchilov and Hutter 2019; FedProx (Li et al. 2020). It sees `flat.gradient` only after the noise, so all
    that it keeps (momentum, second moments) is made of releases.
    """

    def __init__(self, flat: FlatModel, terms: TrainingTerms) -> None:
        self._flat = flat
        self._terms = terms
        self._weights = flat.weights.detach()
        self._origin = flat.weights.detach().clone() if terms.proximal_mu else None
        self._velocity = torch.zeros_like(flat.gradient) if terms.momentum else flat.gradient
        self._optimizer = None if terms.optimizer == "sgd" else _adaptive(flat.weights, terms)

    def apply(self) -> None:
        """One step along `flat.gradient`."""
        weights, gradient = self._weights, self._flat.gradient
        if self._origin is not None:
            gradient.add_(weights - self._origin, alpha=self._terms.proximal_mu)
        if self._optimizer is not None:
            self._flat.weights.grad = gradient
            self._optimizer.step()
            self._flat.weights.grad = None
            return
        if self._terms.weight_decay:
            gradient.add_(weights, alpha=self._terms.weight_decay)
        if self._terms.momentum:
            self._velocity.mul_(self._terms.momentum).add_(gradient)
        weights.sub_(self._velocity, alpha=self._terms.learning_rate)


def _adaptive(weights: nn.Parameter, terms: TrainingTerms) -> torch.optim.Optimizer:
    kind = torch.optim.Adam if terms.optimizer == "adam" else torch.optim.AdamW
    return kind([weights], lr=terms.learning_rate, betas=terms.betas, weight_decay=terms.weight_decay, foreach=False)
