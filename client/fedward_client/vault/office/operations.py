"""What a person at the site does: look at studies, decide on them, read ledger and journal, end a lock.

Works on open books, whether a running vault has them open (its `admin.sock` calls this) or the command line has,
while the vault is stopped. Deciding is signed with the vault's key and noted in the journal.
"""

from __future__ import annotations

from pathlib import Path

from fedward_client.vault.backbones import missing_weights
from fedward_client.vault.books.books import Books
from fedward_client.vault.books.studies import Dossier, StudyState
from fedward_client.vault.inbox import DataSets, Imported
from fedward_client.vault.offers import read_file
from fedward_client.vault.office.commitments import check_policy, weigh
from fedward_client.vault.office.preview import preview
from fedward_client.vault.office.records import chain_check, journal_entries, ledger_rows, summary
from fedward_client.vault.office.views import (
    ChainCheck,
    DataSetChoice,
    DataSetSpend,
    DecisionView,
    JournalEntry,
    LedgerRow,
    OfferView,
    Status,
    StudySummary,
    StudyView,
)
from fedward_client.vault.policy import Policy
from fedward_client.vault.spending import Accountant, pld, study_epsilon
from fedward_client.vault.training.model_check import ModelCheck, in_a_process
from fedward_shared.contracts.budget import Spend
from fedward_shared.crypto.keys import fingerprint
from fedward_shared.errors import BudgetError, PolicyError, UsageError

__all__ = ["Operations"]

_SHORTEST_PREFIX = 4
_LONGEST_NAME = 200


