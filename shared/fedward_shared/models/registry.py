"""Every model that a study can name. All of them: float32 parameters, no buffers, no layer that mixes records.

With a backbone the model is what follows it: the backbone itself is frozen, local, and no part of what travels.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.arrays import Text, TextForm
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import ModelTerms, TensorSpec
from fedward_shared.errors import UsageError
from fedward_shared.models.heads.head import HEAD_OPTIONS, head_for
from fedward_shared.models.problem import Problem

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build", "check_options", "initial_weights", "names", "record_shape", "tensor_specs"]

_FAMILIES = {
    "cnn": "cnn",
    "cnn1d": "cnn1d",
    "cnn_lstm": "cnn_lstm",
    "cox": "cox",
    "gru": "recurrent",
    "hazard": "hazard",
    "logistic": "logistic",
    "lstm": "recurrent",
    "mlp": "mlp",
    "resnet18": "resnet",
    "transformer": "transformer",
    "vgg": "vgg",
}
"""A model's name, which is also that of the function that builds it, and the module it lives in."""
_READ_TOKENS: frozenset[str] = frozenset()
"""The models whose records are whole numbers, texts as tokens: none yet. All others take float32."""


def names() -> tuple[str, ...]:
    """What `[model] name` can be."""
    return tuple(sorted(_FAMILIES))


def build(terms: ModelTerms, contract: DataContract) -> nn.Module:
    """The model on the CPU, with the weights that `terms.seed` gives; global random state is left as it was.

    Raises:
        UsageError: the name or an option is wrong, or the model does not fit the data; the key is named.
    """
    import torch

    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(terms.seed)
    try:
        with torch.device("cpu"):
            return _construct(terms, contract)
    finally:
        generator.set_state(before)


def tensor_specs(terms: ModelTerms, contract: DataContract) -> tuple[TensorSpec, ...]:
    """Names and shapes of the model's tensors in state_dict order; no memory is set aside for them.

    Raises:
        UsageError: as `build`.
    """
    import torch

    with torch.device("meta"):
        model = _construct(terms, contract)
    return tuple(TensorSpec(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items())


def initial_weights(terms: ModelTerms, contract: DataContract) -> dict[str, NDArray[np.float32]]:
    """The weights that a study starts from, in state_dict order: a function of the manifest alone.

    Raises:
        UsageError: as `build`.
    """
    return {name: tensor.numpy().copy() for name, tensor in build(terms, contract).state_dict().items()}


def check_options(terms: ModelTerms, contract: DataContract) -> None:
    """Whether the model exists, its options are right, and it fits the data.

    Raises:
        UsageError: the key that is wrong, and what would be right.
    """
    tensor_specs(terms, contract)


def record_shape(terms: ModelTerms, contract: DataContract) -> tuple[int, ...]:
    """Shape of one record as the model gets it: the contract's, or that of the backbone's features.

    Raises:
        UsageError: as `build`.
    """
    return _problem(terms, contract).shape


def _construct(terms: ModelTerms, contract: DataContract) -> nn.Module:
    if terms.name not in _FAMILIES:
        raise UsageError(f"[model] name: {terms.name!r} is no model here; there are {', '.join(names())}")
    problem = _problem(terms, contract)
    if _tokens(contract) and not problem.frozen and terms.name not in _READ_TOKENS:
        raise UsageError(
            f'[model] name: "{terms.name}" does not read texts as tokens',
            hint='Write form = "bag" in [data.text] for "logistic" or "mlp"; tokens wait for a model that embeds them.',
        )
    survival = contract.label.follow_up is not None
    options = {key: value for key, value in terms.options.items() if not (survival and key in HEAD_OPTIONS)}
    module = import_module(f"fedward_shared.models.{_FAMILIES[terms.name]}")
    model: nn.Module = getattr(module, terms.name)(replace(terms, options=options), problem)
    return model


def _tokens(contract: DataContract) -> bool:
    return isinstance(contract.form, Text) and contract.form.form is TextForm.TOKENS


def _problem(terms: ModelTerms, contract: DataContract) -> Problem:
    head = head_for(terms, contract)
    if terms.backbone is None:
        return Problem(contract, contract.input_shape, head.outputs)
    from fedward_shared.models.backbones.registry import features_shape

    return Problem(contract, features_shape(terms.backbone, contract), head.outputs, frozen=True)
