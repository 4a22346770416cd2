"""The coordinator's rounds survive SIGKILL at every point, and end with the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NEVER = 10**6
EVERY = 1 if os.environ.get("FEDWARD_LONG") else 3


def crash(folder: Path, points: list[int]) -> list[dict[str, Any]]:
    """What tests/support/rounds_crash.py found at these points."""
    command = [sys.executable, "-m", "tests.support.rounds_crash", str(folder), ",".join(map(str, points))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.processes
def test_a_coordinator_killed_anywhere_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    (undisturbed,) = crash(tmp_path / "undisturbed", [NEVER])
    assert not undisturbed["killed"]
    assert [entry[0] for entry in undisturbed["attempts"]] == [1, 2, 3]
    points = list(range(0, undisturbed["points"], EVERY))
    assert len(points) >= 10
    results = crash(tmp_path / "killed", points)
    assert [result["point"] for result in results] == points
    for result in results:
        where = f"killed at point {result['point']}"
        assert result["killed"], where
        for key in ("model", "attempts", "delivered"):
            assert result[key] == undisturbed[key], where
        # No site was ever asked with other bytes: a fake site refuses those, and a refusal would show in `attempts`.
        assert result["trained"] == undisturbed["trained"], where
