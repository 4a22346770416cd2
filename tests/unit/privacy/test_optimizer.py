"""Private training in a loop of one's own: Opacus' results, accountants, memory manager and schedulers, faster."""

import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
from opacus.accountants import RDPAccountant
from opacus.grad_sample import GradSampleModule
from opacus.layers import DPGRU, DPLSTM, DPMultiheadAttention
from opacus.optimizers import DPOptimizer
from opacus.schedulers import ExponentialNoise
from opacus.utils.batch_memory_manager import BatchMemoryManager
from opacus.utils.uniform_sampler import UniformWithReplacementSampler
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.optimizer import PrivateOptimizer
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.rounding import SLACK

torch.set_num_threads(1)
warnings.filterwarnings("ignore", message="Full backward hook is firing")
CLASSES = 3


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, CLASSES))


def private(
    model: nn.Module,
    example: Tensor,
    *,
    sigma: float = 0.0,
    clip: float = 0.4,
    lr: float = 0.5,
    batch: int = 5,
    reduction: str = "mean",
    momentum: float = 0.9,
) -> PrivateOptimizer:
    return PrivateOptimizer(
        torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum),
        model,
        example,
        noise_multiplier=sigma,
        max_grad_norm=clip,
        expected_batch_size=batch,
        loss_reduction="mean" if reduction == "mean" else "sum",
        source=KeystreamSource.unsafe_seeded(0, b"optimizer"),
    )


def weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten().double() for parameter in model.parameters()])


def image() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.GroupNorm(2, 4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, stride=2, groups=2),
        nn.InstanceNorm2d(4, affine=True),
        nn.Flatten(),
        nn.Linear(36, CLASSES),
    )


def series() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 4, 3), nn.ReLU(), nn.LayerNorm(6), nn.Linear(6, 5), nn.Flatten(), nn.Linear(20, CLASSES)
    )


def volume() -> nn.Module:
    return nn.Sequential(nn.Conv3d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 27, CLASSES))


def tokens() -> nn.Module:
    return nn.Sequential(nn.Embedding(11, 4), nn.Flatten(), nn.Linear(20, CLASSES))


def deep() -> nn.Module:
    """Many channels over few positions: ghost norms, whose sums read the input again."""
    return nn.Sequential(nn.Conv2d(8, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, CLASSES))


