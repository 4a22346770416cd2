"""Normal numbers that are drawn on the accelerator that needs them, from a ChaCha20 keystream (RFC 8439)."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from fedward_shared.privacy.randomness.chacha import BLOCK_BYTES, keystream
from fedward_shared.privacy.randomness.gaussian import INDEX_BITS, INDEX_MASK, TURN
from fedward_shared.privacy.randomness.noise import refuse_fork

__all__ = ["DeviceSource", "box_muller"]

_WORDS_A_BLOCK = BLOCK_BYTES // 8


class DeviceSource:
    """A cryptographic source on one device. Bound to the process that made it.

    Args:
        key: 32 bytes that nothing else uses.
        device: where numbers are drawn.
    """

    def __init__(self, key: bytes, device: torch.device) -> None:
        self._key = key
        self._device = device
        self._draws = 0
        self._process = os.getpid()

    def words(self, count: int) -> Tensor:
        """(count,) int64, 64 uniform bits each. Every call has a nonce of its own, so that no counter ever wraps."""
        refuse_fork(self._process)
        nonce = self._draws.to_bytes(12, "little")
        self._draws += 1
        blocks = -(-count // _WORDS_A_BLOCK)
        return keystream(self._key, nonce, 0, blocks, self._device).flatten().view(torch.int64)[:count]

    def gaussian(self, count: int) -> Tensor:
        """(count,) float64: independent standard normal numbers, on the device."""
        return box_muller(self.words(count + count % 2))[:count]


def box_muller(words: Tensor) -> Tensor:
    """The normal numbers (2n,) of `gaussian.BoxMuller` for the same words (2n,), up to the last bits of float64."""
    first, angles = words.view(2, -1).unbind()
    whole = first.bitwise_right_shift(1).bitwise_and_((1 << 63) - 1)
    radius = whole.to(torch.float64).mul_(2.0**-63).add_(2.0**-64).log_().mul_(-2.0).sqrt_()
    upper = angles.bitwise_right_shift(INDEX_BITS).to(torch.float64).mul_(2.0 ** (INDEX_BITS - 64))
    angle = upper.add_(angles.bitwise_and(INDEX_MASK)).mul_(TURN)
    return torch.stack((radius * torch.cos(angle), radius * torch.sin(angle)), dim=1).flatten()
