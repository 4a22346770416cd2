"""The benchmark of the link runs and says everything that it promises to say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.processes
@pytest.mark.timeout(600)
def test_every_line_is_there() -> None:
    line = [sys.executable, "-m", "benchmarks.link", "--json", "--scale", "0.02"]
    done = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True)
    found = {entry["case"]: entry for entry in map(json.loads, done.stdout.splitlines())}
    for case in ("10 x 4 kB", "1 x 100 MB", "10 x 4 MB"):
        assert found[case].keys() >= {"seconds", "bare", "floor", "ratio_floor", "ratio_bare"}
        assert found[case]["seconds"] > 0
    assert found["ledger"]["seconds"] > 0
    assert found["memory: 10 x 100 MB"]["replies_held"] == 10
    assert found["memory: 10 x 100 MB"]["peak_bytes"] < 1_000_000_000
    assert found["frozen gateway noticed"]["seconds"] <= 10
    assert found["revoked site cut off"]["seconds"] <= 1
