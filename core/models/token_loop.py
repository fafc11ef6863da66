"""One text through one model: prefill in pieces, then a token a step. What generate_step is made of.

A step costs one log-softmax over the vocabulary and two numbers read back; the head is computed for no token of the
prompt but the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.models.ahead import Pending, launch
from core.models.kv_cache import KVCache
from core.models.prompt_cache import make_prompt_cache
from core.models.rotating_cache import RotatingKVCache
from core.models.sampling import greedy
from core.utils.errors import InferenceError

Sampler = Callable[[Tensor], Tensor]
"""log-probabilities [1, vocab] to a token [1]"""
LogitsProcessor = Callable[[Tensor, Tensor], Tensor]
"""tokens so far [n] and logits [1, vocab] to logits"""
ProgressCallback = Callable[[int, int], object]
"""prompt tokens done, and all of them"""

QUANTIZED_KV_START = 5000
"""tokens before a cache begins to be quantised, where kv_bits is given and nothing else said"""


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How to compute, beside model, prompt and cache."""

    sampler: Sampler | None = None
    """None: the likeliest token"""
    logits_processors: Sequence[LogitsProcessor] = ()
    prefill_step_size: int = 2048
    kv_bits: int | None = None
    kv_group_size: int = 64
    quantized_kv_start: int = QUANTIZED_KV_START
    progress: ProgressCallback | None = None


class TokenBuffer:
    """Tokens in one growing tensor: a processor gets a view of all of them, and nothing is copied for it."""

    def __init__(self) -> None:
        self._held = torch.empty(256, dtype=torch.int64)
        self._count = 0

    def append(self, tokens: Tensor) -> None:
        """Add [n] int64 tokens."""
        end = self._count + tokens.numel()
        if end > self._held.numel():
            longer = torch.empty(2 * end, dtype=torch.int64)
            longer[: self._count] = self._held[: self._count]
            self._held = longer
        self._held[self._count : end] = tokens
        self._count = end

    def trim(self, count: int) -> None:
        """Forget the last `count`."""
        self._count -= count

    @property
    def tokens(self) -> Tensor:
        """[n] int64."""
        return self._held[: self._count]


class TokenLoop:
    """Runs `model` over `cache`, which it changes in place; the caller decides when to stop."""

    def __init__(self, model: Any, cache: list[Any], options: StepOptions) -> None:
        self.model = model
        self.cache = cache
        self.options = options
        self._seen = TokenBuffer()
        self._steps = 0

    def prefill(self, prompt: Tensor, embeddings: Tensor | None) -> tuple[int, Tensor]:
        """The first token after the prompt [n] int64 or its embeddings [n, hidden], and log-probabilities [vocab].

        mlx-lm computes the last token by itself. In a plain cache that leaves the same, and takes a token's time more.
        """
        check_tokens(prompt, self.model)
        total = prompt.numel() if embeddings is None else embeddings.shape[0]
        progress = self.options.progress or _no_progress
        progress(0, total)
        done = 0
        together = self.options.kv_bits is None and all(type(one) is KVCache for one in self.cache)
        while total - done > 1:
            size = min(self.options.prefill_step_size, total - done - 1)
            if together and done + size == total - 1:
                found = self._compute(prompt[done:], _part(embeddings, done, total))
                progress(total - 1, total)
                return found
            self.feed(prompt[done : done + size], _part(embeddings, done, done + size))
            done += size
            progress(done, total)
        return self._compute(prompt[done:], _part(embeddings, done, total))

    def begin(self, prompt: Tensor, logits: Tensor) -> tuple[int, Tensor]:
        """As `prefill` of a prompt that the cache holds already; `logits` [1, vocab] are what `read_prompt` gave."""
        with self.model.inference_context():
            return self._chosen(prompt, logits)

    def step(self, token: int) -> tuple[int, Tensor]:
        """The token after `token`, and log-probabilities [vocab]."""
        return self._compute(torch.tensor([token]), None)

    @property
    def runs_ahead(self) -> bool:
        """Whether steps may be launched before the ones before them were read: on a card, where no processor looks."""
        return self.model.device.type == "cuda" and not self.options.logits_processors

    def run_ahead(self, token: int, logprobs: Tensor, max_tokens: int) -> Iterator[tuple[int, Tensor]]:
        """The first token, which is known, and those after it; each step is begun before the one before it is read.

        When a token is handed on the cache holds it, and none behind it.
        """
        if max_tokens == 0:
            return
        pending = self.launch(token)
        done = 1
        yield token, logprobs
        while done != max_tokens:
            after = self.launch(pending)
            token, logprobs = self.finish(pending)
            done += 1
            yield token, logprobs
            pending = after

    def launch(self, before: int | Pending) -> Pending:
        """Begin the step after a token, or after one that is not read yet; the cache holds it at once."""
        options = self.options
        try:
            with self.model.inference_context():
                pending = launch(self.model, self.cache, before, options.sampler)
                if options.kv_bits is not None:
                    quantize_kv_cache(self.cache, options.quantized_kv_start, options.kv_group_size, options.kv_bits)
        except torch.OutOfMemoryError as error:
            raise self._no_memory() from error
        self._steps += 1
        return pending

    def finish(self, pending: Pending) -> tuple[int, Tensor]:
        """The token that a step found, and log-probabilities [vocab]."""
        token, logprob = pending.read()
        if math.isnan(logprob):
            raise self._no_numbers()
        return token, pending.logprobs

    def feed(self, tokens: Tensor, embeddings: Tensor | None = None) -> None:
        """Put tokens [n] into the cache and compute no logits."""
        with self.model.inference_context():
            self._call(tokens, embeddings, "none")
            self._after(tokens)

    def read(self, tokens: Tensor) -> Tensor:
        """Put tokens [n] into the cache; logits [1, vocab] of what follows, which no processor has seen."""
        with self.model.inference_context():
            logits: Tensor = self._call(tokens, None, "last")[:, -1]
            return logits

    def _compute(self, tokens: Tensor, embeddings: Tensor | None) -> tuple[int, Tensor]:
        with self.model.inference_context():
            return self._chosen(tokens, self._call(tokens, embeddings, "last")[:, -1])

    def _chosen(self, tokens: Tensor, logits: Tensor) -> tuple[int, Tensor]:
        self._after(tokens)
        for processor in self.options.logits_processors:
            logits = processor(self._seen.tokens, logits)
        logprobs = torch.log_softmax(logits, dim=-1)
        token = self._sample(logprobs)
        self._steps += 1
        return token, logprobs[0]

    def _call(self, tokens: Tensor, embeddings: Tensor | None, logits: str) -> Any:
        try:
            if embeddings is None:
                return self.model(tokens.unsqueeze(0), cache=self.cache, logits=logits)
            given = tokens.unsqueeze(0) if tokens.numel() else None
            return self.model(given, cache=self.cache, input_embeddings=embeddings.unsqueeze(0), logits=logits)
        except torch.OutOfMemoryError as error:
            raise self._no_memory() from error

    def _no_memory(self) -> InferenceError:
        return InferenceError(
            f"the GPU has no memory left after {size_of(self.cache)} tokens; shorten the text, bound the cache "
            "with max_kv_size, or run on the CPU with optimization.device: cpu"
        )

    def _after(self, tokens: Tensor) -> None:
        options = self.options
        if options.logits_processors:
            self._seen.append(tokens)
        if options.kv_bits is not None:
            quantize_kv_cache(self.cache, options.quantized_kv_start, options.kv_group_size, options.kv_bits)

    def _sample(self, logprobs: Tensor) -> int:
        """One NaN among the logits makes every log-probability NaN; an infinite one makes its own NaN."""
        if not math.isnan(logprobs[0, 0].item()):
            token = int((self.options.sampler or greedy)(logprobs).item())
            if not math.isnan(logprobs[0, token].item()):
                return token
        raise self._no_numbers()

    def _no_numbers(self) -> InferenceError:
        return InferenceError(
            f"the model computed no numbers (NaN) for step {self._steps} after {size_of(self.cache)} tokens; its "
            "weights are damaged or overflow in this precision: fetch the model again, or take float32 or bfloat16"
        )


