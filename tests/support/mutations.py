"""Damages a file in the ways that find bugs in decoders; the same seed damages it the same way."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
import zlib
from collections.abc import Callable, Sequence

__all__ = ["mutated", "mutated_gzip", "mutated_png", "mutated_zip"]

_WIDTHS = (1, 2, 4, 8)
_TELLING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_TEXTS = (
    b"\0",
    b"\xff",
    b'"',
    b"\n",
    b"\r",
    b",",
    b"{" * 50,
    b"[" * 500,
    b"1e999",
    b"-",
    b"nan",
    b"=1+1",
    b"\xed\xa0\x80",
)


def mutated(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """The content with one to four changes; `others` are files to splice parts from."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        content = rng.choice(_CHANGES)(content, others, rng)
    return content


def mutated_gzip(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Half of the time changes what is packed, and packs it again."""
    if rng.random() < 0.5:
        return mutated(content, others, rng)
    return gzip.compress(mutated(gzip.decompress(content), [gzip.decompress(each) for each in others], rng), mtime=0)


def mutated_zip(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Two times of three changes one member, and packs it again."""
    if rng.random() < 1 / 3:
        return mutated(content, others, rng)
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as target:
        names = source.namelist()
        chosen = rng.choice(names)
        for name in names:
            member = source.read(name)
            target.writestr(name, mutated(member, [member], rng) if name == chosen else member)
    return written.getvalue()


def mutated_png(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Two times of three makes the checksums right again, so that the damage gets behind them."""
    changed = mutated(content, others, rng)
    if rng.random() < 1 / 3:
        return changed
    fixed, place = bytearray(changed), 8
    while place + 12 <= len(fixed):
        end = place + 8 + int.from_bytes(fixed[place : place + 4], "big")
        fixed[end : end + 4] = zlib.crc32(fixed[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(fixed)


def _place(content: bytes, rng: random.Random) -> int:
    """Anywhere, but half of the time near the start, where headers are."""
    return rng.randrange(max(1, min(len(content), 512) if rng.random() < 0.5 else len(content)))


def _flip(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 32))):
        if changed:
            changed[_place(content, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _lengths(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """A whole number that may be a length, an offset or a count becomes another."""
    width, place = rng.choice(_WIDTHS), _place(content, rng)
    value = rng.choice((*_TELLING, len(content), len(content) - place, rng.getrandbits(64))) % (1 << 8 * width)
    return content[:place] + value.to_bytes(width, rng.choice(("little", "big"))) + content[place + width :]


def _splice(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    other = rng.choice((*others, content))
    start = _place(other, rng)
    place = _place(content, rng)
    return content[:place] + other[start : start + rng.choice((4, 64, 1024, len(other)))] + content[place:]


def _repeat(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    start, length = _place(content, rng), rng.choice((1, 8, 64, 512))
    return (
        content[: start + length] + content[start : start + length] * rng.choice((1, 2, 50)) + content[start + length :]
    )


def _cut(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    start = _place(content, rng)
    return content[:start] + content[start + rng.choice((1, 2, 16, 256)) :]


def _insert(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    place = _place(content, rng)
    return content[:place] + rng.choice((*_TEXTS, rng.randbytes(16))) + content[place:]


_CHANGES: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    _flip,
    _flip,
    _truncate,
    _lengths,
    _lengths,
    _splice,
    _repeat,
    _cut,
    _insert,
)
