"""Measures one model, in a process of its own: `dp_step` starts it, and reads one JSON line for each thread count.

Memory is the peak resident memory of three steps in a fresh child for each arm, above its level after the same steps
were taken once and all was freed (so libraries, kernels and caches are in the level): weights, gradients, momentum, the
records, activations, noise, whoever allocated them. What making the arm took and gave back is not in it. The child
gives freed blocks of 64 KiB and more straight back to the system and has no huge pages, so that what is resident is
what is held: repeats differ by 0.1 MB, and PyTorch's own count of the plain CNN's tensors agrees to 1 %. On a GPU: the
peak of PyTorch's allocator.

Time: all arms take turns in one process, in random order; a turn is a few milliseconds of steps, or one step. A ratio
is taken within each round, and the median over the rounds is told. The process keeps its freed memory, as a vault's
training process does: for all arms alike.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import torch
from torch import nn

from benchmarks.dp_arms import ARMS, Arm, brute_force, check, fixed_batch
from benchmarks.dp_models import CASES, Case, stock_model
from benchmarks.dp_peers import Settings
from fedward_shared.allocator import keep_freed_memory

__all__ = ["interleaved"]

_TURN = 0.004
_SLOW, _SLOW_EVERY = 0.25, 3
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_NO_HUGE_PAGES = 41  # prctl(2)

Times = dict[str, list[float]]


def interleaved(steps: Mapping[str, Callable[[], None]], *, seconds: float, least: int) -> tuple[Times, Times]:
    """Times of one step of each arm, and their ratios to `plain` in the same round.

    Rounds go on until `seconds` are over, but `least` at least. An arm slower than a quarter of a second a step takes
    part in every third round only.
    """
    keep_freed_memory()
    pace = {name: _warmed(step) for name, step in steps.items()}
    times: Times = {name: [] for name in steps}
    ratios: Times = {name: [] for name in steps}
    order, end, number = list(steps), time.perf_counter() + seconds, 0
    shuffle = random.Random(0).shuffle
    gc.collect()
    gc.freeze()
    gc.disable()
    while number < least or time.perf_counter() < end:
        shuffle(order)
        taken = {
            name: _turn(steps[name], max(1, round(_TURN / pace[name])))
            for name in order
            if pace[name] < _SLOW or name == "plain" or number % _SLOW_EVERY == 0
        }
        for name, took in taken.items():
            times[name].append(took)
            ratios[name].append(took / taken["plain"])
        number += 1
        gc.collect()
    gc.enable()
    return times, ratios


def _warmed(step: Callable[[], None]) -> float:
    for _ in range(2):
        step()
    return min(_turn(step, 1) for _ in range(3))


def _turn(step: Callable[[], None], count: int) -> float:
    if count > 1:
        step()  # the caches hold the last arm's data
    _wait()
    began = time.perf_counter()
    for _ in range(count):
        step()
    _wait()
    return (time.perf_counter() - began) / count


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_memory(make: Callable[[], Arm], device: str) -> float | None:
    """The peak, in bytes, of three steps and all that they need, in a child; None where it cannot do that."""
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(receiving)
            os.write(sending, json.dumps(_peak(make, device)).encode())
        finally:
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return float(told) if told else None


def _peak(make: Callable[[], Arm], device: str) -> float:
    torch.set_num_threads(1)
    if device == "cuda":
        _steps(make)
        level = torch.cuda.memory_allocated()
        _steps(make, before=torch.cuda.reset_peak_memory_stats)
        return float(torch.cuda.max_memory_allocated() - level)
    library = ctypes.CDLL(None)
    library.prctl(_NO_HUGE_PAGES, 1, 0, 0, 0)
    library.mallopt(_MMAP_THRESHOLD, 1 << 16)
    library.mallopt(_TRIM_THRESHOLD, 0)
    _steps(make)
    library.malloc_trim(0)
    level = _status("VmRSS")
    _steps(make, before=_forget_peak)
    return float(_status("VmHWM") - level)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): resets the peak


def _steps(make: Callable[[], Arm], before: Callable[[], None] = lambda: None) -> None:
    arm = make()
    before()
    for _ in range(3):
        arm.step()
    del arm
    gc.collect()


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _memory(case: Case, settings: Settings, arms: list[str]) -> dict[str, float | None]:
    peaks = {name: peak_memory(lambda name=name: fixed_batch(name, case, settings), settings.device) for name in arms}  # type: ignore[misc]  # mypy does not infer lambdas with defaults
    plain = peaks["plain"]
    told: dict[str, float | None] = {"plain_mb": plain and round(plain / 1e6, 1)}
    for name in arms[1:]:
        peak = peaks[name]
        told[name] = round(peak / plain, 2) if plain and peak else None
    return told


def _working(case: Case, settings: Settings, arms: list[str]) -> tuple[dict[str, Arm], dict[str, str]]:
    """The arms that take the right step, and why the others are left out."""
    attends = any(isinstance(module, nn.MultiheadAttention) for module in stock_model(case).modules())
    truths = {False: brute_force(case, settings)}
    truths[True] = brute_force(case, settings, opacus=True) if attends else truths[False]
    working, reasons = {}, {}
    for name in arms:
        try:
            if name != "plain":
                check(name, case, settings, truths[name.startswith("opacus")])
            working[name] = fixed_batch(name, case, settings)
        except Exception as error:  # noqa: BLE001  # whatever a library raises is the reason
            reasons[name] = f"{type(error).__name__}: {error}"[:200]
    return working, reasons


def main() -> None:
    """Prints one JSON line for each number of threads."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--least", type=int, default=7)
    parser.add_argument("--memory", action="store_true")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    for library in ("opacus.grad_sample", "opacus.layers", "opacus.optimizers", "torch.func"):
        import_module(library)  # once, and not in every child
    case = next(one for one in CASES if one.label == chosen.case)
    settings = Settings(normaliser=float(case.batch), device=chosen.device)
    arms = ["plain", *(name for name in chosen.arms.split(",") if name != "plain")]
    memory = _memory(case, settings, arms) if chosen.memory else None
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False  # for every arm: steps are compared to 1e-3
    working, reasons = _working(case, settings, arms)
    for threads in map(int, chosen.threads.split(",")):
        torch.set_num_threads(threads)
        times, ratios = interleaved(
            {name: arm.step for name, arm in working.items()}, seconds=chosen.seconds, least=chosen.least
        )
        line: dict[str, object] = {"row": "step", "model": case.name, "batch": case.batch, "portion": case.portion}
        line |= {"threads": threads, "device": chosen.device, "plain_ms": _rounded(1e3, times["plain"])}
        line |= {name: _rounded(1, ratios[name]) if name in working else None for name in arms[1:]}
        line |= {"rounds": len(times["plain"]), "memory": memory, "reasons": reasons}
        json.dump(line, sys.stdout)
        print(flush=True)
        memory = None


def _rounded(scale: float, values: list[float]) -> float:
    return round(scale * statistics.median(values), 3)


if __name__ == "__main__":
    main()
