"""`[model.start]` and `[model.backbone]` of study.toml: what is read, and what is refused with its key and line."""

from __future__ import annotations

import pytest

from fedward_shared.errors import StudyFileError
from fedward_shared.manifest.resolve import load_draft, published
from tests.support.frozen import SCATTERING, frozen_study

SHA = "5" * 64
NETWORK = f'[model.backbone]\nname = "vgg16"\nsha256 = "{SHA}"\nsource = "a paper"\nlicence = "BSD-3-Clause"\n\n'
NETWORK += "[model.backbone.options]\nside = 32\n"
START = f'[model.start]\nsha256 = "{SHA}"\nsource = "a public table"\nlicence = "CC0-1.0"\n'


def problems(text: str) -> tuple[str, ...]:
    """What is said against a draft."""
    with pytest.raises(StudyFileError) as failure:
        load_draft(text.encode())
    return failure.value.problems


def test_both_are_read() -> None:
    study = load_draft(frozen_study(START + NETWORK).encode())
    start, backbone = study.model.start, study.model.backbone
    assert start is not None
    assert backbone is not None
    assert (start.sha256, start.source, start.licence, start.name) == (SHA, "a public table", "CC0-1.0", "")
    assert (backbone.name, backbone.sha256, dict(backbone.options)) == ("vgg16", SHA, {"side": 32})


def test_the_tensors_that_travel_are_those_behind_the_backbone() -> None:
    resolved = load_draft(published(frozen_study(SCATTERING).encode())).resolved
    assert resolved is None
    text = published(frozen_study(SCATTERING).encode()).decode()
    assert '{ name = "linear.weight", shape = [1, 225] }' in text


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        (NETWORK.replace(SHA, SHA[1:]), "[model.backbone] sha256 "),
        (NETWORK.replace(f'sha256 = "{SHA}"\n', ""), "[model.backbone] sha256 "),
        (NETWORK.replace('source = "a paper"\n', ""), "[model.backbone] source "),
        (NETWORK.replace('licence = "BSD-3-Clause"\n', ""), "[model.backbone] licence "),
        (NETWORK.replace("side = 32", "side = 8"), "[model.backbone.options] side (line "),
        (NETWORK.replace("side = 32", "sides = 32"), "[model.backbone.options] sides (line "),
        (NETWORK.replace("vgg16", "vgg17"), "[model.backbone] name (line "),
        (SCATTERING.replace("L = 4", "L = 0"), "[model.backbone.options] L (line "),
        (
            SCATTERING.replace('name = "scattering"', f'name = "scattering"\nsha256 = "{SHA}"'),
            "[model.backbone] sha256 ",
        ),
        (START.replace(SHA, SHA.upper().replace("5", "A")), "[model.start] sha256 (line "),
        (START.replace('source = "a public table"\n', ""), "[model.start] source "),
        (START.replace('licence = "CC0-1.0"\n', ""), "[model.start] licence "),
        (START + 'name = "resnet18"\n', "[model.start] name (line "),
    ],
)
def test_what_is_wrong_is_told_with_its_key(tables: str, told: str) -> None:
    found = problems(frozen_study(tables))
    assert len(found) == 1
    assert found[0].startswith(told)


def test_changes_of_records_beside_frozen_features_are_refused() -> None:
    changing = "[training.augment]\nflip = true\n\n[strategy]\n"
    text = frozen_study(SCATTERING).replace("[strategy]\n", changing, 1)
    (problem,) = problems(text)
    assert problem.startswith("[training.augment] (line ")
    assert "[model.backbone]" in problem
    load_draft(frozen_study("").replace("[strategy]\n", changing, 1).encode())
