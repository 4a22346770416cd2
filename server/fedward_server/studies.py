"""The coordinator's studies folder: what was published, and what became of it.

A study's folder is named by the first 16 hex digits of its hash and holds `study.toml` and `study.sig` exactly as
published, `study.offer` (both, with the round key's certificate, as one file for a site), `state.json`,
`start.safetensors` where the study starts from given weights, and, once it runs, `rounds/` (instructions in flight,
checkpoints), `report.json` and `model/`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fedward_shared.contracts.study import LARGEST_MANIFEST, Study, study_id
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited, sync_folder, write_atomic
from fedward_shared.models.start import START_FILE

__all__ = ["Standing", "Studies", "StudyFolder", "StudyState"]

_STATE_LIMIT = 1 << 16
_SIGNATURE_LIMIT = 64


class StudyState(StrEnum):
    """How far a published study is."""

    PUBLISHED = "published"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Standing:
    """A study's state, why (for people, where it failed), and when it was published (seconds since 1970)."""

    state: StudyState
    published: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """One published study on the coordinator's disk."""

    root: Path

    @property
    def id(self) -> str:
        """The first 16 hex digits of the study hash."""
        return self.root.name

    @property
    def rounds(self) -> Path:
        """Instructions in flight and checkpoints."""
        return self.root / "rounds"

    @property
    def start(self) -> Path:
        """The weights that the study starts from, where it declares such a file."""
        return self.root / START_FILE

    @property
    def model(self) -> Path:
        """The final model: model.safetensors, model.json, study.toml."""
        return self.root / "model"

    @property
    def offer(self) -> Path:
        """What a site needs that takes studies as files: `fedward-site study add`."""
        return self.root / "study.offer"

    @property
    def report(self) -> Path:
        """Who took part in each round, and why others did not."""
        return self.root / "report.json"

    def manifest(self) -> bytes:
        """The manifest as published; its SHA-256 names the study.

        Raises:
            UsageError: it is missing, or not the one that the folder is named after.
        """
        manifest = read_limited(self.root / "study.toml", LARGEST_MANIFEST)
        if study_id(hashlib.sha256(manifest).digest()) != self.id:
            raise UsageError(
                f"{self.root / 'study.toml'} was changed after it was published",
                hint="A published study is never edited. Publish the changed one as a new study.",
            )
        return manifest

    def signature(self) -> bytes:
        """The study key's signature over the manifest (64 bytes)."""
        return read_limited(self.root / "study.sig", _SIGNATURE_LIMIT)

    def study(self) -> Study:
        """The checked study."""
        from fedward_shared.manifest.parse import load

        return load(self.manifest())

    def standing(self) -> Standing:
        """Where the study stands."""
        found = json.loads(read_limited(self.root / "state.json", _STATE_LIMIT))
        return Standing(StudyState(found["state"]), float(found["published"]), str(found["reason"]))

    def stand(self, state: StudyState, reason: str = "") -> None:
        """Records, durably, where the study stands now."""
        published = self.standing().published
        write_atomic(self.root / "state.json", _state(Standing(state, published, reason)))


class Studies:
    """All published studies."""

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._root = root
        self._clock = clock

    def publish(self, manifest: bytes, signature: bytes, start: Path | None = None) -> StudyFolder:
        """Keeps a signed manifest, whole or not at all. Publishing the same bytes again changes nothing.

        Raises:
            UsageError: `start` is not the file that the study declares.
        """
        folder = StudyFolder(self._root / study_id(hashlib.sha256(manifest).digest()))
        if folder.root.exists():
            folder.manifest()
            return folder
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(prefix=".publishing-", dir=self._root))
        try:
            write_atomic(draft / "study.toml", manifest)
            write_atomic(draft / "study.sig", signature)
            if start is not None:
                _keep_start(start, draft / START_FILE, manifest)
            write_atomic(draft / "state.json", _state(Standing(StudyState.PUBLISHED, self._clock())))
            draft.rename(folder.root)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_folder(self._root)
        return folder

    def all(self) -> tuple[StudyFolder, ...]:
        """Every published study, in the order of publication."""
        if not self._root.is_dir():
            return ()
        found = [StudyFolder(path) for path in self._root.iterdir() if (path / "state.json").is_file()]
        visible = [folder for folder in found if not folder.id.startswith(".")]
        return tuple(sorted(visible, key=lambda folder: (folder.standing().published, folder.id)))

    def find(self, name: str) -> StudyFolder:
        """The study with this name, or whose id starts like this.

        Raises:
            UsageError: there is none, or more than one.
        """
        folders = self.all()
        matches = [folder for folder in folders if folder.id.startswith(name.lower())] if name else []
        matches = matches or [folder for folder in folders if folder.study().name == name]
        if len(matches) == 1:
            return matches[0]
        listed = ", ".join(folder.id for folder in matches or folders) or "none"
        what = "several studies are" if matches else "no study is"
        raise UsageError(
            f"{what} called {name!r}; published: {listed}",
            hint="Name a study by its name or by the first digits of its id (fedward-coordinator study list).",
        )


def _keep_start(source: Path, copy: Path, manifest: bytes) -> None:
    """Copies the weights and checks the copy, which is what the first round will send."""
    from fedward_shared.manifest.parse import load
    from fedward_shared.models.start import start_weights

    try:
        shutil.copyfile(source, copy)
    except OSError as error:
        raise UsageError(f"cannot read {source}: {error.strerror}") from error
    try:
        start_weights(load(manifest), copy)
    except UsageError as error:
        raise UsageError(error.message.replace(str(copy), str(source)), hint=error.hint) from error
    copy.chmod(0o600)
    with copy.open("rb") as file:
        os.fsync(file.fileno())


def _state(standing: Standing) -> bytes:
    fields = {"state": standing.state.value, "published": standing.published, "reason": standing.reason}
    return json.dumps(fields, indent=2).encode() + b"\n"
