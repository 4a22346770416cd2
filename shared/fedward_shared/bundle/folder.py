"""Opening an exported model: nothing in the folder is believed before the study key's fingerprint vouches for it."""

from __future__ import annotations

import hashlib
import os
import stat
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedward_shared.bundle.listing import LISTING, SEAL, BundleFile, Listing, decode_listing
from fedward_shared.bundle.seal import check_seal, decode_seal
from fedward_shared.contracts.study import LARGEST_MANIFEST
from fedward_shared.crypto.signing import Purpose, verify
from fedward_shared.errors import SignatureError, UsageError

__all__ = ["MOST_LISTED", "Bundle", "open_bundle"]

MOST_LISTED = 1 << 16
"""Bytes of the largest manifest.json and of the largest signature.json."""
_CHUNK = 1 << 20
_STUDY = "study.toml"


@dataclass(frozen=True, slots=True)
class Bundle:
    """An exported model that was verified: where it lies, what is in it, and the study key (32 raw bytes) behind it."""

    root: Path
    listing: Listing
    study_key: bytes

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return self.listing.file(name) is not None

    def read(self, name: str) -> bytes:
        """A file's content, checked again while it is read: it is what was signed, even if the disk changed since.

        Raises:
            UsageError: there is no such file.
            SignatureError: it is no longer the one that was signed.
        """
        entry = self.listing.file(name)
        if entry is None:
            raise UsageError(f"the exported model in {self.root} has no {name}")
        with _folder(self.root) as folder:
            content = b"".join(_chunks(folder, name, entry.size))
        _compare(entry, len(content), hashlib.sha256(content).hexdigest())
        return content


def open_bundle(root: Path, trusted: str, *, clock: Callable[[], float] = time.time) -> Bundle:
    """The exported model in `root`, if the study key with the fingerprint `trusted` vouches for all of it.

    1. The signature of manifest.json holds (`check_seal`).
    2. The folder holds exactly the files that it lists, manifest.json and signature.json.
    3. Each is a regular file (a link is none) of the listed size and SHA-256; no more than that is ever read.
    4. study.toml is the study that the list names, by hash and by name, and the study key signed it.

    Raises:
        UsageError: there is no such folder, or the fingerprint is none.
        SignatureError: one of the four does not hold; it is said which file is meant.
    """
    with _folder(root) as folder:
        listed = b"".join(_chunks(folder, LISTING, MOST_LISTED, exact=False))
        seal = decode_seal(b"".join(_chunks(folder, SEAL, MOST_LISTED, exact=False)))
        study_key = check_seal(listed, seal, trusted=trusted, now=clock())  # 1
        listing = decode_listing(listed)
        _compare_names(listing, {entry.name for entry in os.scandir(folder)})  # 2
        for entry in listing.files:  # 3
            digest, size = hashlib.sha256(), 0
            for chunk in _chunks(folder, entry.name, entry.size):
                digest.update(chunk)
                size += len(chunk)
            _compare(entry, size, digest.hexdigest())
    bundle = Bundle(root, listing, study_key)
    _check_study(bundle, bytes.fromhex(seal.study_signature))  # 4
    return bundle


def _check_study(bundle: Bundle, signature: bytes) -> None:
    entry = bundle.listing.file(_STUDY)
    if entry is None or entry.sha256 != bundle.listing.study or entry.size > LARGEST_MANIFEST:
        raise SignatureError(f"{_STUDY} is not the study that {LISTING} names")
    content = bundle.read(_STUDY)
    verify(bundle.study_key, Purpose.STUDY, content, signature)
    if tomllib.loads(content.decode())["study"]["name"] != bundle.listing.name:
        raise SignatureError(f"{LISTING} gives the study another name than {_STUDY}, which the study key signed")


def _compare_names(listing: Listing, found: set[str]) -> None:
    expected = {LISTING, SEAL} | {file.name for file in listing.files}
    if missing := sorted(expected - found):
        raise SignatureError(f"missing from the folder: {', '.join(missing)}", hint="Ask for the model again.")
    if extra := sorted(found - expected):
        raise SignatureError(
            f"in the folder, and not in {LISTING}: {', '.join(map(ascii, extra[:5]))}",
            hint="Nobody signed these. Move them elsewhere, and wonder how they came here.",
        )


def _compare(entry: BundleFile, size: int, digest: str) -> None:
    if size != entry.size or digest != entry.sha256:
        raise SignatureError(f"{entry.name} is not the one that was signed", hint="Ask for the exported model again.")


@contextmanager
def _folder(root: Path) -> Iterator[int]:
    try:
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot read the folder {root}: {error.strerror}") from error
    try:
        yield handle
    finally:
        os.close(handle)


def _chunks(folder: int, name: str, size: int, *, exact: bool = True) -> Iterator[bytes]:
    """The file's bytes, `size` at most. Its size is looked at before it is read; nothing is followed or waited for.

    Raises:
        SignatureError: it is missing, a link, no regular file, or larger (`exact`: or smaller).
    """
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        why = "missing from the folder" if isinstance(error, FileNotFoundError) else "a link or not to be read"
        raise SignatureError(f"{name} is {why}", hint="Ask for the exported model again.") from error
    try:
        told = os.fstat(handle)
        if not stat.S_ISREG(told.st_mode):
            raise SignatureError(f"{name} is no regular file")
        if told.st_size > size or (exact and told.st_size != size):
            raise SignatureError(f"{name} has {told.st_size} bytes, which is not what was signed or can be")
        left = size
        while left and (chunk := os.read(handle, min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
    finally:
        os.close(handle)
