"""The run through real processes: from four files and a study to four ledgers and four reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedward_client.vault.inbox import Inbox
from fedward_server.status import Running
from fedward_server.studies import StudyFolder
from fedward_shared.errors import FedwardError
from fedward_shared.manifest.parse import study_hash
from fedward_simulations.demo.evidence import network_of
from fedward_simulations.demo.federation import Federation
from fedward_simulations.demo.programs import Programs, alive, wait_until
from fedward_simulations.demo.results import Facts, read_ledger, read_participation
from fedward_simulations.demo.stages import Bar, Stages
from fedward_simulations.report.compared import Run
from fedward_simulations.scenarios.heart import HOSPITALS
from fedward_simulations.scores import read_scores

__all__ = ["Live", "run_live"]

_VICTIM = "va"
_BACK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Live:
    """What is left when every process has ended."""

    facts: Facts
    scores: Run
    manifest: bytes
    imports: Mapping[str, Path]


def run_live(out: Path, files: Mapping[str, Path], study: Path, *, kill: bool, stages: Stages) -> Live:
    """Founds a federation, trains the study in it, and reads what it left. Every process ends before this returns.

    Raises:
        FedwardError: a command failed, or the study did.
    """
    with Programs(out / "logs") as programs:
        federation = Federation(programs, out / "federation", HOSPITALS)
        published = _prepare(federation, files, study, stages)
        killed = _train(federation, published, kill=kill, stages=stages)
        return _gather(federation, published, out, killed, stages)


def _prepare(federation: Federation, files: Mapping[str, Path], study: Path, stages: Stages) -> StudyFolder:
    with stages.stage("coordinator", "The consortium founds its coordinator"):
        federation.found()
    with stages.stage("join", "Four hospitals are invited and join, each with keys of its own"):
        federation.everywhere(federation.join)
    with stages.stage("import", "Each imports its own patients, checked against the study's contract"):
        federation.everywhere(lambda site: federation.bring_data(site, files[site], study))
    with stages.stage("publish", "The study is published, signed by the consortium's study key"):
        published = federation.publish(study)
    with stages.stage("start", "Eight processes start: a vault without a network and a gateway at each hospital"):
        federation.everywhere(federation.start_site)
        federation.everywhere(lambda site: federation.approve(site, published))
    return published


def _train(federation: Federation, published: StudyFolder, *, kill: bool, stages: Stages) -> dict[str, Any]:
    accident = _Accident(federation, stages) if kill else None
    with stages.stage("study", "The study runs through real processes") as bar:
        federation.follow(published, lambda latest: _show(latest, bar, accident))
    if accident is None:
        return {}
    if not accident.told:
        raise FedwardError("the study was over before anything could be killed", hint="Run the demo again.")
    return accident.told


def _show(latest: Running, bar: Bar, accident: _Accident | None) -> None:
    bar.at(latest.round, latest.rounds, latest.phase)
    if accident is not None:
        accident.perhaps(latest)


@dataclass(slots=True)
class _Accident:
    """SIGKILL for the coordinator and one vault, once, half-way."""

    federation: Federation
    stages: Stages
    told: dict[str, Any] = field(default_factory=dict)

    def perhaps(self, latest: Running) -> None:
        if self.told or latest.round < latest.rounds // 2:
            return
        federation, coordinator = self.federation, self.federation.coordinator
        victim = federation.processes()[_VICTIM].vault
        self.told = {"coordinator": coordinator.pid, "vault": victim, "site": _VICTIM, "round": latest.round}
        coordinator.kill()
        federation.kill_vault(_VICTIM)
        wait_until(lambda: not alive(victim), _BACK_SECONDS, "the vault to be dead")
        self.stages.say(
            f"[yellow]![/] Round {latest.round}: killed the coordinator ({coordinator.pid}) and the vault of "
            f"{_VICTIM} ({victim}) with SIGKILL; starting the coordinator again"
        )
        federation.start_coordinator()


def _gather(federation: Federation, published: StudyFolder, out: Path, killed: dict[str, Any], stages: Stages) -> Live:
    with stages.stage("evidence", "Reading ledgers, journals, reports and the state of every process"):
        processes = federation.processes()
        networks = {site: network_of(found.vault) for site, found in processes.items()}
        coordinator = federation.coordinator.pid
        identity = study_hash(published.manifest()).hex()
        ledgers = {site: read_ledger(federation.ledger(site), identity) for site in federation.homes}
        federation.everywhere(federation.verify_journal)
        federation.export_model(published, out / "model")
        rounds, joined = read_participation(published.report)
    return Live(
        Facts(
            study=published.study(),
            study_hash=identity,
            rounds=rounds,
            joined=joined,
            ledgers=ledgers,
            coordinator=coordinator,
            sites=processes,
            networks=networks,
            seconds=stages.seconds,
            killed=killed,
        ),
        scores={
            site: read_scores(
                home.reports / published.id, [group.name for group in published.study().evaluation.subgroups]
            )
            for site, home in federation.homes.items()
        },
        manifest=published.manifest(),
        imports={site: _import_of(federation, site) for site in federation.homes},
    )


def _import_of(federation: Federation, site: str) -> Path:
    found = Inbox(federation.homes[site].inbox).newest(f"{site}-heart")
    if found is None:
        raise FedwardError(f"the import of {site} is gone")
    return found.folder
