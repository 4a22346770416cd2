"""One exception tree. A message says what is wrong and what to do next, and never holds a patient's value.

::

    FedwardError                  exit 1   something failed
    ├── UsageError                exit 2   the command, a file or a study was written wrongly
    │   ├── StudyFileError                 study.toml: names the table, the key and the line
    │   └── SourceDataError                a source file does not fit the data contract
    ├── RefusedError              exit 3   the request was understood and refused
    │   ├── SignatureError                 a signature, certificate or digest does not hold
    │   ├── PolicyError                    the site's policy forbids it
    │   ├── BudgetError                    the privacy budget does not cover it
    │   └── LockedError                    the ledger was rolled back, or another process owns the folder
    ├── WireError                 exit 1   a peer sent what the protocol does not allow
    ├── LinkError                 exit 1   a peer cannot be reached, or the connection ended
    ├── IsolationError            exit 3   the vault can reach a network, or the importer the vault
    ├── TrainingError             exit 1   the training worker failed
    ├── ImporterError             exit 1   the importer's worker failed or reached a limit
    └── StudyFailedError          exit 1   a study ended short of its declared rounds
"""

from __future__ import annotations

__all__ = [
    "BudgetError",
    "FedwardError",
    "ImporterError",
    "IsolationError",
    "LinkError",
    "LockedError",
    "PolicyError",
    "RefusedError",
    "SignatureError",
    "SourceDataError",
    "StudyFailedError",
    "StudyFileError",
    "TrainingError",
    "UsageError",
    "WireError",
]


class FedwardError(Exception):
    """The root. `hint` is the sentence that says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def diagnostics(self) -> str:
        """The message and, below it, what to do next."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(FedwardError):
    """The command, a file or a study was written wrongly."""

    exit_code = 2


class StudyFileError(UsageError):
    """study.toml does not say what a study needs; `problems` lists every mistake found, one line each."""

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems

    def diagnostics(self) -> str:
        """The message, each problem on a line, and what to do next."""
        lines = [self.message, *(f"  {problem}" for problem in self.problems)]
        return "\n".join([*lines, self.hint] if self.hint else lines)


class SourceDataError(UsageError):
    """A source file does not fit the data contract."""


class RefusedError(FedwardError):
    """The request was understood and refused."""

    exit_code = 3


class SignatureError(RefusedError):
    """A signature, certificate or digest does not hold."""


class PolicyError(RefusedError):
    """The site's policy forbids it."""


class BudgetError(RefusedError):
    """The privacy budget does not cover it."""


class LockedError(RefusedError):
    """The ledger was rolled back, or another process owns the data folder."""


class IsolationError(RefusedError):
    """The vault can reach a network, or the importer the vault, and so will not open data."""


class WireError(FedwardError):
    """A peer sent what the protocol does not allow."""


class LinkError(FedwardError):
    """A peer cannot be reached, or the connection ended."""


class TrainingError(FedwardError):
    """The training worker failed."""


class ImporterError(FedwardError):
    """The importer's worker failed or reached a limit; nothing was imported."""


class StudyFailedError(FedwardError):
    """A study ended short of its declared rounds."""
