"""A site's own report on the final model: exact figures of its own test rows, on its own disk. Nothing of it leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fedward_client.vault.training.dataset import Dataset, Part
from fedward_client.vault.training.report_page import report_page
from fedward_shared.contracts.study import Study
from fedward_shared.evaluation.curves import Curves
from fedward_shared.evaluation.document import curves_document, figures_document, judged_document
from fedward_shared.evaluation.figures import Figure
from fedward_shared.evaluation.outcome import ClassOutcome, Outcome, outcome_of
from fedward_shared.evaluation.scored import Floats, Ints, Scored
from fedward_shared.evaluation.summary import Judged, Summary, summarise
from fedward_shared.files import write_atomic

__all__ = ["write_report"]

Json = Mapping[str, object]
_TWO = 2


def write_report(folder: Path, *, study: Study, site: str, data: Dataset, scores: Floats, about: Json) -> None:
    """Writes ``report.json``, ``report.html`` and ``test_scores.csv`` into `folder`, each whole or not at all.

    Args:
        folder: made if it is not there, readable by its owner only.
        study: names classes and unit, and says what is looked at.
        site: this site's name.
        data: counts of both parts, and the test rows' labels, patients and subgroups.
        scores: what the model says of the test rows, see `Head.scores`.
        about: what identifies the study and the site; comes first in the report.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    outcome, summary = outcome_of(study), None
    if len(scores) and np.isfinite(scores).all():
        scored = Scored(data.test.labels, scores, data.test.units, data.test.groups)
        summary = summarise([{site: scored}], outcome, study.evaluation)
    note = "no test rows" if not len(scores) else "the model gives scores that are not finite"
    figures: Json = {"note": note} if summary is None else _figures(summary)
    report = {**about, **_counts(study, data), "test": figures}
    write_atomic(folder / "test_scores.csv", _table(data.test, scores, outcome))
    write_atomic(folder / "report.html", report_page(study, site, data, summary, note).encode())
    write_atomic(folder / "report.json", json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False).encode())


def _counts(study: Study, data: Dataset) -> dict[str, object]:
    label, unit = study.data.label, study.data.unit

    def of(part: Part) -> dict[str, object]:
        each = np.bincount(_classes(study, part.labels), minlength=len(label.names)).tolist()
        counts = dict(zip(label.names, each, strict=True))
        return {"rows": len(part.labels), f"{unit}s": part.count, "classes": counts}

    return {"unit": unit, "counts": {"train": of(data.train), "test": of(data.test)}}


def _classes(study: Study, labels: Ints) -> Ints:
    return labels % 2 if study.data.label.follow_up else labels


def _figures(summary: Summary) -> dict[str, object]:
    judged, outcome = summary.pooled, summary.outcome
    if isinstance(outcome, ClassOutcome):
        named = (Figure.ACCURACY, Figure.BALANCED_ACCURACY, Figure.MACRO_F1, Figure.BRIER, Figure.AUC)
        head: dict[str, object] = {str(figure): _value(judged, figure) for figure in named}
        head["against_the_rest"] = {
            outcome.names[curves.of]: _one_class(judged, curves, outcome)
            for curves in judged.curves
            if curves.of is not None
        }
    else:
        told = judged.find(Figure.C_INDEX)
        head = {"c_index": told.value if told else None, "c_index_interval": [told.low, told.high] if told else None}
    return {
        **head,
        "figures": figures_document(judged.figures, outcome),
        "curves": [curves_document(curves, outcome) for curves in judged.curves],
        "subgroups": {name: judged_document(group, outcome) for name, group in summary.subgroups.items()},
    }


def _value(judged: Judged, figure: Figure) -> float | None:
    told = judged.find(figure)
    return told.value if told else None


def _one_class(judged: Judged, curves: Curves, outcome: Outcome) -> dict[str, object]:
    area = judged.find(Figure.AUC, of=curves.of)
    return {
        "auc": area.value if area else None,
        "auc_interval": [area.low, area.high] if area else None,
        "calibration": curves_document(curves, outcome)["calibration"],
    }


def _table(part: Part, scores: Floats, outcome: Outcome) -> bytes:
    """Rows of row, label, scores, one 0 or 1 for each declared subgroup, and what tells patients apart."""
    two = isinstance(outcome, ClassOutcome) and scores.shape[1] == _TWO  # one score says both
    kept = scores[:, 1:] if two else scores
    names = ["score"] if two else [f"score_{index}" for index in range(scores.shape[1])]
    groups = list(part.groups.values())
    lines = [",".join(["row", "label", *names, *(f"group_{index}" for index in range(len(groups))), "unit"])]
    for at in range(len(scores)):
        values = [repr(float(value)) for value in kept[at]]
        inside = ["1" if group[at] else "0" for group in groups]
        lines.append(",".join([str(part.rows[at]), str(part.labels[at]), *values, *inside, str(part.units[at])]))
    return ("\n".join(lines) + "\n").encode()
