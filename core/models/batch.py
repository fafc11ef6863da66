"""Several texts at once: batch_generate, whose results are those of one text after the other.

Plain caches of our own decoder go through the model together; whatever cannot (bounded or quantised caches, models
of transformers) runs one after the other, with the same results.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from core.models.batch_cache import BatchKVCache
from core.models.generation import peak_memory_gb, refuse_stream
from core.models.kv_cache import KVCache
from core.models.prompt_cache import make_prompt_cache
from core.models.token_loop import LogitsProcessor, Sampler, TokenBuffer, check_tokens
from core.utils.errors import InferenceError


@dataclass(slots=True)
class BatchStats:
    """Work and time of a batch; times in seconds, rates in tokens per second."""

    prompt_tokens: int = 0
    """without the last of each prompt, which belongs to the first step"""
    prompt_time: float = 0.0
    generation_tokens: int = 0
    generation_steps: int = 0
    decode_time: float = 0.0
    wall_time: float = 0.0
    peak_memory: float = 0.0
    """GB"""

    @property
    def prompt_tps(self) -> float:
        """Prompt tokens per second."""
        return self.prompt_tokens / self.prompt_time if self.prompt_time > 0 else 0.0

    @property
    def decode_tps(self) -> float:
        """Tokens per second of decoding alone."""
        return self.generation_tokens / self.decode_time if self.decode_time > 0 else 0.0

    @property
    def generation_time(self) -> float:
        """All but the prompts."""
        return max(0.0, self.wall_time - self.prompt_time)

    @property
    def generation_tps(self) -> float:
        """Tokens per second of generating."""
        return self.generation_tokens / self.generation_time if self.generation_time > 0 else 0.0

    @property
    def overhead_time(self) -> float:
        """Neither prompts nor decoding."""
        return max(0.0, self.wall_time - self.prompt_time - self.decode_time)


@dataclass(slots=True)
class BatchResponse:
    """One entry a prompt, in their order."""

    texts: list[str]
    stats: BatchStats
    caches: list[list[Any]] | None
    token_ids: list[list[int]] | None = None
    logprobs: list[list[float]] | None = None


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How to compute."""

    sampler: Sampler | None = None
    logits_processors: Sequence[LogitsProcessor] = ()
    completion_batch_size: int = 32
    """texts that are generated together"""
    prefill_batch_size: int = 8
    """prompts that are read together"""
    prefill_step_size: int = 2048
    max_kv_size: int | None = None


@dataclass(slots=True)
class _Row:
    """One text under way."""

    prompt: list[int]
    cache: list[Any]
    max_tokens: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    seen: TokenBuffer = field(default_factory=TokenBuffer)


def batch_generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    prompt_caches: Sequence[list[Any]] | None = None,
    max_tokens: int | Sequence[int] = 128,
    verbose: bool = False,
    return_prompt_caches: bool = False,
    return_token_ids: bool = False,
    return_logprobs: bool = False,
    stream: None = None,
    **kwargs: Any,
) -> BatchResponse:
    """Texts for prompts of tokens; `kwargs` are the fields of BatchOptions. `prompt_caches` are left as they are.

    Raises ValueError for an empty prompt, `max_tokens` below 1, and lists of unequal lengths.
    """
    refuse_stream(stream)
    options = BatchOptions(**kwargs)
    began = time.perf_counter()
    stats = BatchStats()
    rows = _rows(model, prompts, prompt_caches, max_tokens, options)
    endings = set(tokenizer.eos_token_ids)
    together = model.batches and all(type(one) is KVCache for row in rows for one in row.cache)
    size = options.completion_batch_size if together else 1
    for first in range(0, len(rows), size):
        _Group(model, rows[first : first + size], options, stats, together).run(endings, return_prompt_caches)
        if verbose:
            sys.stdout.write(f"{min(first + size, len(rows))} of {len(rows)} texts are done\n")
    stats.wall_time, stats.peak_memory = time.perf_counter() - began, peak_memory_gb(model.device)
    if verbose:
        sys.stdout.write(
            f"Prompt: {stats.prompt_tokens} tokens, {stats.prompt_tps:.3f} tokens-per-sec\n"
            f"Generation: {stats.generation_tokens} tokens, {stats.generation_tps:.3f} tokens-per-sec\n"
            f"Peak memory: {stats.peak_memory:.3f} GB\n"
        )
    return BatchResponse(
        texts=[tokenizer.decode(row.tokens) for row in rows],
        stats=stats,
        caches=[row.cache for row in rows] if return_prompt_caches else None,
        token_ids=[row.tokens for row in rows] if return_token_ids else None,
        logprobs=[row.logprobs for row in rows] if return_logprobs else None,
    )