def read_prompt(
    prompt: Tensor | Sequence[int],
    model: Any,
    *,
    prompt_cache: list[Any],
    logits: bool = True,
    prefill_step_size: int = 2048,
) -> Tensor | None:
    """Put a prompt into a cache before it is known that it will be answered; the logits [1, vocab] that follow it.

    stream_generate takes them as `prompt_logits`, and then computes nothing before its first token. None without
    `logits`. Raises ValueError for an empty prompt, InferenceError for one that is longer than the context.
    """
    tokens = torch.as_tensor(prompt, dtype=torch.int64, device="cpu")
    if not tokens.numel():
        raise ValueError("the prompt is empty; give at least one token")
    check_tokens(tokens, model)
    loop = TokenLoop(model, prepared_cache(model, prompt_cache, None, tokens.numel()), StepOptions())
    last = (tokens.numel() - 1) // prefill_step_size * prefill_step_size
    for start in range(0, last, prefill_step_size):
        loop.feed(tokens[start : start + prefill_step_size])
    if logits:
        return loop.read(tokens[last:])
    loop.feed(tokens[last:])
    return None


def quantize_kv_cache(cache: list[Any], start: int, group_size: int, bits: int) -> None:
    """Replace each member that holds `start` tokens or more by a quantised one, in place."""
    for index, one in enumerate(cache):
        if hasattr(one, "to_quantized") and one.offset >= start:
            cache[index] = one.to_quantized(group_size=group_size, bits=bits)


def prepared_cache(model: Any, prompt_cache: list[Any] | None, max_kv_size: int | None, count: int) -> list[Any]:
    """The cache to run over, a new one unless given. InferenceError when `count` more tokens exceed the context."""
    cache = make_prompt_cache(model, max_kv_size) if prompt_cache is None else prompt_cache
    if len(cache) != len(model.layers):
        raise ValueError(
            f"the prompt cache has {len(cache)} layers, the model {len(model.layers)}; make one with make_prompt_cache"
        )
    limit = model.max_positions
    held = size_of(cache)
    if limit is not None and held + count > limit and not any(isinstance(one, RotatingKVCache) for one in cache):
        before = f" after {held} in the cache" if held else ""
        raise InferenceError(
            f"a prompt of {count} tokens{before} is longer than the {limit} tokens that this model was made for; "
            "shorten it, or bound the cache with max_kv_size"
        )
    return cache


def check_tokens(tokens: Tensor, model: Any) -> None:
    """Raises ValueError for a token that the model has no word for: on a card it would cost the whole process."""
    if not tokens.numel():
        return
    low, high = (int(edge) for edge in torch.aminmax(tokens))
    if low < 0 or high >= model.vocab:
        raise ValueError(
            f"token {low if low < 0 else high} is none of this model's, which are 0 to {model.vocab - 1}; "
            "encode the prompt with the model's own tokenizer"
        )


def size_of(cache: Sequence[Any]) -> int:
    """Tokens in a cache."""
    return int(cache[0].size()) if cache else 0


def _part(embeddings: Tensor | None, start: int, stop: int) -> Tensor | None:
    return None if embeddings is None else embeddings[start:stop]


def _no_progress(done: int, total: int) -> None:
    """Where nobody asked."""
