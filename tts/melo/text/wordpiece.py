"""BERT's WordPiece over a published `vocab.txt`: words, their pieces, and the pieces' numbers.

The pieces equal those of the `tokenizers` package, save that a mark such as `[SEP]` in the text is only text. A word
that the vocabulary cannot spell, or that is longer than a hundred letters, is one `[UNK]`.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.utils.errors import ModelLoadError

START, END, UNKNOWN_TOKEN = "[CLS]", "[SEP]", "[UNK]"
_CONTINUES = "##"
_LONGEST_WORD = 100
_CONTROL = frozenset({"Cc", "Cf", "Cs", "Co"})
_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


@dataclass(frozen=True, slots=True)
class Word:
    """A run of letters and figures, or one punctuation mark."""

    text: str
    """in lower case and without accents where the vocabulary has none"""
    tokens: tuple[str, ...]

    @property
    def unknown(self) -> bool:
        """Whether the vocabulary cannot spell it."""
        return self.tokens == (UNKNOWN_TOKEN,)


class WordPiece:
    """`strip_accents` left open means: as `lower_case`, which is how BERT's tokenizers understand it."""

    def __init__(self, vocabulary: Iterable[str], lower_case: bool = True, strip_accents: bool | None = None) -> None:
        self._numbers = {token: number for number, token in enumerate(vocabulary)}
        self._lower_case = lower_case
        self._strip_accents = lower_case if strip_accents is None else strip_accents
        for mark in (START, END, UNKNOWN_TOKEN):
            if mark not in self._numbers:
                raise ModelLoadError(f"the BERT vocabulary has no {mark}: it is not a WordPiece vocab.txt")

    @classmethod
    def from_folder(cls, folder: Path) -> WordPiece:
        """The tokenizer of a BERT folder: vocab.txt, and tokenizer_config.json where there is one."""
        try:
            vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
            config = _tokenizer_config(folder / "tokenizer_config.json")
        except (OSError, ValueError) as error:
            raise ModelLoadError(f"{folder}: no readable BERT tokenizer there ({error}); download it again") from error
        if vocabulary and not vocabulary[-1]:
            vocabulary.pop()
        lower_case, strip_accents = config.get("do_lower_case"), config.get("strip_accents")
        return cls(
            (token.rstrip("\r") for token in vocabulary),
            lower_case=lower_case is not False,
            strip_accents=strip_accents if isinstance(strip_accents, bool) else None,
        )

    def words(self, text: str) -> Iterator[Word]:
        """The words of `text`, one at a time."""
        for word in self._split(text):
            yield Word(word, self.pieces(word))

    def tokenize(self, text: str) -> tuple[str, ...]:
        """All pieces, without the marks around the sentence."""
        return tuple(token for word in self.words(text) for token in word.tokens)

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """Their numbers, with the marks around the sentence."""
        return [self._numbers[token] for token in (START, *tokens, END)]

    def _split(self, text: str) -> Iterator[str]:
        for chunk in "".join(map(_cleaned, text)).split():
            if self._strip_accents:
                chunk = _without_accents(chunk)
            if self._lower_case:
                chunk = chunk.lower()
            begin = 0
            for index, character in enumerate(chunk):
                if _is_punctuation(character):
                    if begin < index:
                        yield chunk[begin:index]
                    yield character
                    begin = index + 1
            if begin < len(chunk):
                yield chunk[begin:]

    def pieces(self, word: str) -> tuple[str, ...]:
        """The pieces of one word, which is taken as it is."""
        if len(word) > _LONGEST_WORD:
            return (UNKNOWN_TOKEN,)
        pieces: list[str] = []
        begin = 0
        while begin < len(word):
            prefix = _CONTINUES if begin else ""
            end = len(word)
            while end > begin and prefix + word[begin:end] not in self._numbers:
                end -= 1
            if end == begin:
                return (UNKNOWN_TOKEN,)
            pieces.append(prefix + word[begin:end])
            begin = end
        return tuple(pieces)


def _tokenizer_config(path: Path) -> dict[str, object]:
    if not path.exists():
        return {}
    config = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"{path.name} holds no settings")
    return config


def _cleaned(character: str) -> str:
    """What stands for a character before the text is split: a space, itself apart, or nothing."""
    if character in "\t\n\r":
        return " "
    if character == "\ufffd" or unicodedata.category(character) in _CONTROL:
        return ""
    if character.isspace():
        return " "
    code = ord(character)
    return f" {character} " if any(first <= code <= last for first, last in _CHINESE) else character


def _without_accents(text: str) -> str:
    return "".join(
        character for character in unicodedata.normalize("NFD", text) if unicodedata.category(character) != "Mn"
    )


def _is_punctuation(character: str) -> bool:
    if character.isascii():
        return not character.isalnum() and " " < character < "\x7f"
    return unicodedata.category(character)[0] == "P"
