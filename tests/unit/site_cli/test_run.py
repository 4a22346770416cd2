"""`fedward-site run` before it starts anything, and how little the command lines load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedward_client.cli.app import app
from fedward_client.home import SiteHome
from fedward_client.supervisor import gateway_child, vault_child
from fedward_shared.errors import UsageError

HEAVY = {"torch", "flwr", "opacus", "polars", "grpc", "dp_accounting", "numpy", "scipy", "matplotlib"}
COMMAND_LINES = ["fedward_client.cli.app", "fedward_server.cli.app", "fedward_simulations.cli"]


def test_one_process_is_run_or_both(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["run", "--vault-only", "--gateway-only", "--home", str(tmp_path)])
    assert isinstance(outcome.exception, UsageError)
    assert "exclude each other" in outcome.exception.message


def test_a_folder_that_has_not_joined_is_told_to_join(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["run", "--home", str(tmp_path)])
    assert isinstance(outcome.exception, UsageError)
    assert "fedward-site join" in outcome.exception.hint
    assert list(tmp_path.iterdir()) == []


def test_the_vault_is_started_behind_what_isolates_it_and_never_networked_unasked(tmp_path: Path) -> None:
    home = SiteHome(tmp_path)
    safe, unsafe = vault_child(home, ("unshare", "-Urn", "--"), unsafe=False), vault_child(home, (), unsafe=True)
    assert safe.command[:3] == ("unshare", "-Urn", "--")
    assert "--unsafe-networked-vault" not in safe.command
    assert unsafe.command[-1] == "--unsafe-networked-vault"
    assert str(tmp_path) in safe.command


def test_the_gateway_gets_the_home_and_nothing_of_the_vaults(tmp_path: Path) -> None:
    line = gateway_child(SiteHome(tmp_path)).command
    assert line[-3:] == ("fedward_client.gateway", "--home", str(tmp_path))


@pytest.mark.parametrize("module", COMMAND_LINES)
def test_help_loads_no_heavy_library(module: str) -> None:
    """So that `--help` answers at once, whatever the machine."""
    script = f"import sys, {module}; print(*({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


def test_the_vaults_parent_loads_neither_torch_nor_flwr_nor_polars() -> None:
    parts = ("serve", "core", "door", "office.admin", "office.admin_socket", "office.operations", "training.in_worker")
    modules = ", ".join(f"fedward_client.vault.{part}" for part in parts)
    script = f"import sys, {modules}; print(*({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.split()) <= {"grpc", "numpy"}
