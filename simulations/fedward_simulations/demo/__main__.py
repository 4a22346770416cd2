"""`python -m fedward_simulations.demo`: four real hospitals train one model through nine real processes."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console

from fedward_shared.console import next_step, run_command
from fedward_shared.errors import FedwardError
from fedward_simulations.demo.stages import Stages

if TYPE_CHECKING:
    from fedward_simulations.demo.live import Live
    from fedward_simulations.demo.results import Facts
    from fedward_simulations.grid.running import State
    from fedward_simulations.report.compared import Compared

_OURS = ("data", "federation", "logs", "model", "simulation")
_STUDY = "study.toml"


def main() -> None:
    """Reads the command line and runs the demo."""
    parser = argparse.ArgumentParser(prog="python -m fedward_simulations.demo", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="seeds of the simulations (default 5)")
    parser.add_argument("--out", type=Path, default=Path("demo-out"), help="where everything goes (default demo-out)")
    parser.add_argument("--kill", action="store_true", help="kill the coordinator and one vault half-way")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    run_command(lambda: demo(chosen.out, seeds=max(1, chosen.seeds), kill=chosen.kill))


def demo(out: Path, *, seeds: int, kill: bool) -> None:
    """The whole demo.

    Raises:
        FedwardError: something did not work; every process that was started has ended all the same.
    """
    from fedward_simulations.demo.document import demo_page
    from fedward_simulations.demo.live import run_live
    from fedward_simulations.demo.results import result_json
    from fedward_simulations.report.figures import figures, method
    from fedward_simulations.report.table import print_figures
    from fedward_simulations.scenarios.heart import study_text, write_hospitals

    begun = time.perf_counter()
    console = Console()
    stages = Stages(console)
    stages.say("[bold]Four hospitals train one model on 920 real patients[/] (UCI Heart Disease, CC BY 4.0)")
    _clear(out)
    files = write_hospitals(out / "data")
    study = out / _STUDY
    study.write_text(study_text(), encoding="utf-8")
    live = run_live(out, files, study, kill=kill, stages=stages)
    compared = _simulations(live, out, seeds, stages)
    ledgers = {site: told.epsilon for site, told in live.facts.ledgers.items()}
    ours = method("federated_dp", "real processes; scores from each site's own report", [live.scores], ledgers)
    made = figures(replace(compared, methods=(*compared.methods, ours), main=ours.key, about=""))
    result = result_json(live.facts, made, time.perf_counter() - begun)
    (out / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (out / "report.html").write_text(demo_page(live.facts, made, result), encoding="utf-8")
    print_figures(made, console)
    _summary(live.facts, stages)
    stages.say(
        f"\n{out / 'report.html'} shows it with plots, {out / 'result.json'} as data. {result['seconds']} s in all."
    )
    _check(live.facts)
    next_step(f"open {out / 'report.html'}", "then docs/two-machines.md: the same study on real machines")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends the demo as Ctrl-C does, and with it every process that it started."""
    raise KeyboardInterrupt


def _clear(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name in _OURS:
        shutil.rmtree(out / name, ignore_errors=True)


def _simulations(live: Live, out: Path, seeds: int, stages: Stages) -> Compared:
    from fedward_simulations.comparison import compare

    with stages.stage("simulation", f"Simulations over the same files, {seeds} seeds (no process boundary)") as bar:

        def notify(state: State) -> None:
            bar.at(state.finished, state.total, "; ".join(state.running))

        return compare(
            live.manifest, live.imports, seeds=range(seeds), cache=out / "simulation" / "cells", notify=notify
        )


def _summary(facts: Facts, stages: Stages) -> None:
    spent = ", ".join(f"{site} {told.epsilon:.2f}" for site, told in facts.ledgers.items())
    stages.say(f"ε by the hospitals' own ledgers (δ = {facts.study.privacy.delta:g}, at most 3): {spent}")
    stages.say(f"{facts.rounds} rounds; joined: {', '.join(f'{site} {len(r)}' for site, r in facts.joined.items())}")
    isolated = [site for site, network in facts.networks.items() if not network.usable]
    stages.say(f"Vaults without any network (measured): {', '.join(isolated) or 'none'}")


def _check(facts: Facts) -> None:
    """What must hold whatever the figures are.

    Raises:
        FedwardError: it does not.
    """
    networked = [site for site, network in facts.networks.items() if network.usable]
    twice = [
        site for site, told in facts.ledgers.items() if told.charged != told.distinct or told.charged > facts.rounds
    ]
    if facts.rounds != facts.study.strategy.rounds:
        raise FedwardError(f"{facts.rounds} rounds were completed instead of {facts.study.strategy.rounds}")
    if networked:
        raise FedwardError(f"these vaults can reach a network: {', '.join(networked)}")
    if twice and facts.killed:
        raise FedwardError(f"a round was charged twice at {', '.join(twice)}")
    if facts.killed:
        Stages(Console()).say(
            f"Killed in round {facts.killed['round']}: the coordinator and the vault of {facts.killed['site']}. The "
            f"study still ended with {facts.rounds} rounds, and each ledger holds {facts.rounds} charges: nothing was "
            "spent twice."
        )


if __name__ == "__main__":
    main()
