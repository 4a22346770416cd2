"""PyTorch's own transformer layers around nn.MultiheadAttention, with the records first or time first."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from fedward_shared.errors import TrainingError
from fedward_shared.privacy.bookkeeping.attach import BookKeeping
from fedward_shared.privacy.bookkeeping.verify import verify
from tests.support.gradients import check, check_bound, check_lost, ragged

LAYOUTS = [pytest.param(True, id="records first"), pytest.param(False, id="time first")]


class Moved(nn.Module):
    """(records, positions, 8) in and out, around a layer that may want time first."""

    def __init__(self, inner: nn.Module, *, first: bool) -> None:
        super().__init__()
        self.inner, self.first = inner, first

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.inner(values if self.first else values.transpose(0, 1))
        return found if self.first else found.transpose(0, 1)


class Translator(nn.Module):
    """Tokens (records, positions), 0 for padding, through an encoder and, shifted by one, through a decoder."""

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = first
        self.table = nn.Embedding(9, 8, padding_idx=0)
        encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=first)
        decoder = nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, batch_first=first, norm_first=True)
        self.encoder = nn.TransformerEncoder(encoder, 2, enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(decoder, 2, norm=nn.LayerNorm(8))
        self.head = nn.Linear(8, 9)

    def forward(self, tokens: Tensor) -> Tensor:
        padded = tokens == 0
        source = self.table(tokens)
        target = source.detach().roll(1, dims=1).tanh()
        if not self.first:
            source, target = source.transpose(0, 1), target.transpose(0, 1)
        causal = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(1)
        memory = self.encoder(source, mask=causal, src_key_padding_mask=padded, is_causal=True)
        found = self.decoder(
            tgt=target, memory=memory, tgt_mask=causal, tgt_is_causal=True, memory_key_padding_mask=padded
        )
        result: Tensor = self.head(found if self.first else found.transpose(0, 1))
        return result


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def tokens() -> Tensor:
    made = torch.randint(1, 9, (5, 6), generator=torch.Generator().manual_seed(0))
    made[1, 4:] = 0
    return made


def encoder(*, first: bool, before: bool = False) -> Moved:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, batch_first=first, norm_first=before, activation="gelu" if before else "relu"
    )
    stack = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False)
    return Moved(stack, first=first)


@pytest.mark.parametrize("first", LAYOUTS)
@pytest.mark.parametrize("before", [True, False], ids=["norm before", "norm after"])
def test_an_encoder_layer_and_an_encoder(before: bool, first: bool) -> None:
    model = encoder(first=first, before=before)
    stack = model.inner
    assert isinstance(stack, nn.TransformerEncoder)
    single = Moved(stack.layers[0], first=first)
    for records in (drawn(4, 5, 8), drawn(5, 5, 8), drawn(1, 5, 8)):
        check(model, records)
        check(single, records)
    check(model, drawn(4, 5, 8), owner=ragged([1, 2, 1]))
    check(model.eval(), drawn(4, 5, 8), owner=ragged([1, 2, 1]), dtype=torch.float32)
    verify(model, drawn(4, 3, 8))


@pytest.mark.parametrize("first", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_masked_encoder_and_decoder(dtype: torch.dtype, first: bool) -> None:
    check(Translator(first=first), tokens(), owner=ragged([2, 1, 2]), dtype=dtype)
    check(Translator(first=first), tokens(), dtype=dtype)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
@pytest.mark.parametrize("first", LAYOUTS)
def test_the_whole_transformer(first: bool) -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.inner = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=first)

        def forward(self, values: Tensor) -> Tensor:
            turned = values if first else values.transpose(0, 1)
            found: Tensor = self.inner(turned, turned.tanh())
            return found if first else found.transpose(0, 1)

    check(Whole(), drawn(4, 5, 8), owner=ragged([1, 2, 1]))
    check(Whole(), drawn(5, 5, 8))


@pytest.mark.parametrize("first", LAYOUTS)
@pytest.mark.parametrize("autocast", [True, False])
def test_no_patient_comes_out_longer_than_its_bound_and_who_overflows_leaves_no_trace(
    autocast: bool, first: bool
) -> None:
    model, records = encoder(first=first), drawn(6, 5, 8).float()
    check_bound(model, records, owner=ragged([1, 3, 2]), autocast=autocast)
    check_lost(model, records, owner=ragged([1, 3, 2]))


def test_the_layout_is_the_stock_one_again_afterwards_and_after_an_error() -> None:
    model = encoder(first=False)
    expected = deepcopy(model)(drawn(4, 5, 8).float())
    with BookKeeping(model):
        torch.testing.assert_close(model(drawn(4, 5, 8).float()), expected)
        with torch.no_grad():
            torch.testing.assert_close(model(drawn(4, 5, 8).float()), expected)
        with pytest.raises(TrainingError, match="no axis of records"):
            model.inner(drawn(5, 8).float())
    attentions = [each for each in model.modules() if isinstance(each, nn.MultiheadAttention)]
    assert len(attentions) == 2
    assert not any(each.batch_first for each in attentions)
