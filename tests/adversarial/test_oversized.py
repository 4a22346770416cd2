"""Invariant 10: sizes are checked before memory is set aside, and what no study declares is never read."""

from __future__ import annotations

import tracemalloc

import pytest

from fedward_shared.contracts.round import RefusalCode, Task
from fedward_shared.contracts.study import LARGEST_MANIFEST
from fedward_shared.wire.codec import MAX_PAYLOAD_BYTES, encode_instruction
from fedward_shared.wire.parcel import INLINE_BYTES, Refused
from tests.support.vaults import Coordinator, Site

HUGE = [INLINE_BYTES + 1, 1 << 30, MAX_PAYLOAD_BYTES]


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
def site(coordinator: Coordinator) -> Site:
    site = Site()
    coordinator.admit(site)
    return site


@pytest.mark.parametrize("size", HUGE)
@pytest.mark.parametrize("task", [Task.TRAIN, Task.CONCLUDE])
def test_a_huge_payload_is_refused_by_its_head(site: Site, coordinator: Coordinator, task: Task, size: int) -> None:
    head = encode_instruction(coordinator.head(task, round=3, payload_bytes=size))
    tracemalloc.start()
    answer = site.vault.limit(head)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(answer, Refused)
    assert answer.code is RefusalCode.TOO_LARGE
    assert peak < 1 << 20


@pytest.mark.parametrize("size", HUGE)
def test_nothing_huge_comes_in_for_a_study_that_nobody_knows(site: Site, coordinator: Coordinator, size: int) -> None:
    answer = site.vault.limit(encode_instruction(coordinator.head(study=b"u" * 32, payload_bytes=size)))
    assert isinstance(answer, Refused)
    assert answer.code is RefusalCode.UNKNOWN_STUDY


def test_every_size_that_is_let_in_is_bounded(site: Site, coordinator: Coordinator) -> None:
    for size in (0, 1, coordinator.layout.payload_bytes, INLINE_BYTES):
        assert site.vault.limit(encode_instruction(coordinator.head(payload_bytes=size))) == size


@pytest.mark.parametrize("difference", [-4, -1, 1, 4, 4096])
def test_a_payload_of_another_size_than_declared(site: Site, coordinator: Coordinator, difference: int) -> None:
    size = coordinator.layout.payload_bytes + difference
    whole = (coordinator.weights() + bytes(4096))[:size]
    honest_head = coordinator.sealed(coordinator.head(), whole)
    fitting_head = coordinator.sealed(coordinator.head(payload_bytes=size), whole)
    assert site.code(honest_head) is RefusalCode.TOO_LARGE
    assert site.code(fitting_head) is RefusalCode.TOO_LARGE
    assert site.spent() == 0


def test_a_manifest_of_more_than_a_mebibyte_is_no_offer(site: Site, coordinator: Coordinator) -> None:
    payload = b"\x0a" + bytes(LARGEST_MANIFEST)
    head = coordinator.head(Task.STUDY, payload_bytes=len(payload))
    assert site.code(coordinator.sealed(head, payload)) is RefusalCode.BAD_PAYLOAD


def test_a_head_of_any_length_is_refused(site: Site) -> None:
    for length in (0, 1, 1024, 1 << 20):
        answer = site.vault.limit(bytes(length))
        assert isinstance(answer, Refused)
        assert answer.code is RefusalCode.CODE_VERSION
