"""The inline engine: coordinator and hospitals in one process, and the code of each as it is in production.

The ServerApp, the strategy, the round loop, the desk, admission, ledger, journal, signatures, the ClientApp, the
training step and the accounting are the real ones. What differs: parcels are handed over instead of sent, stores live
in memory, keys last as long as the run, approval is given by nobody, and **randomness is seeded, which protects
nobody**. No site's own folder is opened for writing, so no site's ledger is ever touched.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fedward_client.imported import read_record
from fedward_client.vault.backbones import has_weights
from fedward_client.vault.books.books import Books
from fedward_client.vault.books.store import Store
from fedward_client.vault.books.studies import StudyState
from fedward_client.vault.core import Identity, Vault
from fedward_client.vault.inbox import Imported
from fedward_client.vault.policy import unsafe_simulation_policy
from fedward_client.vault.spending import pld
from fedward_client.vault.training.in_process import InlineTrainer
from fedward_client.vault.training.trainer import Order
from fedward_server.app import Pacing, run_study
from fedward_server.link.courier import Outcome
from fedward_server.rounds.book import MemoryBook
from fedward_server.rounds.loop import Conclusion, Pace
from fedward_server.rounds.progress import Notify, silent
from fedward_shared.contracts.study import Study, study_id
from fedward_shared.crypto.keys import new_signing_key, public_bytes
from fedward_shared.crypto.round_key import certify
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.errors import FedwardError, StudyFailedError, UsageError
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.parse import load, study_hash
from fedward_shared.models.start import first_weights
from fedward_shared.wire.codec import StudyOffer
from fedward_shared.wire.parcel import Parcel
from fedward_simulations.model_files import ModelFiles
from fedward_simulations.randomness import SeededSource

__all__ = ["InlineCourier", "InlineRun", "SiteRun", "run_inline"]

_DATA_SET = "simulation"
_KEY_SECONDS = 30 * 24 * 3600
_PACING = Pacing(pace=Pace(settle=0.0, quorum=1.0))
"""Everybody is there from the start: who refuses the study now would refuse it for ever."""


@dataclass(frozen=True, slots=True)
class SiteRun:
    """What the run left at one site: ε in its in-memory ledger, the instructions charged, its report's folder."""

    epsilon: float
    charged: int
    report: Path


@dataclass(frozen=True, slots=True)
class InlineRun:
    """A study that ended. `seconds` is the wall time of the rounds."""

    study: Study
    conclusion: Conclusion
    sites: Mapping[str, SiteRun]
    seconds: float


def run_inline(
    manifest: bytes,
    folders: Mapping[str, Path],
    *,
    seed: int,
    reports: Path,
    notify: Notify = silent,
    files: ModelFiles | None = None,
) -> InlineRun:
    """Runs a published study over one imported set a site. UNSAFE: all randomness follows from `seed`.

    Args:
        manifest: the published study.toml.
        folders: each site's import (a folder with import.json), by site name.
        seed: the same seed gives the same result, to the bit.
        reports: a folder for the sites' own reports.
        notify: told of progress.
        files: weights that the study names, where it names any.

    Raises:
        UsageError: a site of the study has no import, or one under another contract; or weights that the study names
            are missing or other ones.
        FedwardError: training failed at a site; its own error, which a real coordinator would not see.
    """
    study, given = load(manifest), files or ModelFiles()
    first = first_weights(study, given.start)
    if missing := [site for site in study.site_names if site not in folders]:
        raise UsageError(
            f"there are no imported data for {', '.join(missing)}",
            hint="Each site of the study needs a folder of its own name, made by: fedward-sim import",
        )
    _check_data(study, folders, given)
    keys = _Consortium(manifest)
    with ExitStack() as held:
        sites = {
            name: held.enter_context(_Site(name, study, keys, _Place(folders[name], reports / name, given), seed))
            for name in study.site_names
        }
        courier = InlineCourier({name: site.vault for name, site in sites.items()}, _failures(sites))
        for site in sites.values():
            site.approve(keys)
        begun = time.perf_counter()
        conclusion = run_study(
            keys.offer,
            courier=courier,
            key=keys.round_key,
            book=MemoryBook({name: site.public_key for name, site in sites.items()}),
            notify=notify,
            pacing=_PACING,
            initial=lambda: first,
        )
        seconds = time.perf_counter() - begun
        _check_delivered(conclusion)
        return InlineRun(study, conclusion, {name: site.told() for name, site in sites.items()}, seconds)


