"""Keeps a reply from being a call of a tool: the tokens that open one cannot be chosen. The prompt stays the same.

Small models that are shown tools call one for whatever they are asked (Qwen2.5-Coder-0.5B: TellTime for the capital of
France). What is computed of the prompt is kept, where one without tools would have to be read anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm.hidden_text import CALL_OPENS

SMALL = 1024
"""hidden size of models below a billion weights: their calls that nobody asked for are noise, larger ones mean them"""
Sampler = Callable[[Any], Any]
_BLANKS = "ĠĊĉ▁ \n\t"
"""as the vocabularies of byte-level and of SentencePiece tokenizers write them"""
_OPENINGS = ("{", "[{", "```", "<")


def is_small(model: Any) -> bool:
    """Whether a model is of that kind; one that does not tell its width is taken for it."""
    config = getattr(model, "config", None)
    hidden = getattr(config, "hidden", None) or getattr(config, "hidden_size", None)
    return hidden is None or hidden <= SMALL


class WordsOnly:
    """What a tokenizer's vocabulary may not begin a reply with, and not hold at all."""

    def __init__(self, tokenizer: Any) -> None:
        self._openings: list[int] = []
        self._tags: list[int] = []
        for text, token in tokenizer.get_vocab().items():
            begins = text.lstrip(_BLANKS)
            if not begins or begins.startswith(_OPENINGS):
                self._openings.append(token)
            if begins == CALL_OPENS:
                self._tags.append(token)

    def sampler(self, inner: Sampler | None) -> Sampler:
        """For one reply; `inner` chooses among what is left, None the likeliest."""
        from torch import log_softmax

        begun = False

        def choose(logprobs: Any) -> Any:
            nonlocal begun
            barred, begun = self._tags if begun else [*self._openings, *self._tags], True
            width = logprobs.shape[-1]
            logprobs = logprobs.clone()
            logprobs[..., [token for token in barred if token < width]] = float("-inf")
            logprobs = log_softmax(logprobs, dim=-1)
            return logprobs.argmax(dim=-1) if inner is None else inner(logprobs)

        return choose
