"""Reads damaged files one after another and says what came of each: ``python -m tests.support.fuzz_child``.

Arguments: a group of formats, the first number and the one after the last. The formats take turns: a number is one of
the group's formats and one way to damage it. Each line that it writes is ``number outcome``; an outcome that begins
with BUG is an exception that must not leave a decoder.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_client.importer.quarantine import UnreadableError
from fedward_shared.errors import SourceDataError, UsageError

if TYPE_CHECKING:
    from tests.support.fuzz_formats import Format

_ADDRESSES = 12 << 30
_OUTPUT = 64 << 20
_SECONDS = 900


def main(group: str, first: int, end: int) -> None:
    """Reads the damaged files of a group with these numbers."""
    for limit, most in (
        (resource.RLIMIT_AS, _ADDRESSES),
        (resource.RLIMIT_FSIZE, _OUTPUT),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    from tests.support.fuzz_formats import FORMATS

    formats = list(FORMATS[group].items())
    for number in range(first, end):
        name, chosen = formats[number % len(formats)]
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            chosen.write(folder, random.Random(f"{name} {number}"))
            before = sorted(folder.iterdir())
            outcome = _outcome(chosen, folder)
            if sorted(folder.iterdir()) != before:
                outcome = "BUG left files behind"
        sys.stdout.write(f"{number} {outcome}\n")
        sys.stdout.flush()


def _outcome(chosen: Format, folder: Path) -> str:
    try:
        return chosen.read(folder)
    except UnreadableError as refusal:
        return f"refused {refusal.reason.name}"
    except SourceDataError:
        return "refused SourceDataError"
    except UsageError:
        return "refused UsageError"
    except BaseException as error:  # noqa: BLE001 - whatever else comes out is what is looked for
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"BUG {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno} {str(error)[:200]!r}"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
