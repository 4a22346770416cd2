"""`model export`: a signed folder or nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fedward_server.export import exporting
from fedward_server.export.exporting import Wish, export_model
from fedward_server.publishing import publish
from fedward_server.studies import Studies, StudyState
from fedward_shared.bundle.folder import Bundle, open_bundle
from fedward_shared.crypto.keys import new_signing_key, to_pem
from fedward_shared.errors import FedwardError, SignatureError, UsageError
from fedward_shared.files import write_atomic
from tests.support.fake_sites import study_text
from tests.support.finished_studies import NOW, FinishedStudy, finished_study

DAY = 86_400.0
FILES = {
    "card.html", "card.json", "card.md", "inputs.json", "model.json", "model.onnx", "model.safetensors",
    "participation.json", "scorecard.html", "scorecard.json", "study.toml",
}  # fmt: skip


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    return finished_study(tmp_path_factory.mktemp("coordinator") / "home")


@pytest.fixture(scope="module")
def bundle(ended: FinishedStudy, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("exported") / "model"
    return export_model(ended.home, ended.folder, Wish(out), clock=lambda: NOW + DAY).bundle


def test_the_folder_holds_what_it_lists_and_opens_with_the_fingerprint_alone(
    ended: FinishedStudy, bundle: Bundle
) -> None:
    assert {file.name for file in bundle.listing.files} == FILES
    assert {path.name for path in bundle.root.iterdir()} == FILES | {"manifest.json", "signature.json"}
    again = open_bundle(bundle.root, ended.fingerprint, clock=lambda: NOW + 1000 * DAY)
    assert again.listing.signed == NOW + DAY
    assert again.listing.study == json.loads(bundle.read("model.json"))["hash"]


def test_files_can_be_read_by_others_and_nothing_is_left_beside_them(bundle: Bundle) -> None:
    assert {path.stat().st_mode & 0o777 for path in bundle.root.iterdir()} == {0o644}
    assert bundle.root.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in bundle.root.parent.iterdir()] == ["model"]


def test_study_weights_and_participation_are_the_coordinators_own_bytes(ended: FinishedStudy, bundle: Bundle) -> None:
    assert bundle.read("study.toml") == ended.folder.manifest()
    assert bundle.read("model.safetensors") == (ended.folder.model / "model.safetensors").read_bytes()
    assert bundle.read("participation.json") == ended.folder.report.read_bytes()


def test_both_ways_of_loading_it_give_the_same_scores(bundle: Bundle) -> None:
    told = json.loads(bundle.read("model.json"))
    program = "\n".join(
        [
            "import numpy, torch",
            "records = numpy.random.default_rng(0).standard_normal((5, 5)).astype(numpy.float32)",
            *told["load"],
            *told["load_onnx"],
            "model.eval()",
            "expected = torch.sigmoid(model(torch.from_numpy(records))).detach().numpy()[:, 0]",
            "print(float(abs(scores[:, 1] - expected).max()), scores.shape)",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=bundle.root, capture_output=True, text=True, check=True, timeout=170
    )
    difference, _, shape = done.stdout.partition(" ")
    assert float(difference) <= 1e-5
    assert shape.strip() == "(5, 2)"


def test_what_the_onnx_file_says_of_itself(ended: FinishedStudy, bundle: Bundle) -> None:
    import onnx

    graph = onnx.load_from_string(bundle.read("model.onnx"))
    told = {entry.key: entry.value for entry in graph.metadata_props}
    assert told["fedward.study_sha256"] == bundle.listing.study
    assert json.loads(told["fedward.scores"]) == ["no disease", "disease"]
    assert json.loads(told["fedward.inputs"]) == json.loads(bundle.read("inputs.json"))
    assert not any(str(ended.home.root) in value for value in told.values())


def test_no_path_of_the_coordinator_and_no_secret_is_in_any_file(ended: FinishedStudy, bundle: Bundle) -> None:
    secrets = [path.read_bytes().splitlines()[1] for path in ended.home.keys_dir.iterdir()]
    for path in bundle.root.iterdir():
        content = path.read_bytes()
        assert str(ended.home.root).encode() not in content
        assert not any(secret in content for secret in secrets)


def test_exporting_again_gives_the_same_bytes(ended: FinishedStudy, bundle: Bundle, tmp_path: Path) -> None:
    again = export_model(ended.home, ended.folder, Wish(tmp_path / "again"), clock=lambda: NOW + DAY).bundle
    assert again.listing == bundle.listing


def test_without_onnx_the_card_says_so(ended: FinishedStudy, tmp_path: Path) -> None:
    done = export_model(ended.home, ended.folder, Wish(tmp_path / "model", onnx=False), clock=lambda: NOW)
    assert done.onnx is None
    assert not done.bundle.has("model.onnx")
    assert "There is no ONNX file" in done.bundle.read("card.md").decode()
    assert json.loads(done.bundle.read("model.json"))["load_onnx"] == []


@pytest.mark.parametrize("what", ["file", "full folder", "link"])
def test_nothing_is_overwritten(ended: FinishedStudy, tmp_path: Path, what: str) -> None:
    out = tmp_path / "model"
    if what == "file":
        out.write_text("mine")
    elif what == "link":
        out.symlink_to(tmp_path / "elsewhere")
    else:
        out.mkdir()
        (out / "mine").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="exists already"):
        export_model(ended.home, ended.folder, Wish(out, onnx=False), clock=lambda: NOW)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_target_without_a_folder_around_it_is_told(ended: FinishedStudy, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        export_model(ended.home, ended.folder, Wish(tmp_path / "no" / "model", onnx=False), clock=lambda: NOW)


@pytest.mark.parametrize("state", [StudyState.PUBLISHED, StudyState.RUNNING, StudyState.FAILED])
def test_a_study_that_has_not_ended_is_refused_with_what_to_do(tmp_path: Path, state: StudyState) -> None:
    ended = finished_study(tmp_path / "home")
    ended.folder.stand(state, "too few" if state is StudyState.FAILED else "")
    with pytest.raises(UsageError, match=state.value) as caught:
        export_model(ended.home, ended.folder, Wish(tmp_path / "model"), clock=lambda: NOW)
    assert "fedward-coordinator run" in caught.value.hint
    assert ("too few" in caught.value.message) == (state is StudyState.FAILED)


def test_a_study_that_only_was_published_is_refused(ended: FinishedStudy, tmp_path: Path) -> None:
    text = study_text(rounds=5)
    folder = publish(text.encode(), ended.home.study_key(), Studies(tmp_path / "studies")).folder
    with pytest.raises(UsageError, match="it is published"):
        export_model(ended.home, folder, Wish(tmp_path / "model"), clock=lambda: NOW)


@pytest.mark.parametrize("name", ["report.json", "model/model.safetensors", "model/model.json"])
def test_a_missing_part_of_the_result_is_refused(tmp_path: Path, name: str) -> None:
    ended = finished_study(tmp_path / "home")
    (ended.folder.root / name).unlink()
    with pytest.raises(UsageError, match="no model to export"):
        export_model(ended.home, ended.folder, Wish(tmp_path / "model"), clock=lambda: NOW)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    ended = finished_study(tmp_path / "home")
    path = ended.folder.model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(FedwardError, match="bytes"):
        export_model(ended.home, ended.folder, Wish(tmp_path / "model"), clock=lambda: NOW)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("days", [-2.0, 91.0])
def test_an_expired_round_key_signs_nothing(ended: FinishedStudy, tmp_path: Path, days: float) -> None:
    with pytest.raises(SignatureError, match="not valid today"):
        export_model(ended.home, ended.folder, Wish(tmp_path / "model", onnx=False), clock=lambda: NOW + days * DAY)
    assert list(tmp_path.iterdir()) == []


def test_a_round_key_that_was_exchanged_signs_nothing(tmp_path: Path) -> None:
    ended = finished_study(tmp_path / "home")
    ended.home.round_key_file.write_bytes(to_pem(new_signing_key()))
    with pytest.raises(SignatureError, match="not the one in its certificate"):
        export_model(ended.home, ended.folder, Wish(tmp_path / "model", onnx=False), clock=lambda: NOW)


def test_a_study_that_the_study_key_never_signed_is_refused(tmp_path: Path) -> None:
    ended = finished_study(tmp_path / "home")
    (ended.folder.root / "study.sig").write_bytes(bytes(64))
    with pytest.raises(SignatureError, match="study signature"):
        export_model(ended.home, ended.folder, Wish(tmp_path / "model", onnx=False), clock=lambda: NOW)


def test_a_full_disk_leaves_nothing(ended: FinishedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes, *, mode: int) -> None:
        if path.name == "signature.json":
            raise OSError(28, "No space left on device")
        write_atomic(path, content, mode=mode)

    monkeypatch.setattr(exporting, "write_atomic", full)
    with pytest.raises(OSError, match="No space left"):
        export_model(ended.home, ended.folder, Wish(tmp_path / "model", onnx=False), clock=lambda: NOW)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_that_waits_is_filled(ended: FinishedStudy, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    done = export_model(ended.home, ended.folder, Wish(tmp_path / "model", onnx=False), clock=lambda: NOW)
    assert np.all([path.stat().st_size for path in done.bundle.root.iterdir()])
