"""`fedward-coordinator study …`: what people see, exit codes, and the command that comes next."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedward_server.cli.app import app
from fedward_server.home import CoordinatorHome, CoordinatorSettings
from fedward_server.registry import Registry
from fedward_shared.crypto import round_key
from fedward_shared.crypto.keys import new_signing_key, public_bytes, public_to_pem, to_pem
from fedward_shared.errors import FedwardError, StudyFileError, UsageError
from fedward_shared.manifest.template import KINDS
from tests.support.samples import TWO_SITES


def _run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["study", *map(str, arguments)])


def _failure(result: Result) -> FedwardError:
    assert isinstance(result.exception, FedwardError)
    return result.exception


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "coordinator"
    found = CoordinatorHome(root)
    found.make_folders()
    key = new_signing_key()
    found.study_key_file.write_bytes(to_pem(key))
    found.study_public_file.write_bytes(public_to_pem(public_bytes(key)))
    body, signature = round_key.certify(key, public_bytes(new_signing_key()), 1, 2)
    found.round_key_body.write_bytes(body)
    found.round_key_signature.write_bytes(signature)
    settings = CoordinatorSettings("consortium", ("localhost",), "127.0.0.1", 0, 0)
    monkeypatch.setattr(CoordinatorHome, "load", lambda _: settings)
    return root


@pytest.mark.parametrize("kind", KINDS)
def test_init_writes_a_file_that_check_accepts_as_it_is(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "study.toml"

    written = _run("init", file, "--from-template", kind, "--home", tmp_path / "none")
    checked = _run("check", file, "--home", tmp_path / "none")

    assert written.exit_code == checked.exit_code == 0, checked.exception
    assert f"Next: fedward-coordinator study check {file}" in written.output
    assert "ε at δ = 1e-05" in checked.output
    assert "warning" not in checked.output
    assert f"Next: fedward-coordinator study publish {file}" in checked.output


def test_init_writes_into_the_home_where_no_file_is_named(tmp_path: Path) -> None:
    assert _run("init", "--home", tmp_path).exit_code == 0
    assert (tmp_path / "study.toml").is_file()


def test_init_never_overwrites(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text("mine")

    assert _failure(_run("init", file)).message == f"{file} exists already"
    assert file.read_text() == "mine"


def test_init_needs_a_folder_and_a_known_template(tmp_path: Path) -> None:
    assert isinstance(_failure(_run("init", tmp_path / "none" / "study.toml")), UsageError)
    assert isinstance(_failure(_run("init", tmp_path / "study.toml", "--from-template", "genomes")), UsageError)


def test_check_tells_every_mistake(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(TWO_SITES.replace("quorum = 2", "quorum = 9").replace("scale = 9", "scale = 0"))

    failure = _failure(_run("check", file))

    assert isinstance(failure, StudyFileError)
    assert len(failure.problems) == 2
    assert failure.exit_code == 2


def test_check_shows_warnings_and_sites_that_have_not_joined(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(TWO_SITES.replace("delta = 1e-5", "delta = 0.01"))
    Registry(CoordinatorHome(home).registry_db).close()

    output = _run("check", file, "--home", home).output

    assert "warning: [privacy] delta is 0.01" in output
    assert "warning: north has not joined this coordinator; invite it: fedward-coordinator invite north" in output


def test_publish_prints_the_hash_and_the_price_and_list_shows_it(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(TWO_SITES)

    published = _run("publish", file, "--home", home)
    listed = _run("list", "--home", home)

    assert published.exit_code == listed.exit_code == 0, published.exception
    digest = re.search(r"^hash  ([0-9a-f]{64})$", published.output, re.MULTILINE)
    assert digest
    assert (home / "studies" / digest[1][:16] / "study.sig").stat().st_size == 64
    assert f"offer {home / 'studies' / digest[1][:16] / 'study.offer'}" in published.output
    assert "fedward-site study add" in published.output
    assert "north" in published.output
    assert "2.99" in published.output
    assert f"Next: fedward-coordinator run --home {home}" in published.output
    assert digest[1][:16] in listed.output
    assert "heart-disease" in listed.output


def test_publish_without_privacy_says_so(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "study.toml"
    text = TWO_SITES.replace("target_epsilon = 3.0\n", "")
    file.write_text(text.replace("unsafe_no_privacy = false", "unsafe_no_privacy = true"))

    output = _run("publish", file, "--home", home).output

    assert "∞ (no privacy)" in output
    assert "warning: [privacy] unsafe_no_privacy is true" in output


def test_an_empty_list_says_how_to_begin(home: Path) -> None:
    assert "Next: fedward-coordinator study init" in _run("list", "--home", home).output


@pytest.mark.parametrize("command", ["publish", "list"])
def test_before_init_the_message_says_to_begin_with_it(tmp_path: Path, command: str) -> None:
    arguments = [tmp_path / "study.toml"] if command == "publish" else []

    failure = _failure(_run(command, *arguments, "--home", tmp_path / "none"))

    assert "fedward-coordinator init" in failure.hint