class InlineCourier:
    """A Courier that hands parcels to vaults in this process and waits for each answer.

    Args:
        vaults: by site name.
        failed: gives the error behind a vault's silence; raised at once, because nobody will be faster on a second try.
    """

    def __init__(self, vaults: Mapping[str, Vault], failed: Callable[[str], Exception | None]) -> None:
        self._vaults = dict(vaults)
        self._failed = failed
        self._tickets = itertools.count(1)

    def attached(self) -> frozenset[str]:
        """Every site."""
        return frozenset(self._vaults)

    def post(self, site: str, parcel: Parcel, *, reply_limit: int, deliver: Callable[[Outcome], None]) -> int:
        """Delivers the vault's answer before it returns.

        Raises:
            FedwardError: the vault stayed silent, or its answer is larger than `reply_limit`.
        """
        answer = self._vaults[site].handle(parcel, _never)
        if answer is None:
            raise self._failed(site) or FedwardError(f"{site} gave no answer")
        if isinstance(answer, Parcel) and answer.payload_bytes > reply_limit:
            raise FedwardError(f"{site} answered with more bytes than the study declares")
        deliver(answer)
        return next(self._tickets)

    def cancel(self, ticket: int) -> None:
        """Nothing waits here."""


class _Consortium:
    """Keys that last as long as the run, and the signed study."""

    def __init__(self, manifest: bytes) -> None:
        study_key = new_signing_key()
        self.round_key = new_signing_key()
        self.study_public = public_bytes(study_key)
        self.hash = study_hash(manifest)
        now = int(time.time())
        body, signature = certify(study_key, public_bytes(self.round_key), now - 60, now + _KEY_SECONDS)
        self.offer = StudyOffer(manifest, sign(study_key, Purpose.STUDY, manifest), body, signature)


class _OneImport:
    """The data sets of a simulated site: one."""

    def __init__(self, folder: Path) -> None:
        record = read_record(folder)
        self._import = Imported(_DATA_SET, record.version, bytes.fromhex(record.contract_digest), folder)

    def names(self) -> tuple[str, ...]:
        return (_DATA_SET,)

    def newest(self, data_set: str) -> Imported | None:
        return self._import if data_set == _DATA_SET else None


class _TellingTrainer:
    """Keeps the error that a vault is silent about: the data are the caller's own."""

    def __init__(self, trainer: InlineTrainer) -> None:
        self._trainer = trainer
        self.failure: Exception | None = None

    def run(self, order: Order, cancelled: Callable[[], bool]) -> list[memoryview]:
        try:
            return self._trainer.run(order, cancelled)
        except Exception as error:
            self.failure = error
            raise

    def close(self) -> None:
        self._trainer.close()


@dataclass(frozen=True, slots=True)
class _Place:
    """A simulated hospital's folders: its import, its own reports, and weights that all share."""

    data: Path
    reports: Path
    files: ModelFiles


class _Site:
    """A hospital: a whole vault over stores in memory."""

    def __init__(self, name: str, study: Study, keys: _Consortium, place: _Place, seed: int) -> None:
        key = new_signing_key()
        self.public_key = public_bytes(key)
        self.trainer = _TellingTrainer(InlineTrainer(SeededSource(seed, name)))
        self._study = study
        self._report = place.reports / study_id(keys.hash)
        self._books = Books(Store.in_memory(), site=name, study_key=keys.study_public, key=key, now=int(time.time()))
        self.vault = Vault(
            Identity(name, key, keys.study_public),
            books=self._books,
            policy=unsafe_simulation_policy(study.privacy.delta),
            trainer=self.trainer,
            data_sets=_OneImport(place.data),
            reports=place.reports,
            backbones=place.files.backbones,
        )

    def __enter__(self) -> Self:
        self.vault.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.vault.__exit__(None, None, None)
        self._books.close()

    def approve(self, keys: _Consortium) -> None:
        """Stands in for the person who reads the offer and approves it."""
        now = int(time.time())
        with self._books.store.transaction() as transaction:
            self._books.studies.propose(transaction, keys.offer, now)
            self._books.studies.decide(
                transaction, keys.hash, state=StudyState.APPROVED, by="simulation", at=now, data_set=_DATA_SET
            )

    def told(self) -> SiteRun:
        """What its own books say."""
        events = self._books.ledger.events(_DATA_SET)
        return SiteRun(pld(events, self._study.privacy.delta), len(self._books.ledger.reservations()), self._report)


def _failures(sites: Mapping[str, _Site]) -> Callable[[str], Exception | None]:
    return lambda name: sites[name].trainer.failure


def _check_data(study: Study, folders: Mapping[str, Path], files: ModelFiles) -> None:
    """What a vault would refuse without a word to the coordinator is said here before the first round."""
    digest = contract_digest(study.data).hex()
    for site in study.site_names:
        if read_record(folders[site]).contract_digest != digest:
            raise UsageError(
                f"{folders[site]} was imported under another data contract than the study's",
                hint=f"Import it again with this study: fedward-sim import --contract STUDY --site {site}",
            )
    backbone = study.model.backbone
    if backbone is not None and not has_weights(study, files.backbones):
        looked = "no folder was given" if files.backbones is None else f"{files.backbones} does not hold them"
        raise UsageError(
            f"the weights of the backbone {backbone.name} are needed, and {looked}",
            hint=f"Give --backbones DIR, where DIR holds {backbone.sha256}.safetensors.",
        )


def _check_delivered(conclusion: Conclusion) -> None:
    for site, reason in conclusion.delivered.items():
        if reason:
            raise StudyFailedError(f"{site} did not take the final model: {reason}")


def _never() -> bool:
    return False
