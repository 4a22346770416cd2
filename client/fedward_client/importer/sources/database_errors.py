"""What a database's error means, in our own words: a driver's message may hold cells, and the URL with its password."""

from __future__ import annotations

from fedward_client.importer.sources.addresses import PASSWORD_VARIABLE, Address
from fedward_shared.errors import FedwardError, SourceDataError, UsageError

__all__ = ["told"]

_LONGEST_CHAIN = 10

# SQLSTATE codes of ISO 9075 and of PostgreSQL (appendix A of its manual), by their beginnings, longest first.
_STATES = {
    "25006": ("the query would write", "The importer reads in a read-only transaction. Ask for the rows only."),
    "0A000": ("the query does what a read-only cursor cannot", "Ask for rows with one SELECT that writes nothing."),
    "57014": ("the query took longer than its timeout", "Ask for fewer rows, or set timeout (seconds) in [source]."),
    "57P": ("the server is shutting down", "Try again when it runs."),
    "40001": ("the database could not keep one state of the data for that long", "Try again."),
    "42P01": ("there is no such table", 'Check its name and its schema, such as table = "clinic.visits".'),
    "42703": ("there is no such column", "Check the query."),
    "42601": ("the query is written wrongly", "Try it in the database's own client first."),
    "42501": ("this user may not read that", "Ask the database's administrator for the right to SELECT."),
    "42": ("the query does not fit the database", "Try it in the database's own client first."),
    "28": ("the database does not let this user in", f"Check the user and the password ({PASSWORD_VARIABLE})."),
    "3D000": ("there is no such database", "Check the url."),
    "22": ("a value cannot be computed or read", "Try the query in the database's own client first."),
    "53": ("the database is out of memory, disk or connections", "Ask its administrator."),
    "08": ("the connection was lost", "Try again."),
}
_DATES = ("a date lies outside the years 1 to 9999", "Turn such dates, and infinity, into NULL in the query.")
_WORDS = {
    "password": _STATES["28"],
    "authentication": _STATES["28"],
    "pg_hba": _STATES["28"],
    'role "': _STATES["28"],
    'database "': _STATES["3D000"],
    "too large (after year": _DATES,
    "too small (before year": _DATES,
    "could not translate host name": ("its name is not known here", "Check the url."),
    "failed to resolve host": ("its name is not known here", "Check the url."),
    "connection refused": ("nothing listens there", "Check host and port, and that the database runs."),
    "timeout": ("it does not answer", "Check host and port, and this machine's firewall."),
    "timed out": ("it does not answer", "Check host and port, and this machine's firewall."),
    "permission denied": ("this program may not connect there", "Check host and port in the url."),
    "no such table": _STATES["42P01"],
    "no such column": _STATES["42703"],
    "syntax error": _STATES["42601"],
    "readonly database": _STATES["25006"],
    "interrupted": _STATES["57014"],
    "not a database": ("it is no SQLite file", "Check the file."),
    "malformed": ("the file is damaged", "Export it again."),
    "locked": ("another program is writing to it", "Try again when that is done."),
    "unable to open": (
        "the file cannot be opened",
        "Check the file and who may read it; with a write-ahead log, close the program that writes to it, or copy it.",
    ),
    "too big": ("a value is larger than this importer reads", "Leave that column out of the query."),
    "ssl": ("the encrypted connection failed", "Check sslmode and sslrootcert in the url."),
    "server closed the connection": _STATES["08"],
}
_UNKNOWN = ("it refused, or its answer cannot be read", "Try the query in the database's own client first.")


def told(error: BaseException, address: Address) -> FedwardError:
    """The error to raise instead."""
    for cause in _chain(error):
        if isinstance(cause, FedwardError):
            return cause
    why, advice = next(filter(None, map(_known, _chain(error))), _UNKNOWN)
    kind = SourceDataError if (why, advice) in {_STATES["22"], _DATES, _UNKNOWN} else UsageError
    return kind(f"{address.shown}: {why}", hint=advice)


def _chain(error: BaseException) -> list[BaseException]:
    """An error and what it was made of; SQLAlchemy keeps the driver's as `orig`."""
    found: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and len(found) < _LONGEST_CHAIN:
        found.append(step)
        step = getattr(step, "orig", None) or step.__cause__
    return found[::-1]


def _known(error: BaseException) -> tuple[str, str] | None:
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return next((meaning for start, meaning in _STATES.items() if state.startswith(start)), None)
    text = str(error).lower()
    return next((meaning for words, meaning in _WORDS.items() if words in text), None)
