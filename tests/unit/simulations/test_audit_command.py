"""`fedward-sim audit` as it is typed: what it writes, what it says, and its exit codes."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from fedward_shared.errors import FedwardError, UsageError
from fedward_shared.manifest.parse import load
from fedward_shared.privacy.clipping import FlatClip
from fedward_simulations.audit.command import Request, audit
from fedward_simulations.audit.report import LOW_IS_NO_EVIDENCE
from fedward_simulations.cli import app
from tests.support.cohorts import write_table
from tests.support.frozen import frozen_study, write_pictures
from tests.support.samples import TWO_SITES
from tests.support.training_orders import NO_PRIVACY

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study and its data, side by side."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "study.toml").write_text(TWO_SITES)
    for site in ("north", "south"):
        write_table(folder / "data" / site, load(TWO_SITES.encode()).data)
    return folder


def request_at(desk: Path, out: Path, *, site: str | None = None, text: str = TWO_SITES, shadows: int = 0) -> Request:
    return Request(text.encode(), desk / "data", site, out, draws=100, canaries=50, shadows=shadows, seed=0)


@pytest.fixture(scope="module")
def audited(desk: Path) -> tuple[Path, str]:
    """The folder that the command wrote, and what it said."""
    out = desk / "audit"
    options = ["--out", str(out), "--draws", "100", "--canaries", "50", "--shadows", "4"]
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["audit", str(desk / "study.toml"), *options])
    assert done.exit_code == 0, done.output
    return out, done.output


def test_it_says_that_it_is_unsafe_what_it_found_and_what_to_do_next(audited: tuple[Path, str]) -> None:
    _, said = audited
    assert said.startswith("UNSAFE")
    assert "consistent: nothing contradicts the claim" in said
    assert LOW_IS_NO_EVIDENCE.split(":", maxsplit=1)[0] in said
    assert said.rstrip().splitlines()[-1].startswith("Next: fedward-sim audit ")


def test_result_json_has_bounds_beside_claims(audited: tuple[Path, str]) -> None:
    result = json.loads((audited[0] / "result.json").read_text())
    assert result["unsafe_seeded"] is True
    assert result["verdict"] == "consistent"
    assert result["violations"] == []
    assert result["site"] == "north"
    assert result["claimed"]["epsilon"] == pytest.approx(3.0, rel=0.01)
    assert 0 <= result["lower_bound"]["implied_epsilon_of_study"] <= result["claimed"]["epsilon"]
    assert result["tests_at"] * (len(result["games"]) + len(result["checks"])) <= result["false_alarm"] == 1e-4
    for game in result["games"]:
        assert game["mu"] <= game["claimed_mu"]
        assert game["epsilon"]["any"] <= game["claimed_epsilon"]
        assert game["epsilon"]["any_study"] <= game["claimed_epsilon_study"]
    assert [one["attack"].split(":")[0] for one in result["one_run"]] == ["white box", "black box"]
    for way in ("with privacy", "without privacy"):
        found = result["membership"][way]
        assert found["auc"]["low"] <= found["auc"]["value"] <= found["auc"]["high"]
        assert set(found["tpr"]) == set(result["membership"]["allowed_tpr"]) == {"0.01", "0.001"}


def test_the_report_needs_nothing_from_anywhere(audited: tuple[Path, str]) -> None:
    page = (audited[0] / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "Lower bounds beside claims" in page
    for remote in ("<script", 'src="', "@import", 'href="http'):
        assert remote not in page


def test_a_step_that_leaks_is_called_violated_after_everything_was_written(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    factors = FlatClip.factors
    monkeypatch.setattr(FlatClip, "factors", lambda self, squares: factors(FlatClip(5 * self.sensitivity), squares))
    with pytest.raises(FedwardError, match="leaks more than it claims") as caught:
        audit(request_at(desk, tmp_path, site="south"))
    assert caught.value.exit_code == 1
    assert "VIOLATED" in capsys.readouterr().out
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["verdict"] == "VIOLATED"
    assert any("contribution" in one for one in result["violations"])
    assert result["membership"].keys() == {"largest_epsilon", "allowed_tpr"}
    assert "VIOLATED" in (tmp_path / "report.html").read_text()


def test_what_cannot_be_audited_is_said(desk: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no site 'west'"):
        audit(request_at(desk, tmp_path, site="west"))
    with pytest.raises(UsageError, match="no claim to audit"):
        audit(request_at(desk, tmp_path, text=NO_PRIVACY))
    done = CliRunner().invoke(app, ["audit", str(desk / "study.toml"), "--shadows", "2"])
    assert isinstance(done.exception, UsageError)
    assert "too few" in done.exception.message


def test_a_study_on_frozen_features_is_attacked_where_its_patients_are_seen(tmp_path: Path) -> None:
    text = frozen_study()
    (tmp_path / "study.toml").write_text(text)
    for seed, site in enumerate(("north", "south")):
        write_pictures(tmp_path / "data" / site, text, seed=seed)

    outcome = audit(request_at(tmp_path, tmp_path / "audit", text=text, shadows=2))

    assert outcome.violations == []
