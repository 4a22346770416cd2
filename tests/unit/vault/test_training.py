"""One round in the vault."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fedward_client.vault.training.dataset import open_data_set
from fedward_client.vault.training.local_round import on_device, train_round
from fedward_shared.errors import TrainingError
from fedward_shared.models.heads.classes import losses
from fedward_shared.models.registry import build, initial_weights
from fedward_shared.privacy.randomness.noise import KeystreamSource
from tests.support.samples import TWO_SITES
from tests.support.training_orders import NO_PRIVACY, order_in, published_study

torch.set_num_threads(1)
CPU = torch.device("cpu")


def change(tmp_path: Path, text: str, seed: int, *, dirty: bool = False) -> dict[str, np.ndarray]:
    order = order_in(tmp_path, text)
    _, study = published_study(text)
    data = on_device(open_data_set(order.data_folder, study.data).train, CPU)
    model = build(study.model, study.data)
    if dirty:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(7)
    weights = initial_weights(study.model, study.data)
    return train_round(
        study, "north", model=model, data=data, weights=weights, source=KeystreamSource.unsafe_seeded(seed, b"")
    )


@pytest.mark.parametrize("text", [TWO_SITES, NO_PRIVACY])
def test_a_round_is_its_weights_data_and_randomness_and_nothing_else(tmp_path: Path, text: str) -> None:
    first = change(tmp_path, text, 1)
    again = change(tmp_path, text, 1, dirty=True)
    other = change(tmp_path, text, 2)
    assert [array.dtype for array in first.values()] == [np.float32] * 2
    assert [array.shape for array in first.values()] == [(1, 5), (1,)]
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
    if text == TWO_SITES:
        assert not np.array_equal(first["linear.weight"], other["linear.weight"])


def test_without_privacy_a_round_is_ordinary_minibatch_descent(tmp_path: Path) -> None:
    """One minibatch of the declared normaliser, larger than the data: full-batch descent."""
    order = order_in(tmp_path, NO_PRIVACY)
    _, study = published_study(NO_PRIVACY)
    part = open_data_set(order.data_folder, study.data).train
    model = build(study.model, study.data)
    optimizer = torch.optim.SGD(model.parameters(), lr=study.training.learning_rate)
    for _ in range(study.training.local_steps):
        optimizer.zero_grad()
        torch.autograd.backward(losses(model(torch.from_numpy(part.records)), torch.from_numpy(part.labels)).mean())
        optimizer.step()
    for name, array in change(tmp_path, NO_PRIVACY, 1).items():
        np.testing.assert_allclose(array, model.state_dict()[name].numpy(), rtol=1e-4, atol=1e-6)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    order = order_in(tmp_path)
    _, study = published_study()
    data = on_device(open_data_set(order.data_folder, study.data).train, CPU)
    with pytest.raises(TrainingError, match="not those of the study"):
        train_round(
            study,
            "north",
            model=build(study.model, study.data),
            data=data,
            weights={"linear.weight": np.zeros((1, 5), np.float32)},
            source=KeystreamSource.fresh(b""),
        )


def test_without_privacy_neither_opacus_nor_the_accountant_is_imported(tmp_path: Path) -> None:
    order_in(tmp_path, NO_PRIVACY)
    program = """
import json, sys
from pathlib import Path
from fedward_client.vault.training.in_process import InlineTrainer
from fedward_shared.privacy.randomness.noise import KeystreamSource
from tests.support.training_orders import NO_PRIVACY, order_in
InlineTrainer(KeystreamSource.fresh).run(order_in(Path(sys.argv[1]), NO_PRIVACY), lambda: False)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules} & {"opacus", "dp_accounting", "torch"})))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        check=True,
        timeout=120,
        cwd=Path(__file__).parents[3],
    )
    assert json.loads(done.stdout) == ["torch"]
