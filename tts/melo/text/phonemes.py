"""What a front end makes of a sentence, and the protocol that every language's front end follows.

A front end never asks the network for anything, never downloads, and loads its dictionaries at the first sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from core.utils.errors import InferenceError

PAD = "_"
"""the phone of silence around every sentence"""
UNKNOWN = "UNK"
"""the phone of what has no pronunciation"""
MAX_TOKENS = 510
"""BERT has 512 positions, and two of them are the marks around the sentence"""
_LONGEST_WORD = 40
_LONGEST_TEXT = _LONGEST_WORD * MAX_TOKENS
_BEYOND_LONGEST = re.compile(rf"\w{{{_LONGEST_WORD}}}(?=\w)")


@dataclass(frozen=True, slots=True)
class Phonemes:
    """One sentence, ready to be numbered by a voice's symbol list."""

    phones: tuple[str, ...]
    """[n], the silence at both ends included"""
    tones: tuple[int, ...]
    """[n] within the language: English has the stress digit plus one on vowels, French and Spanish have zeros"""
    word2ph: tuple[int, ...]
    """[tokens + 2] phones of each WordPiece token and of the two marks around the sentence; adds up to n"""
    normalized: str
    """the text that was read, and that BERT is to read"""
    tokens: tuple[str, ...]
    """WordPiece tokens of `normalized`, without the two marks"""


@dataclass(frozen=True, slots=True)
class Spelling:
    """One word: its WordPiece tokens and how it sounds."""

    tokens: tuple[str, ...]
    phones: tuple[str, ...]
    tones: tuple[int, ...]
    """as many as phones"""


class FrontEnd(Protocol):
    """Text of one language to phonemes."""

    def normalise(self, text: str) -> str:
        """The text as the front end reads it."""
        ...

    def process(self, text: str) -> Phonemes:
        """Phonemes of one sentence. Raises InferenceError for nothing to say or too much, MissingDependencyError."""
        ...


def sayable(text: str) -> str:
    """`text` with spaces in words of more than forty letters. Raises InferenceError for what no sentence can be."""
    if len(text) > _LONGEST_TEXT:
        raise too_long(text)
    return _BEYOND_LONGEST.sub(r"\g<0> ", text)


def spread(phones: int, tokens: int) -> list[int]:
    """How many of a word's phones each of its tokens gets: evenly, the first ones one more."""
    share, more = divmod(phones, tokens)
    return [share + (index < more) for index in range(tokens)]


def assemble(normalized: str, words: Iterable[Spelling]) -> Phonemes:
    """The sentence of these words. Raises InferenceError when nothing sounds or BERT cannot hold it."""
    phones: list[str] = [PAD]
    tones: list[int] = [0]
    word2ph: list[int] = [1]
    tokens: list[str] = []
    for word in words:
        tokens += word.tokens
        if len(tokens) > MAX_TOKENS:
            raise too_long(normalized)
        phones += word.phones
        tones += word.tones
        word2ph += spread(len(word.phones), len(word.tokens))
    if len(phones) == 1:
        raise InferenceError(f"nothing in {normalized[:40]!r} can be pronounced; give the voice words to say")
    return Phonemes((*phones, PAD), (*tones, 0), (*word2ph, 1), normalized, tuple(tokens))


def too_long(text: str) -> InferenceError:
    """The error for a sentence that BERT cannot hold."""
    return InferenceError(
        f"a sentence of {len(text)} characters is too long for the voice (more than {MAX_TOKENS} word pieces): "
        f"{text[:40]!r}...; give it in shorter sentences"
    )
