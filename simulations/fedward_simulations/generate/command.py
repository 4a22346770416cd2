"""`fedward-sim generate`: writes hospitals, their study, their mappings and the truth about them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedward_client.importer.mapping_file import mapping_text
from fedward_shared.console import say
from fedward_shared.errors import UsageError
from fedward_simulations.generate.defects import planted
from fedward_simulations.generate.export import Export, Written
from fedward_simulations.generate.kinds import KINDS
from fedward_simulations.generate.studies import study_text

__all__ = ["Request", "generate", "told_by"]

_SITE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_TRAINED = 0.75
_NOTICE = """\
SYNTHETIC. These hospitals, their patients and their records were made by `fedward-sim generate`.
They are nobody's data. Figures computed from them say something about programs and nothing about medicine.
"""


@dataclass(frozen=True, slots=True)
class Request:
    """What to generate; `defects` are texts such as ``north=wrong-units``."""

    kind: str
    out: Path
    sites: tuple[str, ...]
    patients: int
    seed: int
    defects: tuple[str, ...] = ()


def generate(request: Request, *, told: Callable[[str, Written], None] = lambda _site, _written: None) -> None:
    """Writes everything into `request.out`: ``study.toml``, ``truth.json`` and a folder for each site.

    A site's folder holds its export and its ``mapping.toml``. The same request gives the same data.

    Raises:
        UsageError: the kind, a site or a defect is unknown, or the folder is not empty.
    """
    if request.kind not in KINDS:
        raise UsageError(f"there is no kind {request.kind!r}", hint=f"There are: {', '.join(KINDS)}")
    wrong = [site for site in request.sites if not _SITE.fullmatch(site)]
    if wrong or len(set(request.sites)) != len(request.sites) or not request.sites:
        raise UsageError("--sites wants different names", hint="Such as --sites north,south (a-z, 0-9 and -)")
    kind = KINDS[request.kind]
    defects = planted(request.defects, request.sites, kind.defects)
    if request.out.exists() and any(request.out.iterdir()):
        raise UsageError(f"{request.out} is not empty", hint="Choose another folder with --out, or remove it.")
    request.out.mkdir(parents=True, exist_ok=True)
    truth = {}
    for index, site in enumerate(request.sites):
        folder = request.out / site
        folder.mkdir()
        generator = np.random.default_rng([request.seed, index])
        written = kind.write(Export(folder, site, request.patients, defects[site], generator))
        (folder / "mapping.toml").write_text(mapping_text(written.mapping), encoding="utf-8")
        truth[site] = {
            "patients": request.patients,
            "rows": written.rows,
            "prevalence": written.prevalence,
            "auc_of_true_risk": written.best_auc,
            "defects": sorted(defects[site]),
        }
        told(site, written)
    sizes = {site: max(1, round(_TRAINED * request.patients)) for site in request.sites}
    text = study_text(f"synthetic-{request.kind}", kind.question, sizes)
    (request.out / "study.toml").write_text(text, encoding="utf-8")
    (request.out / "SYNTHETIC.txt").write_text(_NOTICE, encoding="utf-8")
    facts = {"synthetic": True, "kind": request.kind, "seed": request.seed, "sites": truth}
    (request.out / "truth.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def told_by(request: Request) -> Callable[[str, Written], None]:
    """Says, site by site, what was written."""

    def tell(site: str, written: Written) -> None:
        facts = [f"{written.rows} rows"]
        if written.prevalence is not None:
            facts.append(f"{written.prevalence:.0%} ill")
        if written.best_auc is not None:
            facts.append(f"AUC of the true risk {written.best_auc:.3f}")
        say(f"{request.out / site}: SYNTHETIC, {', '.join(facts)}")

    return tell