class Last(nn.Module):
    """A recurrent layer's last output, or attention's mean, through a linear layer."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(width, CLASSES)

    def forward(self, records: Tensor) -> Tensor:
        attends = isinstance(self.layer, nn.MultiheadAttention | DPMultiheadAttention)
        output = self.layer(records, records, records)[0] if attends else self.layer(records)[0]
        logits: Tensor = self.head(output.mean(dim=1))
        return logits


def pair(kind: str) -> tuple[nn.Module, nn.Module]:
    """The stock layer, and the one that Opacus has in its place, with the same weights."""
    torch.manual_seed(0)
    stock: nn.Module
    theirs: nn.Module
    if kind == "attention":  # one head: with several and batch_first, Opacus 1.6 mixes heads and positions up
        stock, theirs = nn.MultiheadAttention(4, 1, batch_first=True), DPMultiheadAttention(4, 1, batch_first=True)
    else:
        recurrent, private_one = (nn.LSTM, DPLSTM) if kind == "lstm" else (nn.GRU, DPGRU)
        options = {"num_layers": 2, "bidirectional": True, "batch_first": True}
        stock, theirs = recurrent(4, 3, **options), private_one(4, 3, **options)
    theirs.load_state_dict(stock.state_dict())
    width = 4 if kind == "attention" else 6
    ours, opacus = Last(stock, width), Last(theirs, width)
    opacus.head.load_state_dict(ours.head.state_dict())
    return ours, opacus


@pytest.mark.parametrize("kind", ["lstm", "gru", "attention"])
def test_stock_layers_go_where_opacus_own_layers_go(kind: str) -> None:
    ours, theirs = pair(kind)
    records, labels = torch.randn(7, 5, 4), torch.randint(0, CLASSES, (7,))
    agree(ours, theirs, records, labels, "mean")
    probe = torch.randn(3, 5, 4)
    torch.testing.assert_close(ours(probe), theirs(probe), rtol=1e-4, atol=1e-5)


KINDS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "mlp": (mlp, lambda: torch.randn(7, 6)),
    "image": (image, lambda: torch.randn(7, 2, 8, 8)),
    "series": (series, lambda: torch.randn(7, 2, 8)),
    "volume": (volume, lambda: torch.randn(7, 1, 4, 4, 4)),
    "tokens": (tokens, lambda: torch.randint(0, 11, (7, 5))),
}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_it_goes_where_opacus_hooks_go(kind: str, reduction: str) -> None:
    build, draw = KINDS[kind]
    torch.manual_seed(0)
    ours, theirs = build(), build()
    theirs.load_state_dict(ours.state_dict())
    agree(ours, theirs, draw(), torch.randint(0, CLASSES, (7,)), reduction)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def agree(ours: nn.Module, theirs: nn.Module, records: Tensor, labels: Tensor, reduction: str) -> None:
    """Three steps without noise lead to the same outputs, ours by book-keeping, theirs by Opacus' hooks."""
    hooked = GradSampleModule(theirs, batch_first=True, loss_reduction=reduction)
    opacus = DPOptimizer(
        torch.optim.SGD(hooked.parameters(), lr=0.5, momentum=0.9),
        noise_multiplier=0.0,
        max_grad_norm=0.4,
        expected_batch_size=5,
        loss_reduction=reduction,
    )
    fast = private(ours, records, reduction=reduction)
    before = ours(records).detach()
    for _ in range(3):
        for model, optimizer in ((ours, fast), (hooked, opacus)):
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(model(records), labels, reduction=reduction))
            optimizer.step()
    fast.close()
    moved = theirs(records).detach() - before
    assert float((ours(records) - before - moved).norm()) < 2e-5 * float(moved.norm())


def test_the_noise_is_of_the_declared_width_and_new_each_step() -> None:
    model = mlp()
    optimizer = private(model, torch.randn(2, 6), sigma=2.0, clip=1.5, reduction="sum", lr=1.0, momentum=0.0)
    draws = []
    for _ in range(300):
        before = weights(model)
        optimizer.zero_grad()
        torch.autograd.backward((model(torch.zeros(2, 6)) * 0).sum())
        optimizer.step()
        draws.append(weights(model) - before)
    noise = torch.stack(draws)
    assert float(noise.std()) == pytest.approx(3.0 * SLACK, rel=0.02)
    assert abs(float(torch.corrcoef(noise[:2])[0, 1])) < 0.5


def test_an_empty_batch_leaves_noise_alone() -> None:
    model = mlp()
    optimizer = private(model, torch.randn(2, 6), sigma=2.0)
    before = weights(model)
    optimizer.zero_grad()
    torch.autograd.backward(functional.cross_entropy(model(torch.zeros(0, 6)), torch.zeros(0, dtype=torch.int64)))
    optimizer.step()
    moved = weights(model) - before
    assert torch.isfinite(moved).all()
    assert moved.all()


def batches(sigma: float, physical: int | None) -> tuple[Tensor, int]:
    """Forty logical batches, in physical ones of at most `physical` records; where they lead, and steps charged."""
    torch.manual_seed(0)
    model, accountant = mlp(), RDPAccountant()
    data = TensorDataset(torch.randn(60, 6), torch.randint(0, CLASSES, (60,)))
    sampler = UniformWithReplacementSampler(num_samples=60, sample_rate=0.2, generator=torch.Generator().manual_seed(3))
    loader = DataLoader(data, batch_sampler=sampler)
    optimizer = private(model, torch.randn(1, 6), sigma=sigma, batch=12)
    optimizer.attach_step_hook(accountant.get_optimizer_hook_fn(sample_rate=0.2))

    def run(source: DataLoader[tuple[Tensor, ...]]) -> Iterator[None]:
        for records, labels in source:
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(model(records), labels))
            optimizer.step()
            yield

    for _ in range(8):
        if physical is None:
            list(run(loader))
            continue
        with BatchMemoryManager(data_loader=loader, max_physical_batch_size=physical, optimizer=optimizer) as smaller:
            list(run(smaller))
    return weights(model), sum(steps for _, _, steps in accountant.history)


