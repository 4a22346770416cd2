"""What takes two fields or two tables of a study to judge. Each check notes what would be right."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fedward_shared.contracts.study import ModelTerms, PrivacyTerms, StrategyTerms, Study, TrainingTerms
from fedward_shared.manifest.findings import Findings, shown, suggestion
from fedward_shared.manifest.strategies import STRATEGIES
from fedward_shared.version import PROTOCOL, VERSION

__all__ = ["check_frozen", "check_optimizer", "check_privacy", "check_rounds", "check_version", "strategy_options"]

_MOST_STEPS = 10_000_000
_OVERSHOOT = 2.0


def strategy_options(name: str, options: Mapping[str, object], findings: Findings) -> bool:
    """Notes an unknown strategy, and options that it does not have or that make no sense."""
    before = len(findings.found)
    if name not in STRATEGIES:
        findings.add(("strategy",), "name", f"is {shown(name)}; {suggestion(name, STRATEGIES)}")
        return False
    known = STRATEGIES[name]
    for key, value in options.items():
        option = known.get(key)
        if option is None:
            findings.add(("strategy", "options"), key, f"is no option of {name}; {suggestion(key, known)}")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not option.allows(value):
            findings.add(("strategy", "options"), key, f"is {shown(value)}; must be {option.rule}")
        elif value > _largest_float():
            findings.add(("strategy", "options"), key, f"is {shown(value)}; must be {option.rule}, and not as large")
    return len(findings.found) == before


def _largest_float() -> float:
    return math.ldexp(1.0, 512)


def check_version(study: Study, findings: Findings) -> None:
    """Notes a code version or protocol that is not this program's: it could neither cost nor run the study."""
    if study.code_version != VERSION:
        findings.add(("study",), "code_version", f'is "{study.code_version}"; must be "{VERSION}" here, or left out')
    if study.protocol != PROTOCOL:
        findings.add(("study",), "protocol", f"is {study.protocol}; must be {PROTOCOL} here, or left out")


def check_rounds(terms: StrategyTerms | None, training: TrainingTerms | None, sites: int, findings: Findings) -> None:
    """Notes what `[strategy]`, `[training]` and the number of sites cannot mean together."""
    if terms and sites and terms.quorum > sites:
        findings.add(("strategy",), "quorum", f"is {terms.quorum}; must be at most {sites}, the number of sites")
    if terms and terms.average_last > terms.rounds:
        findings.add(
            ("strategy",), "average_last", f"is {terms.average_last}; must be at most {terms.rounds}, the rounds"
        )
    if terms and training and terms.charged_rounds * training.local_steps > _MOST_STEPS:
        steps = terms.charged_rounds * training.local_steps
        findings.add(("training",), "local_steps", f"makes {steps} steps in all; must be at most {_MOST_STEPS}")
    if training is None:
        return
    pull = training.learning_rate * (training.proximal_mu + training.weight_decay)
    if pull >= _OVERSHOOT:
        findings.add(
            ("training",),
            "learning_rate",
            f"times (proximal_mu + weight_decay) is {pull:g}; must be below {_OVERSHOOT:g}, or each step overshoots",
        )


def check_optimizer(terms: TrainingTerms, findings: Findings) -> None:
    """Notes options of one optimizer beside another, and betas whose steps nothing bounds."""
    if terms.optimizer != "sgd" and terms.momentum:
        findings.add(("training",), "momentum", f'is only for optimizer = "sgd"; {terms.optimizer} has betas')
    first, second = terms.betas
    if terms.optimizer != "sgd" and not first**2 < second:
        findings.add(
            ("training",),
            "betas",
            f"is [{first:g}, {second:g}]; the second must be above the first's square, or steps grow without bound",
        )


def check_frozen(model: ModelTerms, training: TrainingTerms, findings: Findings) -> None:
    """Notes changes of records that would never be seen: a backbone's features are computed once, before training."""
    if model.backbone is not None and training.augment is not None:
        findings.add(
            ("training", "augment"),
            None,
            "changes records anew in each step, but [model.backbone] makes features of them once; leave one out",
        )


def check_privacy(terms: PrivacyTerms, findings: Findings) -> None:
    """Notes when noise is declared twice, not at all, or beside its own absence."""
    table = ("privacy",)
    given = [key for key in ("target_epsilon", "noise_multiplier") if getattr(terms, key) is not None]
    if terms.unsafe_no_privacy and given:
        findings.add(table, given[0], "is given, but unsafe_no_privacy is true; keep one of the two")
    elif not terms.unsafe_no_privacy and len(given) > 1:
        findings.add(table, "noise_multiplier", "is given beside target_epsilon; keep one of the two")
    elif not terms.unsafe_no_privacy and not given:
        findings.add(
            table, None, "target_epsilon is missing; must be a number such as 3.0 (or give noise_multiplier instead)"
        )
