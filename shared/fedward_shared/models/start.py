"""`[model.start]`: a study that begins at given weights instead of drawn ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.study import Study
from fedward_shared.errors import UsageError
from fedward_shared.wire.weight_file import read_weights

__all__ = ["START_FILE", "check_start", "first_weights", "start_weights"]

START_FILE = "start.safetensors"
"""The name under which a coordinator keeps the file."""


def first_weights(study: Study, start: Path | None) -> dict[str, NDArray[np.float32]]:
    """The weights of the first round, in state_dict order: those of `start` where the study declares a start.

    Raises:
        UsageError: there is a file and the study declares none, or the other way round; or as `start_weights`.
    """
    check_start(study, start)
    if start is not None:
        return start_weights(study, start)
    from fedward_shared.models.registry import initial_weights

    return initial_weights(study.model, study.data)


def check_start(study: Study, start: Path | None) -> None:
    """Whether a file is given where the study needs one, and only there. The file itself is not looked at.

    Raises:
        UsageError: it is not so.
    """
    terms = study.model.start
    if terms is not None and start is None:
        raise UsageError(
            f"the study starts from given weights ({terms.source}), and no file was given",
            hint=f"Add: --start FILE, the file whose SHA-256 is {terms.sha256}",
        )
    if terms is None and start is not None:
        raise UsageError(
            "a file of weights was given, and the study declares no [model.start]",
            hint="Add [model.start] with sha256, source and licence, or leave --start out.",
        )


def start_weights(study: Study, path: Path) -> dict[str, NDArray[np.float32]]:
    """The file's weights, checked: the declared digest, the model's tensors, finite, within `max_weight`.

    Raises:
        UsageError: the study declares no start, or something of this does not hold.
    """
    terms = study.model.start
    if terms is None:
        raise UsageError("the study declares no [model.start]")
    if study.resolved is None:
        from fedward_shared.models.registry import tensor_specs

        specs = tensor_specs(study.model, study.data)
    else:
        specs = study.resolved.tensors
    weights = read_weights(path, terms.sha256, specs)
    for name, values in weights.items():
        largest = float(np.max(np.abs(values), initial=0.0))
        if not largest <= study.limits.max_weight:
            what = f"a weight of {largest:.4g}" if np.isfinite(largest) else "a weight that is not finite"
            raise UsageError(
                f"{path}: tensor {name!r} holds {what}; the study allows up to {study.limits.max_weight:g}",
                hint="Raise [limits] max_weight, or train the start with weight decay.",
            )
    return weights
