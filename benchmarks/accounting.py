"""What a budget check costs: python -m benchmarks.accounting [--json] [--repeats N].

`first` is the first query of a fresh process, imports and all; `check` what a vault asks once more after 1,000 rounds
have been charged one by one, with one round's event more than before; `again` the same question twice. `processor` is
in seconds of processor time, `wall` in seconds by the clock, medians. `mixed` has 20 studies of different σ and q in
the ledger; `dp_accounting` is that library by the same method (grid of 1e-3), on the same events.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from fedward_shared.privacy.accounting import epsilon
from fedward_shared.privacy.events import Event, SampledGaussian

__all__ = ["Line", "main"]

_DELTA = 1e-5
_ROUND = SampledGaussian(1.1, 0.02, 10)
_ROUNDS = [_ROUND] * 1000
_MIXED = [SampledGaussian(0.8 + 0.1 * study, 0.01 + 0.005 * study, 50 + study) for study in range(20)]
_LEDGERS: dict[str, list[Event]] = {"one study": [*_ROUNDS], "mixed": [*_MIXED, *_ROUNDS]}


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement."""

    ledger: str
    query: str
    processor: float
    wall: float


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Time of budget checks.")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--fresh", choices=_LEDGERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fresh:
        epsilon(_LEDGERS[arguments.fresh], _DELTA)
        return
    for ledger in _LEDGERS:
        for line in _measured(ledger, arguments.repeats):
            if arguments.json:
                print(json.dumps(asdict(line)))
            else:
                print(f"{line.ledger:10} {line.query:14} {line.processor:8.4f} s processor {line.wall:8.4f} s wall")


def _measured(ledger: str, repeats: int) -> list[Line]:
    events = _LEDGERS[ledger]
    epsilon(events, _DELTA)
    rounds = iter(range(1, 10**6))

    def check() -> None:
        epsilon([*events, *[_ROUND] * next(rounds)], _DELTA)

    arms: list[tuple[str, Callable[[], None]]] = [
        ("first", lambda: _fresh(ledger)),
        ("check", check),
        ("again", lambda: _again(events)),
        ("dp_accounting", lambda: _dp_accounting(events)),
    ]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in arms}
    for _ in range(repeats):
        for name, arm in arms:
            times[name].append(_timed(arm))
    return [
        Line(ledger, name, *(statistics.median(column) for column in zip(*times[name], strict=True))) for name in times
    ]


def _timed(arm: Callable[[], None]) -> tuple[float, float]:
    """Processor seconds, of this process and of the children that it waited for, and seconds by the clock."""
    processor, wall = _processor(), time.perf_counter()
    arm()
    return _processor() - processor, time.perf_counter() - wall


def _processor() -> float:
    import resource

    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _fresh(ledger: str) -> None:
    subprocess.run([sys.executable, "-m", "benchmarks.accounting", "--fresh", ledger], check=True)


def _again(events: list[Event]) -> None:
    epsilon(events, _DELTA)


def _dp_accounting(events: list[Event]) -> None:
    from dp_accounting.pld import privacy_loss_distribution as pld

    counts: dict[tuple[float, float], int] = {}
    for event in events:
        if isinstance(event, SampledGaussian):
            key = (event.noise_multiplier, event.sampling_rate)
            counts[key] = counts.get(key, 0) + event.steps
    whole = pld.identity(1e-3)
    for (sigma, rate), count in counts.items():
        step = pld.from_gaussian_mechanism(sigma, value_discretization_interval=1e-3, sampling_prob=rate)
        whole = whole.compose(step.self_compose(count))
    whole.get_epsilon_for_delta(_DELTA)


if __name__ == "__main__":
    main()
