r"""Free text as hashed words: the same numbers anywhere, without a vocabulary, which would be made of other patients.

How to compute it elsewhere: the text is brought to Unicode NFKC, case-folded, and to NFKC again. Its words are what
``\d+[.,]\d+|[^\W_]+`` finds (a decimal number, or a run of letters and digits). A word's or n-gram's number is that of
the 8 bytes, big-endian, of BLAKE2b (digest of 8 bytes, key ``fedward/text/v1``) over its words in UTF-8 with one space
between. In a bag it falls into the bucket ``number mod buckets``; as a token it is ``1 + number mod (buckets - 1)``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from hashlib import blake2b
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.arrays import Text, TextForm

__all__ = ["encode_text", "words"]

_KEY = b"fedward/text/v1"
_WORD = re.compile(r"\d+[.,]\d+|[^\W_]+")
_KNOWN = 1 << 17


def encode_text(text: str, form: Text) -> NDArray[np.float32]:
    """A text as the form says: a bag of words and n-grams of up to `form.ngrams` words, or the words in their order.

    A text without a word is all 0. Every text can be encoded; none is refused.
    """
    if form.form is TextForm.TOKENS:
        return _tokens(text, form)
    return _bag(text, form)


def words(text: str, most: int | None = None) -> list[str]:
    """The words of a text, or the first `most` of them."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return [found[0] for found in islice(_WORD.finditer(folded), most)]


@lru_cache(_KNOWN)
def _number(gram: str) -> int:
    return int.from_bytes(blake2b(gram.encode(errors="replace"), digest_size=8, key=_KEY).digest(), "big")


def _tokens(text: str, form: Text) -> NDArray[np.float32]:
    tokens = np.zeros(form.length, np.float32)
    found = words(text, form.length)
    tokens[: len(found)] = [1 + _number(word) % (form.buckets - 1) for word in found]
    return tokens


def _bag(text: str, form: Text) -> NDArray[np.float32]:
    found = words(text)
    grams: Counter[str] = Counter(found)
    for length in range(2, form.ngrams + 1):
        grams.update(map(" ".join, zip(*(found[start:] for start in range(length)), strict=False)))
    bag = np.zeros(form.buckets)
    np.add.at(bag, [_number(gram) % form.buckets for gram in grams], list(grams.values()))
    bag = np.log1p(bag)
    norm = float(np.sqrt(np.square(bag).sum()))
    return (bag / norm if norm else bag).astype(np.float32)
