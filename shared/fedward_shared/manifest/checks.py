"""What takes two fields or two tables to judge. Each check notes what would be right."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn
from fedward_shared.contracts.study import PrivacyTerms, StrategyTerms, Study, TrainingTerms
from fedward_shared.manifest.contract import canonical
from fedward_shared.manifest.findings import Findings, shown, suggestion
from fedward_shared.manifest.strategies import STRATEGIES
from fedward_shared.version import PROTOCOL, VERSION

__all__ = [
    "MOST_INPUTS",
    "check_column",
    "check_contract",
    "check_label",
    "check_privacy",
    "check_rounds",
    "check_version",
    "column_name",
    "strategy_options",
    "warnings",
]

MOST_INPUTS = 2**28
"""Numbers that one record may have."""
_LONGEST_NAME = 200
_LARGEST_INPUT = 1e6
_MOST_STEPS = 10_000_000
_OVERSHOOT = 2.0
_TAXED = 10.0


def column_name(name: str) -> bool:
    """Whether a text can name a column."""
    return 0 < len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip()


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


def check_column(column: NumberColumn | CategoryColumn, findings: Findings) -> None:
    """Notes where a column's range, values and missing spellings contradict each other."""
    if isinstance(column, NumberColumn):
        _number(column, findings)
    else:
        _category(column, findings)


def check_contract(data: DataContract, columns: int, findings: Findings) -> None:
    """Notes what kind, shape, patient and the roles of columns cannot mean together; `columns` are declared."""
    if data.kind is DataKind.TABLE:
        if not columns:
            findings.add(("data",), None, "has no columns; add a table [data.columns.NAME] for each input")
        if data.shape:
            findings.add(("data",), "shape", 'is only for kind = "tensor"; leave it out')
    else:
        if columns:
            findings.add(("data", "columns"), None, 'is only for kind = "table"; leave it out')
        if not data.shape:
            findings.add(("data",), None, 'shape is missing; kind = "tensor" needs it, such as [1, 28, 28]')
    if math.prod(data.input_shape) > MOST_INPUTS:
        findings.add(("data",), None, f"makes {math.prod(data.input_shape)} inputs a record; the most is {MOST_INPUTS}")
    if data.patient is None and data.records_per_patient > 1:
        findings.add(("data",), "records_per_patient", "is above 1, but no patient column is declared; add patient")
    _roles(data, findings)


def _roles(data: DataContract, findings: Findings) -> None:
    """One column, one role: label, patient and split never reach the model."""
    inputs = {column.name for column in data.columns}
    taken: dict[str, str] = {}
    for table, key, name in (
        (("data", "label"), "column", data.label.column),
        (("data",), "patient", data.patient),
        (("data",), "split", data.split),
    ):
        if name is None:
            continue
        if not column_name(name):
            findings.add(table, key, f"is {shown(name)}; must be a name without blanks around it")
        elif name in inputs:
            findings.add(table, key, f"is {shown(name)}, which is also in [data.columns]; the model must not see it")
        elif name in taken:
            findings.add(table, key, f"is {shown(name)}, which is also the {taken[name]}; each needs its own column")
        else:
            taken[name] = "label" if key == "column" else key


def _number(column: NumberColumn, findings: Findings) -> None:
    path = ("data", "columns", column.name)
    if not column.minimum < column.maximum:
        findings.add(path, "range", f"is [{column.minimum:g}, {column.maximum:g}]; the first must be the smaller one")
        return
    widest = max(abs(column.minimum - column.centre), abs(column.maximum - column.centre)) / column.scale
    if not widest <= _LARGEST_INPUT:
        findings.add(
            path,
            "scale",
            f"is {column.scale:g}; makes inputs as large as {widest:g}; must keep them below {_LARGEST_INPUT:g}",
        )
    for spelling in column.missing:
        if column.minimum <= _as_number(spelling) <= column.maximum:
            findings.add(
                path,
                "missing",
                f"contains {shown(spelling)}, which lies in range; narrow the range or drop the spelling",
            )
    _spellings(path, "missing", column.missing, findings)


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _category(column: CategoryColumn, findings: Findings) -> None:
    path = ("data", "columns", column.name)
    _spellings(path, "values", column.values, findings)
    _spellings(path, "missing", column.missing, findings)
    both = {canonical(value) for value in column.values} & {canonical(value) for value in column.missing}
    for spelling in sorted(both):
        findings.add(path, "missing", f"contains {shown(spelling)}, which is also in values; keep one of the two")


def _spellings(path: tuple[str, ...], key: str, spellings: Iterable[str], findings: Findings) -> None:
    seen: set[str] = set()
    for spelling in spellings:
        if spelling != spelling.strip():
            findings.add(path, key, f"contains {shown(spelling)}; leave out the blanks around it (cells are trimmed)")
        elif canonical(spelling) in seen:
            findings.add(path, key, f"contains {shown(spelling)} twice (2 and 2.0 are the same); keep one")
        seen.add(canonical(spelling))


def check_label(label: Label, findings: Findings) -> None:
    """Notes classes that overlap, and names that do not fit them."""
    path = ("data", "label")
    if len(label.names) != len(label.classes):
        findings.add(path, "names", f"has {len(label.names)} entries; must have {len(label.classes)}, one a class")
    if len(set(label.names)) != len(label.names):
        findings.add(path, "names", "has an entry twice; each class needs its own name")
    owner: dict[str, int] = {}
    for index, spellings in enumerate(label.classes):
        for spelling in spellings:
            if spelling != spelling.strip() or not spelling:
                findings.add(
                    path, f"classes[{index}]", f"contains {shown(spelling)}; must be a text without blanks around"
                )
            elif owner.setdefault(canonical(spelling), index) != index:
                findings.add(
                    path,
                    f"classes[{index}]",
                    f"contains {shown(spelling)}, which already is in another class; keep one",
                )


def warnings(study: Study) -> tuple[str, ...]:
    """What is allowed, but worth a second look before hospitals are asked."""
    found: list[str] = []
    smallest = min(site.size for site in study.sites.values())
    if not study.privacy.unsafe_no_privacy and study.privacy.delta >= 1 / smallest:
        found.append(
            f"[privacy] delta is {study.privacy.delta:g}, not below 1/{smallest} (one over the smallest site's size)"
        )
    if study.privacy.unsafe_no_privacy:
        found.append("[privacy] unsafe_no_privacy is true: ε is infinite, and sites refuse it unless their policy says")
    if (study.privacy.target_epsilon or 0.0) > _TAXED:
        found.append(f"[privacy] target_epsilon is {study.privacy.target_epsilon:g}; above 10 protects very little")
    if study.data.patient is None:
        found.append("[data] has no patient column: the unit of privacy is the record, not the patient")
    if study.strategy.name == "fedprox" and study.training.proximal_mu == 0:
        found.append("[strategy] fedprox with [training] proximal_mu = 0 is the same as fedavg")
    for name, site in study.sites.items():
        expected = site.size * site.sampling_rate
        if not expected / 2 <= site.normaliser <= expected * 2:
            found.append(
                f"[sites.{name}] normaliser is {site.normaliser:g}; size × sampling_rate is {expected:g}: "
                "steps are that much larger or smaller"
            )
    return tuple(found)
