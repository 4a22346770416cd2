"""Are a study's tensors those of the model that this code builds? Asked before anybody approves the study.

The vault's parent process holds keys and imports no torch, so a short-lived process answers:
`python -m fedward_client.vault.training.model_check` reads a manifest from standard input and prints what is wrong.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

__all__ = ["ModelCheck", "in_a_process", "main"]

ModelCheck = Callable[[bytes], str]
"""A manifest to what is wrong with its tensors, in words; empty where nothing is."""

_SECONDS = 100.0


def in_a_process(manifest: bytes) -> str:
    """The check of production; takes the seconds that importing torch takes."""
    command = [sys.executable, "-P", "-m", "fedward_client.vault.training.model_check"]
    try:
        done = subprocess.run(command, input=manifest, stdout=subprocess.PIPE, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the study's model could not be checked here ({type(error).__name__})"
    if done.returncode != 0:
        return f"the study's model could not be checked here (exit status {done.returncode})"
    return done.stdout.decode(errors="replace").strip()


def main() -> None:
    """Prints the problem, or nothing."""
    from fedward_shared.contracts.study import LARGEST_MANIFEST
    from fedward_shared.errors import FedwardError, StudyFileError
    from fedward_shared.manifest.parse import load
    from fedward_shared.manifest.resolve import check_tensors

    try:
        check_tensors(load(sys.stdin.buffer.read(LARGEST_MANIFEST)))
    except StudyFileError as error:
        sys.stdout.write("; ".join((error.message, *error.problems)))
    except FedwardError as error:
        sys.stdout.write(error.message)


if __name__ == "__main__":
    main()
