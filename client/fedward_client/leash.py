"""`python -m fedward_client.leash PARENT MODULE …`: runs a module in a process that ends when its parent does.

Linux sends the signal chosen by prctl(PR_SET_PDEATHSIG) when the parent dies, however it dies. The setting is lost
when a process changes its credentials, which `unshare -r` does; so it is made here, after that, in the child itself.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

__all__ = ["command", "hold"]

_PR_SET_PDEATHSIG = 1


def command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs `module` on the leash of the calling process."""
    return (sys.executable, "-P", "-m", "fedward_client.leash", str(os.getpid()), module, *arguments)


def hold(parent: int) -> None:
    """Makes this process get SIGTERM when `parent` ends; exits at once where that has already happened."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")


def _main() -> None:
    parent, module, *arguments = sys.argv[1:]
    hold(int(parent))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
