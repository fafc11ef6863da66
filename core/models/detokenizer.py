"""Text from tokens while they arrive, in linear time: for byte-level BPE, for SentencePiece, and for any tokenizer.

A character appears once all its bytes are there, never a broken one before. Segments are mlx-lm's, which drops a space
in front of the whole text. Joined they equal `tokenizer.decode(tokens)` but for that space, and but for a sequence of
SentencePiece byte tokens that is no UTF-8: there a stream cannot take back what it has said.
"""

from __future__ import annotations

import codecs
import copy
import re
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, Self

BROKEN = "�"
BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
DECODED_AT_ONCE = 8
"""A character has at most four tokens; what is held longer is broken and need not be decoded again at each token."""


class StreamingDetokenizer(ABC):
    """`add_token` each token, take `last_segment` as often as wished, `finalize`, and take the last one."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all tokens and text."""
        self.tokens: list[int] = []
        self._pieces: list[str] = []
        self._taken = 0

    def add_token(self, token: int) -> None:
        """Take one token's id."""
        self.tokens.append(int(token))
        self._add(self.tokens[-1])

    @abstractmethod
    def _add(self, token: int) -> None: ...

    @abstractmethod
    def finalize(self) -> None:
        """Give out what was held back for tokens that might have come."""

    @property
    def text(self) -> str:
        """The whole text so far."""
        whole = "".join(self._pieces)
        taken = sum(map(len, self._pieces[: self._taken]))
        self._pieces = [piece for piece in (whole[:taken], whole[taken:]) if piece]
        self._taken = 1 if taken else 0
        return whole

    @property
    def last_segment(self) -> str:
        """The text that came since this was last asked for."""
        segment = "".join(self._pieces[self._taken :])
        self._taken = len(self._pieces)
        return segment

    def fresh(self) -> Self:
        """Another one for the same tokenizer, with no tokens; what was learnt about the vocabulary is shared."""
        other = copy.copy(self)
        other.reset()
        return other


class _ByteStream(StreamingDetokenizer):
    """What is common to tokenizers whose tokens stand for bytes: bytes in, whole characters out."""

    def __init__(self, tokenizer: Any, trim_space: bool) -> None:
        self._tokenizer = tokenizer
        self._trim_space = trim_space
        self._known: dict[int, bytes] = {}
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held: list[str] = []
        self._begun = False

    def _bytes(self, token: int) -> bytes:
        known = self._known.get(token)
        if known is None:
            known = self._known[token] = self._learn(token)
        return known

    @abstractmethod
    def _learn(self, token: int) -> bytes: ...

    def _add(self, token: int) -> None:
        data = self._bytes(token)
        piece = self._decoder.decode(data)
        if piece:
            self._held.append(piece)
        if not self._waits(data):
            self._flush()

    def _waits(self, data: bytes) -> bool:
        """Whether the character at the end may not be whole yet."""
        return bool(self._decoder.getstate()[0]) or bool(self._held and self._held[-1].endswith(BROKEN))

    def finalize(self) -> None:
        self._held.append(self._decoder.decode(b"", final=True))
        self._flush()

    def _flush(self) -> None:
        text = "".join(self._held)
        self._held.clear()
        if not text:
            return
        if self._trim_space and not self._begun:
            text = text.removeprefix(" ")
        self._begun = True
        if text:
            self._pieces.append(text)


class SPMStreamingDetokenizer(_ByteStream):
    """For SentencePiece vocabularies: U+2581 is a space, <0xNN> a byte; `trim_space` drops the space in front."""

    def __init__(self, tokenizer: Any, trim_space: bool = True) -> None:
        super().__init__(tokenizer, trim_space)

    def _learn(self, token: int) -> bytes:
        name: str = self._tokenizer.convert_ids_to_tokens(token) or ""
        byte = BYTE_TOKEN.fullmatch(name)
        return bytes([int(byte[1], 16)]) if byte else name.replace("\u2581", " ").encode()


class BPEStreamingDetokenizer(_ByteStream):
    """For byte-level BPE vocabularies (GPT-2, Llama 3, Qwen): each character of a token is one byte."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__(tokenizer, trim_space=True)
        self._size = len(tokenizer)

    def _learn(self, token: int) -> bytes:
        if token >= self._size:
            return b"!"  # as mlx-lm: a model may have more rows than its tokenizer has tokens
        name: str = self._tokenizer.convert_ids_to_tokens(token) or ""
        table = byte_of_character()
        if all(character in table for character in name):
            return bytes(table[character] for character in name)
        return name.encode()  # an added token, in plain text

    def _waits(self, data: bytes) -> bool:
        return data == b" " or super()._waits(data)


@lru_cache(maxsize=1)
def byte_of_character() -> dict[str, int]:
    """The alphabet of byte-level BPE: printable Latin-1 stands for itself, the other bytes for U+0100 upwards."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (byte for byte in range(256) if byte not in printable)
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


class NaiveStreamingDetokenizer(StreamingDetokenizer):
    """For any tokenizer: decodes the newest tokens behind a few earlier ones, and gives out what is more than those."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        probe = tokenizer.encode("a ,b", add_special_tokens=False)
        self._cleans_spaces = " ," not in tokenizer.decode(probe)
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._start = 0  # of the window: the tokens decoded again
        self._whole = 0  # tokens whose text is out
        self._out = ""  # what of the window's text is out
        self._next = 0  # decode again only at this many tokens

    def _add(self, token: int) -> None:
        if len(self.tokens) >= self._next:
            self._advance()

    def _advance(self) -> None:
        text: str = self._tokenizer.decode(self.tokens[self._start :])
        if text.endswith(BROKEN):
            self._give(text.rstrip(BROKEN))
            held = len(self.tokens) - self._whole
            self._next = len(self.tokens) + (held if held > DECODED_AT_ONCE else 0)
        elif self._cleans_spaces and text.endswith(" "):
            self._give(text[:-1])  # a comma may come and take the space away
        else:
            self._give(text)
            self._start, self._whole = self._whole, len(self.tokens)
            self._out = self._tokenizer.decode(self.tokens[self._start :])

    def _give(self, text: str) -> None:
        if len(text) > len(self._out):
            self._pieces.append(text[len(self._out) :])
            self._out = text

    def finalize(self) -> None:
        if self._start < len(self.tokens):
            self._give(self._tokenizer.decode(self.tokens[self._start :]))
