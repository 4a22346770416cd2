"""The models whose steps `benchmarks.dp_step` measures, on stock layers and on Opacus' own where it needs them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.dp_families import BARE, IMAGE, SERIES, SIGNAL, TABLE, TIMES, VOLUME, family
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import Scalar

__all__ = ["CASES", "Case", "draw", "load_stock", "opacus_model", "stock_model", "stock_values"]

_VOCABULARY, _WIDTH, _HEADS, _FORWARD = 5000, 128, 4, 256
_CLASSES = 10


@dataclass(frozen=True, slots=True)
class Case:
    """A model, the shape of one record (tokens: whole numbers), and records in a step.

    `portion` records go through the model at a time, in the arms that leave this to the caller (0: all of them).
    `aim` is what the step may cost, as a ratio to the plain step.
    """

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    batch: int
    aim: float | None = None
    tokens: bool = False
    classes: int = _CLASSES
    portion: int = 0

    @property
    def label(self) -> str:
        """How it is called on the command line."""
        return f"{self.name}-{self.batch}"


def draw(case: Case, count: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """`count` made-up records (count, *shape), float32 or int64, and labels (count,) int64: always the same."""
    generator = torch.Generator().manual_seed(1)
    size = (count, *case.shape)
    values = (
        torch.randint(0, _VOCABULARY, size, generator=generator)
        if case.tokens
        else torch.randn(size, generator=generator)
    )
    return values.to(device), torch.randint(0, case.classes, (count,), generator=generator).to(device)


def stock_model(case: Case, device: str = "cpu") -> nn.Module:
    """The model as anybody would write it, always with the same first weights."""
    torch.manual_seed(0)
    return case.build().to(device).train()


def opacus_model(case: Case, device: str = "cpu") -> nn.Module:
    """The same model with the same weights, on Opacus' recurrent and attention layers."""
    stock = stock_model(case, device)
    model = _replaced(deepcopy(stock)).to(device).train()
    load_stock(model, stock)
    return model


def stock_values(model: nn.Module, stock: nn.Module, *, gradients: bool = False) -> list[Tensor]:
    """The parameters of `model`, or their gradients, in the order and the shapes of `stock`'s parameters."""
    held = {name: value.grad if gradients else value.detach() for name, value in model.named_parameters()}
    found = [
        [held[part] for part in ([name] if name in held else _parts(name))] for name, _ in stock.named_parameters()
    ]
    return [torch.cat([part for part in parts if part is not None]) for parts in found]


def load_stock(model: nn.Module, stock: nn.Module) -> None:
    """Gives `model` the weights of `stock`."""
    held = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in stock.named_parameters():
            if name in held:
                held[name].copy_(value)
                continue
            for part, share in zip(_parts(name), value.chunk(3), strict=True):
                held[part].copy_(share)


def _parts(name: str) -> list[str]:
    """Opacus' names for the thirds of nn.MultiheadAttention's `in_proj_weight` or `in_proj_bias`."""
    prefix, _, kind = name.rpartition("in_proj_")
    return [f"{prefix}{which}linear.{kind}" for which in "qkv"]


def _replaced(model: nn.Module) -> nn.Module:
    from opacus.layers import DPGRU, DPLSTM, DPMultiheadAttention

    for name, child in model.named_children():
        if isinstance(child, nn.LSTM | nn.GRU):
            kind = DPLSTM if isinstance(child, nn.LSTM) else DPGRU
            setattr(model, name, kind(child.input_size, child.hidden_size, child.num_layers, batch_first=True))
        elif isinstance(child, nn.MultiheadAttention):
            setattr(model, name, DPMultiheadAttention(child.embed_dim, child.num_heads, batch_first=True))
        else:
            _replaced(child)
    return model


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))


def _cnn() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, _CLASSES)),
    )


def _ecg() -> nn.Module:
    """Twelve leads, 1,000 samples each: four strided convolutions over time, then the mean over time."""
    layers: list[nn.Module] = []
    for before, after in ((12, 32), (32, 64), (64, 128), (128, 128)):
        layers += [nn.Conv1d(before, after, 7, stride=2, padding=3), nn.GroupNorm(8, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(128, _CLASSES))


class _Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al. 2016), with GroupNorm."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.first_norm = nn.GroupNorm(32, after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.second_norm = nn.GroupNorm(32, after)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.GroupNorm(32, after))

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(inner)) + self.shortcut(x))


def _resnet() -> nn.Module:
    blocks: list[nn.Module] = []
    before = 64
    for after, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += [_Residual(before, after, stride), _Residual(after, after, 1)]
        before = after
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.GroupNorm(32, 64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        *blocks,
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, _CLASSES)),
    )


