"""From bytes to a study: values, versions, what a published file must agree with."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from fedward_shared.contracts.arrays import Channel, Image, Pick, Series, Signal, Text
from fedward_shared.contracts.augmentation import Augment
from fedward_shared.contracts.cohort import CategoryColumn, DataKind, Holdout, NumberColumn, Outside, Rule, Timing
from fedward_shared.contracts.study import LARGEST_MANIFEST, SiteTerms
from fedward_shared.errors import StudyFileError
from fedward_shared.manifest.parse import load, study_hash
from fedward_shared.manifest.resolve import published
from fedward_shared.manifest.template import template
from fedward_shared.version import PROTOCOL, VERSION
from tests.support.rich_study import RICH
from tests.support.samples import TWO_SITES


def test_a_study_is_read_as_written() -> None:
    study = load(TWO_SITES.encode())

    assert study.name == "heart-disease"
    assert study.site_names == ("north", "south")
    assert study.sites["south"] == SiteTerms("south", 100, 0.5, 50.0)
    assert study.steps_per_site == (3 + 1) * 2
    assert study.privacy.target_epsilon == 3.0
    assert study.data.columns == (
        NumberColumn("age", "years", 18.0, 110.0, 54.0, 9.0, missing=("", "NaN")),
        CategoryColumn("chest_pain", ("1", "2", "3", "4"), missing=("", "NaN")),
    )
    assert study.data.label.classes == (("0",), ("1",))
    assert study.resolved is None


def test_sites_keep_the_order_of_the_file() -> None:
    north = TWO_SITES.index("[sites.north]")
    south, training = TWO_SITES.index("[sites.south]"), TWO_SITES.index("[training]")
    turned = TWO_SITES[:north] + TWO_SITES[south:training] + TWO_SITES[north:south] + TWO_SITES[training:]

    assert load(turned.encode()).site_names == ("south", "north")


def test_a_tensor_study_has_a_shape_and_no_columns() -> None:
    data = load(template("images").encode()).data

    assert data.kind is DataKind.TENSOR
    assert data.input_shape == (1, 28, 28)
    assert data.columns == ()


def test_every_key_of_a_table_is_read() -> None:
    study = load(RICH.encode())
    age, glucose, pain = study.data.columns

    assert (study.data.encounter, study.data.time_zero, study.data.split) == ("stay", "admitted", None)
    assert study.data.holdout == Holdout(0.25, "heart-2026")
    assert study.data.include == (Rule("age", 40.0, 80.0), Rule("ward", values=("cardiology", "medicine")))
    assert (study.data.label.time, study.data.label.reference) == ("diagnosed", (0.6, 0.4))
    assert isinstance(age, NumberColumn)
    assert isinstance(glucose, NumberColumn)
    assert isinstance(pain, CategoryColumn)
    assert (age.fill, age.outside, age.higher_in) == (50.0, Outside.MISSING, "disease")
    assert age.reference == (30.0, 45.0, 55.0, 62.0, 75.0)
    assert glucose.substance == "glucose"
    assert glucose.timing == Timing((-48.0, 0.0), codes=("2345-7", "GLU"), pick=Pick.MEDIAN)
    assert pain.timing == Timing((-24.0, 0.0), time="asked")
    assert (pain.synonyms, pain.fill) == ((("typical", "1"), ("none", "4")), "4")
    assert study.training.augment == Augment(copies=4, noise=0.1)


def test_a_label_may_be_made_of_events() -> None:
    label = load(RICH.replace('time = "diagnosed"', 'codes = ["I21"]\nwindow = [0, 720]').encode()).data.label

    assert (label.codes, label.window, label.time) == (("I21",), (0.0, 720.0), "")


def test_every_form_is_read() -> None:
    forms = [load(template(kind).encode()).data.form for kind in ("images", "series", "signals", "text")]

    image, series, signal, text = forms
    assert image == Image("file", 1, 28, 28)
    assert isinstance(series, Series)
    assert (series.window, series.step, series.masks, series.deltas, series.hold) == (
        (-48.0, 0.0),
        1.0,
        True,
        True,
        True,
    )
    lactate = Channel("lactate", "mmol/L", 0.0, 40.0, 2.0, 2.0, ("2524-7", "Lactate"), "lactate", Pick.LAST)
    assert series.channels[-1] == lactate
    assert isinstance(signal, Signal)
    assert (signal.leads[0], signal.leads[-1], signal.rate, signal.samples, signal.limit) == ("I", "V6", 50.0, 500, 5.0)
    assert text == Text("note")


@pytest.mark.parametrize("kind", ["images", "series"])
def test_the_shape_may_be_left_to_the_form(kind: str) -> None:
    text = template(kind)
    shaped = load(text.encode()).data
    left = load("\n".join(line for line in text.split("\n") if not line.startswith("shape = ")).encode()).data

    assert left.shape == ()
    assert left.input_shape == shaped.input_shape == shaped.shape


def test_no_change_to_records_is_no_augmentation() -> None:
    assert load(RICH.replace("copies = 4\nnoise = 0.1", "copies = 1").encode()).training.augment is None
    assert load(TWO_SITES.encode()).training.augment is None


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    windows = b"\xef\xbb\xbf" + TWO_SITES.replace("\n", "\r\n").encode()

    assert load(windows) == load(TWO_SITES.encode())
    assert study_hash(windows) != study_hash(TWO_SITES.encode())


def test_the_hash_is_sha256_of_the_bytes() -> None:
    assert study_hash(TWO_SITES.encode()) == hashlib.sha256(TWO_SITES.encode()).digest()


def test_a_draft_may_leave_versions_and_options_out() -> None:
    text = TWO_SITES.replace("protocol = 1\n", "").replace('code_version = "0.1.0"\n', "")
    for table in ("[model.options]\n", "[strategy.options]\n"):
        text = text.replace(table, "")

    study = load(text.encode())

    assert (study.code_version, study.protocol) == (VERSION, PROTOCOL)
    assert dict(study.model.options) == dict(study.strategy.options) == {}


def test_another_code_version_can_be_read_because_the_vault_answers_it_itself() -> None:
    assert load(TWO_SITES.replace('"0.1.0"', '"9.9.9"').encode()).code_version == "9.9.9"


def test_reading_loads_neither_torch_nor_flwr_nor_the_accountant() -> None:
    code = (
        "import sys; from fedward_shared.manifest.parse import load; from tests.support.samples import TWO_SITES;"
        "load(TWO_SITES.encode());"
        "print([name for name in ('torch', 'flwr', 'dp_accounting', 'polars') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (b"\xff\xfe", "is not UTF-8 (line 1)"),
        (b"a = 1\n\xff = 2\n", "is not UTF-8 (line 2)"),
        (b"#" * (LARGEST_MANIFEST + 1), f"the most is {LARGEST_MANIFEST}"),
        (b"a = " + b"[" * 100_000, "nested deeper"),
    ],
)
def test_bytes_that_are_no_study_at_all(manifest: bytes, told: str) -> None:
    with pytest.raises(StudyFileError) as failure:
        load(manifest)

    assert told in failure.value.message


def test_an_empty_file_names_every_table_that_is_missing() -> None:
    with pytest.raises(StudyFileError) as failure:
        load(b"")

    named = [problem.split("]")[0][1:] for problem in failure.value.problems]
    assert named == ["study", "model", "data", "sites", "training", "strategy", "privacy", "limits"]


PUBLISHED = published(TWO_SITES.encode()).decode()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[resolved.sites.south]", "[resolved.sites.west]", "does not list the study's sites in their order"),
        ("target_epsilon = 3.0", "target_epsilon = 2.0", "above target_epsilon"),
        ("target_epsilon = 3.0", "noise_multiplier = 1.0", "but [privacy] means 1"),
        ("target_epsilon = 3.0\nunsafe_no_privacy = false", "unsafe_no_privacy = true", "means 0"),
        ("max_weight = 100.0", "max_weight = 100.0\nmax_update_norm = 50.0", "is not that of [limits]"),
        ('name = "linear.bias"', 'name = "linear.weight"', "has a name twice"),
        ("shape = [1, 5]", "shape = [100000, 100000]", "has more than"),
        ("shape = [1, 5]", "shape = [1, -5]", "publish again instead of editing"),
        ("noise_multiplier = ", "noise_multiplier = -", "must be what `study publish` wrote"),
        ('code_version = "0.1.0"\n', "", "a published study has both"),
    ],
)
def test_a_published_file_that_contradicts_itself_is_refused(old: str, new: str, told: str) -> None:
    assert old in PUBLISHED

    with pytest.raises(StudyFileError) as failure:
        load(PUBLISHED.replace(old, new, 1).encode())

    assert any(told in problem for problem in failure.value.problems), failure.value.problems
