"""A logistic model as a score on paper: scorecard.json for programs, scorecard.html to print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.study import Study
from fedward_shared.drawing.page import Page
from fedward_shared.errors import UsageError

if TYPE_CHECKING:
    from fedward_shared.models.scorecard import Scorecard

__all__ = ["scorecard_files"]

_FAMILY = "logistic"
_UNTESTED = (
    "Points are the model's own weights, rounded. Nobody has shown that deciding by them helps patients. Compare with "
    "local patients first; a calibration found there belongs on this page."
)


def scorecard_files(study: Study, weights: Mapping[str, NDArray[np.float32]]) -> dict[str, bytes]:
    """Both files by name; none where the model is no logistic one of two classes that can be written as points."""
    if study.model.name != _FAMILY:
        return {}
    from fedward_shared.models.scorecard import scorecard

    try:
        card = scorecard(study.model, study.data, weights)
    except UsageError:
        return {}
    return {"scorecard.json": _document(card), "scorecard.html": _page(study, card).encode()}


def _document(card: Scorecard) -> bytes:
    told = {
        **asdict(card),
        "factors": [
            {
                "column": factor.column,
                "unit": factor.unit,
                "rows": [{**asdict(row), "lower": _end(row.lower), "upper": _end(row.upper)} for row in factor.rows],
            }
            for factor in card.factors
        ],
        "error": {**asdict(card.error), "rounding_risk": card.error.rounding_risk, "risk": card.error.risk},
        "risks": [{"points": points, "risk": risk} for points, risk in card.risk_rows()],
    }
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _end(value: float | None) -> float | None:
    """An open end of a range has no number."""
    return value if value is not None and isfinite(value) else None


def _page(study: Study, card: Scorecard) -> str:
    page = Page(f"Risk score: {study.title}", f"Study {study.name}: the risk of {card.outcome}")
    page.box(_UNTESTED)
    page.heading("1. Add up the points")
    page.table(["", "Value", "Points"], [[column, value, str(points)] for column, value, points in card.point_rows()])
    page.heading("2. Read the risk")
    page.table(["Points", "Risk"], [[str(points), f"{risk:.1%}"] for points, risk in card.risk_rows()])
    page.heading("How near to the model")
    page.text(
        f"The score and the model differ by at most {card.error.risk:.1%} in risk: {card.error.rounding_risk:.1%} if "
        "every value is the one that its line is judged at, the rest because one line stands for a range of values."
    )
    return page.render()