def test_opacus_memory_manager_and_accountant_count_the_same_steps_and_go_the_same_way() -> None:
    whole, steps = batches(0.0, None)
    parts, same = batches(0.0, 4)
    assert steps == same == 40
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)


def test_a_noise_scheduler_is_heard() -> None:
    model = mlp()
    optimizer = private(model, torch.randn(2, 6), sigma=4.0)
    ExponentialNoise(optimizer, gamma=0.25).step()
    assert optimizer.noise_multiplier == pytest.approx(1.0)


def by_patient(model: nn.Module, records: Tensor, clip: float = 0.1) -> PrivateOptimizer:
    return PrivateOptimizer(
        torch.optim.SGD(model.parameters(), lr=1.0),
        model,
        records,
        noise_multiplier=0.0,
        max_grad_norm=clip,
        expected_batch_size=None,
        loss_reduction="sum",
        unit="patient",
        source=KeystreamSource.unsafe_seeded(0, b"patients"),
    )


@pytest.mark.parametrize("order", ["zero, say, forward", "say, zero, forward", "say, forward, zero"])
def test_patients_are_clipped_as_one_in_whatever_order_it_is_said(order: str) -> None:
    torch.manual_seed(0)
    model, records, labels = mlp(), torch.randn(5, 6) * 20, torch.randint(0, CLASSES, (5,))
    optimizer = by_patient(model, records)
    for _ in range(2):
        before = weights(model)
        loss = torch.zeros(())
        for word in order.split(", "):
            if word == "zero":
                optimizer.zero_grad()
            elif word == "say":
                optimizer.patients(torch.zeros(5, dtype=torch.int64), 1)
            else:
                loss = functional.cross_entropy(model(records), labels, reduction="sum")
        torch.autograd.backward(loss)
        optimizer.step()
        assert float((weights(model) - before).norm()) == pytest.approx(0.1, rel=1e-4)


def test_a_batch_whose_patients_nobody_named_is_refused() -> None:
    model, records = mlp(), torch.randn(5, 6)
    optimizer = by_patient(model, records)
    with pytest.raises(TrainingError, match="whose the records"):
        torch.autograd.backward(model(records).sum())
    optimizer.patients(torch.zeros(5, dtype=torch.int64), 1)
    torch.autograd.backward(model(records).sum())
    optimizer.step()
    optimizer.zero_grad()
    with pytest.raises(TrainingError, match="whose the records"):
        torch.autograd.backward(model(records).sum())


def test_a_batch_of_patients_that_is_cut_is_refused() -> None:
    model, records = mlp(), torch.randn(4, 6)
    optimizer = by_patient(model, records)
    optimizer.signal_skip_step(do_skip=True)
    optimizer.patients(torch.zeros(4, dtype=torch.int64), 1)
    torch.autograd.backward(model(records).sum())
    with pytest.raises(UsageError, match="cut"):
        optimizer.step()


@pytest.mark.parametrize(
    ("owner", "patients"),
    [
        ([0, 0, 0, 0], 4),
        ([0, 1, 0, 1], 2),
        ([0, 0, 2, 2], 3),
        ([1, 1, 2, 2], 3),
        ([0, 0, 1, 1], 1),
        ([0, 0, 1, 1], 0),
        ([[0, 0], [1, 1]], 2),
        ([0.0, 0.0, 1.0, 1.0], 2),
    ],
)
def test_owners_that_would_give_a_wrong_norm_are_refused(owner: list[float], patients: int) -> None:
    optimizer = by_patient(mlp(), torch.randn(4, 6))
    with pytest.raises(UsageError, match="ascending whole numbers"):
        optimizer.patients(torch.tensor(owner), patients)


