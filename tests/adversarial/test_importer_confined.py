"""A file that takes over the program that reads it gets nothing but that file: no key, ledger, socket or network.

Each protection is also tried where another is missing, as on an older or a locked-down system.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedward_client.importer.order import Limits
from fedward_client.importer.program.confinement import NOTHING, Confinement
from fedward_client.importer.program.in_worker import forbidden_of
from fedward_client.importer.program.running import Outcome, run_confined
from fedward_shared.errors import FedwardError, ImporterError, IsolationError, SourceDataError, StudyFileError
from tests.support.confined import SECRET, TASKS, Besieged, besieged, without

pytestmark = pytest.mark.processes

SOME_ARE_MISSING = [
    (),
    ("namespaces",),
    ("landlock",),
    ("filter",),
    ("landlock", "filter"),
]
LIMITS = Limits(seconds=60, memory_bytes=500_000_000, output_bytes=20_000_000)


def _terms(site: Besieged, **more: Any) -> Confinement:
    terms = Confinement(site.staging, (site.source,), forbidden=forbidden_of(site.home), limits=LIMITS)
    return replace(terms, **more)


def _run(task: str, terms: Confinement, **order: Any) -> Outcome:
    return run_confined(f"{TASKS}:{task}", order, terms)


def _private(site: Besieged) -> list[Path]:
    home = site.home
    return [home.vault_key_file, home.ledger_db, home.anchor, home.gateway_key, site.source / "leads-out"]


def _attempts(site: Besieged, terms: Confinement) -> dict[str, str]:
    home = site.home
    answer = _run(
        "attempts",
        terms,
        read=[*map(str, _private(site)), str(site.source / "cohort.csv")],
        list=[str(home.vault_dir), str(home.gateway_dir)],
        write=[str(home.vault_key_file), str(home.root / "policy.toml"), str(site.source / "cohort.csv")],
        connect=[str(home.admin_sock), str(home.door)],
        port=site.port,
    ).answer
    return dict(answer)


@pytest.mark.parametrize("missing", SOME_ARE_MISSING, ids=lambda missing: " and ".join(missing) or "nothing")
def test_nothing_of_the_vaults_is_reached_and_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    without(monkeypatch, missing)
    with besieged(tmp_path) as site:
        came = _attempts(site, _terms(site))

        assert came.pop(f"read {site.source / 'cohort.csv'}") == "done"
        outside = {name: how for name, how in came.items() if name.startswith(("read /", "list ", "connect "))}
        assert len(outside) == 12
        assert "done" not in outside.values(), outside
        assert site.home.vault_key_file.read_text() == SECRET


def test_nothing_else_can_be_done_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site:
        came = _attempts(site, _terms(site))

        assert {name for name, how in came.items() if how == "done"} == {f"read {site.source / 'cohort.csv'}"}
        assert (site.source / "cohort.csv").read_text() == "hello"
        assert not (site.home.root / "policy.toml").exists()


@pytest.mark.parametrize("missing", SOME_ARE_MISSING[1:], ids=" and ".join)
def test_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]) -> None:
    without(monkeypatch, missing)
    with besieged(tmp_path) as site:
        confined = _run("greet", _terms(site), text="x").confined

    assert confined.reached == ()
    told = " ".join(confined.lacks)
    assert ("Landlock" in told) == ("landlock" in missing)
    assert ("filter" in told) == ("filter" in missing)
    assert ("no network" in confined.holds) == ("no network" not in told)


def test_with_no_protection_at_all_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ("namespaces", "landlock", "filter"))
    with besieged(tmp_path) as site:
        with pytest.raises(IsolationError) as refusal:
            _run("greet", _terms(site), text="x")

        assert str(site.home.vault_key_file) in refusal.value.message
        assert str(site.home.admin_sock) in refusal.value.message
        assert "another user" in refusal.value.hint
        assert "--unsafe-unconfined-importer" in refusal.value.hint
        assert list(site.staging.iterdir()) == []


def test_one_may_go_on_unsafely_and_is_told_of_all_that_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, ("namespaces", "landlock", "filter"))
    with besieged(tmp_path) as site:
        outcome = _run("greet", _terms(site, unsafe=True), text="x")

        home = site.home
        assert set(outcome.confined.reached) == {
            str(path)
            for path in (home.vault_key_file, home.ledger_db, home.anchor, home.gateway_key, home.admin_sock, home.door)
        }
        assert any("no network" in lacking for lacking in outcome.confined.lacks)


def test_a_socket_that_a_vault_may_open_later_counts_as_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ("namespaces", "landlock", "filter"))
    with besieged(tmp_path) as site:
        site.home.door.unlink()

        assert str(site.home.door) in _run("greet", _terms(site, unsafe=True), text="x").confined.reached


def test_a_source_around_the_site_opens_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site:
        came = _attempts(site, _terms(site, reads=(tmp_path,)))

        assert "done" not in {came[f"read {path}"] for path in _private(site)}


def test_a_source_around_the_site_is_refused_where_folders_cannot_be_covered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, ("namespaces",))
    with besieged(tmp_path) as site, pytest.raises(IsolationError, match=r"vault\.key"):
        _run("greet", _terms(site, reads=(tmp_path,)), text="x")


def test_a_database_opens_its_port_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site:
        allowed = _attempts(site, _terms(site, ports=(site.port,)))
        other = _attempts(site, _terms(site, ports=(1,)))

        assert allowed["connect IPv4"] == "done"
        assert other["connect IPv4"] == "PermissionError"
        for came in (allowed, other):
            assert came["listen"] == came["connect abroad"] == "PermissionError"
            assert "done" not in {came[f"connect {path}"] for path in (site.home.admin_sock, site.home.door)}


def test_a_databases_unix_socket_opens_none_of_the_vaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site:
        came = _attempts(site, _terms(site, sockets=(site.source,)))

        assert "done" not in {came[f"connect {path}"] for path in (site.home.admin_sock, site.home.door)}
        assert came["connect IPv4"] == "PermissionError"


@pytest.mark.parametrize(
    ("task", "limits", "told"),
    [
        ("hang", replace(LIMITS, seconds=1.0), "took longer than 1 s"),
        ("bomb", LIMITS, "needed more than 500 MB of memory"),
        ("huge", LIMITS, "needed more than 500 MB of memory"),
        ("flood", LIMITS, "wrote more than 20 MB"),
        ("write_slowly", LIMITS, "wrote more than 20 MB"),
    ],
)
def test_whatever_passes_a_limit_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, limits: Limits, told: str
) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site, pytest.raises(ImporterError, match=told) as failure:
        _run(task, _terms(site, limits=limits), megabytes=40)

    assert failure.value.hint


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("exception", r"nobody foresaw \(ValueError at worker_tasks.py:[0-9]+ <"),
        ("signal", "ended by SIGSEGV"),
        ("exit", r"without an answer \(exit status 3\)"),
        ("endless line", "too long"),
    ],
)
def test_a_worker_that_fails_is_a_plain_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, told: str
) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site, pytest.raises(ImporterError, match=told) as failure:
        _run("crash", _terms(site), how=how)

    assert "Jane" not in failure.value.diagnostics()


@pytest.mark.parametrize(
    "said",
    [
        "\n",
        "garbage\n",
        "[]\n",
        "{}\n",
        '{"done": 3}\n',
        '{"progress": ["x", 2]}\n',
        '{"error": 1}\n',
        "[" * 100_000 + "\n",
    ],
)
def test_a_worker_that_was_taken_over_cannot_confuse_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site, pytest.raises(ImporterError, match="sent"):
        _run("talk", _terms(site), text=said)


def test_what_libraries_print_is_not_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site, pytest.raises(FedwardError) as failure:
        _run("shout", _terms(site))

    heard = capfd.readouterr()
    assert "Jane" not in heard.out + heard.err + failure.value.diagnostics()
    assert "ValueError" in failure.value.message


def test_our_own_errors_come_as_they_are_and_move_no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site:
        with pytest.raises(SourceDataError, match=r"row 3: \?\[31mred") as failure:
            _run("fail", _terms(site))
        with pytest.raises(StudyFileError) as mistakes:
            _run("fail", _terms(site), study=True)

    assert failure.value.hint == "Look there."
    assert mistakes.value.problems == ("one", "two")


def test_secrets_travel_with_the_order_and_no_others_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ())
    monkeypatch.setenv("FEDWARD_SOURCE_PASSWORD", SECRET)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with besieged(tmp_path) as site:
        outcome = run_confined(f"{TASKS}:leave", {}, _terms(site), environment={"HANDED": "over"})

    environment = outcome.answer["environment"]
    assert environment["HANDED"] == "over"
    assert SECRET not in " ".join(environment.values()) + outcome.answer["first environment"]
    assert environment["HOME"].startswith(str(site.staging))
    assert "over" not in outcome.answer["arguments"]
    assert "over" not in outcome.answer["first environment"]


def test_even_root_has_no_privileges_left_and_no_limit_can_be_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site:
        found = _run("leave", _terms(site)).answer

    status = found["status"]
    assert int(status["CapEff"], 16) & ~(1 << 2) == 0  # CAP_DAC_READ_SEARCH: a root may be given files of others
    assert int(status["CapPrm"], 16) & ~(1 << 2) == 0
    assert {int(status[name], 16) for name in ("CapInh", "CapBnd", "CapAmb")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert found["limits"]["CORE"] == [0, 0]
    assert found["limits"]["FSIZE"] == [LIMITS.output_bytes] * 2
    assert found["limits"]["NOFILE"][1] <= 1024
    assert {path.split(":")[0] for path in found["handles"]} <= {"/dev/null", "pipe"}


def test_temporary_files_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site:
        _run("greet", _terms(site), text="x")

        assert [path.name for path in site.staging.iterdir()] == ["greeting"]


_AS_NOBODY = """
import json, sys
from dataclasses import replace
from pathlib import Path
from fedward_client.importer.program.confinement import Confinement, Forbidden
from fedward_client.importer.program.running import run_confined
folder = Path(sys.argv[1])
vault, source, staging = folder / "vault", folder / "source", folder / "staging"
for each in (vault, source, staging):
    each.mkdir(mode=0o700)
