"""A study that starts from given weights: pretrained, published, and sent in the first instruction."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from fedward_client.vault.training.in_process import InlineTrainer
from fedward_client.vault.training.trainer import Order
from fedward_server.app import run_study
from fedward_server.publishing import publish
from fedward_server.studies import Studies
from fedward_shared.contracts.round import InstructionHead
from fedward_shared.crypto.keys import new_signing_key
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_shared.models.start import first_weights
from fedward_shared.wire.tensors import decode, layout
from fedward_simulations.cli import app
from fedward_simulations.inline import run_inline
from fedward_simulations.model_files import ModelFiles
from fedward_simulations.pretrain import Schedule, imports_in, pretrain, start_table
from tests.support.fake_sites import ROUND_KEY, FakeCourier, book_of, offer_of, sites_of, train
from tests.support.frozen import SCATTERING, frozen_study, write_pictures
from tests.support.samples import TWO_SITES

GIVEN: dict[str, NDArray[np.float32]] = {
    "linear.weight": np.linspace(-1, 1, 5, dtype=np.float32).reshape(1, 5),
    "linear.bias": np.array([0.5], np.float32),
}
Weights = Mapping[str, NDArray[np.float32]]


def with_start(text: str, file: Path) -> str:
    """The study, starting from this file."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    table = f'[model.start]\nsha256 = "{digest}"\nsource = "made up"\nlicence = "CC0-1.0"\n\n[data]\n'
    return text.replace("[data]\n", table, 1)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A file of weights for the sample study."""
    save_file(GIVEN, tmp_path / "given.safetensors")
    return tmp_path / "given.safetensors"


@pytest.fixture
def first_orders(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, NDArray[np.float32]]]:
    """The weights that each hospital of a simulation was sent in its first order."""
    seen: list[dict[str, NDArray[np.float32]]] = []

    class Watched(InlineTrainer):
        def run(self, order: Order, cancelled: Callable[[], bool]) -> list[memoryview]:
            resolved = load(order.manifest).resolved
            assert resolved is not None
            if order.round == 1:
                seen.append(
                    {name: values.copy() for name, values in decode(layout(resolved.tensors), order.payload).items()}
                )
            return super().run(order, cancelled)

    monkeypatch.setattr("fedward_simulations.inline.InlineTrainer", Watched)
    return seen


def test_pretraining_gives_a_file_from_which_a_private_study_begins(
    tmp_path: Path, first_orders: list[dict[str, NDArray[np.float32]]]
) -> None:
    text = frozen_study(SCATTERING)
    write_pictures(tmp_path / "public", text, 80, seed=9)
    for number, site in enumerate(("north", "south")):
        write_pictures(tmp_path / "data" / site, text, seed=number)
    file = tmp_path / "start.safetensors"
    made = pretrain(text.encode(), imports_in(tmp_path / "public"), file, schedule=Schedule(epochs=5, batch=16))
    assert made.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert made.rows == 60
    assert made.auc is not None
    table = start_table(made, source='made "up"', licence="CC0-1.0")
    study_text = text.replace("[data]\n", f"{table}\n\n[data]\n", 1)
    study = load(study_text.encode())
    assert study.model.start is not None
    assert (study.model.start.source, study.model.start.licence) == ('made "up"', "CC0-1.0")

    folders = {site: tmp_path / "data" / site for site in study.site_names}
    manifest = published(study_text.encode())
    run = run_inline(manifest, folders, seed=1, reports=tmp_path / "out", files=ModelFiles(start=file))
    assert len(first_orders) == 2
    for sent in first_orders:
        for name, values in load_file(file).items():
            np.testing.assert_array_equal(sent[name], values)
    assert all(0 < site.epsilon < 10 for site in run.sites.values())


def test_the_same_pretraining_gives_the_same_file(tmp_path: Path) -> None:
    text = frozen_study(SCATTERING)
    write_pictures(tmp_path / "public" / "one", text, 30)
    write_pictures(tmp_path / "public" / "two", text, 30, seed=1)
    both = imports_in(tmp_path / "public")
    assert list(both) == ["one", "two"]
    schedule = Schedule(epochs=2, batch=16, seed=3)
    first, again = (pretrain(text.encode(), both, tmp_path / name, schedule=schedule) for name in ("a", "b"))
    other = pretrain(text.encode(), both, tmp_path / "c", schedule=Schedule(epochs=2, batch=16, seed=4))
    assert first == again
    assert first.sha256 != other.sha256
    with pytest.raises(UsageError, match="holds no imported data"):
        imports_in(tmp_path / "out")


def test_a_published_study_keeps_its_start_and_sends_it_first(tmp_path: Path, given: Path) -> None:
    """As the daemon does it: the weights come from the study's own folder."""
    text = with_start(TWO_SITES.replace("target_epsilon = 3.0", "noise_multiplier = 4.0"), given)
    studies, key = Studies(tmp_path / "studies"), new_signing_key()
    done = publish(text.encode(), key, studies, start=given)
    content = given.read_bytes()
    given.unlink()
    assert done.folder.start.read_bytes() == content
    offer = offer_of(text)
    sites = sites_of(offer)
    study = load(offer.manifest)
    sent: list[Weights] = []

    def watched(site: str, head: InstructionHead, weights: Weights) -> Weights:
        if head.round == 1:
            sent.append({name: values.copy() for name, values in weights.items()})
        return train(site, head, weights)

    for site in sites.values():
        site.trainer = watched
    run_study(
        offer,
        courier=FakeCourier(sites),
        key=ROUND_KEY,
        book=book_of(sites),
        initial=lambda: first_weights(study, done.folder.start),
    )
    assert len(sent) == 2
    for weights in sent:
        for name, values in GIVEN.items():
            np.testing.assert_array_equal(weights[name], values)
    with pytest.raises(UsageError, match="no file was given"):
        run_study(offer, courier=FakeCourier(sites_of(offer)), key=ROUND_KEY, book=book_of(sites))


