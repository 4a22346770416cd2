"""Every command in the README and in docs/ is run, in the order of its page, one folder for each machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.support.pages import Step, steps

_ROOT = Path(__file__).parents[2]
_BIN = Path(sys.executable).parent
_PATIENCE = 120.0

_STORIES = {
    "federation": ("two-machines.md", "coordinator.md", "export.md", "site.md", "dpo.md", "transfer.md"),
    "research": ("researcher.md",),
    "audit": ("audit.md",),
    "clinician": ("clinician.md",),
    "data": ("data.md",),
    "models": ("models.md",),
    "survival": ("survival.md",),
    "readme": ("../README.md",),
}
"""Pages that go on where the page before them ended share a story."""

_STANDS_FOR = {
    "fedward-coordinator init ": "fedward-coordinator init --port 0 --enrolment-port 0 ",
    "coordinator.example.org": "localhost",
}
"""What a test must say differently: this machine's name, and ports that nobody else uses."""


class Machines:
    """Folders that stand for machines, and what runs on them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._running: list[subprocess.Popen[bytes]] = []

    def run(self, step: Step) -> None:
        done = subprocess.run(
            self._line(step), cwd=self._folder(step), env=self._environment(), capture_output=True, text=True,
            check=False, timeout=_PATIENCE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"line {step.line}: {step.text}\n{done.stdout}\n{done.stderr}"

    def start(self, step: Step) -> None:
        log = (self._folder(step) / f"line-{step.line}.log").open("ab")
        with log:
            process = subprocess.Popen(
                self._line(step), cwd=self._folder(step), env=self._environment(), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self._running.append(process)

    def carry(self, step: Step) -> None:
        source, target = step.text.split()
        _until(lambda: any(self._root.glob(source)), source)
        (found,) = self._root.glob(source)
        (self._root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(found, self._root / target)

    def data(self, step: Step) -> None:
        for seed, name in enumerate(step.text.split()):
            _write_patients(self._root / name, seed)

    def wait(self, step: Step) -> None:
        def says(*command: str) -> str:
            return subprocess.run(
                [str(_BIN / command[0]), *command[1:]], cwd=self._folder(step), env=self._environment(),
                capture_output=True, text=True, check=False, timeout=_PATIENCE,
            ).stdout  # fmt: skip

        conditions: dict[str, Callable[[], bool]] = {
            "the coordinator is up": (self._folder(step) / "fedward-coordinator" / "ports.json").exists,
            "a study is offered": lambda: "heart-disease" in says("fedward-site", "study", "list"),
            "the study has ended": lambda: "done" in says("fedward-coordinator", "study", "list"),
        }
        _until(conditions[step.text], step.text, explain=self.logs)

    def stop(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()

    def logs(self) -> str:
        return "\n".join(f"== {path}\n{path.read_text()[-3000:]}" for path in self._root.rglob("line-*.log"))

    def _folder(self, step: Step) -> Path:
        folder = self._root / (step.machine or "here")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _line(self, step: Step) -> list[str]:
        text = step.text
        for said, meant in _STANDS_FOR.items():
            text = text.replace(said, meant)
        return ["bash", "-ec", f"exec {text}" if step.verb == "start" else text]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self._root), "PATH": f"{_BIN}:{os.environ['PATH']}", "COLUMNS": "160"}


def _until(condition: Callable[[], bool], what: str, *, explain: Callable[[], str] = str) -> None:
    limit = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < limit, f"waited in vain until {what}\n{explain()}"
        time.sleep(0.3)


def _write_patients(path: Path, seed: int) -> None:
    """Invented patients who fit the template's contract."""
    random = np.random.default_rng(seed)
    rows = ["patient_id,age,cholesterol,sex,disease,split"]
    for number in range(200):
        age, ill = int(random.integers(30, 80)), int(random.random() < 0.5)
        rows.append(
            f"p{number},{age + 5 * ill},{random.integers(120, 320)},{('female', 'male')[number % 2]},{ill},"
            f"{'test' if number % 4 == 0 else 'train'}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


@contextmanager
def _machines(root: Path) -> Iterator[Machines]:
    machines = Machines(root)
    try:
        yield machines
    finally:
        machines.stop()


@pytest.mark.processes
@pytest.mark.timeout(600)
@pytest.mark.parametrize("story", _STORIES)
def test_every_command_of_a_story_works(story: str, tmp_path: Path) -> None:
    with _machines(tmp_path) as machines:
        for page in _STORIES[story]:
            for step in steps(_ROOT / "docs" / page):
                getattr(machines, step.verb)(step)


def test_no_page_is_left_out() -> None:
    told = {(_ROOT / "docs" / page).resolve() for pages in _STORIES.values() for page in pages}
    others = set((_ROOT / "docs").rglob("*.md")) - told | {_ROOT / "CONTRIBUTING.md"}
    for page in others:
        assert list(steps(page)) == [], f"{page.name} has commands, and no story runs them"
