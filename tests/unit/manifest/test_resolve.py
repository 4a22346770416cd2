"""What publishing works out, writes, and lets everybody check again."""

from __future__ import annotations

import math

import pytest

from fedward_shared.errors import StudyFileError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import check_resolved, load_draft, published, resolve
from fedward_shared.manifest.template import KINDS, template
from fedward_shared.models.registry import tensor_specs
from fedward_shared.privacy.accounting import epsilon
from fedward_shared.privacy.events import SampledGaussian
from fedward_shared.version import PROTOCOL, VERSION
from tests.support.samples import TWO_SITES

UNSAFE = TWO_SITES.replace("target_epsilon = 3.0\n", "").replace(
    "unsafe_no_privacy = false", "unsafe_no_privacy = true"
)
PUBLISHED = published(TWO_SITES.encode())


def test_noise_keeps_each_site_within_the_target_for_all_charged_steps() -> None:
    study = load(TWO_SITES.encode())

    resolved = resolve(study)

    assert list(resolved.sites) == ["north", "south"]
    assert resolved.tensors == tensor_specs(study.model, study.data)
    for name, site in resolved.sites.items():
        event = SampledGaussian(site.noise_multiplier, study.sites[name].sampling_rate, (3 + 1) * 2)
        assert site.epsilon == epsilon([event], 1e-5)
        assert 0.97 * 3.0 <= site.epsilon <= 3.0


def test_a_declared_noise_is_kept_and_its_epsilon_told() -> None:
    study = load(TWO_SITES.replace("target_epsilon = 3.0", "noise_multiplier = 1.25").encode())

    resolved = resolve(study)

    assert {site.noise_multiplier for site in resolved.sites.values()} == {1.25}
    assert resolved.sites["north"].epsilon == epsilon([SampledGaussian(1.25, 1.0, 8)], 1e-5)


def test_without_privacy_epsilon_is_infinite_and_survives_the_file() -> None:
    study = load(published(UNSAFE.encode()))

    assert study.resolved is not None
    assert all(math.isinf(site.epsilon) and site.noise_multiplier == 0 for site in study.resolved.sites.values())
    check_resolved(study)


def test_the_authors_text_and_comments_stay() -> None:
    text = TWO_SITES.replace("[privacy]", "# Agreed on 3 May.\n[privacy]  # see minutes")

    content = published(text.encode()).decode()

    assert content.startswith(text.rstrip())


def test_a_published_file_says_what_was_worked_out() -> None:
    study = load(PUBLISHED)

    assert study.resolved == resolve(load(TWO_SITES.encode()))
    check_resolved(study)


def test_publishing_again_changes_nothing() -> None:
    assert published(PUBLISHED) == PUBLISHED


def test_publishing_again_after_a_change_works_everything_out_anew() -> None:
    changed = PUBLISHED.replace(b"target_epsilon = 3.0", b"target_epsilon = 1.0").replace(b"sites.south", b"sites.west")

    study = load(published(changed))

    assert study.resolved is not None
    assert list(study.resolved.sites) == ["north", "west"]
    assert all(site.epsilon <= 1.0 for site in study.resolved.sites.values())
    assert published(changed).count(b"[resolved]") == published(changed).count(b"# Written by") == 1


def test_tables_after_an_older_resolved_stay() -> None:
    head, limits = PUBLISHED.decode().split("[limits]\nmax_weight = 100.0\n")

    content = published(f"{head}{limits}\n[limits]\nmax_weight = 100.0\n".encode())

    assert load(content) == load(PUBLISHED)


def test_versions_are_filled_in() -> None:
    text = TWO_SITES.replace("protocol = 1\n", "").replace('code_version = "0.1.0"\n', "")

    content = published(text.encode()).decode()

    assert f'[study]\nprotocol = {PROTOCOL}\ncode_version = "{VERSION}"\nname = ' in content


def test_versions_cannot_be_filled_into_a_table_without_a_header() -> None:
    start, end = TWO_SITES.index("[study]"), TWO_SITES.index("[model]")
    rows = TWO_SITES[start:end].splitlines()[1:]
    dotted = "\n".join(f"study.{row}" for row in rows if row and not row.startswith(("protocol", "code_version")))

    with pytest.raises(StudyFileError, match="has no header"):
        published(f"{dotted}\n{TWO_SITES[end:]}".encode())


def test_a_bound_below_honest_updates_is_refused() -> None:
    with pytest.raises(StudyFileError) as failure:
        published(TWO_SITES.replace("max_weight = 100.0", "max_weight = 100.0\nmax_update_norm = 0.001").encode())

    assert "north's updates reach about" in failure.value.problems[0]


def test_a_model_too_large_to_send_is_refused() -> None:
    text = TWO_SITES.replace('"logistic"', '"mlp"')
    text = text.replace("[model.options]", "[model.options]\nhidden = [65536, 65536]")

    with pytest.raises(StudyFileError, match="too large"):
        published(text.encode())


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "linear.bias"', 'name = "linear.bais"', "tensors: are not those of the model"),
        ("shape = [1, 5]", "shape = [5, 1]", "tensors: are not those of the model"),
        ("\nepsilon = 2.99", "\nepsilon = 1.99", "epsilon: is 1.99"),
        ("max_update_norm = 2.", "max_update_norm = 9.", "max_update_norm: is 9."),
        ("expected_update_norm = 1.", "expected_update_norm = 7.", "expected_update_norm: is 7."),
    ],
)
def test_a_resolved_that_was_edited_is_found_out(old: str, new: str, told: str) -> None:
    assert old in PUBLISHED.decode()
    study = load(PUBLISHED.decode().replace(old, new, 1).encode())

    with pytest.raises(StudyFileError) as failure:
        check_resolved(study)

    assert any(told in problem for problem in failure.value.problems), failure.value.problems


def test_less_noise_than_its_epsilon_says_is_found_out() -> None:
    north = resolve(load(TWO_SITES.encode())).sites["north"].noise_multiplier
    study = load(PUBLISHED.replace(repr(north).encode(), repr(north / 2).encode()))

    with pytest.raises(StudyFileError, match="does not follow"):
        check_resolved(study)


def test_a_draft_has_nothing_to_check() -> None:
    with pytest.raises(StudyFileError, match="not published"):
        check_resolved(load(TWO_SITES.encode()))


@pytest.mark.parametrize("kind", KINDS)
def test_every_template_is_right_as_it_is(kind: str) -> None:
    text = template(kind)

    study = load(published(text.encode()))

    assert load_draft(text.encode()).data == study.data
    check_resolved(study)
    assert all(len(row) <= 120 for row in text.splitlines())
