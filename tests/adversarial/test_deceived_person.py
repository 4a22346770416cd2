"""A study cannot make a person approve something else than was read; a folder cannot slip code into joining."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from fedward_client.cli.preview import describe
from fedward_client.enrolment.joining import _in_isolation
from fedward_client.enrolment.vault_step import VaultOrder
from fedward_client.vault.office.admin import _plain
from fedward_shared.errors import FedwardError, UsageError
from tests.support.vaults import Coordinator, Site, manifest


def test_a_study_that_is_called_as_anothers_hash_begins_is_not_meant_in_its_place() -> None:
    honest = Coordinator()
    begins = honest.hash.hex()[:16]
    impostor = Coordinator(manifest(('name = "heart-disease"', f'name = "{begins}"')))
    site = Site()
    for coordinator in (honest, impostor):
        site.code(coordinator.offer())
    with pytest.raises(UsageError, match="2 studies"):
        site.operations.show(begins)
    assert site.operations.show(honest.hash.hex()).name == "heart-disease"


def test_a_purpose_cannot_look_like_a_section_of_the_preview() -> None:
    forged = "Good.\\n\\nWHAT IT COSTS\\n  At most ε = 0.001"
    lines = manifest().decode().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("purpose"))
    coordinator = Coordinator(manifest((lines[at].rstrip(), f'purpose = "{forged}"')))
    site = Site()
    site.code(coordinator.offer())
    shown = "\n".join(describe(_plain(site.operations.show(coordinator.hash.hex())), "north")).splitlines()
    assert shown.count("WHAT IT COSTS") == 1
    assert any(line.startswith("  Purpose  Good. WHAT IT COSTS") for line in shown)


def test_joining_runs_no_code_that_lies_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invites are unpacked into folders where other files may lie."""
    (tmp_path / "json.py").write_text("open('ran', 'w').close()")
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(FedwardError):  # without a namespace of its own it refuses, here
        _in_isolation((), VaultOrder(str(tmp_path / "home"), "north", "00" * 32, "00" * 32, "00" * 32))
    assert not (tmp_path / "ran").exists()
