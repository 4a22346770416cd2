"""What approving a study would commit a data set to, and whether policy and budget allow it. No I/O of its own.

A study is approved only if the budget covers it to its end, together with what every other study that is approved
on the data set may still spend: an approval that runs dry halfway spends privacy and gives no model.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedward_client.vault.books.ledger import Ledger
from fedward_client.vault.books.studies import Dossier
from fedward_client.vault.inbox import Imported
from fedward_client.vault.office.views import DataSetChoice
from fedward_client.vault.policy import Policy
from fedward_client.vault.spending import Accountant, check_claims, finite, study_event
from fedward_shared.contracts.study import Study
from fedward_shared.errors import PolicyError
from fedward_shared.privacy.events import AdaptiveGaussian, Event, NoPrivacy
from fedward_shared.version import PROTOCOL, VERSION

__all__ = ["check_policy", "in_words", "weigh"]


def weigh(
    dossier: Dossier,
    data: Imported,
    *,
    studies: Sequence[Dossier],
    ledger: Ledger,
    site: str,
    policy: Policy,
    accountant: Accountant,
) -> DataSetChoice:
    """What the data set will have cost once this study, and every other one approved on it, ran to its end.

    Studies that concluded, or that a person stopped, count with what they really spent.
    """
    others = [
        one
        for one in studies
        if one.data_set == data.data_set and one.concluded_at is None and one.hash != dossier.hash
    ]
    running = [dossier, *others]
    over = ledger.events(data.data_set, without=[one.hash for one in running])
    events = (*over, *(study_event(one.study, site) for one in running))
    private = finite(events)
    allowed = policy.allow_unsafe_no_privacy or private == events
    return DataSetChoice(
        data_set=data.data_set,
        version=data.version,
        spent=accountant(ledger.events(data.data_set), policy.delta),
        after=accountant(events, policy.delta),
        max_epsilon=policy.max_epsilon,
        covered=allowed and accountant(private, policy.delta) <= policy.max_epsilon,
    )


def check_policy(study: Study, site: str, policy: Policy, accountant: Accountant) -> None:
    """Whether the site's policy, and the study's own claims, let it be approved.

    Raises:
        PolicyError: they do not.
    """
    if study.code_version != VERSION or study.protocol != PROTOCOL:
        raise PolicyError(
            f"the study declares Fedward {study.code_version}, and {VERSION} runs here",
            hint="Install the version that the study declares.",
        )
    if study.privacy.unsafe_no_privacy and not policy.allow_unsafe_no_privacy:
        raise PolicyError(
            "the study adds no noise at all, and the site's policy does not allow that",
            hint="If this site accepts an infinite ε: allow_unsafe_no_privacy = true in policy.toml.",
        )
    if study.privacy.delta != policy.delta:
        raise PolicyError(
            f"the study counts at δ = {study.privacy.delta:g}, the site's policy at δ = {policy.delta:g}",
            hint="Both must be equal. Agree with the coordinator on one δ.",
        )
    check_claims(study, site, accountant)


def in_words(event: Event) -> str:
    """An event for people."""
    steps = "1 step" if event.steps == 1 else f"{event.steps} steps"
    if isinstance(event, NoPrivacy):
        return f"{steps} without privacy"
    noise = f"σ = {event.noise_multiplier:.4g}"
    if isinstance(event, AdaptiveGaussian):
        noise += f" and, for the clip's count, {event.count_noise:.4g}"
    return f"{steps}, {noise}, q = {event.sampling_rate:.4g}"
