"""Hashed words: as documented, so that anybody can compute them again."""

from __future__ import annotations

import math
from hashlib import blake2b

import numpy as np
import pytest

from fedward_client.importer.arrays.text import encode_text, words
from fedward_shared.contracts.arrays import Text, TextForm

BAG = Text("note", TextForm.BAG, buckets=997, ngrams=2)
TOKENS = Text("note", TextForm.TOKENS, buckets=997, length=6)


def number(gram: str) -> int:
    return int.from_bytes(blake2b(gram.encode(), digest_size=8, key=b"fedward/text/v1").digest(), "big")


def test_a_bag_counts_words_and_pairs() -> None:
    found = encode_text("No pain, no fever.", BAG)

    counts = {"no": 2, "pain": 1, "fever": 1, "no pain": 1, "pain no": 1, "no fever": 1}
    expected = np.zeros(997)
    for gram, count in counts.items():
        expected[number(gram) % 997] += count
    expected = np.log1p(expected)
    assert np.allclose(found, expected / math.sqrt((expected**2).sum()), atol=1e-7)
    assert found.dtype == np.float32


def test_tokens_keep_the_order_and_end_in_0() -> None:
    found = encode_text("No pain, no fever.", TOKENS)

    assert found.tolist() == [*(1 + number(word) % 996 for word in ("no", "pain", "no", "fever")), 0, 0]


def test_tokens_are_cut() -> None:
    assert np.array_equal(encode_text("a b c d e f g h", TOKENS), encode_text("a b c d e f", TOKENS))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Müller\u00a0STRASSE straße", ["müller", "strasse", "strasse"]),
        ("Mu\u0308ller", ["müller"]),
        ("ＦＥＶ１ ﬁbrillation", ["fev1", "fibrillation"]),
        ("Hb 12.5mg/dL, 3,4", ["hb", "12.5", "mg", "dl", "3,4"]),
        ("snake_case don't B12", ["snake", "case", "don", "t", "b12"]),
        ("日本語 доктор", ["日本語", "доктор"]),
        ("\0\x01—…", []),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize("form", [BAG, TOKENS])
@pytest.mark.parametrize("text", ["", "  \n", "—", "\ud800"])
def test_a_text_without_words_is_all_0(text: str, form: Text) -> None:
    assert not encode_text(text, form).any()


def test_a_bag_has_length_one() -> None:
    assert math.isclose(float(np.linalg.norm(encode_text("some words of a note", BAG))), 1, rel_tol=1e-6)


def test_only_as_many_words_as_declared_go_together() -> None:
    one = encode_text("a b c", Text("note", buckets=1 << 16, ngrams=1))
    three = encode_text("a b c", Text("note", buckets=1 << 16, ngrams=3))

    assert np.count_nonzero(one) == 3
    assert np.count_nonzero(three) == 6
