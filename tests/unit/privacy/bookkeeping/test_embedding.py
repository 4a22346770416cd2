"""The rules of nn.Embedding and nn.EmbeddingBag: repeated tokens, several records, padding, and what is refused."""

import pytest
import torch
from torch import Tensor, nn

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping.attach import BookKeeping
from tests.support.gradients import check, check_bound, check_lost, fast, ragged

OWNERS = [pytest.param(None, id="records"), pytest.param(ragged([1, 3, 2]), id="patients")]
SHAPES = [pytest.param((), id="one token"), pytest.param((9,), id="positions"), pytest.param((3, 4), id="several axes")]


def drawn(*shape: int, most: int = 11) -> Tensor:
    return torch.randint(0, most, shape, generator=torch.Generator().manual_seed(0))


def table(rows: int = 11, **options: bool | int) -> nn.Embedding:
    torch.manual_seed(0)
    return nn.Embedding(rows, 6, **options)  # type: ignore[arg-type]  # options of several kinds


class Signed(nn.Module):
    """Each position of a table's row times a factor of its own, then added up: equal tokens can cancel."""

    def __init__(self, layer: nn.Module, factors: Tensor) -> None:
        super().__init__()
        self.table = layer
        self.register_buffer("factors", factors)

    def forward(self, tokens: Tensor) -> Tensor:
        found: Tensor = self.table(tokens)
        return (found * self.get_buffer("factors")[:, None]).sum(dim=1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_norms_and_sums_are_those_of_brute_force(
    shape: tuple[int, ...], owner: Tensor | None, dtype: torch.dtype
) -> None:
    check(table(), drawn(6, *shape), owner=owner, dtype=dtype)


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_tokens_of_either_kind_that_are_not_contiguous(kind: torch.dtype) -> None:
    check(table(), drawn(7, 6).t().to(kind), owner=ragged([2, 2, 2]))
    check(table(), drawn(6, 1).to(kind).expand(6, 5))
    check(table(), drawn(1, 5).to(kind))


def test_a_row_that_is_padding_learns_nothing() -> None:
    tokens = drawn(6, 9)
    tokens[4] = 3
    model = table(padding_idx=3)
    check(model, tokens, owner=ragged([2, 1, 1, 2]))
    check(model, tokens)
    alone = fast(model, torch.full((2, 4), 3), lambda output: output.sum(dim=(1, 2)))
    assert alone.squares.tolist() == [[0.0, 0.0]]
    assert not bool(alone.total.any())


def test_a_sparse_table_and_a_model_around_it_train_as_others() -> None:
    model = nn.Sequential(table(sparse=True), nn.Flatten(), nn.Linear(54, 3))
    tokens = drawn(6, 9)
    dense = nn.Sequential(table(), model[1], model[2])
    assert bool((fast(model, tokens).total == fast(dense, tokens).total).all())


def test_a_frozen_table_has_no_part_whatever_its_options() -> None:
    model = nn.Sequential(table(max_norm=1), nn.Flatten(), nn.Linear(54, 3))
    model[0].requires_grad_(requires_grad=False)
    before = model[0].state_dict()["weight"].clone()
    assert bool((before.norm(dim=1) > 1).any())
    with BookKeeping(model):
        model(drawn(6, 9))
    assert bool((model[0].state_dict()["weight"].norm(dim=1) <= 1.001).any())


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("rest", [0.0, 1e-7, 1e-6, 1e-4])
def test_equal_tokens_that_cancel_do_not_slip_through_the_clip(rest: float, autocast: bool) -> None:
    factors = torch.tensor([1e4, -1e4 * (1 - rest)]).repeat(50)
    model = Signed(table(), factors)
    tokens = torch.tensor([[1] * 100, [2] * 100, [1, 1, 2, 2] * 25, [5] * 100])
    for clip in (1e-3, 1.0):
        check_bound(model, tokens, steady, clip=clip, autocast=autocast)
        check_bound(model, tokens, steady, ragged([3, 1]), clip=clip, autocast=autocast)


def steady(output: Tensor) -> Tensor:
    mixture = torch.linspace(-1, 2, output.shape[-1]).sin().to(output.dtype)
    return (output * mixture).sum(dim=1)


@pytest.mark.parametrize("autocast", [False, True])
def test_no_patient_comes_out_longer_than_its_bound(autocast: bool) -> None:
    model = nn.Sequential(table(), nn.Flatten(), nn.Linear(54, 3))
    check_bound(model, drawn(6, 9), owner=ragged([1, 3, 2]), autocast=autocast)
    check_bound(model, drawn(6, 9), autocast=autocast)


@pytest.mark.parametrize("row", [float("nan"), float("inf"), 1e38])
@pytest.mark.parametrize("owner", OWNERS)
def test_a_patient_that_overflows_leaves_no_trace(owner: Tensor | None, row: float) -> None:
    model = Signed(table(), torch.ones(9))
    with torch.no_grad():
        model.table.get_parameter("weight")[10] = row
    check_lost(model, drawn(6, 9, most=10), owner=owner, poison=10)


def test_the_sum_touches_no_row_that_nobody_has() -> None:
    model = table(rows=50_000)
    total = fast(model, drawn(6, 9)).total.view(50_000, 6)
    touched = set(total.any(dim=1).nonzero().flatten().tolist())
    assert touched == set(drawn(6, 9).flatten().tolist())


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("padding", [None, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("owner", OWNERS)
def test_bags_are_those_of_brute_force(
    owner: Tensor | None, dtype: torch.dtype, padding: int | None, mode: str
) -> None:
    torch.manual_seed(0)
    model = nn.EmbeddingBag(11, 6, mode=mode, padding_idx=padding)
    tokens = drawn(6, 9)
    tokens[4] = 3
    check(model, tokens, owner=owner, dtype=dtype)
    check(model, tokens[:, :1], owner=owner, dtype=dtype)
    check_bound(model, tokens, owner=owner)


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("padding", [None, 3])
def test_bags_with_weights_that_are_learnt_themselves(padding: int | None, owner: Tensor | None) -> None:
    class Weighed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.worth = nn.Embedding(11, 1)
            self.bag = nn.EmbeddingBag(11, 6, mode="sum", padding_idx=padding)

        def forward(self, tokens: Tensor) -> Tensor:
            output: Tensor = self.bag(tokens, per_sample_weights=self.worth(tokens).squeeze(-1))
            return output

    check(Weighed(), drawn(6, 9), owner=owner)
    check_bound(Weighed(), drawn(6, 9), owner=owner)


def test_bags_in_one_row_and_the_greatest_are_refused() -> None:
    with pytest.raises(UsageError, match="greatest"):
        BookKeeping(nn.EmbeddingBag(11, 6, mode="max"))
    with pytest.raises(UsageError, match="max_norm"):
        BookKeeping(nn.EmbeddingBag(11, 6, max_norm=1))
    model = nn.EmbeddingBag(11, 6)
    with BookKeeping(model), pytest.raises(TrainingError, match="one row"):
        model(drawn(9), torch.tensor([0, 4]))


@pytest.mark.parametrize("option", [{"max_norm": 1}, {"scale_grad_by_freq": True}])
def test_what_mixes_records_or_changes_weights_is_refused(option: dict[str, bool | int]) -> None:
    with pytest.raises(UsageError, match=next(iter(option))):
        BookKeeping(table(**option))


def test_a_token_out_of_range_fails_as_in_the_stock_layer() -> None:
    model, tokens = table(), torch.tensor([[11]])
    with pytest.raises(IndexError) as stock:
        model(tokens)
    with BookKeeping(model), pytest.raises(IndexError) as ours:
        model(tokens)
    assert str(stock.value) == str(ours.value)


def test_tokens_changed_after_their_use_are_noticed() -> None:
    model, tokens = table(), drawn(6, 9)
    with BookKeeping(model):
        output = model(tokens)
        tokens.clamp_(max=3)
        with pytest.raises(TrainingError, match="changed in place"):
            torch.autograd.backward(output.sum())


def test_a_table_used_twice_is_noticed() -> None:
    model, tokens = table(), drawn(6, 9)
    with BookKeeping(model), pytest.raises(TrainingError, match="used twice"):
        torch.autograd.backward((model(tokens) + model(tokens.flip(1))).sum())


def test_tokens_of_fewer_rows_than_records_are_noticed() -> None:
    model = nn.Sequential(table(), nn.Flatten(), nn.Linear(54, 3))
    with BookKeeping(model), pytest.raises(TrainingError, match="another number of rows"):
        torch.autograd.backward(model[2](model[1](model[0](drawn(1, 9)).expand(6, 9, 6))).sum())
