"""What the three commands share: exit codes, how an error looks, and the line that names the next command."""

from __future__ import annotations

import sys
from collections.abc import Callable

from fedward_shared.errors import FedwardError

__all__ = ["next_step", "run_command", "say"]

_INTERRUPTED = 130


def say(text: str) -> None:
    """Prints a plain line for people."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def next_step(command: str, why: str = "") -> None:
    """The last line of every command: what to do now."""
    say(f"\nNext: {command}" + (f"   # {why}" if why else ""))


def run_command(command: Callable[[], object]) -> None:
    """Runs a command line: 0 done, 1 failed, 2 used wrongly, 3 refused; Ctrl-C ends without a traceback."""
    try:
        command()
    except FedwardError as error:
        sys.stderr.write(f"error: {error.diagnostics()}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        sys.stderr.write(f"error: {error}\nCheck the path, who may write there, and whether the disk is full.\n")
        sys.exit(FedwardError.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped. Nothing is lost: run the same command again to go on.\n")
        sys.exit(_INTERRUPTED)