class Operations:
    """One per open books. `study_key` and `vault_key` are public keys (32 raw bytes)."""

    def __init__(
        self,
        *,
        site: str,
        study_key: bytes,
        vault_key: bytes,
        books: Books,
        policy: Policy,
        data_sets: DataSets,
        backbones: Path | None = None,
        accountant: Accountant = pld,
        model_check: ModelCheck = in_a_process,
    ) -> None:
        self._site = site
        self._study_key = study_key
        self._vault_key = vault_key
        self._books = books
        self._policy = policy
        self._data_sets = data_sets
        self._backbones = backbones
        self._accountant = accountant
        self._model_check = model_check
        self._sound: set[bytes] = set()

    # Studies

    def proposals(self) -> tuple[StudySummary, ...]:
        """Every study that reached this site, in the order in which they came."""
        return tuple(summary(self._books, dossier) for dossier in self._books.studies.all())

    def show(self, study: str) -> StudyView:
        """Everything about one study. `study` is its hash, the beginning of it, or its name where that is unique.

        Raises:
            UsageError: no study, or more than one, is meant.
        """
        dossier = self._find(study)
        return preview(
            dossier,
            site=self._site,
            study_key=fingerprint(self._study_key),
            epsilon=study_epsilon(dossier.study, self._site, self._accountant),
            data_sets=tuple(self._weigh(dossier, data) for data in self._fitting(dossier)),
            problems=self._problems(dossier),
        )

    def add_study(self, offer: bytes, now: float) -> OfferView:
        """Takes in a study that came as a file (`study.offer`), for a person to decide; journalled and anchored.

        Raises:
            UsageError: it is no such file.
            RefusedError: a signature does not hold, or it is no study for this site.
        """
        known = {dossier.hash for dossier in self._books.studies.all()}
        dossier = read_file(self._books, offer, site=self._site, study_key=self._study_key, now=int(now))
        self._books.anchor()
        study = dossier.study
        return OfferView(dossier.hash.hex(), study.name, study.title, str(dossier.state), dossier.hash in known)

    def approve(self, study: str, data_set: str, by: str, now: float) -> DecisionView:
        """Lets a study train on a data set, in the name of `by`; signed, journalled and anchored.

        Raises:
            UsageError: no such study or data set, no name, it is approved already, or the weights of its backbone are
                not here.
            PolicyError: the site's policy, the study's own claims, or tensors that are not its model's, forbid it.
            BudgetError: the data set's budget does not cover the study to its end.
        """
        person, dossier = _person(by), self._find(study)
        if dossier.state is StudyState.APPROVED:
            raise UsageError(
                f"the study is approved already, by {dossier.decision.by if dossier.decision else 'somebody'}",
                hint="To change the data set: fedward-site withdraw, then approve again.",
            )
        check_policy(dossier.study, self._site, self._policy, self._accountant)
        data = self._data_sets.newest(data_set)
        if data is None or data.contract != dossier.contract:
            raise UsageError(
                f"{data_set!r} holds no data that were imported under this study's contract",
                hint="Import them first: fedward-site import FILE --contract STUDY --data-set NAME",
            )
        choice = self._weigh(dossier, data)
        if not choice.covered:
            raise BudgetError(
                f"with this study and all others approved on {data_set!r}, a patient's ε could reach "
                f"{choice.after:.3g}; the site's policy allows {choice.max_epsilon:.3g}",
                hint="Withdraw from a study that will not go on, or change max_epsilon in policy.toml.",
            )
        if problem := self._model_problem(dossier):
            raise PolicyError(problem, hint="Do not approve it. Tell the coordinator what is said here.")
        if missing := missing_weights(dossier.study, self._backbones):
            raise UsageError(missing, hint="Get the file from its source; every site keeps a copy of its own.")
        at, books = int(now), self._books
        with books.store.transaction() as transaction:
            decision = books.studies.decide(
                transaction, dossier.hash, state=StudyState.APPROVED, by=person, at=at, data_set=data_set
            )
            if not books.journal.mentions_import(data.data_set, data.version):
                fields = {"data_set": data.data_set, "version": data.version}
                books.journal.append(transaction, "import", at, fields)
            fields = {"study": dossier.hash.hex(), "by": person, "data_set": data_set}
            books.journal.append(transaction, "approved", at, fields)
        books.anchor()
        epsilon = study_epsilon(dossier.study, self._site, self._accountant)
        name = dossier.study.name
        return DecisionView(dossier.hash.hex(), name, str(decision.state), person, at, data_set, epsilon)

    def reject(self, study: str, by: str, now: float) -> DecisionView:
        """Says no to a study that nobody approved.

        Raises:
            UsageError: no such study, no name, or it was approved before.
        """
        dossier = self._find(study)
        if dossier.state is StudyState.APPROVED:
            raise UsageError("the study was approved", hint="To stop it: fedward-site withdraw STUDY")
        return self._refuse(dossier, StudyState.REJECTED, by, now)

    def withdraw(self, study: str, by: str, now: float) -> DecisionView:
        """Ends an approval. Replies that were not fetched are deleted; what was spent stays spent.

        Raises:
            UsageError: no such study, no name, or it is not approved.
        """
        dossier = self._find(study)
        if dossier.state is not StudyState.APPROVED:
            raise UsageError("only an approved study can be withdrawn from", hint="See: fedward-site study list")
        return self._refuse(dossier, StudyState.WITHDRAWN, by, now)

    # Ledger and journal

    def ledger(self, data_set: str | None = None) -> tuple[LedgerRow, ...]:
        """Every reservation, oldest first, of one data set or of all."""
        return ledger_rows(self._books, data_set)

    def spending(self) -> tuple[DataSetSpend, ...]:
        """ε of every data set that ever spent or has an import."""
        names = sorted({*self._books.ledger.data_sets(), *self._data_sets.names()})
        return tuple(self._spend(name) for name in names)

    def journal(self, newest: int | None = None) -> tuple[JournalEntry, ...]:
        """The newest entries, or all, oldest first."""
        return journal_entries(self._books, newest)

    def verify_journal(self) -> ChainCheck:
        """Recomputes both chains and checks every signature of the journal."""
        return chain_check(self._books)

    def status(self) -> Status:
        """How the vault stands."""
        books, heads = self._books, self._books.heads()
        states = [dossier.state for dossier in books.studies.all()]
        return Status(
            site=self._site,
            vault_key=fingerprint(self._vault_key),
            study_key=fingerprint(self._study_key),
            locked=books.ledger.locked() or "",
            ledger_rows=heads.ledger_sequence,
            ledger_head=heads.ledger.hex(),
            journal_entries=heads.journal_sequence,
            journal_head=heads.journal.hex(),
            studies_waiting=states.count(StudyState.PROPOSED),
            studies_approved=states.count(StudyState.APPROVED),
            stored_replies=len(books.answers.all()),
            data_sets=self._data_sets.names(),
            max_epsilon=self._policy.max_epsilon,
            delta=self._policy.delta,
            allow_unsafe_no_privacy=self._policy.allow_unsafe_no_privacy,
        )

    def unsafe_unlock(self, by: str, reason: str, now: float) -> Status:
        """Ends a lock although what was spent may have been lost: `by` answers for it, with a reason, for ever.

        Raises:
            UsageError: the ledger is not locked, or a name or a reason is missing.
        """
        person, why = _person(by), reason.strip()
        if self._books.ledger.locked() is None:
            raise UsageError("the ledger is not locked")
        if not 0 < len(why) <= _LONGEST_NAME or not why.isprintable():
            raise UsageError("an unlock needs a reason, in one line", hint="Say what happened: --reason 'disk failed'")
        self._books.unsafe_unlock(person, why, int(now))
        return self.status()

    # How it is found out

    def _find(self, reference: str) -> Dossier:
        dossiers = self._books.studies.all()
        wanted = reference.strip().lower()
        # Names and hashes are looked at together: a study may be called as another one's hash begins.
        short = len(wanted) < _SHORTEST_PREFIX
        found = [
            one for one in dossiers if one.study.name == wanted or (not short and one.hash.hex().startswith(wanted))
        ]
        if len(found) == 1:
            return found[0]
        problem = "no study" if not found else f"{len(found)} studies"
        raise UsageError(f"{problem} here can be meant by {reference!r}", hint="See: fedward-site study list")

    def _fitting(self, dossier: Dossier) -> list[Imported]:
        found = (self._data_sets.newest(name) for name in self._data_sets.names())
        return [data for data in found if data is not None and data.contract == dossier.contract]

    def _weigh(self, dossier: Dossier, data: Imported) -> DataSetChoice:
        return weigh(
            dossier,
            data,
            studies=self._books.studies.all(),
            ledger=self._books.ledger,
            site=self._site,
            policy=self._policy,
            accountant=self._accountant,
        )

    def _spend(self, data_set: str) -> DataSetSpend:
        reservations = self._books.ledger.reservations(data_set)
        epsilon = self._accountant(self._books.ledger.events(data_set), self._policy.delta)
        spend = Spend(data_set, epsilon, epsilon, self._policy.budget)
        return DataSetSpend(
            data_set=data_set,
            epsilon=spend.before,
            max_epsilon=spend.budget.epsilon,
            delta=spend.budget.delta,
            reservations=len(reservations),
            studies=len({reservation.study for reservation in reservations}),
        )

    def _problems(self, dossier: Dossier) -> tuple[str, ...]:
        problems = []
        try:
            check_policy(dossier.study, self._site, self._policy, self._accountant)
        except PolicyError as error:
            problems.append(error.message)
        if dossier.state is not StudyState.APPROVED and (problem := self._model_problem(dossier)):
            problems.append(problem)
        if missing := missing_weights(dossier.study, self._backbones):
            problems.append(missing)
        fitting = self._fitting(dossier)
        if not fitting:
            problems.append("no data were imported under this study's contract yet")
        elif not any(self._weigh(dossier, data).covered for data in fitting):
            problems.append("no data set's budget covers the study to its end")
        return tuple(problems)

    def _model_problem(self, dossier: Dossier) -> str:
        """What is wrong with the study's tensors; a study that is sound stays so."""
        if dossier.hash in self._sound:
            return ""
        problem = self._model_check(dossier.manifest)
        if not problem:
            self._sound.add(dossier.hash)
        return problem

    def _refuse(self, dossier: Dossier, state: StudyState, by: str, now: float) -> DecisionView:
        person, at = _person(by), int(now)
        self._books.withdraw(dossier.hash, state, person, at)
        return DecisionView(dossier.hash.hex(), dossier.study.name, str(state), person, at, "", 0.0)


def _person(name: str) -> str:
    person = name.strip()
    if not 0 < len(person) <= _LONGEST_NAME or not person.isprintable():
        raise UsageError("who decides? A decision carries a name, in one line", hint="Add: --by 'Your Name'")
    return person
