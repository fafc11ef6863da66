"""Speculative decoding: a small model drafts some tokens, the large one checks them all in one pass.

The text is the one that the large model writes alone (Leviathan et al. 2023, for the likeliest token): a draft is
taken as far as both agree, and the large model's own token follows. Both caches are cut back to what was taken.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.models.generation import as_tokens, refuse_stream
from core.models.prompt_cache import can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache
from core.models.token_loop import QUANTIZED_KV_START, LogitsProcessor, Sampler, check_tokens, quantize_kv_cache
from core.utils.errors import InferenceError


@dataclass(frozen=True, slots=True)
class _Options:
    sampler: Sampler | None
    processors: tuple[LogitsProcessor, ...]
    prefill_step_size: int
    kv_bits: int | None
    kv_group_size: int
    quantized_kv_start: int


def speculative_generate_step(
    prompt: Tensor | Sequence[int],
    model: Any,
    draft_model: Any,
    stream: None = None,
    *,
    num_draft_tokens: int = 2,
    max_tokens: int = 256,
    sampler: Sampler | None = None,
    logits_processors: Sequence[LogitsProcessor] | None = None,
    prompt_cache: list[Any] | None = None,
    prefill_step_size: int = 512,
    kv_bits: int | None = None,
    kv_group_size: int = 64,
    quantized_kv_start: int = QUANTIZED_KV_START,
) -> Generator[tuple[int, Tensor, bool], None, None]:
    """Tokens, the large model's log-probabilities [vocab], and whether the draft had them; without end at -1.

    `prompt_cache` holds the large model's layers, then the draft's, and is changed in place. Raises ValueError for a
    cache that cannot be trimmed and for an empty prompt, InferenceError for a model that computes no numbers.
    """
    refuse_stream(stream)
    tokens = as_tokens(prompt)
    if not tokens.numel():
        raise ValueError("the prompt is empty; give at least one token")
    processors = tuple(logits_processors or ())
    options = _Options(sampler, processors, prefill_step_size, kv_bits, kv_group_size, quantized_kv_start)
    layers = len(model.layers)
    both = prompt_cache if prompt_cache is not None else [*make_prompt_cache(model), *make_prompt_cache(draft_model)]
    large = _Side(model, both[:layers], options)
    draft = _Side(draft_model, both[layers:], options)
    if not can_trim_prompt_cache(both):
        kinds = sorted({type(one).__name__ for one in both if not one.is_trimmable()})
        raise ValueError(f"speculative decoding takes tokens back, which a {kinds[0]} cannot; leave out max_kv_size")
    for side in (draft, large):
        side.prefill(tokens)
    yield from _rounds(large, draft, int(tokens[-1]), num_draft_tokens, max_tokens)


def _rounds(
    large: _Side, draft: _Side, last: int, per_round: int, max_tokens: int
) -> Generator[tuple[int, Tensor, bool], None, None]:
    text = [last]
    """since the prompt's last token, which no cache holds yet"""
    behind = [last]
    """what the draft model has not read"""
    done = 0
    while done != max_tokens:
        count = per_round if max_tokens < 0 else min(per_round, max_tokens - done)
        drafted = _draft(draft, text, behind, count)
        checked, logprobs = large.check(text, drafted)
        taken = 0
        try:
            while taken < count and checked[taken] == drafted[taken] and done != max_tokens:
                taken, done = taken + 1, done + 1
                yield checked[taken - 1], logprobs[taken - 1], True
            if done != max_tokens:
                done += 1
                yield checked[taken], logprobs[taken], False
        finally:
            trim_prompt_cache(large.cache, count - taken)
            trim_prompt_cache(draft.cache, max(count - taken - 1, 0))
        text += checked[: taken + 1]
        behind = text[-2:] if taken == count else text[-1:]


def _draft(draft: _Side, text: list[int], behind: list[int], count: int) -> list[int]:
    drafted: list[int] = []
    for _ in range(count):
        drafted.append(draft.next(behind, text + drafted))
        behind = drafted[-1:]
    return drafted


class _Side:
    """A model with its cache."""

    def __init__(self, model: Any, cache: list[Any], options: _Options) -> None:
        self.model = model
        self.cache = cache
        self._options = options

    def prefill(self, tokens: Tensor) -> None:
        """All but the last token."""
        check_tokens(tokens, self.model)
        with self.model.inference_context():
            for piece in torch.split(tokens[:-1], self._options.prefill_step_size):
                if piece.numel():
                    self._call(piece, "none")

    def next(self, unread: list[int], text: list[int]) -> int:
        """The token after `text`, whose end `unread` is not in the cache yet."""
        with self.model.inference_context():
            logits = self._call(torch.tensor(unread), "last")[0]
            return self._sampled(text, [], logits)[0][0]

    def check(self, text: list[int], drafted: list[int]) -> tuple[list[int], Tensor]:
        """After the text, and after each drafted token: the model's own token; log-probabilities [n, vocab]."""
        with self.model.inference_context():
            logits = self._call(torch.tensor([text[-1], *drafted]), "all")[0]
            return self._sampled(text, drafted, logits)

    def _call(self, tokens: Tensor, logits: str) -> Any:
        found = self.model(tokens.unsqueeze(0), cache=self.cache, logits=logits)
        options = self._options
        if options.kv_bits is not None:
            quantize_kv_cache(self.cache, options.quantized_kv_start, options.kv_group_size, options.kv_bits)
        return found

    def _sampled(self, text: list[int], drafted: list[int], logits: Tensor) -> tuple[list[int], Tensor]:
        if self._options.processors:
            rows = []
            for index in range(len(logits)):
                seen, row = torch.tensor(text + drafted[:index]), logits[index : index + 1]
                for processor in self._options.processors:
                    row = processor(seen, row)
                rows.append(row)
            logits = torch.cat(rows)
        logprobs = torch.log_softmax(logits, dim=-1)
        if logprobs[:, 0].isnan().any():
            raise InferenceError(
                f"the model computed no numbers (NaN) after {len(text)} tokens; its weights are damaged or overflow "
                "in this precision: fetch the model again, or take float32 or bfloat16"
            )
        sampler = self._options.sampler
        tokens: list[int] = (logprobs.argmax(-1) if sampler is None else sampler(logprobs)).tolist()
        return tokens, logprobs
