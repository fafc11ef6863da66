"""Text from a model, token by token: generate_step, stream_generate and generate, as mlx-lm has them.

generate_step computes one token ahead of each that it yields. stream_generate hands a token on at once and lets the
cache catch up afterwards: its first word does not wait for the second. Either way the cache holds every yielded token
once the consumer has stopped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import torch
from torch import Tensor

from core.models.token_loop import (
    QUANTIZED_KV_START,
    LogitsProcessor,
    ProgressCallback,
    Sampler,
    StepOptions,
    TokenLoop,
    prepared_cache,
)
from core.models.tokenizer import TokenizerWrapper

Prompt = str | Tensor | Sequence[int]


@dataclass(slots=True)
class GenerationResponse:
    """A piece of text and where it stands. The last one says why it is the last; its text may be empty."""

    text: str
    token: int
    logprobs: Tensor
    """[vocab]"""
    from_draft: bool
    prompt_tokens: int
    prompt_tps: float
    """tokens per second"""
    generation_tokens: int
    generation_tps: float
    peak_memory: float
    """GB of the device, or of this process on a CPU"""
    finish_reason: Literal["stop", "length"] | None = None


def generate_step(
    prompt: Tensor | Sequence[int],
    model: Any,
    stream: None = None,
    *,
    max_tokens: int = 256,
    max_kv_size: int | None = None,
    prompt_cache: list[Any] | None = None,
    input_embeddings: Tensor | None = None,
    sampler: Sampler | None = None,
    logits_processors: Sequence[LogitsProcessor] | None = None,
    prefill_step_size: int = 2048,
    kv_bits: int | None = None,
    kv_group_size: int = 64,
    quantized_kv_start: int = QUANTIZED_KV_START,
    prompt_progress_callback: ProgressCallback | None = None,
) -> Generator[tuple[int, Tensor], None, None]:
    """Tokens and their log-probabilities [vocab], without end where `max_tokens` is -1.

    `prompt_cache` is changed in place. Raises ValueError for an empty prompt, InferenceError for one that is longer
    than the context and for a model that computes no numbers.
    """
    refuse_stream(stream)
    options = StepOptions(
        sampler=sampler,
        logits_processors=tuple(logits_processors or ()),
        prefill_step_size=prefill_step_size,
        kv_bits=kv_bits,
        kv_group_size=kv_group_size,
        quantized_kv_start=quantized_kv_start,
        progress=prompt_progress_callback,
    )
    tokens, embeddings = checked_prompt(prompt, input_embeddings)
    total = tokens.numel() if embeddings is None else embeddings.shape[0]
    loop = TokenLoop(model, prepared_cache(model, prompt_cache, max_kv_size, total), options)
    token, logprobs = loop.prefill(tokens, embeddings)
    progress = prompt_progress_callback or (lambda read, of: None)
    if loop.runs_ahead:
        progress(total, total)
        yield from loop.run_ahead(token, logprobs, max_tokens)
        return
    for done in count():
        ahead = loop.step(token) if done != max_tokens else None
        if done == 0:
            progress(total, total)
        if ahead is None:
            return
        yield token, logprobs
        token, logprobs = ahead


def stream_generate(
    model: Any,
    tokenizer: Any,
    prompt: Prompt,
    max_tokens: int = 256,
    draft_model: Any = None,
    stream: None = None,
    **kwargs: Any,
) -> Generator[GenerationResponse, None, None]:
    """Pieces of text. `kwargs` are generate_step's, or speculative_generate_step's with a `draft_model`.

    One more is `prompt_logits`: what `read_prompt` gave for this prompt, which `prompt_cache` then holds already.

    Raises ValueError for an empty prompt and for `max_tokens` 0 or below -1, else as generate_step does.
    """
    if max_tokens == 0 or max_tokens < -1:
        raise ValueError(f"stream_generate: max_tokens {max_tokens} leaves nothing to generate; -1 means no limit")
    refuse_stream(stream)
    wrapped = tokenizer if isinstance(tokenizer, TokenizerWrapper) else TokenizerWrapper(tokenizer)
    tokens = encoded(wrapped, prompt)
    if draft_model is None:
        kwargs.pop("num_draft_tokens", None)
        source: Iterator[tuple[int, Tensor, bool]] = _steps_at_once(tokens, model, max_tokens, kwargs)
    else:
        source = _speculative(tokens, model, draft_model, max_tokens, kwargs)
    yield from _responses(model, wrapped, tokens.numel(), max_tokens, source)


def generate(model: Any, tokenizer: Any, prompt: Prompt, verbose: bool = False, **kwargs: Any) -> str:
    """The whole text; with `verbose` it is also written to standard output as it comes, and figures after it."""
    pieces = []
    response = None
    if verbose:
        sys.stdout.write(f"{'=' * 10}\n")
    for response in stream_generate(model, tokenizer, prompt, **kwargs):
        pieces.append(response.text)
        if verbose:
            sys.stdout.write(response.text)
            sys.stdout.flush()
    if verbose and response is not None:
        sys.stdout.write(
            f"\n{'=' * 10}\n"
            f"Prompt: {response.prompt_tokens} tokens, {response.prompt_tps:.3f} tokens-per-sec\n"
            f"Generation: {response.generation_tokens} tokens, {response.generation_tps:.3f} tokens-per-sec\n"
            f"Peak memory: {response.peak_memory:.3f} GB\n"
        )
    return "".join(pieces)


def encoded(tokenizer: TokenizerWrapper, prompt: Prompt) -> Tensor:
    """Tokens [n] of a prompt; a text gets special tokens unless it begins with the token that begins texts."""
    if isinstance(prompt, str):
        bos = tokenizer.bos_token
        return as_tokens(tokenizer.encode(prompt, add_special_tokens=bos is None or not prompt.startswith(bos)))
    return as_tokens(prompt)


def as_tokens(prompt: Tensor | Sequence[int]) -> Tensor:
    """[n] int64 on the CPU. Raises ValueError for another shape."""
    found = torch.as_tensor(prompt, dtype=torch.int64, device="cpu")
    if found.dim() != 1:
        raise ValueError(f"a prompt is one row of tokens, not of shape {list(found.shape)}; give one text at a time")
    return found


def checked_prompt(prompt: Tensor | Sequence[int], input_embeddings: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Both, as tensors. Raises ValueError when there is nothing, or when the two differ in length."""
    tokens = as_tokens(prompt)
    if input_embeddings is None:
        if not tokens.numel():
            raise ValueError("the prompt is empty; give at least one token, or input_embeddings")
        return tokens, None
    if input_embeddings.dim() != 2 or not len(input_embeddings) or tokens.numel() not in (0, len(input_embeddings)):
        raise ValueError(
            f"input_embeddings of shape {list(input_embeddings.shape)} for a prompt of {tokens.numel()} tokens; "
            "they are [tokens, hidden], as many as the prompt has or with an empty prompt"
        )
    return tokens, input_embeddings


