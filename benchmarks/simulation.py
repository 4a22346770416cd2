"""What the inline simulation costs beside a bare loop that does the same work: `python -m benchmarks.simulation`.

Ten sites of 512 images (28 x 28), a CNN of two convolutions, minibatches of 32, one epoch a round, five rounds, FedAvg,
no privacy. Whole processes, timed from outside, from start to exit, taking turns; medians. The bare loop imports
torch, numpy and safetensors, and nothing of ours but the model; it neither signs, checks nor accounts. Aim: ≤ 1.10.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedward_client.imported import shard_name
from fedward_shared.manifest.parse import load
from fedward_shared.version import PROTOCOL, VERSION

SITES, ROWS, BATCH, ROUNDS, RATE = 10, 512, 32, 5, 0.05
AIM = 1.10

_SITE = f"""
[sites.site-{{number}}]
size = {ROWS}
sampling_rate = {BATCH / ROWS}
normaliser = {float(BATCH)}
"""

_STUDY = f"""\
[study]
name = "images"
title = "Synthetic images"
purpose = "Measure what the simulation costs."
contact = "benchmarks@example.org"
protocol = {PROTOCOL}
code_version = "{VERSION}"

[model]
name = "cnn"
seed = 0

[model.options]
channels = [16, 32]
groups = 8
hidden = 64

[data]
kind = "tensor"
shape = [1, 28, 28]

[data.label]
column = "label"
classes = [["0"], ["1"]]
names = ["plain", "blob"]
{"".join(_SITE.format(number=number) for number in range(SITES))}
[training]
local_steps = {ROWS // BATCH}
learning_rate = {RATE}

[strategy]
name = "fedavg"
rounds = {ROUNDS}
quorum = {SITES}
deadline_seconds = 600

[privacy]
clip_norm = 1.0
delta = 1e-5
unsafe_no_privacy = true

[limits]
max_weight = 1000.0
"""


def prepare(folder: Path) -> None:
    """Writes the study and one import a site."""
    from fedward_client.importer.tensors import write_tensor_set

    (folder / "study.toml").write_text(_STUDY, encoding="utf-8")
    contract = load(_STUDY.encode()).data
    for number in range(SITES):
        rng = np.random.default_rng(1000 + number)
        labels = rng.integers(0, 2, ROWS)
        images = rng.normal(0, 1, (ROWS, 1, 28, 28)).astype(np.float32)
        images[labels == 1, :, 8:16, 8:16] += 0.6
        write_tensor_set(
            folder / f"site-{number}",
            contract,
            x=images,
            y=labels,
            unit=np.arange(ROWS),
            split=np.zeros(ROWS, dtype=np.uint8),
        )


def bare(folder: Path) -> None:
    """FedAvg as one would write it in an afternoon."""
    import torch
    from safetensors.torch import load_file
    from torch.nn import functional

    from fedward_shared.models.registry import build

    study = load((folder / "study.toml").read_bytes())
    torch.manual_seed(0)
    model = build(study.model, study.data)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    data = [load_file(folder / f"site-{number}" / shard_name(0)) for number in range(SITES)]
    for _ in range(ROUNDS):
        total = {name: torch.zeros_like(value) for name, value in weights.items()}
        for site in data:
            model.load_state_dict(weights)
            optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
            for rows in torch.split(torch.randperm(ROWS), BATCH):
                optimizer.zero_grad()
                logits = model(site["x"][rows])[:, 0]
                loss = functional.binary_cross_entropy_with_logits(logits, site["y"][rows].float())
                torch.autograd.backward(loss)
                optimizer.step()
            for name, value in model.state_dict().items():
                total[name] += value / SITES
        weights = total


def main() -> None:
    """Measures, and prints a table or JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--repeat", type=int, default=5, help="how often each is run")
    parser.add_argument("--threads", type=int, default=0, help="torch threads of each (0: its own choice)")
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.bare:
        bare(chosen.bare)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        report(_measure(folder, chosen.repeat, chosen.threads), as_json=chosen.json)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process took: wall seconds from outside, and processor seconds, which a busy machine changes less."""

    wall: float
    processor: float


def _measure(folder: Path, repeat: int, threads: int) -> dict[str, list[Spent]]:
    simulation = ["-m", "fedward_simulations.cli", "run", str(folder / "study.toml"), "--data", str(folder)]
    commands = {
        "bare": ["-m", "benchmarks.simulation", "--bare", str(folder)],
        "inline": [*simulation, "--out", str(folder / "out")],
    }
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    spent: dict[str, list[Spent]] = {case: [] for case in commands}
    for turn in range(repeat + 1):
        for case, arguments in commands.items():
            one = _timed([sys.executable, *arguments], environment)
            if turn:  # the first turn warms the disk's cache
                spent[case].append(one)
    return spent


def _timed(command: list[str], environment: dict[str, str]) -> Spent:
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Spent(time.perf_counter() - begun, processor)


def report(spent: dict[str, list[Spent]], *, as_json: bool) -> None:
    """Prints the medians and their ratios."""
    wall = {case: statistics.median(one.wall for one in runs) for case, runs in spent.items()}
    processor = {case: statistics.median(one.processor for one in runs) for case, runs in spent.items()}
    ratio, ratio_processor = wall["inline"] / wall["bare"], processor["inline"] / processor["bare"]
    if as_json:
        for case, runs in spent.items():
            numbers = {"seconds": round(wall[case], 3), "processor_seconds": round(processor[case], 3)}
            print(json.dumps({"case": case, **numbers, "runs": [round(one.wall, 3) for one in runs]}))
        ratios = {"ratio": round(ratio, 3), "ratio_processor": round(ratio_processor, 3)}
        print(json.dumps({"case": "ratio", **ratios, "aim": AIM, "met": ratio <= AIM}))
        return
    print(f"{SITES} sites x {ROWS} images, {ROUNDS} rounds; whole process, median of {len(spent['bare'])}")
    print("             wall  processor")
    for case in spent:
        print(f"  {case:8} {wall[case]:7.2f} s  {processor[case]:7.2f} s")
    print(f"  ratio    {ratio:7.3f}    {ratio_processor:7.3f}     (aim {AIM})")


if __name__ == "__main__":
    main()