(vault / "vault.key").write_text("secret")
(source / "file").write_text("hello")
forbidden = Forbidden((vault / "vault.key",), (vault / "admin.sock",), (vault,))
terms = Confinement(staging, (source,), forbidden=forbidden)
order = {"read": [str(vault / "vault.key"), str(source / "file")], "list": [str(vault)], "write": [], "port": 9,
         "connect": [str(vault / "admin.sock")]}
print(json.dumps(dict(run_confined("tests.support.worker_tasks:attempts", order, terms).answer)))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test here runs without privileges already")
def test_it_holds_without_privileges(tmp_path: Path) -> None:
    python = Path("/usr/bin/python3")
    root = Path(__file__).parents[2]
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(python), "-c"]
    tried = [*command, "import sys, fedward_client, tests; sys.exit(sys.version_info < (3, 11))"]
    environment = {"PYTHONPATH": f"{root}/client:{root}/shared:{root}", "PATH": os.environ["PATH"]}
    if not python.exists() or subprocess.run(tried, env=environment, capture_output=True, check=False).returncode:
        pytest.skip("no Python 3.11 that another user may run")
    folder = Path("/tmp") / f"fedward-test-{os.getpid()}"  # noqa: S108 - pytest's own is closed to other users
    folder.mkdir(mode=0o700)
    try:
        os.chown(folder, 65534, 65534)
        done = subprocess.run([*command, _AS_NOBODY, folder], env=environment, capture_output=True, check=False)
        came = json.loads(done.stdout)
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)

    assert {name for name, how in came.items() if how == "done"} == {f"read {folder}/source/file"}, sys.version


def test_nothing_is_forbidden_where_there_is_no_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ("namespaces", "landlock", "filter"))
    with besieged(tmp_path) as site:
        outcome = _run("greet", _terms(site, forbidden=NOTHING), text="x")

    assert outcome.confined.reached == ()
