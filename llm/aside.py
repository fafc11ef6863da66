"""A cache for prompts beside the conversation: it begins as a copy, and what the conversation's holds stays."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm.chat_template import shared

WORTH_A_COPY = 32
"""tokens; reading fewer takes no longer than copying a conversation"""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A whole prompt that a cache holds, and what the model makes of it."""

    tokens: list[int]
    logits: Any
    """for the reply's first token"""


class AsideCache:
    """The cache of the last such prompt, with the tokens that it holds."""

    def __init__(self) -> None:
        self._cache: list[Any] = []
        self._tokens: list[int] = []

    def clear(self) -> None:
        """Give it back."""
        self.put([], [])

    def put(self, cache: list[Any], tokens: list[int]) -> None:
        """Keep it for the next prompt."""
        self._cache, self._tokens = cache, tokens

    def take(self, cache: list[Any], held: Sequence[int], wanted: Sequence[int]) -> tuple[list[Any], list[int]]:
        """The one of last time, or a copy of the conversation's where that shares much more with `wanted`."""
        if not self._cache or shared(held, wanted) > shared(self._tokens, wanted) + WORTH_A_COPY:
            return copy.deepcopy(cache), list(held)
        return self._cache, self._tokens
