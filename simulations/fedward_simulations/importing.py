"""Keeps one import as one simulated site: DATA/SITE/import.json and the data beside it."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_shared.errors import FedwardError, UsageError

if TYPE_CHECKING:
    from fedward_client.importer.report import ImportReport

__all__ = ["check_site", "import_into", "site_folders"]

_SITE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def import_into(data: Path, site: str, importer: Callable[[Path], ImportReport]) -> ImportReport:
    """Runs `importer` on an empty inbox and moves what it made to ``data/site``, replacing an earlier one.

    Where it fails or is stopped, folders that were made for it are removed again.

    Raises:
        UsageError: `site` is no site name, or the importer finds fault.
    """
    if not _SITE.fullmatch(site):
        raise UsageError(f"{site!r} cannot name a site", hint="Use a-z, 0-9 and -, as the study does.")
    made = [folder for folder in (data, *data.parents) if not folder.exists()]
    data.mkdir(parents=True, exist_ok=True)
    try:
        return _imported(data, site, importer)
    except BaseException:
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()
        raise


def _imported(data: Path, site: str, importer: Callable[[Path], ImportReport]) -> ImportReport:
    with tempfile.TemporaryDirectory(dir=data, prefix=".inbox-") as inbox:
        report = importer(Path(inbox))
        if report.folder is None:
            raise FedwardError("the importer wrote nothing")
        shutil.rmtree(data / site, ignore_errors=True)
        report.folder.rename(data / site)
    return report


def check_site(study: bytes, site: str) -> None:
    """Whether `site` is one of the study's.

    Raises:
        UsageError: it is not; those that there are, are named.
        StudyFileError: the study file is wrong.
    """
    from fedward_shared.manifest.parse import load

    names = load(study).site_names
    if site not in names:
        raise UsageError(f"{site!r} is no site of the study", hint=f"Its sites are: {', '.join(names)}")


def site_folders(data: Path, sites: tuple[str, ...]) -> dict[str, Path]:
    """The imports of these sites.

    Raises:
        UsageError: one is missing.
    """
    folders = {site: data / site for site in sites}
    for site, folder in folders.items():
        if not (folder / "import.json").exists():
            raise UsageError(
                f"{folder} holds no imported data",
                hint=f"fedward-sim import FILE.csv --contract study.toml --site {site} --data {data}",
            )
    return folders
