"""result.json of the demo: every number, and where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedward_shared.contracts.study import Study
from fedward_shared.errors import FedwardError
from fedward_shared.manifest.cost import cost
from fedward_simulations.demo.evidence import Network
from fedward_simulations.demo.federation import SiteProcesses
from fedward_simulations.report.figures import Figures, blocks

__all__ = ["Facts", "LedgerFacts", "read_ledger", "read_participation", "result_json"]

_PROVENANCE = {
    "federated_dp": "the run through real processes: each site wrote its exact test scores on its own disk when the "
    "study ended, and the demo, which owns all four folders, read them there; the coordinator never saw them",
    "epsilon": "the four sites' own ledgers, read through `fedward-site ledger --json`",
    "rounds": "the coordinator's participation report",
    "processes": "process ids from the supervisors' pid files; vault_has_network from /proc, compared with our own",
    "bytes": "computed from the study: every message has a declared size",
    "seconds": "wall time on this machine",
    "intervals": "95 %, percentile bootstrap over test patients within hospital and class, 1000 resamples",
}


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What a site's ledger says: ε over everything, rounds charged for the study, and how many of them differ."""

    epsilon: float
    charged: int
    distinct: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the run through real processes left. `joined`: the rounds of each site; seconds by stage."""

    study: Study
    study_hash: str
    rounds: int
    joined: Mapping[str, tuple[int, ...]]
    ledgers: Mapping[str, LedgerFacts]
    coordinator: int
    sites: Mapping[str, SiteProcesses]
    networks: Mapping[str, Network]
    seconds: Mapping[str, float]
    killed: Mapping[str, Any]


def read_ledger(document: Mapping[str, Any], study_hash: str) -> LedgerFacts:
    """Sums up what `fedward-site ledger --json` printed.

    Raises:
        FedwardError: the ledger does not know the study.
    """
    rows = [row for row in document["rows"] if row["study"] == study_hash]
    names = {row["data_set"] for row in rows}
    if len(names) != 1:
        raise FedwardError("the site's ledger shows no spending, or spending under several names, for the study")
    spent = next(one for one in document["data_sets"] if one["data_set"] in names)
    return LedgerFacts(float(spent["epsilon"]), len(rows), len({(row["round"], row["attempt"]) for row in rows}))


def result_json(facts: Facts, made: Figures, total_seconds: float) -> dict[str, Any]:
    """The whole document; plain numbers, and an `interval` beside every `auc`."""
    methods = {method.key: method.provenance for method in made.compared.methods if method.key != "federated_dp"}
    bytes_of, told = cost(facts.study), blocks(made)
    return {
        "study": facts.study_hash,
        "name": facts.study.name,
        "rounds": facts.rounds,
        "seconds": round(total_seconds, 1),
        "stages": {name: round(seconds, 1) for name, seconds in facts.seconds.items()},
        "bytes": {"round": bytes_of.bytes_a_round, "total": bytes_of.bytes_total},
        "sites": {
            site: {
                "epsilon": round(facts.ledgers[site].epsilon, 4),
                "rounds_joined": len(facts.joined[site]),
                "rounds_charged": facts.ledgers[site].charged,
                **told["sites"][site],
            }
            for site in facts.study.site_names
        },
        "pooled": {**told["pooled"], "accuracy": told["accuracy"], "brier": told["brier"]},
        "within": told["within"],
        "hospital_only": told["hospital_only"],
        "privacy": {
            "delta": facts.study.privacy.delta,
            "target_epsilon": facts.study.privacy.target_epsilon,
            "unit": facts.study.data.unit,
        },
        "processes": {
            "coordinator": facts.coordinator,
            "sites": {
                site: {
                    "gateway": processes.gateway,
                    "vault": processes.vault,
                    "vault_has_network": facts.networks[site].usable,
                    "vault_interfaces": list(facts.networks[site].interfaces),
                }
                for site, processes in facts.sites.items()
            },
        },
        "killed": dict(facts.killed),
        "provenance": {**methods, **_PROVENANCE},
    }


def read_participation(report: Path) -> tuple[int, dict[str, tuple[int, ...]]]:
    """How many rounds were completed, and in which of them each site's update counted."""
    document = json.loads(report.read_text(encoding="utf-8"))
    done = [attempt for attempt in document["attempts"] if attempt["enough"]]
    joined = {
        site: tuple(attempt["round"] for attempt in done if attempt["sites"][site]["took_part"])
        for site in document["sites"]
    }
    return int(document["rounds_completed"]), joined
