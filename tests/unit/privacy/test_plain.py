"""Training without privacy is ordinary minibatch descent."""

from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedward_shared.contracts.study import TrainingTerms
from fedward_shared.models.heads.classes import losses
from fedward_shared.models.registry import build
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.plain import PlainStepper
from fedward_shared.privacy.randomness.noise import KeystreamSource
from tests.support.cohorts import contract_of, site, terms_of, training_set

torch.set_num_threads(1)
TERMS = TrainingTerms(1, learning_rate=0.1, momentum=0.9, weight_decay=0.01, proximal_mu=0.3)


class Watched(nn.Module):
    """Remembers which records it saw; a record is its own row number."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.seen: list[list[int]] = []

    def forward(self, records: Tensor) -> Tensor:
        self.seen.append(records[:, 0].int().tolist())
        logits: Tensor = self.linear(records)
        return logits


def numbered(rows: int) -> TrainingSet:
    records = torch.arange(rows, dtype=torch.float32)[:, None]
    return TrainingSet.of(records, torch.zeros(rows, dtype=torch.int64), np.zeros(rows, dtype=np.int64), 1)


def test_each_pass_takes_every_record_once_in_minibatches_of_the_normaliser() -> None:
    model = Watched()
    stepper = PlainStepper(
        model,
        numbered(11),
        training=TrainingTerms(1, learning_rate=1e-3),
        site=site(rate=0.1, normaliser=4.4),
        source=KeystreamSource.unsafe_seeded(0, b""),
    )
    for _ in range(6):
        stepper.step()
    assert [len(batch) for batch in model.seen] == [4, 4, 3] * 2
    first, second = list(chain(*model.seen[:3])), list(chain(*model.seen[3:]))
    assert sorted(first) == sorted(second) == list(range(11))
    assert first != second


@pytest.mark.parametrize("units", [[0, 1, 2, 2], []])
def test_a_full_batch_step_is_sgd_with_momentum_decay_and_prox(units: list[int]) -> None:
    model, twin = (build(terms_of("mlp"), contract_of("mlp")) for _ in range(2))
    data = training_set(contract_of("mlp").input_shape, units)
    stepper = PlainStepper(
        model, data, training=TERMS, site=site(normaliser=99), source=KeystreamSource.unsafe_seeded(0, b"")
    )
    origin = [parameter.detach().clone() for parameter in twin.parameters()]
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(3):
        stepper.step()
        optimizer.zero_grad()
        distance = sum((now - then).square().sum() for now, then in zip(twin.parameters(), origin, strict=True))
        loss = torch.as_tensor(0.15 * distance)
        if units:
            loss = loss + losses(twin(data.records), data.labels).mean()
        torch.autograd.backward(loss)
        optimizer.step()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
