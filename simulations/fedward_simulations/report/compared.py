"""What a clinician's report is made of: one study, trained in several ways, and their scores of the same test patients.

Whoever trains (a grid, a run, the demo) fills `Compared`; `clinical.clinical_page` makes the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedward_shared.contracts.study import Study
from fedward_shared.evaluation.scored import Scored

__all__ = ["Compared", "MethodResult", "Run"]

Run = Mapping[str, Scored]
"""One model's scores of every hospital's test patients, by site name."""


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One way of training, such as federated with FedAvg at ε = 3, and one run a seed (at least one).

    `key` names it in files and is unique; `title` names it for people, and `short` where there is little room (empty:
    the title). `provenance` says where the scores came from and where its settings were chosen. `spent` is ε by site
    name; empty where nothing was protected.
    """

    key: str
    title: str
    provenance: str
    runs: tuple[Run, ...]
    spent: Mapping[str, float] = field(default_factory=dict)
    short: str = ""

    @property
    def label(self) -> str:
        """Its name where there is little room."""
        return self.short or self.title


@dataclass(frozen=True, slots=True)
class Compared:
    """One study and every way in which it was trained.

    Attributes:
        study: says what was asked, the outcome, the hospitals, subgroups, horizons and thresholds.
        methods: in the order of tables and plots; all score the same test rows in the same order. The first whose key
            is `main` (none: the last one) is what the summary is about.
        prevalences: by site name what somebody who knows only the hospital would say of each patient, one number a
            score column: `evaluation.outcome.hospital_scores` of the training labels.
        training_patients: by site name.
        leave_one_out: ways of training in which each site's scores come from a model that never saw that site.
        main: key of the method that the study is about.
        about: what the reader should know first, such as that this is a simulation.
    """

    study: Study
    methods: tuple[MethodResult, ...]
    prevalences: Mapping[str, tuple[float, ...]]
    training_patients: Mapping[str, int] = field(default_factory=dict)
    leave_one_out: tuple[MethodResult, ...] = ()
    main: str = ""
    about: str = ""
