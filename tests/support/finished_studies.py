"""A coordinator's folder with a study that has ended, in seconds and without a process: what exports start from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fedward_server.app import run_study
from fedward_server.enrolment.founding import found
from fedward_server.home import CoordinatorHome, CoordinatorSettings
from fedward_server.publishing import publish
from fedward_server.rounds.results import write_model, write_report
from fedward_server.studies import Studies, StudyFolder, StudyState
from fedward_shared.crypto.keys import fingerprint
from fedward_shared.wire.codec import StudyOffer
from tests.support.fake_sites import ROUND_KEY, FakeCourier, book_of, sites_of, study_text

__all__ = ["NOW", "FinishedStudy", "finish", "finished_study"]

NOW = 1_790_000_000.0
"""The moment at which these federations were founded."""


@dataclass(frozen=True, slots=True)
class FinishedStudy:
    """The coordinator's folder and the study's."""

    home: CoordinatorHome
    folder: StudyFolder

    @property
    def fingerprint(self) -> str:
        """What hospitals know of the study key."""
        return fingerprint(self.home.study_public())


def finished_study(
    root: Path, text: str = "", *, down: frozenset[str] = frozenset({"west"}), now: bool = False
) -> FinishedStudy:
    """A federation founded in `root`, and this study (default: two rounds of the usual one), trained by fake sites.

    It is founded `now`, or at `NOW`.
    """
    home = CoordinatorHome(root)
    found(home, CoordinatorSettings("Cardiology group", ("localhost",), "127.0.0.1", 0, 0), _moment(now=now))
    published = publish((text or study_text(rounds=2)).encode(), home.study_key(), Studies(home.studies_dir))
    finish(published.folder, down=down)
    return FinishedStudy(home, published.folder)


def finish(folder: StudyFolder, *, down: frozenset[str] = frozenset()) -> None:
    """Trains a published study; sites in `down` are never there."""
    offer = StudyOffer(folder.manifest(), folder.signature(), b"certificate", bytes(64))
    sites = sites_of(offer)
    end = run_study(
        offer, courier=FakeCourier(sites, down=set(down)), key=ROUND_KEY, book=book_of(sites), clock=lambda: 0.0
    )
    study = folder.study()
    write_model(folder.model, offer.manifest, study, end.model, end.attempts)
    write_report(folder.report, offer.manifest, study, end.attempts, end.delivered)
    folder.stand(StudyState.DONE)


def _moment(*, now: bool) -> datetime:
    return datetime.now(UTC) if now else datetime.fromtimestamp(NOW, UTC)