def _rows(
    model: Any,
    prompts: Sequence[Sequence[int]],
    caches: Sequence[list[Any]] | None,
    max_tokens: int | Sequence[int],
    options: BatchOptions,
) -> list[_Row]:
    limits = [max_tokens] * len(prompts) if isinstance(max_tokens, int) else list(max_tokens)
    given: Sequence[list[Any] | None] = [None] * len(prompts) if caches is None else caches
    if len(limits) != len(prompts) or len(given) != len(prompts):
        raise ValueError(
            f"batch_generate: {len(prompts)} prompts, {len(limits)} max_tokens and {len(given)} prompt_caches; "
            "give one of each a prompt"
        )
    rows = []
    for index, (prompt, cache, limit) in enumerate(zip(prompts, given, limits, strict=True)):
        if isinstance(prompt, str):
            raise TypeError(f"batch_generate: prompt {index} is a text; give its tokens, tokenizer.encode(prompt)")
        if not prompt or limit < 1:
            raise ValueError(
                f"batch_generate: prompt {index} has {len(prompt)} tokens and max_tokens {limit}; at least 1"
            )
        check_tokens(torch.tensor(list(prompt)), model)
        own = make_prompt_cache(model, options.max_kv_size) if cache is None else cache
        rows.append(_Row([int(token) for token in prompt], own, limit))
    return rows


class _Group:
    """Texts that go through the model together, or one alone."""

    def __init__(self, model: Any, rows: list[_Row], options: BatchOptions, stats: BatchStats, together: bool) -> None:
        self._model = model
        self._rows = rows
        self._options = options
        self._stats = stats
        self._together = together

    def run(self, endings: set[int], keep_caches: bool) -> None:
        """To the end of each text; a row's cache then holds it, its last token included, where that is wanted."""
        began = time.perf_counter()
        cache = self._prefilled()
        self._stats.prompt_time += time.perf_counter() - began
        self._stats.prompt_tokens += sum(len(row.prompt) - 1 for row in self._rows)
        began = time.perf_counter()
        active = list(self._rows)
        tokens, logprobs = self._step(active, [row.prompt[-1] for row in active], cache)
        while active:
            done = [
                token in endings or len(row.tokens) + 1 >= row.max_tokens
                for row, token in zip(active, tokens, strict=True)
            ]
            ahead: tuple[list[int], Tensor] | None = None
            if keep_caches or not all(done):
                ahead = self._step(active, tokens, cache)
            self._stats.generation_tokens += len(active)
            self._stats.generation_steps += 1
            for index, row in enumerate(active):
                if tokens[index] not in endings:
                    row.tokens.append(tokens[index])
                    row.logprobs.append(float(logprobs[index, tokens[index]]))
                if done[index] and keep_caches:
                    row.cache = [one.extract(index) for one in cache] if self._together else cache
            going_on = [index for index, ended in enumerate(done) if not ended]
            if not going_on or ahead is None:
                break
            if len(going_on) < len(active):
                active = [active[index] for index in going_on]
                for one in cache:
                    one.filter(going_on)
            tokens, logprobs = [ahead[0][index] for index in going_on], ahead[1][going_on]
        self._stats.decode_time += time.perf_counter() - began

    def _prefilled(self) -> list[Any]:
        """A cache of all rows that holds every prompt but its last token."""
        if not self._together:
            (row,) = self._rows
            cache = copy.deepcopy(row.cache)
            self._read([row], cache)
            return cache
        singles: list[list[Any]] = []
        size = self._options.prefill_batch_size
        for first in range(0, len(self._rows), size):
            part = self._rows[first : first + size]
            merged = _merged([row.cache for row in part])
            padding = [max(len(row.prompt) for row in part) - len(row.prompt) for row in part]
            for one in merged:
                one.prepare(padding)
            self._read(part, merged)
            for one in merged:
                one.finalize()
            singles += [[one.extract(index) for one in merged] for index in range(len(part))]
        return _merged(singles)

    def _read(self, rows: list[_Row], cache: list[Any]) -> None:
        longest = max(len(row.prompt) for row in rows) - 1
        padded = torch.zeros(len(rows), longest, dtype=torch.int64)
        for index, row in enumerate(rows):
            prompt = torch.tensor(row.prompt[:-1], dtype=torch.int64)
            padded[index, : len(prompt)] = prompt
            if self._options.logits_processors:
                row.seen.append(prompt)
        with self._model.inference_context():
            for piece in torch.split(padded, self._options.prefill_step_size, dim=1):
                if piece.numel():
                    self._model(piece, cache=cache, logits="none")

    def _step(self, rows: list[_Row], tokens: list[int], cache: list[Any]) -> tuple[list[int], Tensor]:
        """The next token of each row, and log-probabilities [rows, vocab]."""
        with self._model.inference_context():
            given = torch.tensor(tokens)
            logits = self._model(given.unsqueeze(1), cache=cache, logits="last")[:, -1]
            if self._options.logits_processors:
                for index, row in enumerate(rows):
                    row.seen.append(given[index : index + 1])
                logits = torch.cat([self._processed(row, logits[i : i + 1]) for i, row in enumerate(rows)])
            logprobs = torch.log_softmax(logits, dim=-1)
            if logprobs[:, 0].isnan().any():
                raise InferenceError(
                    "the model computed no numbers (NaN); its weights are damaged or overflow in this precision: "
                    "fetch the model again, or take float32 or bfloat16"
                )
            sampler = self._options.sampler
            sampled: list[int] = (logprobs.argmax(-1) if sampler is None else sampler(logprobs)).tolist()
            return sampled, logprobs

    def _processed(self, row: _Row, logits: Tensor) -> Tensor:
        for processor in self._options.logits_processors:
            logits = processor(row.seen.tokens, logits)
        return logits


def _merged(caches: list[list[Any]]) -> list[Any]:
    """One batch cache a layer."""
    return [BatchKVCache.merge(layer) for layer in zip(*caches, strict=True)]
