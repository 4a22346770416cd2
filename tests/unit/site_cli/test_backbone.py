"""`fedward-site backbone add` and `list`, and what an approver reads of weights made elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from safetensors.numpy import save_file
from typer.testing import CliRunner

from fedward_client.cli.app import app
from fedward_client.cli.preview import describe
from fedward_client.home import SiteHome, SiteIdentity
from fedward_shared.errors import UsageError
from tests.support.vaults import Coordinator, Site, manifest

START = '[model.start]\nsha256 = "{}"\nsource = "{}"\nlicence = "CC0-1.0"\n\n[data]\n'


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    """A site that has joined."""
    place = SiteHome(tmp_path / "site")
    place.make_folders()
    place.save(SiteIdentity("north", "Test", "127.0.0.1", 1, 2, "study", "authority", 0))
    return place


def run(home: SiteHome, *arguments: str | Path) -> Result:
    """`fedward-site backbone …`."""
    line = ["backbone", *map(str, arguments), "--home", str(home.root)]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, line)


def test_a_file_is_added_listed_and_followed_by_the_next_step(home: SiteHome, tmp_path: Path) -> None:
    assert "No weights are kept here" in run(home, "list").output
    path = tmp_path / "made.safetensors"
    save_file({"a": np.zeros((2, 3), np.float32), "b": np.zeros(1, np.float32)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    added = run(home, "add", path)
    assert added.exit_code == 0, added.output
    assert "2 tensors, 7 numbers" in added.output
    assert f"sha256 {digest}" in added.output
    assert f"Next: fedward-site study show --home {home.root}" in added.output
    assert (home.vault_dir / "backbones" / f"{digest}.safetensors").is_file()
    assert digest in run(home, "list").output
    (home.backbones / f"{digest}.safetensors").write_bytes(b"something else")
    assert "damaged" in run(home, "list").output


def test_what_is_no_file_of_weights_is_used_wrongly(home: SiteHome, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("weights")
    result = run(home, "add", tmp_path / "text")
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2


def test_a_site_that_has_not_joined_is_told(tmp_path: Path) -> None:
    for command in (("add", tmp_path / "file"), ("list",)):
        result = run(SiteHome(tmp_path / "nowhere"), *command)
        assert isinstance(result.exception, UsageError)
        assert "has not joined" in result.exception.message


def test_an_approver_reads_that_the_study_starts_from_given_weights() -> None:
    text = manifest().decode().replace("[data]\n", START.format("a" * 64, "UCI heart, Cleveland"))
    coordinator = Coordinator(text.encode())
    site = Site(study=coordinator.manifest)
    site.handle(coordinator.offer())
    view = site.operations.show("heart-disease")
    lines = "\n".join(describe(asdict(view), "north"))
    assert "does not start from nothing" in lines
    assert f"UCI heart, Cleveland; licence CC0-1.0; SHA-256 {'a' * 64}" in lines
    assert "frozen" not in lines
