"""Whoever hands a model on may change it: whatever is not what the consortium signed is refused, and told by name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_shared.bundle.folder import MOST_LISTED, Bundle, open_bundle
from fedward_shared.bundle.listing import LISTING, MOST_BYTES, SEAL, BundleFile, Listing, encode_listing
from fedward_shared.bundle.seal import encode_seal, seal_listing
from fedward_shared.crypto.keys import fingerprint, public_bytes
from fedward_shared.crypto.round_key import certify
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.errors import SignatureError, UsageError

STUDY_KEY = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
ROUND_KEY = Ed25519PrivateKey.from_private_bytes(b"r" * 32)
THIEF = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
TRUSTED = fingerprint(public_bytes(STUDY_KEY))
SIGNED = 1_790_000_000
STUDY = b'[study]\nname = "heart"\n'
FILES = {"study.toml": STUDY, "model.safetensors": b"weights" * 1000, "card.json": b"{}"}


def certificate(key: Ed25519PrivateKey = ROUND_KEY, by: Ed25519PrivateKey = STUDY_KEY) -> tuple[bytes, bytes]:
    """The round key's certificate: ten days around the signing."""
    return certify(by, public_bytes(key), SIGNED - 5 * 86_400, SIGNED + 5 * 86_400)


def listing(files: dict[str, bytes] | None = None, signed: int = SIGNED) -> Listing:
    """The honest list."""
    from fedward_shared.manifest.parse import study_hash

    return Listing.of(study_hash(STUDY), "heart", "0.1.0", signed, files or FILES)


def write(
    root: Path, listed: bytes, files: dict[str, bytes] | None = None, study_key: Ed25519PrivateKey = STUDY_KEY
) -> Path:
    """A folder with this list, honestly signed."""
    root.mkdir()
    for name, content in (files or FILES).items():
        (root / name).write_bytes(content)
    seal = seal_listing(
        listed,
        ROUND_KEY,
        study_key=public_bytes(study_key),
        study_signature=sign(study_key, Purpose.STUDY, STUDY),
        certificate=certificate(by=study_key),
    )
    (root / LISTING).write_bytes(listed)
    (root / SEAL).write_bytes(encode_seal(seal))
    return root


def opened(root: Path, now: float = SIGNED + 60) -> Bundle:
    """What a hospital does."""
    return open_bundle(root, TRUSTED, clock=lambda: now)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "model", encode_listing(listing()))


def test_an_honest_one_opens_and_reads(folder: Path) -> None:
    bundle = opened(folder)
    assert bundle.listing == listing()
    assert {name: bundle.read(name) for name in FILES} == FILES


def test_years_later_it_still_opens_because_it_was_signed_while_the_certificate_held(folder: Path) -> None:
    assert opened(folder, now=SIGNED + 10 * 365 * 86_400).study_key == public_bytes(STUDY_KEY)


@pytest.mark.parametrize("name", [*FILES, LISTING, SEAL])
@pytest.mark.parametrize("place", [0, -1])
def test_one_changed_byte_is_refused(folder: Path, name: str, place: int) -> None:
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(SignatureError):
        opened(folder)


@pytest.mark.parametrize("name", [*FILES, LISTING, SEAL])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(SignatureError, match=name):
        opened(folder)


@pytest.mark.parametrize("name", ["card.html", ".hidden", "study.toml~", "run.py"])
def test_an_extra_file_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    with pytest.raises(SignatureError, match=r"not in manifest\.json"):
        opened(folder)


def _longer(folder: Path) -> None:
    with (folder / "card.json").open("ab") as file:
        file.write(b"\n")


def _shorter(folder: Path) -> None:
    (folder / "card.json").write_bytes(b"{")


def _link_to_the_same(folder: Path) -> None:
    moved = folder.parent / "elsewhere"
    (folder / "card.json").rename(moved)
    (folder / "card.json").symlink_to(moved)


def _linked_list(folder: Path) -> None:
    moved = folder.parent / "elsewhere"
    (folder / LISTING).rename(moved)
    (folder / LISTING).symlink_to(moved)


def _pipe(folder: Path) -> None:
    (folder / "card.json").unlink()
    os.mkfifo(folder / "card.json")


