"""What publishing works out: the tensors that travel, and each site's noise, ε and update norms.

The results go into the file as `[resolved]`, after the author's own text, so that a published study is complete in
itself; whoever relies on a figure computes it again (`check_resolved`).
"""

from __future__ import annotations

import json
import math
import re
from types import MappingProxyType

from fedward_shared.contracts.study import Resolved, ResolvedSite, SiteTerms, Study, TensorSpec
from fedward_shared.errors import StudyFileError, UsageError
from fedward_shared.manifest.agreement import MOST_PARAMETERS
from fedward_shared.manifest.bounds import expected_update_norm, max_update_norm
from fedward_shared.manifest.checks import check_version
from fedward_shared.manifest.checks_contract import MOST_INPUTS
from fedward_shared.manifest.findings import Findings, shown, suggestion
from fedward_shared.manifest.lines import TooDeepError, scan
from fedward_shared.manifest.parse import load, load_and
from fedward_shared.version import PROTOCOL, VERSION

__all__ = ["check_resolved", "check_tensors", "load_draft", "published", "resolve"]

_MARK = "# Written by `fedward-coordinator study publish`. Change the file above instead, and publish again."
_NAMED_KEY = re.compile(r"\[([a-z.]+)\] ([^:]+): (.*)", re.DOTALL)
_NUDGES = 40
_NUDGE = 1.0005
_TOLERANCE = 1e-6


def resolve(study: Study) -> Resolved:
    """Works out everything that the study leaves to publishing; the same study gives the same result.

    Raises:
        StudyFileError: `[limits] max_update_norm` is smaller than honest updates are, or the model is too large.
        UsageError: the model does not exist or fit, or no noise meets the target ε.
    """
    from fedward_shared.models.registry import tensor_specs

    tensors = tuple(tensor_specs(study.model, study.data))
    parameters = sum(spec.size for spec in tensors)
    if parameters > MOST_PARAMETERS:
        raise StudyFileError(
            "the model is too large",
            problems=(f"[model.options]: makes {parameters} parameters; the most is {MOST_PARAMETERS}",),
            hint="Choose smaller widths, or fewer layers.",
        )
    sites = {name: _site(study, site, parameters) for name, site in study.sites.items()}
    return Resolved(tensors=tensors, sites=MappingProxyType(sites))


def load_draft(manifest: bytes) -> Study:
    """`parse.load` for whoever writes a study: an older `[resolved]` is left out; model and version are checked too.

    Raises:
        StudyFileError: with every mistake in `problems`.
    """
    return load_and(_without_resolved(manifest), _look_closer)


def _look_closer(study: Study, findings: Findings) -> None:
    check_version(study, findings)
    if 0 < math.prod(study.data.input_shape) <= MOST_INPUTS:
        _look_at_model(study, findings)


def _look_at_model(study: Study, findings: Findings) -> None:
    from fedward_shared.models.registry import check_options, names

    if study.model.name not in names():
        findings.add(("model",), "name", f"is {shown(study.model.name)}; {suggestion(study.model.name, names())}")
        return
    try:
        check_options(study.model, study.data)
    except UsageError as error:
        match = _NAMED_KEY.match(error.message)
        table, key, what = match.groups() if match else ("model", None, error.message)
        findings.add(tuple(str(table).split(".")), key, str(what))


def _site(study: Study, site: SiteTerms, parameters: int) -> ResolvedSite:
    noise = _noise_multiplier(study, site)
    expected = expected_update_norm(study, site, noise, parameters)
    largest = max_update_norm(study, site, noise, parameters)
    if expected > largest and not study.privacy.unsafe_no_privacy:
        raise StudyFileError(
            "the study would refuse honest updates",
            problems=(f"[limits] max_update_norm: is {largest:g}, but {site.name}'s updates reach about {expected:g}",),
            hint="Leave the key out: publishing then works out what no honest update exceeds.",
        )
    return ResolvedSite(
        noise_multiplier=noise,
        epsilon=_epsilon(study, site, noise),
        expected_update_norm=expected,
        max_update_norm=largest,
    )


def _noise_multiplier(study: Study, site: SiteTerms) -> float:
    """The declared σ, or the smallest that keeps the study's steps within the target ε (never below it)."""
    from fedward_shared.privacy.accounting import calibrate_noise

    terms = study.privacy
    if terms.unsafe_no_privacy:
        return 0.0
    if terms.target_epsilon is None:
        return terms.noise_multiplier or 0.0
    noise = calibrate_noise(
        target_epsilon=terms.target_epsilon,
        delta=terms.delta,
        sampling_rate=site.sampling_rate,
        steps=study.steps_per_site,
    )
    for _ in range(_NUDGES):
        if _epsilon(study, site, noise) <= terms.target_epsilon:
            return noise
        noise *= _NUDGE
    raise StudyFileError(
        "no amount of noise was found that keeps the target ε",
        problems=(f"[privacy] target_epsilon: is {terms.target_epsilon:g}; must be larger for this many steps",),
        hint="Raise target_epsilon, or ask for fewer rounds, local_steps or spare_attempts.",
    )


