"""Seeded randomness for simulations. It protects nobody: whoever knows the seed can subtract the noise."""

from __future__ import annotations

import itertools

from fedward_shared.privacy.randomness.noise import KeystreamSource, RandomSource

__all__ = ["SeededSource"]


class SeededSource:
    """UNSAFE: a stream of RandomSources, the same for the same seed and site, one for each training order in turn.

    The digest of an instruction is left out on purpose: it depends on keys and on the clock, which differ each time.
    """

    def __init__(self, seed: int, site: str) -> None:
        self._seed = seed
        self._site = site
        self._orders = itertools.count(1)

    def __call__(self, digest: bytes) -> RandomSource:
        """The source for the next order."""
        del digest
        return KeystreamSource.unsafe_seeded(self._seed, f"{self._site}/{next(self._orders)}".encode())