def _folder_in_place(folder: Path) -> None:
    (folder / "card.json").unlink()
    (folder / "card.json").mkdir()


def _list_too_large(folder: Path) -> None:
    with (folder / LISTING).open("ab") as file:
        file.truncate(MOST_LISTED + 1)


def _seal_too_large(folder: Path) -> None:
    with (folder / SEAL).open("ab") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    "change",
    [
        _longer,
        _shorter,
        _link_to_the_same,
        _linked_list,
        _pipe,
        _folder_in_place,
        _list_too_large,
        _seal_too_large,
    ],
)
def test_what_is_no_file_of_the_signed_size_is_refused_and_not_waited_for(
    folder: Path, change: Callable[[Path], None]
) -> None:
    change(folder)
    with pytest.raises(SignatureError):
        opened(folder)


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/etc/passwd",
        "a/b.json",
        "..",
        ".",
        "",
        ".hidden",
        "Card.json",
        "card.json\n",
        "card\x00.json",
        "a\\b",
        LISTING,
        SEAL,
        "é.json",
        "x" * 100,
    ],
)
def test_a_name_that_leaves_the_folder_or_hides_is_refused_even_if_signed(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    honest = listing()
    entry = BundleFile(name, 6, "0" * 64)
    forged = encode_listing(replace(honest, files=(*honest.files, entry)))
    with pytest.raises(SignatureError, match="names a file"):
        write(tmp_path / "signing", forged)
    root = write(tmp_path / "model", encode_listing(honest))
    (root / LISTING).write_bytes(forged)
    with pytest.raises(SignatureError, match="names a file"):
        opened(root)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"format": "1"},
        {"study": "zz"},
        {"signed": 1.5},
        {"signed": True},
        {"files": []},
        {"more": 1},
        {"files": [{"name": "card.json", "size": -1, "sha256": "0" * 64}]},
        {"files": [{"name": "card.json", "size": MOST_BYTES + 1, "sha256": "0" * 64}]},
        {"files": [{"name": "card.json", "size": 2, "sha256": "0" * 63}]},
        {"files": [{"name": "card.json", "size": 2, "sha256": "0" * 64}] * 2},
        {"files": [{"name": f"c{number}.json", "size": 2, "sha256": "0" * 64} for number in range(65)]},
        {"files": [{"name": "card.json", "size": 2, "sha256": "0" * 64, "more": 1}]},
    ],
    ids=str,
)
def test_a_malformed_list_is_refused(folder: Path, change: dict[str, object]) -> None:
    found = json.loads((folder / LISTING).read_bytes())
    (folder / LISTING).write_text(json.dumps({**found, **change}))
    with pytest.raises(SignatureError, match=r"manifest\.json cannot be used"):
        opened(folder)


@pytest.mark.parametrize("name", ["another-study", "heart\x1b[2K\rOK"])
def test_a_list_that_gives_the_study_another_name_is_refused_even_if_signed(tmp_path: Path, name: str) -> None:
    from fedward_shared.manifest.parse import study_hash

    with pytest.raises(SignatureError):
        opened(write(tmp_path / "model", encode_listing(Listing.of(study_hash(STUDY), name, "0.1.0", SIGNED, FILES))))


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"[" * 50_000, b'{"format": 1}', b"\xff\xfe"])
@pytest.mark.parametrize("name", [LISTING, SEAL])
def test_what_is_no_document_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(SignatureError):
        opened(folder)


@pytest.mark.parametrize(
    "key", ["study_key", "study_signature", "round_key_certificate", "round_key_signature", "signature"]
)
@pytest.mark.parametrize("value", ["", "zz", "00", "0" * 64, "0" * 128])
def test_a_seal_with_another_value_is_refused(folder: Path, key: str, value: str) -> None:
    found = json.loads((folder / SEAL).read_bytes())
    (folder / SEAL).write_text(json.dumps({**found, key: value}))
    with pytest.raises(SignatureError):
        opened(folder)


def test_a_model_under_another_study_key_is_refused_and_both_fingerprints_are_told(tmp_path: Path) -> None:
    root = write(tmp_path / "model", encode_listing(listing()), study_key=THIEF)
    with pytest.raises(SignatureError, match=fingerprint(public_bytes(THIEF))) as caught:
        opened(root)
    assert TRUSTED in caught.value.hint


