"""What the books hold, as plain values for people: studies, reservations, journal entries, and whether it holds."""

from __future__ import annotations

from fedward_client.vault.books.books import Books
from fedward_client.vault.books.studies import Dossier
from fedward_client.vault.office.commitments import in_words
from fedward_client.vault.office.views import ChainCheck, JournalEntry, LedgerRow, StudySummary
from fedward_shared.errors import LockedError

__all__ = ["chain_check", "journal_entries", "ledger_rows", "summary"]

_QUIET_FIELDS = {"kind", "at", "salt"}


def summary(books: Books, dossier: Dossier) -> StudySummary:
    """A line in the list of studies."""
    decision = dossier.decision
    return StudySummary(
        study=dossier.hash.hex(),
        name=dossier.study.name,
        title=dossier.study.title,
        state=str(dossier.state),
        offered_at=dossier.offered_at,
        decided_by=decision.by if decision else "",
        decided_at=decision.at if decision else 0,
        data_set=dossier.data_set,
        rounds_reserved=books.ledger.count(dossier.hash),
        rounds=dossier.study.strategy.rounds,
        concluded=dossier.concluded_at is not None,
    )


def ledger_rows(books: Books, data_set: str | None) -> tuple[LedgerRow, ...]:
    """Every reservation, oldest first, of one data set or of all."""
    names = {dossier.hash: dossier.study.name for dossier in books.studies.all()}
    return tuple(
        LedgerRow(
            study=reservation.study.hex(),
            name=names.get(reservation.study, ""),
            round=reservation.round,
            attempt=reservation.attempt,
            data_set=reservation.data_set,
            dataset_version=reservation.dataset_version,
            event=in_words(reservation.event),
            at=reservation.at,
            replied=reservation.settled is not None,
        )
        for reservation in books.ledger.reservations(data_set)
    )


def journal_entries(books: Books, newest: int | None) -> tuple[JournalEntry, ...]:
    """The newest entries, or all, oldest first."""
    return tuple(
        JournalEntry(
            sequence=row.sequence,
            at=int(str(row.fields["at"])),
            kind=str(row.fields["kind"]),
            says=", ".join(f"{key} {value}" for key, value in row.fields.items() if key not in _QUIET_FIELDS),
        )
        for row in books.journal.entries(newest)
    )


def chain_check(books: Books) -> ChainCheck:
    """Recomputes both chains and checks every signature of the journal."""
    heads, problem = books.heads(), ""
    try:
        books.ledger.verify()
        books.journal.verify()
    except LockedError as error:
        problem = error.message
    return ChainCheck(
        holds=not problem,
        ledger_rows=heads.ledger_sequence,
        journal_entries=heads.journal_sequence,
        problem=problem,
    )