def refuse_stream(stream: object) -> None:
    """MLX's streams order work on Apple's GPU."""
    if stream is not None:
        raise ValueError("stream: MLX's streams do not exist in torch; leave the argument out")


def peak_memory_gb(device: torch.device) -> float:
    """The most memory taken so far, in GB: of an NVIDIA card, else of this process; 0.0 where nobody tells."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def _steps_at_once(
    tokens: Tensor, model: Any, max_tokens: int, kwargs: dict[str, Any]
) -> Generator[tuple[int, Tensor, bool], None, None]:
    """generate_step's tokens, each handed on before the next is computed."""
    kwargs = dict(kwargs)
    embeddings, logits = kwargs.pop("input_embeddings", None), kwargs.pop("prompt_logits", None)
    max_kv_size, prompt_cache = kwargs.pop("max_kv_size", None), kwargs.pop("prompt_cache", None)
    progress = kwargs.pop("prompt_progress_callback", None)
    processors = tuple(kwargs.pop("logits_processors", None) or ())
    unknown = sorted(set(kwargs) - set(StepOptions.__slots__))
    if unknown:
        raise TypeError(f"generate: unknown argument {unknown[0]!r}; how to sample is make_sampler's")
    options = StepOptions(progress=progress, logits_processors=processors, **kwargs)
    tokens, embeddings = checked_prompt(tokens, embeddings)
    total = tokens.numel() if embeddings is None else embeddings.shape[0]
    new = total if logits is None else 0
    loop = TokenLoop(model, prepared_cache(model, prompt_cache, max_kv_size, new), options)
    token, logprobs = loop.prefill(tokens, embeddings) if logits is None else loop.begin(tokens, logits)
    if progress is not None:
        progress(total, total)
    if loop.runs_ahead:
        for pair in loop.run_ahead(token, logprobs, max_tokens):
            yield *pair, False
        return
    done = 1
    while True:
        try:
            yield token, logprobs, False
        except GeneratorExit:
            if not sys.is_finalizing():
                loop.feed(torch.tensor([token]))
            raise
        if done == max_tokens:
            loop.feed(torch.tensor([token]))
            return
        token, logprobs = loop.step(token)
        done += 1


def _speculative(
    tokens: Tensor, model: Any, draft_model: Any, max_tokens: int, kwargs: dict[str, Any]
) -> Iterator[tuple[int, Tensor, bool]]:
    from core.models.speculative import speculative_generate_step

    kwargs = dict(kwargs)
    kwargs.pop("max_kv_size", None)
    kwargs.pop("prompt_progress_callback", None)
    if kwargs.pop("input_embeddings", None) is not None:
        raise ValueError("speculative decoding drafts from tokens; leave out input_embeddings or draft_model")
    return speculative_generate_step(tokens, model, draft_model, max_tokens=max_tokens, **kwargs)


def _responses(
    model: Any,
    tokenizer: TokenizerWrapper,
    prompt_tokens: int,
    max_tokens: int,
    source: Iterator[tuple[int, Tensor, bool]],
) -> Generator[GenerationResponse, None, None]:
    """A response a token; an end-of-text token and the one at max_tokens come in the last response alone."""
    detokenizer = tokenizer.detokenizer
    endings = tokenizer.eos_token_ids
    began = time.perf_counter()
    prompt_tps = 0.0
    try:
        for count, (token, logprobs, from_draft) in enumerate(source, 1):
            if count == 1:
                now = time.perf_counter()
                prompt_tps, began = prompt_tokens / (now - began), now
            reason: Literal["stop", "length"] | None = None
            if token in endings:
                reason = "stop"
            else:
                detokenizer.add_token(token)
                reason = "length" if count == max_tokens else None
            if reason is not None:
                detokenizer.finalize()
            yield GenerationResponse(
                text=detokenizer.last_segment,
                token=token,
                logprobs=logprobs,
                from_draft=from_draft,
                prompt_tokens=prompt_tokens,
                prompt_tps=prompt_tps,
                generation_tokens=count,
                generation_tps=count / max(time.perf_counter() - began, 1e-9),
                peak_memory=peak_memory_gb(model.device),
                finish_reason=reason,
            )
            if reason is not None:
                return
    finally:
        if isinstance(source, Generator):
            source.close()
