"""Whole epochs, loader included, in a process of its own: `dp_step` starts it, and reads one JSON line.

plain          DataLoader over a TensorDataset, shuffled, then the plain step
plain_indexed  a permutation, and each batch by one indexing: as cheap as a loader can be
fedward        the product's steps: Poisson sampling of patients, indexing, and everything else
opacus_*       Opacus' DPDataLoader (Poisson sampling, one record at a time), then Opacus' step
vmap           the same loader, then torch.func's step

An epoch is rows / batch steps. Arms take turns, epoch by epoch; an arm four times as slow as `plain` runs only once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.dp_arms import product_stepper
from benchmarks.dp_models import CASES, Case, draw, stock_model
from benchmarks.dp_peers import PEERS, Settings
from fedward_shared.allocator import keep_freed_memory

__all__ = ["ARMS", "ROWS"]

ROWS = {"mlp-64": 20_000, "cnn-64": 5_000}
ARMS = ("plain", "plain_indexed", "fedward", "opacus_hooks", "opacus_ghost", "vmap")
_SLOW = 4.0

Epoch = Callable[[], None]


def _epoch(name: str, case: Case, rows: int, settings: Settings) -> Epoch:
    records, labels = draw(case, rows, settings.device)
    if name == "fedward":
        rate = case.batch / rows
        stepper = product_stepper(stock_model(case, settings.device), records, labels, settings, rate)
        return partial(_own, stepper.step, round(rows / case.batch))
    if name == "plain_indexed":
        return partial(_indexed, PEERS["plain"](case, settings).take, records, labels, case.batch)
    data = TensorDataset(records, labels)
    loader: DataLoader[tuple[Tensor, ...]]
    if name == "plain":
        loader = DataLoader(data, batch_size=case.batch, shuffle=True)
    else:
        from opacus.data_loader import DPDataLoader

        loader = DPDataLoader(data, sample_rate=case.batch / rows)
    return partial(_loaded, PEERS[name](case, settings).take, loader)


def _own(step: Callable[[], None], steps: int) -> None:
    for _ in range(steps):
        step()


def _indexed(take: Callable[[Tensor, Tensor], None], records: Tensor, labels: Tensor, size: int) -> None:
    for rows in torch.split(torch.randperm(len(labels), device=labels.device), size):
        take(records[rows], labels[rows])


def _loaded(take: Callable[[Tensor, Tensor], None], loader: DataLoader[tuple[Tensor, ...]]) -> None:
    for records, labels in loader:
        take(records, labels)


def _seconds(epoch: Epoch) -> float:
    began = time.perf_counter()
    epoch()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def measure(case: Case, rows: int, settings: Settings, repeats: int) -> dict[str, object]:
    """The line about this model's epochs: seconds of `plain`, and ratios to it."""
    reasons: dict[str, str] = {}
    epochs: dict[str, Epoch] = {}
    taken: dict[str, list[float]] = {}
    for turn in range(repeats):
        for name in ARMS:
            try:
                if not turn:
                    _epoch(name, case, 4 * case.batch, settings)()
                    epochs[name] = _epoch(name, case, rows, settings)
                elif name in reasons or taken[name][0] > _SLOW * taken["plain"][0]:
                    continue
                taken.setdefault(name, []).append(_seconds(epochs[name]))
            except Exception as error:  # noqa: BLE001  # whatever a library raises is the reason
                reasons[name] = f"{type(error).__name__}: {error}"[:200]
    plain = statistics.median(taken["plain"])
    line: dict[str, object] = {"row": "epoch", "model": case.name, "batch": case.batch, "rows": rows}
    line |= {"threads": torch.get_num_threads(), "device": settings.device, "plain_s": round(plain, 3)}
    line |= {name: None if name in reasons else round(statistics.median(taken[name]) / plain, 3) for name in ARMS[1:]}
    return {**line, "rounds": repeats, "reasons": reasons}


def main() -> None:
    """Prints one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    keep_freed_memory()
    case = next(one for one in CASES if one.label == chosen.case)
    rows = max(8 * case.batch, round(ROWS[case.label] * chosen.scale))
    json.dump(measure(case, rows, Settings(float(case.batch), device=chosen.device), chosen.repeats), sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