def test_the_sum_without_noise_is_not_left_on_the_model() -> None:
    model, records = mlp(), torch.randn(5, 6)
    optimizer = private(model, records, sigma=5.0)
    torch.autograd.backward(functional.cross_entropy(model(records), torch.randint(0, CLASSES, (5,))))
    optimizer.step()
    assert all(parameter.summed_grad.numel() == 0 for parameter in optimizer.params)
    optimizer.close()
    assert not any(hasattr(parameter, "summed_grad") for parameter in model.parameters())


def test_the_clip_norm_cannot_fall_within_a_batch() -> None:
    model, records, labels = mlp(), torch.randn(4, 6), torch.randint(0, CLASSES, (4,))
    optimizer = private(model, records)
    optimizer.signal_skip_step(do_skip=True)
    for norm in (1.0, 0.1):
        optimizer.max_grad_norm = norm
        optimizer.zero_grad()
        torch.autograd.backward(functional.cross_entropy(model(records), labels))
        if norm == 1.0:
            optimizer.step()
    with pytest.raises(UsageError, match="within a batch"):
        optimizer.step()


def test_layers_that_are_unfrozen_on_the_way_are_refused() -> None:
    model, records, labels = mlp(), torch.randn(4, 6), torch.randint(0, CLASSES, (4,))
    first = next(iter(model.children())).requires_grad_(False)
    optimizer = PrivateOptimizer(
        torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=1.0),
        model,
        records,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        expected_batch_size=4,
    )
    first.requires_grad_(True)
    torch.autograd.backward(functional.cross_entropy(model(records), labels))
    with pytest.raises(UsageError, match="unfrozen"):
        optimizer.step()


@pytest.mark.parametrize("kind", ["mlp", "deep", "image"])
def test_a_batch_that_is_written_over_before_the_step_is_noticed(kind: str) -> None:
    build, draw = KINDS[kind] if kind in KINDS else (deep, lambda: torch.randn(7, 8, 4, 4))
    model, records = build(), draw()
    optimizer = private(model, records)
    before = weights(model)
    torch.autograd.backward(functional.cross_entropy(model(records), torch.randint(0, CLASSES, (7,))))
    records.mul_(1e6)
    try:
        optimizer.step()
    except TrainingError as error:
        assert "written over" in error.message  # noqa: PT017  # where nothing is read again, nothing is wrong
    assert float((weights(model) - before).norm()) <= 0.5 * 7 * 0.4 / 5 * 1.001


def test_less_than_float32_in_products_is_refused() -> None:
    model, records = mlp(), torch.randn(5, 6)
    optimizer = private(model, records)
    torch.set_float32_matmul_precision("high")
    try:
        with pytest.raises(TrainingError, match="less precise"):
            torch.autograd.backward(functional.cross_entropy(model(records), torch.randint(0, CLASSES, (5,))))
    finally:
        torch.set_float32_matmul_precision("highest")
    optimizer.close()


def test_what_cannot_be_right_is_refused() -> None:
    model, records, labels = mlp(), torch.randn(5, 6), torch.randint(0, CLASSES, (5,))
    with pytest.raises(UsageError, match="not the trainable ones"):
        PrivateOptimizer(
            torch.optim.SGD(list(model.parameters())[:1], lr=1.0),
            model,
            records,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            expected_batch_size=5,
        )
    optimizer = private(model, records)
    with pytest.raises(UsageError, match="unit is the record"):
        optimizer.patients(torch.zeros(5, dtype=torch.int64), 1)
    with pytest.raises(UsageError, match="must be a sum"):
        PrivateOptimizer(
            torch.optim.SGD(model.parameters(), lr=1.0),
            model,
            records,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            expected_batch_size=5,
            unit="patient",
        )
    with pytest.raises(TrainingError, match="no backward pass"):
        optimizer.step()
    torch.autograd.backward(functional.cross_entropy(model(records), labels))
    with pytest.raises(TrainingError, match="used twice in one step"):
        torch.autograd.backward(functional.cross_entropy(model(records), labels))
    optimizer.zero_grad()
    torch.autograd.backward(functional.cross_entropy(model(records), labels))
    optimizer.step()
    torch.autograd.backward(functional.cross_entropy(model(records), labels))
    with pytest.raises(ValueError, match="haven't been cleared"):
        optimizer.step()
