"""The words that a binary n-gram model of pocketsphinx knows, read from its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_LONGEST_WORD = 16
"""bytes a word of the n-gram model takes on average, at most"""
_MOST_WORDS = 32_000
"""of the 72,547 of the n-gram model: the rest, names and rarities such as "buckwheat", would cost 18 MB. With 50,000
one more of the 55 words in recordings of a command's length is right, a clipped "tue"."""
_UNIGRAM = np.dtype([("likelihood", "<f4"), ("backoff", "<f4"), ("next", "<u4")])
_TABLE_BYTES = 4 << 16


def model_words(model: Path, most: int = _MOST_WORDS) -> frozenset[str]:
    """The words of a binary n-gram model of pocketsphinx, the `most` likeliest; empty if its layout is another one.

    Layout (ngram_model_trie.c): the signature, the order (1 byte), the count of each order (4 bytes each, little
    endian), the quantiser's kind (4 bytes) and tables, a `_UNIGRAM` for each word and one more, the trie, then the
    words, each ended by a zero byte.
    """
    signature = b"Trie Language Model"
    with model.open("rb") as file:
        head = file.read(len(signature) + 5)
        if not head.startswith(signature):
            return frozenset()
        order, count = head[len(signature)], int.from_bytes(head[len(signature) + 1 :], "little")
        file.seek(4 * (order - 1) + 4 + (2 * order - 3) * _TABLE_BYTES, 1)
        unigrams = np.frombuffer(file.read(count * _UNIGRAM.itemsize), _UNIGRAM)
        file.seek(0, 2)
        file.seek(max(0, file.tell() - count * _LONGEST_WORD))
        words = file.read().split(b"\0")[:-1][-count:]
    if not len(words) == len(unigrams) == count or (np.diff(unigrams["next"].astype(np.int64)) < 0).any():
        return frozenset()
    likeliest = np.argsort(-unigrams["likelihood"], kind="stable")[:most]
    found = frozenset(words[index].decode("utf-8", "replace") for index in likeliest)
    return found if {"the", "zoo"} <= found else frozenset()