def _epsilon(study: Study, site: SiteTerms, noise_multiplier: float) -> float:
    from fedward_shared.privacy.accounting import epsilon
    from fedward_shared.privacy.events import SampledGaussian

    if study.privacy.unsafe_no_privacy:
        return math.inf
    event = SampledGaussian(noise_multiplier, site.sampling_rate, study.steps_per_site)
    return epsilon([event], study.privacy.delta)


def check_resolved(study: Study) -> None:
    """Computes again what a published study says that it costs and sends, and compares.

    Raises:
        StudyFileError: `[resolved]` is missing, lists other tensors than the model has, says a smaller ε than the
            noise gives, or norms that do not follow from the declarations.
    """
    resolved = _resolved_of(study)
    problems = _problems_of_tensors(study, resolved)
    for name, said in resolved.sites.items():
        site, noise = study.sites[name], said.noise_multiplier
        real = _epsilon(study, site, noise)
        if real > said.epsilon * (1 + _TOLERANCE):
            problems.append(f"[resolved.sites.{name}] epsilon: is {said.epsilon:g}; the noise gives {real:g}")
        for key, bound in (("expected_update_norm", expected_update_norm), ("max_update_norm", max_update_norm)):
            right = bound(study, site, noise, resolved.parameters)
            if not math.isclose(getattr(said, key), right, rel_tol=_TOLERANCE):
                problems.append(f"[resolved.sites.{name}] {key}: is {getattr(said, key):g}; must be {right:g}")
    _raise_if_any(problems)


def check_tensors(study: Study) -> None:
    """The part of `check_resolved` that needs torch: do the tensors that travel belong to the model?

    Raises:
        StudyFileError: `[resolved]` is missing, or lists other tensors than the model has.
        UsageError: the model does not exist or fit.
    """
    _raise_if_any(_problems_of_tensors(study, _resolved_of(study)))


def _resolved_of(study: Study) -> Resolved:
    if study.resolved is None:
        raise StudyFileError("the study is not published", hint="Run: fedward-coordinator study publish FILE")
    return study.resolved


def _problems_of_tensors(study: Study, resolved: Resolved) -> list[str]:
    from fedward_shared.models.registry import tensor_specs

    same = resolved.tensors == tuple(tensor_specs(study.model, study.data))
    return [] if same else ["[resolved] tensors: are not those of the model that this version builds"]


def _raise_if_any(problems: list[str]) -> None:
    if problems:
        raise StudyFileError(
            "the study's [resolved] does not follow from its declarations",
            problems=tuple(problems),
            hint="Whoever wrote it did not use `fedward-coordinator study publish`. Do not approve it.",
        )


def published(manifest: bytes) -> bytes:
    """The author's text, comments and all, with versions filled in and `[resolved]` in place of any older one.

    Publishing what is published already changes nothing.

    Raises:
        StudyFileError: the file has mistakes.
    """
    study = load_draft(manifest)
    text = _with_versions(_without_resolved(manifest).decode("utf-8-sig"))
    resolved = resolve(study)
    content = f"{text.rstrip()}\n\n{_MARK}\n{_written(resolved)}".encode()
    load(content)
    return content


def _without_resolved(manifest: bytes) -> bytes:
    """The text without what an earlier publishing added; as it is, where it cannot be read at all."""
    try:
        text = manifest.decode("utf-8-sig")
        lines = scan(text)
    except (UnicodeDecodeError, TooDeepError):
        return manifest
    starts = {line: path[0] == "resolved" for line, path in lines.headers}
    kept: list[str] = []
    drop = False
    for number, line in enumerate(text.split("\n"), start=1):
        drop = starts.get(number, drop)
        if not drop and line.rstrip("\r") != _MARK:
            kept.append(line)
    return "\n".join(kept).encode()


def _with_versions(text: str) -> str:
    lines = scan(text)
    missing = [
        entry
        for key, entry in (("protocol", f"protocol = {PROTOCOL}"), ("code_version", f'code_version = "{VERSION}"'))
        if ("study", key) not in lines.keys
    ]
    if not missing:
        return text
    header = lines.tables.get(("study",))
    if header is None:
        raise StudyFileError(
            "[study] has no header of its own, so versions cannot be filled in",
            problems=tuple(f"[study] {entry}" for entry in missing),
            hint="Begin the table with a line [study], or add these keys.",
        )
    rows = text.split("\n")
    return "\n".join([*rows[:header], *missing, *rows[header:]])


def _written(resolved: Resolved) -> str:
    rows = ["[resolved]", "tensors = [", *(f"    {_tensor(spec)}," for spec in resolved.tensors), "]"]
    for name, site in resolved.sites.items():
        rows += [
            "",
            f"[resolved.sites.{name}]",
            f"noise_multiplier = {_number(site.noise_multiplier)}",
            f"epsilon = {_number(site.epsilon)}",
            f"expected_update_norm = {_number(site.expected_update_norm)}",
            f"max_update_norm = {_number(site.max_update_norm)}",
        ]
    return "\n".join(rows) + "\n"


def _tensor(spec: TensorSpec) -> str:
    return f"{{ name = {json.dumps(spec.name)}, shape = {list(spec.shape)} }}"


def _number(value: float) -> str:
    return repr(float(value))
