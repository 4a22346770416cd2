"""How the model follows what a step released. All of it is post-processing of noised gradients."""

from __future__ import annotations

import torch
from torch import nn

from fedward_shared.contracts.study import TrainingTerms
from fedward_shared.privacy.flat import FlatModel

__all__ = ["Descent"]


class Descent:
    """SGD with momentum, Adam or AdamW, with weight decay and a prox term towards the first weights.

    Sources: Polyak momentum as in PyTorch; Kingma and Ba 2015; Loshchilov and Hutter 2019; FedProx (Li et al. 2020).
    It sees `flat.gradient` only after the noise, so all that it keeps (momentum, second moments) is made of releases.
    """

    def __init__(self, flat: FlatModel, terms: TrainingTerms) -> None:
        self._flat = flat
        self._mu = terms.proximal_mu
        self._origin = flat.weights.detach().clone() if self._mu else None
        self._optimizer = _optimizer(flat.weights, terms)

    def apply(self) -> None:
        """One step along `flat.gradient`."""
        weights, gradient = self._flat.weights, self._flat.gradient
        if self._origin is not None:
            gradient.add_(weights.detach() - self._origin, alpha=self._mu)
        weights.grad = gradient
        self._optimizer.step()
        weights.grad = None


def _optimizer(weights: nn.Parameter, terms: TrainingTerms) -> torch.optim.Optimizer:
    rate, decay = terms.learning_rate, terms.weight_decay
    if terms.optimizer == "sgd":
        return torch.optim.SGD([weights], lr=rate, momentum=terms.momentum, weight_decay=decay, foreach=False)
    kind = torch.optim.Adam if terms.optimizer == "adam" else torch.optim.AdamW
    return kind([weights], lr=rate, betas=terms.betas, weight_decay=decay, foreach=False)
