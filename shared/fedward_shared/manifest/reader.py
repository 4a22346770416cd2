"""From the values of study.toml to a `Study`, table by table; what is wrong with one never hides the next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

from fedward_shared.contracts.augmentation import Augment
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import (
    Limits,
    ModelTerms,
    PretrainedTerms,
    PrivacyTerms,
    Resolved,
    ResolvedSite,
    Scalar,
    SiteTerms,
    StrategyTerms,
    Study,
    TensorSpec,
    TrainingTerms,
)
from fedward_shared.manifest import checks, schema
from fedward_shared.manifest.checks_forms import check_augment
from fedward_shared.manifest.findings import MOST_FINDINGS, Findings, suggestion
from fedward_shared.manifest.reader_data import DataReader
from fedward_shared.manifest.reader_evaluation import read_evaluation
from fedward_shared.manifest.tables import Tables, Values
from fedward_shared.version import PROTOCOL, VERSION

__all__ = ["Reader"]

_MOST_SITES = 1000
_NAME = re.compile(schema.SITE_NAME[:-1] + r"\Z")
_TABLES = ("study", "model", "data", "sites", "training", "strategy", "privacy", "limits", "evaluation", "resolved")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one file's values; `findings` tells what was wrong with them."""

    values: Values
    findings: Findings

    @property
    def tables(self) -> Tables:
        """The file's tables, read one by one."""
        return Tables(self.values, self.findings)

    def study(self) -> Study | None:
        """The study, or None where a part of it could not be read at all."""
        unknown = [name for name in self.values if name not in _TABLES]
        for name in unknown[:MOST_FINDINGS]:
            self.findings.add((name,), None, f"is not a table of a study; {suggestion(name, _TABLES)}")
        head = self.tables.read(schema.StudyTable, ("study",))
        published = "resolved" in self.values
        if head and published and (head.code_version is None or head.protocol is None):
            self.findings.add(("study",), None, "code_version and protocol are missing, and a published study has both")
        model, data, sites = self._model(), DataReader(self.tables).contract(), self._sites()
        training, strategy, privacy = self._training(data), self._strategy(), self._privacy()
        checks.check_rounds(strategy, training, self.tables.count("sites"), self.findings)
        if model and training:
            checks.check_frozen(model, training, self.findings)
        limits = self.tables.read(schema.LimitsTable, ("limits",))
        evaluation = read_evaluation(self.tables, data)
        resolved = self._resolved() if published else None
        if not (head and model and data and sites and training and strategy and privacy and limits):
            return None
        return Study(
            name=head.name,
            title=head.title,
            purpose=head.purpose,
            contact=head.contact,
            protocol=PROTOCOL if head.protocol is None else head.protocol,
            code_version=head.code_version or VERSION,
            model=model,
            data=data,
            sites=MappingProxyType(sites),
            training=training,
            strategy=strategy,
            privacy=privacy,
            limits=Limits(**limits.model_dump()),
            resolved=resolved,
            evaluation=evaluation,
            intended_use=head.intended_use,
            intended_users=head.intended_users,
            out_of_scope=head.out_of_scope,
            licence=head.licence,
        )

    def _training(self, data: DataContract | None) -> TrainingTerms | None:
        table = self.tables.read(schema.TrainingTable, ("training",), "augment")
        augment = self._augment(data)
        if table is None:
            return None
        terms = TrainingTerms(**{**table.model_dump(), "betas": tuple(table.betas)}, augment=augment)
        checks.check_optimizer(terms, self.findings)
        return terms

    def _augment(self, data: DataContract | None) -> Augment | None:
        """The changes to training records; None where the table is missing or changes nothing."""
        table = self.tables.read(schema.AugmentTable, ("training", "augment"), optional=True)
        if table is None:
            return None
        augment = Augment(**table.model_dump())
        if data is not None:
            check_augment(augment, data, self.findings)
        return None if augment == Augment() else augment

    def _privacy(self) -> PrivacyTerms | None:
        table = self.tables.read(schema.PrivacyTable, ("privacy",))
        if table is None:
            return None
        terms = PrivacyTerms(**table.model_dump())
        checks.check_privacy(terms, self.findings)
        return terms

    def _model(self) -> ModelTerms | None:
        table = self.tables.read(schema.ModelTable, ("model",), "options", "start", "backbone")
        start = self.tables.read(schema.StartTable, ("model", "start"), optional=True)
        backbone = self._backbone()
        options = self.tables.read(schema.OptionsTable, ("model", "options"), optional=True)
        if table is None:
            return None
        return ModelTerms(
            name=table.name,
            options=_chosen(options),
            seed=table.seed,
            start=PretrainedTerms(**start.model_dump()) if start else None,
            backbone=backbone,
        )

    def _backbone(self) -> PretrainedTerms | None:
        path = ("model", "backbone")
        table = self.tables.read(schema.BackboneTable, path, "options", optional=True)
        options = self.tables.read(schema.OptionsTable, (*path, "options"), optional=True) if table else None
        if table is None:
            return None
        known = {key: value for key, value in table.model_dump().items() if value is not None}
        return PretrainedTerms(**known, options=_chosen(options))

    def _strategy(self) -> StrategyTerms | None:
        table = self.tables.read(schema.StrategyTable, ("strategy",), "options")
        options = self.tables.read(schema.OptionsTable, ("strategy", "options"), optional=True)
        if table is None:
            return None
        chosen = (options.model_extra if options else None) or {}
        right = checks.strategy_options(table.name, chosen, self.findings)
        numbers = {name: float(value) for name, value in chosen.items()} if right else {}
        return StrategyTerms(**table.model_dump(), options=MappingProxyType(numbers))

    def _sites(self) -> dict[str, SiteTerms] | None:
        values = self.tables.at(("sites",), "a table [sites.NAME] for each hospital")
        if values is None:
            return None
        if not 1 <= len(values) <= _MOST_SITES:
            self.findings.add(("sites",), None, f"has {len(values)} sites; must have 1 to {_MOST_SITES}")
            return None
        sites: dict[str, SiteTerms] = {}
        for name in values:
            if not _NAME.match(name):
                self.findings.add(
                    ("sites", name), None, "a site's name is small letters, digits and hyphens, at most 63"
                )
                continue
            table = self.tables.read(schema.SiteTable, ("sites", name))
            if table:
                sites[name] = SiteTerms(name=name, **table.model_dump())
        return sites if len(sites) == len(values) else None

    def _resolved(self) -> Resolved | None:
        table = self.tables.read(schema.ResolvedTable, ("resolved",), "sites")
        names = (
            self.tables.at(("resolved", "sites"), "what `study publish` writes") if "resolved" in self.values else None
        )
        if table is None or names is None:
            return None
        sites = {name: self.tables.read(schema.ResolvedSiteTable, ("resolved", "sites", name)) for name in names}
        read = {name: ResolvedSite(**site.model_dump()) for name, site in sites.items() if site is not None}
        tensors = tuple(TensorSpec(tensor.name, tuple(tensor.shape)) for tensor in table.tensors)
        return Resolved(tensors=tensors, sites=MappingProxyType(read)) if len(read) == len(sites) else None


def _chosen(options: schema.OptionsTable | None) -> MappingProxyType[str, Scalar | tuple[Scalar, ...]]:
    extra = (options.model_extra if options else None) or {}
    return MappingProxyType({key: tuple(value) if isinstance(value, list) else value for key, value in extra.items()})
