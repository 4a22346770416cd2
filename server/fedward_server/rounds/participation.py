"""Who took part in each round, and why others did not: the truth that report.json tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedward_shared.errors import FedwardError

__all__ = ["Attempt", "Attendance", "attempts_from_json", "attempts_to_json", "rounds_joined"]


@dataclass(frozen=True, slots=True)
class Attendance:
    """One site in one attempt. `asked`: an instruction was sent; `reason` says why it did not take part."""

    site: str
    asked: bool
    took_part: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a round. `enough`: the quorum was there and the result counted. Times in seconds (UTC)."""

    round: int
    attempt: int
    enough: bool
    started: float
    seconds: float
    sites: tuple[Attendance, ...]

    @property
    def took_part(self) -> tuple[str, ...]:
        """The sites whose updates counted."""
        return tuple(entry.site for entry in self.sites if entry.took_part)

    def shortfall(self, quorum: int) -> str:
        """One sentence for people: who was there, and why the others were not."""
        present = ", ".join(self.took_part) or "nobody"
        absent = "; ".join(f"{entry.site}: {entry.reason}" for entry in self.sites if not entry.took_part)
        return (
            f"round {self.round}, attempt {self.attempt}, needs {quorum} hospitals and had {len(self.took_part)} "
            f"({present}). {absent}"
        )


def rounds_joined(attempts: Sequence[Attempt], sites: Sequence[str]) -> dict[str, int]:
    """In how many completed rounds each site's update counted."""
    done = [attempt.took_part for attempt in attempts if attempt.enough]
    return {site: sum(site in present for present in done) for site in sites}


def attempts_to_json(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Plain values for report.json and checkpoints."""
    return [
        {
            "round": attempt.round,
            "attempt": attempt.attempt,
            "enough": attempt.enough,
            "started": attempt.started,
            "seconds": attempt.seconds,
            "sites": {
                entry.site: {"asked": entry.asked, "took_part": entry.took_part, "reason": entry.reason}
                for entry in attempt.sites
            },
        }
        for attempt in attempts
    ]


def attempts_from_json(values: Sequence[Mapping[str, Any]]) -> tuple[Attempt, ...]:
    """The attempts that `attempts_to_json` wrote.

    Raises:
        FedwardError: the values are not of that form.
    """
    try:
        return tuple(
            Attempt(
                round=int(entry["round"]),
                attempt=int(entry["attempt"]),
                enough=bool(entry["enough"]),
                started=float(entry["started"]),
                seconds=float(entry["seconds"]),
                sites=tuple(
                    Attendance(site, bool(fields["asked"]), bool(fields["took_part"]), str(fields["reason"]))
                    for site, fields in entry["sites"].items()
                ),
            )
            for entry in values
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FedwardError("the participation in a checkpoint cannot be read", hint="Restore the folder.") from error
