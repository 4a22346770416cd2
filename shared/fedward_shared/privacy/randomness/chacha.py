"""ChaCha20's keystream in PyTorch's integer operations, on whatever device: RFC 8439, section 2.3.

PyTorch has no cryptographic generator (CUDA's is Philox), and its shifts and sums of int32 wrap around on every device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["BLOCK_BYTES", "keystream"]

BLOCK_BYTES = 64
_CONSTANTS = b"expand 32-byte k"
_COUNTERS = 1 << 32
_DOUBLE_ROUNDS = 10


def keystream(key: bytes, nonce: bytes, first: int, blocks: int, device: torch.device) -> Tensor:
    """The keystream of blocks `first`, `first` + 1 and so on, as little-endian words: (blocks, 16) int32.

    Args:
        key: 32 bytes.
        nonce: 12 bytes, never used twice with one key and counter.
        first: the block counter of the first block.
        blocks: how many. The counter has 32 bits and may not wrap.
        device: where the words are computed, and returned.
    """
    if len(key) != 32 or len(nonce) != 12 or not 0 <= first <= first + blocks <= _COUNTERS:  # noqa: PLR2004  # RFC 8439
        raise ValueError("ChaCha20 takes a key of 32 bytes, a nonce of 12, and a counter of 32 bits that does not wrap")
    head = np.frombuffer(_CONSTANTS + key + bytes(4) + nonce, dtype="<i4").astype(np.int32)
    start = torch.from_numpy(head).to(device)[:, None].repeat(1, blocks)
    # int64 to int32 keeps the low 32 bits, which is the counter as an unsigned number.
    start[12] = torch.arange(first, first + blocks, dtype=torch.int64, device=device).to(torch.int32)
    a, b, c, d = start.clone().view(4, 4, blocks).unbind()
    spare = torch.empty_like(a)
    for _ in range(_DOUBLE_ROUNDS):
        _quarter_rounds(a, b, c, d, spare)
        b, c, d = b.roll(-1, 0), c.roll(-2, 0), d.roll(-3, 0)  # diagonals become columns
        _quarter_rounds(a, b, c, d, spare)
        b, c, d = b.roll(1, 0), c.roll(2, 0), d.roll(3, 0)
    return torch.cat((a, b, c, d)).add_(start).T.contiguous()


def _quarter_rounds(a: Tensor, b: Tensor, c: Tensor, d: Tensor, spare: Tensor) -> None:
    """RFC 8439, section 2.1, on the four columns of every block at once, in place."""
    a.add_(b)
    _rotate(d.bitwise_xor_(a), 16, spare)
    c.add_(d)
    _rotate(b.bitwise_xor_(c), 12, spare)
    a.add_(b)
    _rotate(d.bitwise_xor_(a), 8, spare)
    c.add_(d)
    _rotate(b.bitwise_xor_(c), 7, spare)


def _rotate(words: Tensor, places: int, spare: Tensor) -> None:
    """Rotates to the left, in place. The shift to the right is arithmetic, so its copies of the sign are masked off."""
    torch.bitwise_right_shift(words, 32 - places, out=spare)
    spare.bitwise_and_((1 << places) - 1)
    words.bitwise_left_shift_(places).bitwise_or_(spare)