def test_the_right_study_key_with_a_round_key_it_never_certified_is_refused(folder: Path) -> None:
    body, signature = certificate(THIEF, by=THIEF)
    found = json.loads((folder / SEAL).read_bytes())
    forged = {
        "round_key_certificate": body.hex(),
        "round_key_signature": signature.hex(),
        "signature": sign(THIEF, Purpose.MODEL, (folder / LISTING).read_bytes()).hex(),
    }
    (folder / SEAL).write_text(json.dumps({**found, **forged}))
    with pytest.raises(SignatureError, match="round-key signature"):
        opened(folder)


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.MODEL])
def test_a_signature_that_the_round_key_made_for_something_else_is_refused(folder: Path, purpose: Purpose) -> None:
    found = json.loads((folder / SEAL).read_bytes())
    other = sign(ROUND_KEY, purpose, (folder / LISTING).read_bytes()).hex()
    (folder / SEAL).write_text(json.dumps({**found, "signature": other}))
    with pytest.raises(SignatureError, match="model signature"):
        opened(folder)


@pytest.mark.parametrize("signed", [SIGNED - 6 * 86_400, SIGNED + 6 * 86_400])
def test_a_certificate_that_did_not_hold_when_the_model_was_signed_is_refused(tmp_path: Path, signed: int) -> None:
    forged = encode_listing(listing(signed=signed))
    with pytest.raises(SignatureError, match="not valid"):
        write(tmp_path / "signing", forged)
    root = write(tmp_path / "model", encode_listing(listing()))
    found = json.loads((root / SEAL).read_bytes())
    (root / LISTING).write_bytes(forged)
    (root / SEAL).write_text(json.dumps({**found, "signature": sign(ROUND_KEY, Purpose.MODEL, forged).hex()}))
    with pytest.raises(SignatureError, match="not valid"):
        opened(root, now=SIGNED + 10 * 86_400)


def test_a_model_from_the_future_is_refused(folder: Path) -> None:
    with pytest.raises(SignatureError, match="future"):
        opened(folder, now=SIGNED - 2 * 86_400)


def test_a_round_key_that_is_not_the_certified_one_signs_nothing() -> None:
    with pytest.raises(SignatureError, match="not the one in its certificate"):
        seal_listing(
            encode_listing(listing()),
            THIEF,
            study_key=public_bytes(STUDY_KEY),
            study_signature=bytes(64),
            certificate=certificate(),
        )


def test_another_study_than_the_one_named_is_refused(tmp_path: Path) -> None:
    files = {**FILES, "study.toml": b'[study]\nname = "other"\n'}
    with pytest.raises(SignatureError, match=r"study\.toml is not the study"):
        opened(write(tmp_path / "model", encode_listing(listing(files)), files))


def test_a_list_without_the_study_is_refused(tmp_path: Path) -> None:
    files = {"card.json": b"{}"}
    with pytest.raises(SignatureError, match=r"study\.toml is not the study"):
        opened(write(tmp_path / "model", encode_listing(listing(files)), files))


def test_a_file_that_is_exchanged_after_the_check_is_noticed_when_it_is_read(folder: Path) -> None:
    bundle = opened(folder)
    (folder / "card.json").write_bytes(b"[]")
    with pytest.raises(SignatureError, match=r"card\.json is not the one"):
        bundle.read("card.json")
    with pytest.raises(UsageError, match=r"has no other\.json"):
        bundle.read("other.json")


@pytest.mark.parametrize("text", ["", "ab12", "zz" * 16, "ab " * 17])
def test_what_is_no_fingerprint_is_refused(folder: Path, text: str) -> None:
    with pytest.raises(UsageError, match="32 hexadecimal digits"):
        open_bundle(folder, text)


def test_a_fingerprint_may_be_written_with_other_blanks_and_capitals(folder: Path) -> None:
    written = TRUSTED.replace(" ", ":").upper()
    assert open_bundle(folder, written, clock=lambda: SIGNED).listing.name == "heart"


def test_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the folder"):
        opened(tmp_path / "nowhere")


def test_a_copy_opens_as_well(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    assert opened(tmp_path / "copy").listing == listing()
