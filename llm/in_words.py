"""Keeps a reply from being a call of a tool, or of any but some: such tokens cannot be chosen. The prompt stays.

Small models that are shown tools call one for whatever they are asked (Qwen2.5-Coder-0.5B: TellTime for the capital of
France). What is computed of the prompt is kept, where one without tools would have to be read anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from llm.hidden_text import CALL_OPENS

SMALL = 1024
"""hidden size of models below a billion weights: their calls that nobody asked for are noise, larger ones mean them"""
Sampler = Callable[[Any], Any]
_BLANKS = "ĠĊĉ▁ \n\t"
"""as the vocabularies of byte-level and of SentencePiece tokenizers write them"""
_BEGINS = re.compile(r"[\"'“«‘(¿¡$£€+-]?(?:\w.*)?", re.DOTALL)
"""what a reply in words may begin with: a word or a number, perhaps behind a sign; all else opens an object or a tag"""


def is_small(model: Any) -> bool:
    """Whether a model is of that kind; one that does not tell its width is taken for it."""
    config = getattr(model, "config", None)
    hidden = getattr(config, "hidden", None) or getattr(config, "hidden_size", None)
    return hidden is None or hidden <= SMALL


_CALLED = re.compile(r"[\"']name[\"']\s*:\s*[\"'](\w*)$")
_LOOKED_AT = 24
"""tokens at the end of what is written, in which a call is named"""
_MOST_TRIED = 500
"""tokens, the likeliest first, that may go on with a name"""


class Restricted:
    """What may be chosen for a reply, by the tools that its prompt lets it call."""

    def __init__(self, tokenizer: Any) -> None:
        self._words_only = WordsOnly(tokenizer)
        self._decode = tokenizer.decode

    def sampler(self, inner: Sampler | None, callable: frozenset[str] | None) -> Sampler | None:
        """For one reply; None for `callable`: any tool."""
        if callable is None:
            return inner
        return self._named(inner, callable) if callable else self._words_only.sampler(inner)

    def _named(self, inner: Sampler | None, names: frozenset[str]) -> Sampler:
        """A call that is begun is of one of these."""
        from torch import full_like

        written: list[int] = []

        def choose(logprobs: Any) -> Any:
            called = _CALLED.search(self._decode(written[-_LOOKED_AT:])) if written else None
            if called is not None:
                token = self._going_on(called[1], names, logprobs)
                if token is not None:
                    logprobs = full_like(logprobs, float("-inf"))
                    logprobs[..., token] = 0.0
            chosen = logprobs.argmax(dim=-1) if inner is None else inner(logprobs)
            written.append(int(chosen))
            return chosen

        return choose

    def _going_on(self, begun: str, names: frozenset[str], logprobs: Any) -> int | None:
        """The likeliest token behind the beginning of a name with which it can still be one of the names."""
        for token in logprobs.reshape(-1).topk(min(_MOST_TRIED, logprobs.shape[-1])).indices.tolist():
            text = begun + self._decode([token])
            if text != begun and any(name.startswith(text) or text.startswith(f'{name}"') for name in names):
                return int(token)
        return None


class WordsOnly:
    """What a tokenizer's vocabulary may not begin a reply with, and not hold at all."""

    def __init__(self, tokenizer: Any) -> None:
        self._openings: list[int] = []
        self._tags: list[int] = []
        for text, token in tokenizer.get_vocab().items():
            begins = text.lstrip(_BLANKS)
            if not begins or not _BEGINS.fullmatch(begins):
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
