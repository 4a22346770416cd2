"""What randomness costs: `python -m benchmarks.noise [--json]`.

Each arm takes its turn in every round, on one thread; figures are medians over the rounds, of nanoseconds a value (or,
for sampling, a patient), and of the ratio to the baseline in the same round. The baseline is what one would write
without a thought for privacy: `torch.normal_` in float32, from a generator that is not cryptographic.

    gaussian   our standard normal numbers, float64, AES-256-CTR included
    keystream  the part of it that is AES
    numpy      numpy's standard_normal, float64, from PCG64
    release    the mechanism on its grid: rounding, noise, division; beside adding normal_ noise and dividing
    discrete   the same with the exact discrete Gaussian
    on_device  our numbers on an accelerator, from ChaCha20 in PyTorch's operations
    poisson    who takes part in a step; beside comparing one torch.rand a patient
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from fedward_shared.privacy.mechanism import DiscreteGaussianMechanism, GaussianMechanism, Mechanism, grid
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.sampling import poisson

__all__ = ["main"]

_SIZES = (4_130, 62_000, 1_000_000, 11_000_000)
_PATIENTS = (1_000, 1_000_000)
_RATE = 0.01
_AIM = 5.0
_SUMMARY = "What randomness costs, beside torch.normal_."

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Line:
    """One arm at one size: medians over the rounds."""

    arm: str
    size: int
    device: str
    nanoseconds: float
    baseline: str
    ratio: float

    def as_json(self) -> str:
        """The line for `--json`, with the aim where there is one."""
        aim = {"aim": _AIM} if self.arm == "gaussian" and self.size >= max(_SIZES[:3]) else {}
        return json.dumps(
            {
                "arm": self.arm,
                "size": self.size,
                "device": self.device,
                "threads": torch.get_num_threads(),
                "ns_per_value": round(self.nanoseconds, 3),
                "baseline": self.baseline,
                "ratio": round(self.ratio, 3),
                **aim,
            }
        )


def noise_arms(size: int, device: torch.device, source: KeystreamSource) -> dict[str, Run]:
    """What makes or adds `size` numbers of noise; the first is the baseline."""
    out, total = torch.empty(size, device=device), torch.randn(size, device=device)
    cell = grid(1.0, size, 1.0)
    generator = np.random.default_rng(0)

    def release(mechanism: Mechanism) -> Run:
        return lambda: mechanism.release(total, 8.0, source, out)

    arms: dict[str, Run] = {
        "normal_": out.normal_,
        "normal_release": lambda: out.normal_().add_(total).div_(8.0),
        "release": release(GaussianMechanism(1.0, cell)),
    }
    if device.type == "cuda":
        arms["on_device"] = lambda: source.on(device).gaussian(size)
    else:
        arms["gaussian"] = lambda: source.gaussian(size)
        arms["keystream"] = lambda: source.words(size)
        arms["numpy"] = lambda: generator.standard_normal(size)
        arms["discrete"] = release(DiscreteGaussianMechanism(1.0, cell))
    return arms


def sampling_arms(patients: int, source: KeystreamSource) -> dict[str, Run]:
    """What draws one step's patients; the first is the baseline."""
    return {
        "rand": lambda: torch.nonzero(torch.rand(patients) < _RATE),
        "poisson": lambda: poisson(patients, _RATE, source),
    }


def measured(arms: dict[str, Run], size: int, device: torch.device, rounds: int) -> list[Line]:
    """Times the arms in turn."""
    spent: dict[str, list[float]] = {arm: [] for arm in arms}
    for turn in range(rounds + 2):
        for arm, run in arms.items():
            elapsed = _elapsed(run, device)
            if turn > 1:  # memory and caches are warm
                spent[arm].append(elapsed * 1e9 / size)
    first = next(iter(arms))
    lines = []
    for arm, times in spent.items():
        baseline = "normal_release" if arm in {"release", "discrete"} else first
        ratio = statistics.median(own / other for own, other in zip(times, spent[baseline], strict=True))
        lines.append(Line(arm, size, device.type, statistics.median(times), baseline, ratio))
    return lines


def _elapsed(run: Run, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begun = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun


def main() -> None:
    """Measures, and prints a table or JSON lines."""
    parser = argparse.ArgumentParser(description=_SUMMARY)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--rounds", type=int, default=15, help="how often each arm takes its turn")
    parser.add_argument("--most", type=int, default=max(_SIZES), help="leave larger sizes out")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    source = KeystreamSource.fresh(b"benchmark")
    lines: list[Line] = []
    for device in (torch.device(name) for name in ("cpu", "cuda") if name == "cpu" or torch.cuda.is_available()):
        for size in (size for size in _SIZES if size <= chosen.most):
            rounds = max(3, min(20 * chosen.rounds, chosen.rounds * 1_000_000 // size))
            lines += measured(noise_arms(size, device, source), size, device, rounds)
    for patients in _PATIENTS:
        lines += measured(sampling_arms(patients, source), patients, torch.device("cpu"), 10 * chosen.rounds)
    if chosen.json:
        print("\n".join(line.as_json() for line in lines))
        return
    table = Table("arm", "size", "device", "ns a value", "ratio", "to", title=_SUMMARY)
    for line in lines:
        figures = (f"{line.nanoseconds:.2f}", f"{line.ratio:.2f}")
        table.add_row(line.arm, f"{line.size:,}", line.device, *figures, line.baseline)
    Console().print(table)


if __name__ == "__main__":
    main()
