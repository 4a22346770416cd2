"""What a private training step costs beside a plain one: `python -m benchmarks.dp_step [--json] [--quick]`.

Every model is measured in a process of its own. Each line gives ratios to the plain step on the stock model, medians
over rounds in which all arms took their turn; what each arm does is said in `dp_arms` and `dp_peers`, how time and
memory are measured in `dp_worker`, and whole epochs with their loaders in `dp_epochs`. Before any timing each arm's
step is held against brute force: one backward pass for each record, clipped and summed. An arm that cannot run a
model, or whose step is another one, has null and a reason.

The line with a `portion` is a batch too large to take at once (q = 1 over the whole data set): Opacus and vmap
accumulate portions, and the product cuts the batch as it sees fit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.dp_arms import ARMS
from benchmarks.dp_epochs import ARMS as EPOCH_ARMS
from benchmarks.dp_epochs import ROWS
from benchmarks.dp_models import CASES

__all__ = ["main"]

_PATIENCE = 900.0
_MEMORY_AIM = 1.5
_SUMMARY = "What a private training step costs, as a ratio to a plain one."

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One process: what it is called, and what it is asked."""

    name: str
    module: str
    arguments: tuple[str, ...]


def plan(chosen: argparse.Namespace, device: str) -> list[Job]:
    """The processes of a run on `device`."""
    models = chosen.models.split(",") if chosen.models else None
    seconds = "1" if chosen.quick else str(chosen.seconds)
    least = "3" if chosen.quick else str(chosen.repeats)
    threads = "1" if chosen.quick or device == "cuda" else chosen.threads
    timing = ["--threads", threads, "--seconds", seconds, "--least", least, "--arms", chosen.arms]
    timing += ["--device", device, *(() if chosen.no_memory else ("--memory",))]
    jobs = [Job(f"{case.label} ({device})", "benchmarks.dp_worker", (case.label, *timing)) for case in CASES]
    epochs = ["--device", device, *(("--scale", "0.1", "--repeats", "1") if chosen.quick else ())]
    jobs += [Job(f"epoch {label} ({device})", "benchmarks.dp_epochs", (label, *epochs)) for label in ROWS]
    return [
        job
        for job in jobs
        if models is None or any(job.arguments[0].startswith(model) for model in models if model)
        if not (chosen.no_epochs and job.module.endswith("epochs"))
    ]


def lines_of(job: Job) -> Iterator[Line]:
    """What the process says; one line with an `error` where it says nothing or dies."""
    command = [sys.executable, "-m", job.module, *job.arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        yield {"row": "failed", "job": job.name, "error": f"no end after {_PATIENCE:.0f} s"}
        return
    for text in done.stdout.splitlines():
        yield json.loads(text)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield {"row": "failed", "job": job.name, "error": f"exit {done.returncode}: {last}"}


def with_aims(line: Line) -> Line:
    """The line with its aims, and whether they are met (null where there is none)."""
    if line["row"] != "step":
        return line
    case = next(one for one in CASES if (one.name, one.batch) == (line["model"], line["batch"]))
    ours = line.get("fedward")
    line |= {"aim": case.aim, "met": None if case.aim is None or ours is None else ours <= case.aim}
    held = (line.get("memory") or {}).get("fedward")
    return {**line, "memory_aim": _MEMORY_AIM, "memory_met": None if held is None else held <= _MEMORY_AIM}


def measure(chosen: argparse.Namespace, progress: Progress) -> Iterator[Line]:
    """All lines, each when it is known."""
    devices = ["cpu"] if chosen.device == "cpu" else ["cpu", "cuda"] if chosen.device == "all" else ["cuda"]
    if "cuda" in devices and not _has_cuda():
        devices.remove("cuda")
        yield {"row": "skipped", "device": "cuda", "reason": "this machine has no CUDA device"}
    jobs = [job for device in devices for job in plan(chosen, device)]
    task = progress.add_task("", total=len(jobs))
    for job in jobs:
        progress.update(task, description=job.name)
        yield from map(with_aims, lines_of(job))
        progress.advance(task)


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def show(lines: Sequence[Line], console: Console) -> None:
    """A table of times, one of memory, one of epochs, and what was left out and why."""
    steps = [line for line in lines if line["row"] == "step"]
    held = [{**line, **line["memory"]} for line in steps if line.get("memory")]
    held = [{**line, "aim": line["memory_aim"], "met": line["memory_met"]} for line in held]
    epochs = [line for line in lines if line["row"] == "epoch"]
    _table(console, "One step, as a ratio to the plain step", steps, ("plain_ms", *ARMS[1:]))
    _table(console, "Peak memory of a step, as a ratio", held, ("plain_mb", *ARMS[1:]))
    _table(console, "A whole epoch with its loader, as a ratio", epochs, ("plain_s", *EPOCH_ARMS[1:]))
    for line in lines:
        for arm, reason in (line.get("reasons") or {}).items():
            console.print(f"{line['model']} {line['batch']} {arm}: {reason}", style="yellow", markup=False)
        if line["row"] in {"failed", "skipped"}:
            console.print(" ".join(str(value) for value in line.values()), style="yellow", markup=False)


def _table(console: Console, title: str, lines: Sequence[Line], columns: Sequence[str]) -> None:
    if not lines:
        return
    table = Table("model", *(column.replace("_", " ") for column in columns), "aim", title=title)
    for line in lines:
        reached = {True: "[green]met[/]", False: "[red]not met[/]", None: ""}[line.get("met")]
        wanted = f"{line['aim']} {reached}" if line.get("aim") else ""
        values = ["-" if line.get(column) is None else f"{line[column]:.2f}" for column in columns]
        where = "" if line["device"] == "cpu" else f" {line['device']}"
        table.add_row(f"{line['model']} {line['batch']} x{line['threads']}{where}", *values, wanted)
    console.print(table)


def main() -> None:
    """Prints JSON lines, or tables for people. Exit code 1: the product took a wrong step, or a process failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dp_step", description=_SUMMARY)
    parser.add_argument("--json", action="store_true", help="one JSON line for each model and number of threads")
    parser.add_argument("--quick", action="store_true", help="a second a model, one thread: for a first look")
    parser.add_argument("--models", default="", help="only those whose names begin so, e.g. mlp,cnn-64")
    parser.add_argument("--arms", default=",".join(ARMS), help="only these (plain is always there)")
    parser.add_argument("--threads", default="1,2", help="torch's threads, e.g. 1,2")
    parser.add_argument("--device", default="all", choices=("all", "cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=8.0, help="how long a model is timed, for each --threads")
    parser.add_argument("--repeats", type=int, default=7, help="rounds at least, however slow")
    parser.add_argument("--no-memory", action="store_true", help="leave memory out")
    parser.add_argument("--no-epochs", action="store_true", help="leave epochs out")
    chosen = parser.parse_args()
    lines: list[Line] = []
    columns = (SpinnerColumn(), TextColumn("{task.completed}/{task.total} {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for line in measure(chosen, progress):
            lines.append(line)
            if chosen.json:
                print(json.dumps(line), flush=True)
    if not chosen.json:
        show(lines, Console())
    wrong = any(line["row"] == "failed" or "fedward" in (line.get("reasons") or {}) for line in lines)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
