"""Puts the rules of book-keeping on a model, and takes them off again. The model's own code and keys do not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import MethodType
from typing import Any, Self

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping.per_record import forget, register
from fedward_shared.privacy.bookkeeping.tape import Tape

__all__ = ["BookKeeping", "supported"]

_RULES: Mapping[type[nn.Module], str] = {
    nn.Linear: "linear.linear",
    nn.Conv1d: "convolution.convolution",
    nn.Conv2d: "convolution.convolution",
    nn.Conv3d: "convolution.convolution",
    nn.ConvTranspose1d: "convolution.transposed_convolution",
    nn.ConvTranspose2d: "convolution.transposed_convolution",
    nn.ConvTranspose3d: "convolution.transposed_convolution",
    nn.GroupNorm: "normalization.group_norm",
    nn.InstanceNorm1d: "normalization.instance_norm",
    nn.InstanceNorm2d: "normalization.instance_norm",
    nn.InstanceNorm3d: "normalization.instance_norm",
    nn.LayerNorm: "normalization.layer_norm",
    nn.RMSNorm: "normalization.rms_norm",
    nn.Embedding: "embedding.embedding",
    nn.EmbeddingBag: "embedding.embedding_bag",
    nn.MultiheadAttention: "attention.attention",
    nn.LSTM: "recurrent.recurrent",
    nn.GRU: "recurrent.recurrent",
    nn.RNN: "recurrent.recurrent",
}
"""Each layer that has a rule, and where it is: module and function."""

_AROUND: Mapping[type[nn.Module], str] = {
    nn.TransformerEncoderLayer: "transformer.records_first",
    nn.TransformerDecoderLayer: "transformer.records_first",
    nn.TransformerEncoder: "transformer.records_first",
    nn.TransformerDecoder: "transformer.records_first",
}
"""What has no parameters of its own, but puts the records first for the layers in it, which have rules."""

_MIXING = (nn.modules.batchnorm._BatchNorm,)  # noqa: SLF001  # what all of them share has no public name


def supported() -> tuple[str, ...]:
    """The layers that have a rule."""
    return tuple(sorted(kind.__name__ for kind in _RULES))


class BookKeeping:
    """A model whose backward passes are noted on `tape`, from now until `close`.

    Raises:
        UsageError: a layer has no rule, mixes the records of a batch, or parameters are tied: named, with what to do.
    """

    def __init__(self, model: nn.Module) -> None:
        names = _trainable(model)
        self.tape = Tape(names)
        covered = list(_covered(model))
        _refuse_unknown(model, {module for module, _ in covered})
        self._layers = [module for module, rule in covered if rule is not None]
        for module, rule in covered:
            if rule is not None:
                module.forward = _Noted(module, rule(module, self.tape))
        self._plain = list(names)
        self._guards = [_guard(parameter, name) for parameter, name in names.items()]
        for parameter in self._plain:
            register(parameter, self.tape)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Every layer computes as it did before."""
        for module in self._layers:
            module.__dict__.pop("forward", None)
        for guard in self._guards:
            guard.remove()
        for parameter in self._plain:
            forget(parameter)
        self.tape.begin()


class _Noted:
    """A layer's forward under book-keeping; a copy of the layer, which has other parameters, has the stock one."""

    def __init__(self, layer: nn.Module, forward: Callable[..., Any]) -> None:
        self._layer = layer
        self._forward = forward

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self._forward(*inputs, **options)

    def __deepcopy__(self, memo: dict[int, Any]) -> MethodType:
        return MethodType(type(self._layer).forward, memo.get(id(self._layer), self._layer))


def _guard(parameter: nn.Parameter, name: str) -> RemovableHandle:
    """Stops any backward pass that reaches a parameter itself: a part of its gradient went past the tape."""

    def refuse(_: Tensor) -> None:
        raise TrainingError(
            f"{name} was used past its layer (in plain operations, or tied to another)",
            hint="Use it through fedward_shared.privacy.bookkeeping.per_record, or ask for the slow way.",
        )

    handle: RemovableHandle = parameter.register_post_accumulate_grad_hook(refuse)  # type: ignore[no-untyped-call]
    return handle


def _trainable(model: nn.Module) -> dict[nn.Parameter, str]:
    """The parameters that are trained, with their names.

    Raises:
        UsageError: two of them are one, or share memory.
    """
    names: dict[nn.Parameter, str] = {}
    storages: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if not parameter.requires_grad:
            continue
        place = parameter.data_ptr()
        other = names.get(parameter) or (storages.get(place) if parameter.numel() else None)
        if other is not None:
            raise UsageError(
                f"{other} and {name} are tied: one parameter with two uses",
                hint="A patient's gradient is then a sum that no layer's norm bounds. Untie them, or use the slow way.",
            )
        names[parameter] = name
        storages[place] = name
    if not names:
        raise UsageError("the model has nothing to train", hint="Call requires_grad_(True) on what should learn.")
    return names


def _covered(model: nn.Module) -> Iterator[tuple[nn.Module, Callable[[Any, Tape], Callable[..., Any]] | None]]:
    """Every module with its rule; what a rule's module contains belongs to that rule (None)."""
    seen: set[nn.Module] = set()
    for module in model.modules():
        if module in seen:
            continue
        where = _RULES.get(type(module)) or _AROUND.get(type(module))
        if where is None or not any(parameter.requires_grad for parameter in module.parameters()):
            continue
        inside = set(module.modules()) - {module} if type(module) in _RULES else set()
        seen |= inside
        name, function = where.split(".")
        yield module, getattr(import_module(f"{__package__}.{name}"), function)
        yield from ((each, None) for each in inside)


def _refuse_unknown(model: nn.Module, covered: set[nn.Module]) -> None:
    for name, module in model.named_modules():
        kind = type(module)
        if isinstance(module, _MIXING) or getattr(module, "track_running_stats", False):
            raise UsageError(
                f"{name or 'the model'} ({kind.__name__}) mixes the records of a batch: no patient's share can be told",
                hint="Put nn.GroupNorm or nn.LayerNorm in its place; nn.InstanceNorm needs track_running_stats=False.",
            )
        own = any(parameter.requires_grad for parameter in module.parameters(recurse=False))
        if own and module not in covered and kind.__module__.startswith("torch.nn."):
            raise UsageError(
                f"{name or 'the model'} ({kind.__name__}) has no rule for private gradients",
                hint=f"There are rules for {', '.join(supported())}. Ask for the slow way, or freeze the layer.",
            )