def test_publishing_refuses_a_start_that_is_not_the_declared_one(tmp_path: Path, given: Path) -> None:
    studies, key = Studies(tmp_path / "studies"), new_signing_key()
    plain = TWO_SITES.replace("target_epsilon = 3.0", "noise_multiplier = 4.0")
    text = with_start(plain, given)
    with pytest.raises(UsageError, match="no file was given"):
        publish(text.encode(), key, studies)
    with pytest.raises(UsageError, match=r"declares no \[model.start\]"):
        publish(plain.encode(), key, studies, start=given)
    with pytest.raises(UsageError, match="cannot read"):
        publish(text.encode(), key, studies, start=tmp_path / "nowhere")
    other = tmp_path / "other.safetensors"
    save_file({**GIVEN, "linear.bias": np.array([0.25], np.float32)}, other)
    with pytest.raises(UsageError, match=rf"{re.escape(str(other))} is not the file that the study declares"):
        publish(text.encode(), key, studies, start=other)
    save_file({**GIVEN, "linear.bias": np.array([np.nan], np.float32)}, other)
    with pytest.raises(UsageError, match="not finite"):
        publish(with_start(plain, other).encode(), key, studies, start=other)
    save_file({"linear.weight": GIVEN["linear.weight"]}, other)
    with pytest.raises(UsageError, match=r"no tensor 'linear.bias'"):
        publish(with_start(plain, other).encode(), key, studies, start=other)
    assert studies.all() == ()
    assert not list((tmp_path / "studies").glob("*"))


def test_the_command_pretrains_and_says_what_to_do_with_it(tmp_path: Path) -> None:
    text = frozen_study(SCATTERING)
    (tmp_path / "study.toml").write_text(text)
    write_pictures(tmp_path / "public", text, 30)
    line = ["pretrain", "study.toml", "--data", "public", "--out", "start.safetensors", "--epochs", "1"]
    line = [str(tmp_path / word) if (tmp_path / word).exists() or word.startswith("start") else word for word in line]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*line, "--licence", "CC0-1.0"])
    assert result.exit_code == 0, result.output
    digest = hashlib.sha256((tmp_path / "start.safetensors").read_bytes()).hexdigest()
    assert (
        f'[model.start]\nsha256 = "{digest}"\nsource = "fedward-sim pretrain on public"\nlicence = "CC0-1.0"'
        in result.output
    )
    assert "--start" in result.output
