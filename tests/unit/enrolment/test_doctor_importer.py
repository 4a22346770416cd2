"""What the doctor says of the importer's confinement, on systems that lack some of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedward_client.enrolment import doctor
from fedward_client.enrolment.doctor import State
from fedward_client.importer.program import landlock
from tests.support.confined import besieged, without

pytestmark = pytest.mark.processes


@pytest.mark.skipif(landlock.version() == 0, reason="this kernel has no Landlock (Linux 5.13 or later)")
def test_where_everything_holds_it_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ())
    with besieged(tmp_path) as site:
        finding = doctor._importer(site.home)

    assert finding.state is State.OK
    assert "Landlock" in finding.found
    assert "no network" in finding.found


@pytest.mark.parametrize(("missing", "named"), [("landlock", "Landlock"), ("filter", "filter of system calls")])
def test_what_is_missing_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, named: str
) -> None:
    without(monkeypatch, (missing,))
    with besieged(tmp_path) as site:
        finding = doctor._importer(site.home)

    assert finding.state is State.WARN
    assert named in finding.found


def test_a_vault_within_reach_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ("namespaces", "landlock", "filter"))
    with besieged(tmp_path) as site:
        finding = doctor._importer(site.home)

        assert finding.state is State.FAIL
        assert str(site.home.vault_key_file) in finding.found
        assert "another user" in finding.advice


def test_a_worker_that_does_not_start_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, ())
    monkeypatch.setattr("fedward_client.importer.program.running._WORKER", "no.such.module")
    with besieged(tmp_path) as site:
        finding = doctor._importer(site.home)

    assert finding.state is State.FAIL
    assert "without an answer" in finding.found
