"""What an import may write."""

from __future__ import annotations

from fedward_shared.errors import SourceDataError

__all__ = ["check_output"]


def check_output(written: int, most: int) -> None:
    """Whether so many bytes may be written.

    Raises:
        SourceDataError: they may not.
    """
    if written > most:
        raise SourceDataError(
            f"the imported data would take more than {most} bytes; nothing was imported",
            hint="Is it the right source? The limit can be raised on the command line.",
        )
