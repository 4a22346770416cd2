"""Opens a page in headless Chromium, and tells what the browser made of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CHROMIUM", "Opened", "open_page"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""The browser; None where there is none."""
_PATIENCE = 90.0


@dataclass(frozen=True, slots=True)
class Opened:
    """The document as the browser holds it, what it wrote to its console, and a picture of the page."""

    document: str
    console: tuple[str, ...]
    picture: Path


def open_page(page: Path, folder: Path, *, width: int = 1000, height: int = 3000) -> Opened:
    """Opens `page` with a fresh profile in `folder`. A page that may load nothing tells each attempt on the console."""
    if CHROMIUM is None:
        raise FileNotFoundError("there is no Chromium")
    picture = folder / f"{page.stem}.png"
    shared = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr",
    ]  # fmt: skip
    dumped = _run([*shared, "--dump-dom", page.as_uri()])
    _run([*shared, f"--window-size={width},{height}", f"--screenshot={picture}", page.as_uri()])
    said = tuple(re.findall(r"CONSOLE.*", dumped.stderr))
    return Opened(dumped.stdout, said, picture)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE)
