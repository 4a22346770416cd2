"""`manifest.json`: every file of an exported model with its size and SHA-256. These bytes are what is signed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from fedward_shared.errors import SignatureError

__all__ = ["LISTING", "MOST_BYTES", "MOST_FILES", "SEAL", "BundleFile", "Listing", "decode_listing", "encode_listing"]

LISTING = "manifest.json"
"""The name of the list; it lists neither itself nor `SEAL`."""
SEAL = "signature.json"
"""The name of the file that says who signed the list."""
MOST_FILES = 64
MOST_BYTES = 1 << 36
"""Bytes of the largest file."""

_FORMAT = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}(?:\.[a-z0-9]{1,16})?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of the folder: its bare name, its bytes, its SHA-256 (hex)."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What was signed: a study's hash (hex) and name, a version, when (seconds since 1970, UTC), and the files."""

    study: str
    name: str
    code_version: str
    signed: int
    files: tuple[BundleFile, ...]
    format: int = _FORMAT

    @classmethod
    def of(cls, study: bytes, name: str, code_version: str, signed: int, files: Mapping[str, bytes]) -> Listing:
        """The list of these files (name to content), by name."""
        entries = (
            BundleFile(file, len(content), hashlib.sha256(content).hexdigest())
            for file, content in sorted(files.items())
        )
        return cls(study.hex(), name, code_version, signed, tuple(entries))

    def file(self, name: str) -> BundleFile | None:
        """The entry of this name."""
        return next((file for file in self.files if file.name == name), None)


def encode_listing(listing: Listing) -> bytes:
    """The bytes to sign."""
    return json.dumps(asdict(listing), indent=2, ensure_ascii=True, allow_nan=False).encode() + b"\n"


def decode_listing(content: bytes) -> Listing:
    """What `encode_listing` wrote.

    1. It is JSON with exactly these keys and types, of a format known here.
    2. There are 1 to `MOST_FILES` files, none twice, each with a bare name that is neither `LISTING` nor `SEAL`: a name
       cannot leave the folder.
    3. Sizes are from 0 to `MOST_BYTES`; digests are 64 hexadecimal digits.

    Raises:
        SignatureError: one of these does not hold.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        listing = TypeAdapter(Listing).validate_json(content, strict=True, extra="forbid")  # 1
    except (ValidationError, ValueError) as error:
        raise _malformed("it is not of the expected form") from error
    if listing.format != _FORMAT:
        raise _malformed(f"its format is {listing.format}, and this version knows {_FORMAT}")
    names = [file.name for file in listing.files]
    if not 1 <= len(names) <= MOST_FILES or len(set(names)) != len(names):  # 2
        raise _malformed("it lists no file, too many, or one twice")
    if any(_NAME.fullmatch(name) is None or name in {LISTING, SEAL} for name in names):
        raise _malformed("it names a file that an exported model cannot have")
    digests = [listing.study, *(file.sha256 for file in listing.files)]
    sizes = [file.size for file in listing.files]
    if not all(map(_DIGEST.fullmatch, digests)) or not all(0 <= size <= MOST_BYTES for size in sizes):  # 3
        raise _malformed("a size or a digest in it is none")
    return listing


def _malformed(why: str) -> SignatureError:
    return SignatureError(f"{LISTING} cannot be used: {why}", hint="Ask for the exported model again.")
