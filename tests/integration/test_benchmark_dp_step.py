"""The benchmark of the private step runs, says everything that it promises to say, and notices a wrong step."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.dp_arms import WrongStepError, brute_force, check
from benchmarks.dp_models import CASES
from benchmarks.dp_peers import Settings
from benchmarks.dp_step import with_aims
from benchmarks.dp_worker import interleaved

ROOT = Path(__file__).parents[2]
MLP = next(case for case in CASES if case.label == "mlp-64")
SETTINGS = Settings(normaliser=64.0)


@pytest.mark.processes
@pytest.mark.timeout(600)
def test_every_line_is_there() -> None:
    line = [sys.executable, "-m", "benchmarks.dp_step", "--json", "--quick", "--models", "mlp-64"]
    done = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True)
    found = {entry["row"]: entry for entry in map(json.loads, done.stdout.splitlines())}
    step, epoch = found["step"], found["epoch"]
    assert (step["model"], step["batch"], step["threads"], step["device"]) == ("mlp", 64, 1, "cpu")
    assert step["reasons"] == {}
    for arm in ("fedward", "fedward_no_noise", "opacus_hooks", "opacus_ghost", "vmap"):
        assert step[arm] > 0
        assert step["memory"][arm] > 0
    assert step["plain_ms"] > 0
    assert step["aim"] == 1.4
    assert isinstance(step["met"], bool)
    assert isinstance(step["memory_met"], bool)
    assert epoch["reasons"] == {}
    assert epoch["plain_s"] > 0
    assert epoch["fedward"] > 0
    assert epoch["opacus_hooks"] > 0


def test_a_step_that_is_not_the_clipped_sum_is_noticed() -> None:
    truth = brute_force(MLP, SETTINGS)
    check("vmap", MLP, SETTINGS, truth)
    with pytest.raises(WrongStepError, match="differs from the clipped sum"):
        check("vmap", MLP, SETTINGS, replace(truth, change=truth.change * 1.01))
    with pytest.raises(WrongStepError, match="differs from the clipped sum"):
        check("plain", MLP, SETTINGS, truth)


def test_noise_that_is_not_the_declared_one_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = brute_force(MLP, SETTINGS)
    whole = torch.randn_like
    monkeypatch.setattr(torch, "randn_like", lambda value: whole(value) / 2)
    with pytest.raises(WrongStepError, match=r"the noise is 0\.5"):
        check("vmap", MLP, SETTINGS, truth)


def test_both_kinds_of_layers_are_one_model_but_for_attention() -> None:
    for case in CASES:
        if case.name in {"gru", "lstm", "mlp"}:
            small = replace(case, batch=8)
            stock, opacus = (brute_force(small, SETTINGS, opacus=which) for which in (False, True))
            torch.testing.assert_close(stock.change, opacus.change, rtol=1e-3, atol=1e-7)


def test_arms_take_turns_and_a_ratio_is_taken_within_a_round() -> None:
    taken: list[str] = []
    steps = {"plain": lambda: taken.append("plain"), "other": lambda: taken.append("other")}
    times, ratios = interleaved(steps, seconds=0.0, least=4)
    assert {name: len(values) for name, values in ratios.items()} == {"plain": 4, "other": 4}
    assert ratios["plain"] == [1.0] * 4
    assert ratios["other"] == [other / plain for other, plain in zip(times["other"], times["plain"], strict=True)]


def test_an_aim_is_met_missed_or_absent() -> None:
    line = {"row": "step", "model": "mlp", "batch": 64, "fedward": 1.4, "memory": {"fedward": 1.6}}
    told = with_aims(dict(line))
    assert (told["aim"], told["met"], told["memory_met"]) == (1.4, True, False)
    assert with_aims({**line, "fedward": 1.41})["met"] is False
    assert with_aims({**line, "fedward": None, "memory": None})["met"] is None
    assert with_aims({**line, "model": "ecg"})["met"] is None
