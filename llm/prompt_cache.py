"""What a model has read: always a prefix of some prompt, known token by token, so that only the rest is computed.

Beside the conversation's there is one cache for prompts that are no part of it, and what was read of a prompt's end
before it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llm.aside import Ahead, AsideCache
from llm.chat_template import shared
from llm.runtime import Runtime


class PromptCache:
    """Holds no model: whoever computes gives the one at hand. `runtime` is asked for once there is one."""

    def __init__(self, runtime: Callable[[], Runtime]) -> None:
        self._runtime = runtime
        self.layers: list[Any] = []
        """of keys and values"""
        self.tokens: list[int] = []
        """that `layers` hold"""
        self.ahead: Ahead | None = None
        """of exactly these tokens"""
        self._beside = AsideCache()

    @property
    def nbytes(self) -> int:
        """Of the conversation's keys and values."""
        return sum(layer.nbytes for layer in self.layers)

    def reset(self, model: Any) -> None:
        """Begin anew, with nothing read."""
        self.layers, self.tokens, self.ahead = self._runtime().make_prompt_cache(model), [], None
        self._beside.clear()

    def forget(self, conversation: bool) -> None:
        """Give back what was read ahead and beside, and of the `conversation` too if that is to go."""
        self.ahead = None
        self._beside.clear()
        if conversation:
            self.layers, self.tokens = [], []

    def take_ahead(self, tokens: list[int]) -> Ahead | None:
        """What was read ahead, if it is of these tokens. It serves once."""
        ahead, self.ahead = self.ahead, None
        return ahead if ahead is not None and ahead.tokens == tokens else None

    def align(self, model: Any, tokens: Sequence[int]) -> list[int]:
        """Bring the cache to the longest prefix it shares with `tokens`; the tokens that are left, at least one."""
        self.ahead = None
        common = min(shared(self.tokens, tokens), len(tokens) - 1)
        extra = len(self.tokens) - common
        if extra and self._runtime().trim_prompt_cache(self.layers, extra) != extra:
            self.reset(model)
            return list(tokens)
        del self.tokens[common:]
        return list(tokens[common:])

    def remember(self, model: Any, tokens: Sequence[int]) -> None:
        """Note what it holds after `tokens` have gone into it, perhaps not the last or one more than these."""
        held = int(self.layers[0].offset) if self.layers else 0
        extra = held - len(tokens)
        if extra > 0 and self._runtime().trim_prompt_cache(self.layers, extra) != extra:
            self.reset(model)
            return
        self.tokens = list(tokens[:held])

    @contextmanager
    def place(self, aside: bool, tokens: Sequence[int]) -> Iterator[None]:
        """For a prompt beside the conversation, a cache of its own."""
        if not aside:
            yield
            return
        conversation = self.layers, self.tokens, self.ahead
        self.layers, self.tokens = self._beside.take(self.layers, self.tokens, tokens)
        try:
            yield
        finally:
            self._beside.put(self.layers, self.tokens)
            self.layers, self.tokens, self.ahead = conversation
