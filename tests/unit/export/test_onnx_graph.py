"""model.onnx gives what the model gives, for every family, and tells nothing of the machine that wrote it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import fedward_shared
from fedward_server.export import onnx_graph
from fedward_server.export.inputs import input_type
from fedward_server.export.onnx_check import check_onnx, made_up
from fedward_shared.contracts.cohort import DataContract, FollowUp, Label
from fedward_shared.contracts.study import ModelTerms, PretrainedTerms
from fedward_shared.errors import FedwardError, UsageError
from fedward_shared.models.heads.head import Head, head_for
from fedward_shared.models.registry import build, names, record_shape
from tests.support.cohorts import contract_of, terms_of
from tests.support.families import EXAMPLES, Example

FACTS = {"fedward.study": "heart"}
THREE = Label("stage", (("1",), ("2",), ("3",)), ("one", "two", "three"))
LIVES = Label("death", (("0",), ("1",)), ("alive", "dead"), follow_up=FollowUp("days", "d", 365.0))


def trained(terms: ModelTerms, contract: DataContract, head: Head) -> nn.Module:
    """The model after a few steps, so that no weight is what it was at first."""
    model = build(terms, contract)
    source = np.random.default_rng(1)
    records = torch.from_numpy(made_up(24, record_shape(terms, contract), contract, source))
    labels = torch.from_numpy(source.integers(0, contract.label.numbers, 24))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        torch.autograd.backward(head.losses(model(records), labels).mean())
        optimizer.step()
    return model.eval()


def assert_equal(terms: ModelTerms, contract: DataContract) -> None:
    """Scores and logits agree to 1e-5, one record and seven at a time."""
    torch.set_num_threads(1)
    head, shape = head_for(terms, contract), record_shape(terms, contract)
    model = trained(terms, contract, head)
    scored = onnx_graph.scoring(model, head)
    state = {name: values.clone() for name, values in model.state_dict().items()}
    content = onnx_graph.to_onnx(scored, shape, input_type(contract), FACTS)
    fresh = build(terms, contract)
    fresh.load_state_dict(state)
    expected_of = onnx_graph.scoring(fresh, head)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    source = np.random.default_rng(2)
    for count in (1, 7):
        records = made_up(count, shape, contract, source)
        with torch.no_grad():
            expected = [values.numpy() for values in expected_of(torch.from_numpy(records))]
        found = session.run(["scores", "logits"], {"records": records})
        for ours, theirs in zip(expected, found, strict=True):
            assert theirs.dtype == np.float32
            np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)
        assert np.ptp(expected[1], axis=0).max() > 0 or count == 1, "records that differ have logits that differ"
    assert check_onnx(content, expected_of, shape, contract).records == 40


def test_every_family_is_exported_here() -> None:
    assert {example.name for example in EXAMPLES} == set(names())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.label)
def test_every_family_gives_the_same_scores(example: Example) -> None:
    assert_equal(example.terms(), example.on())


@pytest.mark.parametrize("name", ["logistic", "mlp", "lstm"])
def test_more_classes_have_a_score_each(name: str) -> None:
    assert_equal(terms_of(name), replace(contract_of(name), label=THREE))


def test_with_a_backbone_the_graph_takes_its_features() -> None:
    contract = replace(contract_of("cnn"), shape=(1, 16, 16))
    terms = ModelTerms("logistic", seed=3, backbone=PretrainedTerms("scattering"))
    assert record_shape(terms, contract) != contract.input_shape
    assert_equal(terms, contract)


@pytest.mark.parametrize("likelihood", ["logistic", "cloglog", "piecewise"])
def test_risks_by_interval_are_the_same_for_every_likelihood(likelihood: str) -> None:
    terms = terms_of("mlp")
    options = {**terms.options, "intervals": 4, "likelihood": likelihood}
    assert_equal(replace(terms, options=options), replace(contract_of("mlp"), label=LIVES))


@cache
def small() -> bytes:
    """An ONNX file of a small recurrent model."""
    terms, contract = terms_of("gru"), contract_of("gru")
    model = build(terms, contract)
    return onnx_graph.to_onnx(
        onnx_graph.scoring(model, head_for(terms, contract)), record_shape(terms, contract), "float32", FACTS
    )


def test_nothing_of_the_exporting_machine_is_in_the_file() -> None:
    content = small()
    for text in (b"Traceback", b'File "', b".py", b"site-packages", b"/home", b"pkg.torch", b"fx_node"):
        assert text not in content
    assert str(Path(fedward_shared.__file__).parents[1]).encode() not in content
    assert str(Path(torch.__file__).parents[1]).encode() not in content
    graph = onnx.load_from_string(content)
    assert graph.doc_string == graph.graph.doc_string == ""
    assert all(not node.doc_string and not node.metadata_props for node in graph.graph.node)
    assert {entry.key: entry.value for entry in graph.metadata_props} == FACTS


def test_the_graph_says_how_it_is_used() -> None:
    graph = onnx.load_from_string(small())
    assert [value.name for value in graph.graph.input] == ["records"]
    assert [value.name for value in graph.graph.output] == ["scores", "logits"]
    sides = graph.graph.input[0].type.tensor_type.shape.dim
    assert sides[0].dim_param == "batch"
    assert [side.dim_value for side in sides[1:]] == list(contract_of("gru").input_shape)
    assert [(entry.domain, entry.version) for entry in graph.opset_import if not entry.domain] == [
        ("", onnx_graph.OPSET)
    ]


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.unit.export.test_onnx_graph import small; "
        "Path(sys.argv[1]).write_bytes(small())"
    )
    subprocess.run(
        [sys.executable, "-c", program, tmp_path / "again.onnx"], check=True, timeout=170, cwd=Path(__file__).parents[3]
    )
    assert (tmp_path / "again.onnx").read_bytes() == small()


def test_a_model_that_counts_its_records_is_refused_rather_than_exported_for_three() -> None:
    class Counting(nn.Module):
        def forward(self, records: Tensor) -> tuple[Tensor, Tensor]:
            logits = records.sum(dim=1, keepdim=True) + records.new_zeros(len(records), 1)
            return logits.sigmoid(), logits

    with pytest.raises(UsageError, match="any number of records"):
        onnx_graph.to_onnx(Counting(), (4,), "float32", {})


def test_a_graph_that_gives_other_scores_is_refused() -> None:
    terms, contract = terms_of("gru"), contract_of("gru")
    other = build(replace(terms, seed=99), contract)
    scored = onnx_graph.scoring(other, head_for(terms, contract))
    with pytest.raises(FedwardError, match="other scores"):
        check_onnx(small(), scored, record_shape(terms, contract), contract)


def test_without_a_runtime_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedward_server.export.onnx_check.find_spec", lambda _: None)
    check = check_onnx(b"", nn.Identity(), (1,), contract_of("gru"))
    assert not check.done
    assert check.records == 0


def test_missing_packages_are_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="onnx and onnxscript") as caught:
        onnx_graph.check_available()
    assert "--no-onnx" in caught.value.hint


def test_weights_that_do_not_fit_into_one_file_are_refused_before_anything_is_made() -> None:
    class Huge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(600_000_000, device="meta"))

        def forward(self, records: Tensor) -> Tensor:
            raise AssertionError

    with pytest.raises(UsageError, match="do not fit"):
        onnx_graph.to_onnx(Huge(), (1,), "float32", {})


def test_survival_scores_never_fall_in_the_graph_either() -> None:
    terms = replace(terms_of("mlp"), options={"hidden": (4,), "intervals": 5})
    contract = replace(contract_of("mlp"), label=LIVES)
    head, shape = head_for(terms, contract), record_shape(terms, contract)
    content = onnx_graph.to_onnx(onnx_graph.scoring(build(terms, contract), head), shape, "float32", {})
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"records": made_up(7, shape, contract, np.random.default_rng(0))})
    assert all((after >= before).all() for before, after in pairwise(scores.T))