class _Recurrent(nn.Module):
    """A recurrent layer over time, over an embedding where the records are tokens; its last output classifies."""

    def __init__(self, cell: type[nn.LSTM | nn.GRU], channels: int, vocabulary: int = 0) -> None:
        super().__init__()
        self.embedding: nn.Module = nn.Embedding(vocabulary, channels) if vocabulary else nn.Identity()
        self.recurrent = cell(channels, _WIDTH, batch_first=True)
        self.head = nn.Linear(_WIDTH, _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        series, _ = self.recurrent(self.embedding(x))
        logits: Tensor = self.head(series[:, -1])
        return logits


class _Block(nn.Module):
    """A transformer's block around nn.MultiheadAttention, as people write their own."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(_WIDTH, _HEADS, batch_first=True)
        self.norms = nn.ModuleList([nn.LayerNorm(_WIDTH), nn.LayerNorm(_WIDTH)])
        self.forward_net = nn.Sequential(nn.Linear(_WIDTH, _FORWARD), nn.ReLU(), nn.Linear(_FORWARD, _WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        seen, _ = self.attention(x, x, x, need_weights=False)
        inner = self.norms[0](x + seen)
        outer: Tensor = self.norms[1](inner + self.forward_net(inner))
        return outer


class _Transformer(nn.Module):
    """Tokens to classes: embedding, two blocks, mean over time."""

    def __init__(self, block: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(_VOCABULARY, _WIDTH)
        self.blocks = nn.Sequential(block(), block())
        self.head = nn.Linear(_WIDTH, _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.embedding(x)).mean(1))
        return logits


def _encoder_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(_WIDTH, _HEADS, _FORWARD, dropout=0.0, batch_first=True)


def _own(
    label: str, name: str, contract: DataContract, *, batch: int = 64, **options: Scalar | tuple[Scalar, ...]
) -> Case:
    """A row of one of the product's families."""
    return Case(
        label, family(name, contract, **options), contract.input_shape, batch, classes=len(contract.label.classes)
    )


CASES = (
    Case("mlp", _mlp, (30,), 64, aim=1.4, classes=2),
    Case("cnn", _cnn, (1, 28, 28), 64, aim=1.25),
    Case("cnn", _cnn, (1, 28, 28), 256, aim=1.25),
    Case("resnet18gn", _resnet, (3, 64, 64), 32, aim=1.35),
    Case("lstm", lambda: _Recurrent(nn.LSTM, 32), (48, 32), 64, aim=1.6),
    Case("gru", lambda: _Recurrent(nn.GRU, 32), (48, 32), 64, aim=1.3),
    Case("embedding_lstm", lambda: _Recurrent(nn.LSTM, 64, _VOCABULARY), (200,), 32, tokens=True),
    Case("transformer", lambda: _Transformer(_Block), (64,), 32, aim=1.4, tokens=True),
    Case("transformer_encoder", lambda: _Transformer(_encoder_layer), (64,), 32, aim=1.4, tokens=True),
    Case("ecg", _ecg, (12, 1000), 64),
    Case("mlp", _mlp, (30,), 8192, classes=2, portion=4096),
    _own("logistic", "logistic", TABLE),
    _own("logistic_piecewise", "logistic", TABLE, embedding="piecewise"),
    _own("mlp_wide", "mlp", TABLE, wide=True, normalise=True, residual=True, hidden=(64, 64)),
    _own("mlp_piecewise", "mlp", TABLE, embedding="piecewise"),
    _own("mlp_periodic", "mlp", TABLE, embedding="periodic", trainable=True),
    _own("cox", "cox", TIMES),
    _own("hazard", "hazard", TIMES),
    _own("cnn_average", "cnn", IMAGE, pool="average"),
    _own("cnn_volume", "cnn", VOLUME, batch=16),
    _own("resnet18", "resnet18", IMAGE, batch=32, width=32),
    _own("vgg", "vgg", IMAGE, batch=32, width=32),
    _own("cnn1d", "cnn1d", SIGNAL),
    _own("cnn1d_residual", "cnn1d", SIGNAL, residual=True, peak=True),
    _own("cnn_lstm", "cnn_lstm", SIGNAL, attention=True),
    _own("lstm_attention", "lstm", SERIES, attention=True),
    _own("gru_attention", "gru", SERIES, attention=True, decay=True),
    _own("transformer_series", "transformer", BARE, pooling="attention"),
    _own("transformer_signal", "transformer", SIGNAL, patch=10),
)
"""What is measured: stock layers as anybody puts them together, then every family of the product with its defaults and
with options. The stock MLP of 8,192 is a whole data set as one batch, in portions as large as the product's."""
