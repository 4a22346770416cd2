"""How a vault gets an empty network namespace: the words to put before its command line.

Each way is tried for real before it is used. With a mount namespace beside it, the sockets through which this user
could ask the host for a program or a name look-up are covered inside (only there) by /dev/null. The new process
keeps its process id: `unshare` and `sh` replace themselves by the vault.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from shutil import which

from fedward_client.vault.isolation import HOST_SOCKETS, NAME_SOCKETS, UNSAFE_SWITCH
from fedward_shared.errors import IsolationError

__all__ = ["Launcher", "how_to_isolate", "launcher"]

_COVER = "; ".join(
    (
        f"for socket in {' '.join((*HOST_SOCKETS, *NAME_SOCKETS))}",
        'do [ ! -S "$socket" ] || mount --bind /dev/null "$socket"',
        'done 2>/dev/null; exec "$@"',
    )
)
_COVERED = ("--", "sh", "-c", _COVER, "fedward-vault")
_TRY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Launcher:
    """Words before a command line, and what they give, for people."""

    prefix: tuple[str, ...]
    gives: str


_WAYS = (
    Launcher(
        ("unshare", "-Urnm", "--propagation", "slave", *_COVERED),
        "user, network and mount namespaces of its own",
    ),
    Launcher(("unshare", "-Urn", "--"), "user and network namespaces of its own"),
)
_WAYS_OF_ROOT = (
    Launcher(
        ("unshare", "-nm", "--propagation", "slave", *_COVERED),
        "network and mount namespaces of its own, as root of the machine",
    ),
    Launcher(("unshare", "-n", "--"), "a network namespace of its own, as root of the machine"),
)
_NOTHING = Launcher((), "no namespace of its own: this whole environment has no network")

# Runs inside: fails where anything beside loopback, or a way out, is there.
_TRIAL = "import sys; from fedward_client.vault.isolation import examine; sys.exit(0 if examine().isolated else 9)"


def launcher() -> Launcher:
    """The first way to an isolated process that works here, tried for real (about 0.1 s each).

    Raises:
        IsolationError: none works; the hint says what to change on this kind of system.
    """
    ways: list[Launcher] = [*_WAYS, *(_WAYS_OF_ROOT if os.geteuid() == 0 else ()), _NOTHING]
    for way in ways:
        if _works(way.prefix):
            return way
    raise IsolationError("nothing here gives the vault an empty network namespace", hint=how_to_isolate())


def how_to_isolate() -> str:
    """What to do on this kind of system, for people."""
    if sys.platform != "linux":
        return (
            "This system has no network namespaces. Run the site in a Linux virtual machine or container "
            "(the vault with `--network none`, the gateway in a second container, the site's folder mounted in both). "
            f"With data that are not real: {UNSAFE_SWITCH}"
        )
    lines = [] if which("unshare") else ["Install util-linux (it brings `unshare`)."]
    if _is_set("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"):
        lines.append(
            "AppArmor forbids user namespaces here (Ubuntu 23.10 and later): give unshare a profile that allows "
            "userns, or run `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`."
        )
    if _is_set("/proc/sys/kernel/unprivileged_userns_clone", "0"):
        lines.append("User namespaces are off here (Debian): run `sudo sysctl kernel.unprivileged_userns_clone=1`.")
    if _is_set("/proc/sys/user/max_user_namespaces", "0"):
        lines.append("User namespaces are off here: run `sudo sysctl user.max_user_namespaces=15000`.")
    lines.append(
        "In containers: run `fedward-site run --vault-only` in one that has `--network none`, and "
        "`fedward-site run --gateway-only` in another, with the site's folder mounted in both. Under systemd: "
        "`PrivateNetwork=yes` in the vault's unit."
    )
    lines.append(f"With data that are not real: {UNSAFE_SWITCH}")
    return "\n".join(lines)


def _works(prefix: tuple[str, ...]) -> bool:
    try:
        done = subprocess.run(
            [*prefix, sys.executable, "-P", "-c", _TRIAL],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRY_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _is_set(path: str, value: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123 - one line of /proc
            return file.read().strip() == value
    except OSError:
        return False
