"""Invariant 10: bytes from a peer are data. A pickle anywhere in a message is refused, and runs nothing."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from fedward_shared.contracts.round import RefusalCode, Task
from tests.support.vaults import Coordinator, Site


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def bomb(tmp_path: Path) -> Bomb:
    return Bomb(tmp_path / "went-off")


def test_the_bomb_works(bomb: Bomb) -> None:
    pickle.loads(pickle.dumps(bomb))  # noqa: S301 - our own, to see that it would go off
    assert bomb.path.is_dir()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_as_weights(bomb: Bomb, protocol: int) -> None:
    site, coordinator = Site(), Coordinator()
    coordinator.admit(site)
    size = coordinator.layout.payload_bytes
    shell = pickle.dumps(bomb, protocol=protocol)
    payload = (shell + bytes(size))[:size]
    assert site.code(coordinator.sealed(coordinator.head(), payload)) is RefusalCode.BAD_PAYLOAD
    in_data = bytearray(coordinator.weights())
    in_data[-len(shell) :] = shell
    site.handle(coordinator.sealed(coordinator.head(), bytes(in_data[:size])))
    assert not bomb.path.exists()


def test_a_pickle_as_a_study(bomb: Bomb) -> None:
    site, coordinator = Site(), Coordinator()
    shell = pickle.dumps(bomb)
    parcel = coordinator.sealed(coordinator.head(Task.STUDY, payload_bytes=len(shell)), shell)
    assert site.code(parcel) is RefusalCode.BAD_PAYLOAD
    assert not bomb.path.exists()
    assert site.operations.proposals() == ()


def test_a_pickle_as_a_head(bomb: Bomb) -> None:
    site = Site()
    site.vault.limit(pickle.dumps(bomb))
    assert not bomb.path.exists()
