"""Choosing the next token: samplers over log-probabilities and processors of logits, with mlx-lm's behaviour.

Tensors are [V] or [B, V]; nothing given is changed in place. Random draws come from torch's global generator, so
`torch.manual_seed` repeats them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

Sampler = Callable[[Tensor], Tensor]
"""log-probabilities [B, V] -> tokens [B]"""
LogitsProcessor = Callable[["Tensor | Sequence[int]", Tensor], Tensor]
"""tokens so far [n], logits [B, V] -> logits [B, V]"""

LIKELIEST = 512
"""Nucleus sampling looks at so many tokens before it sorts a whole vocabulary, which takes ten times as long."""


def make_sampler(
    temp: float = 0.0,
    top_p: float = 0.0,
    min_p: float = 0.0,
    min_tokens_to_keep: int = 1,
    top_k: int = 0,
    xtc_probability: float = 0.0,
    xtc_threshold: float = 0.1,
    xtc_special_tokens: Sequence[int] | None = None,
) -> Sampler:
    """A sampler for `generate_step`: the likeliest token at `temp` 0, else a draw from what the filters leave.

    The filters that are switched on apply in the order top_p, min_p, XTC, top_k, all to probabilities at temperature 1;
    then the draw, at `temp`. Raises ValueError for a value outside its range.
    """
    if temp < 0:
        raise ValueError(f"temp is {temp}; it must be 0 (the likeliest token) or more")
    if temp == 0:
        return greedy
    filters: list[Callable[[Tensor], Tensor]] = []
    if 0 < top_p < 1:
        filters.append(partial(apply_top_p, top_p=top_p))
    if min_p != 0:
        _check_min_p(min_p, min_tokens_to_keep)
        filters.append(partial(apply_min_p, min_p=min_p, min_tokens_to_keep=min_tokens_to_keep))
    if xtc_probability > 0:
        _check_xtc(xtc_probability, xtc_threshold)
        special = list(xtc_special_tokens or ())
        filters.append(lambda x: apply_xtc(x, xtc_probability, xtc_threshold, special))
    if top_k > 0:
        filters.append(partial(apply_top_k, top_k=top_k))

    def sample(logprobs: Tensor) -> Tensor:
        for keep_some in filters:
            logprobs = keep_some(logprobs)
        return categorical_sampling(logprobs, temp)

    return sample


def greedy(logprobs: Tensor) -> Tensor:
    """The likeliest token; of equals, the first."""
    if logprobs.device.type == "cpu" and logprobs.dtype == torch.float32:
        return torch.as_tensor(logprobs.detach().numpy().argmax(-1))  # many times as fast as torch's on a CPU
    return torch.argmax(logprobs, dim=-1)


def categorical_sampling(logits: Tensor, temp: float) -> Tensor:
    """A draw from softmax(logits / temp) in each row: the largest of logits with Gumbel noise added."""
    noise = torch.empty_like(logits, dtype=torch.float32).exponential_().log_()
    return greedy(logits.float() * (1.0 / temp) - noise)


def apply_top_p(logprobs: Tensor, top_p: float) -> Tensor:
    """Keep the likeliest tokens that together reach `top_p` of the mass (Holtzman et al. 2019, arXiv 1904.09751)."""
    wanted = top_p * logprobs.exp().sum(dim=-1, keepdim=True)
    threshold = _nucleus_threshold(logprobs, wanted, min(LIKELIEST, logprobs.shape[-1]))
    return logprobs.masked_fill(logprobs < threshold, -math.inf)


def _nucleus_threshold(logprobs: Tensor, wanted: Tensor, likeliest: int) -> Tensor:
    """The smallest log-probability kept, [..., 1]: among the `likeliest` tokens, among all if those do not suffice."""
    best = logprobs.topk(likeliest, dim=-1).values  # falling
    mass = best.exp().cumsum(dim=-1)
    if likeliest < logprobs.shape[-1] and bool((mass[..., -1:] < wanted).any()):
        return _nucleus_threshold(logprobs, wanted, logprobs.shape[-1])
    kept = (mass - best.exp() < wanted).sum(dim=-1, keepdim=True)
    return best.gather(-1, (kept - 1).clamp_min(0))


def apply_min_p(logprobs: Tensor, min_p: float, min_tokens_to_keep: int = 1) -> Tensor:
    """Keep tokens at least `min_p` times as probable as the likeliest (Nguyen et al. 2024, arXiv 2407.01082).

    The `min_tokens_to_keep` likeliest always stay.
    """
    _check_min_p(min_p, min_tokens_to_keep)
    floor = math.log(min_p) if min_p > 0 else -math.inf
    removed = logprobs < logprobs.amax(dim=-1, keepdim=True) + floor
    if min_tokens_to_keep > 1:
        stays = logprobs.topk(min(min_tokens_to_keep, logprobs.shape[-1]), dim=-1).indices
        removed = removed.scatter(-1, stays, False)
    return logprobs.masked_fill(removed, -math.inf)


def apply_xtc(
    logprobs: Tensor, xtc_probability: float, xtc_threshold: float, xtc_special_tokens: Sequence[int] = ()
) -> Tensor:
    """With `xtc_probability`, drop every token above `xtc_threshold` but the least likely of them.

    "Exclude top choices": the special tokens are never dropped. One draw decides for the whole batch.
    """
    _check_xtc(xtc_probability, xtc_threshold)
    if float(torch.rand(())) > xtc_probability:
        return logprobs
    probabilities = torch.softmax(logprobs, dim=-1)
    above = probabilities.masked_fill(probabilities <= xtc_threshold, math.inf)
    dropped = probabilities > above.amin(dim=-1, keepdim=True)
    if xtc_special_tokens:
        dropped[..., list(xtc_special_tokens)] = False
    return logprobs.masked_fill(dropped, -math.inf)


def apply_top_k(logprobs: Tensor, top_k: int) -> Tensor:
    """Keep the `top_k` likeliest tokens; ValueError unless 0 < top_k < V."""
    vocabulary = logprobs.shape[-1]
    if not isinstance(top_k, int) or not 0 < top_k < vocabulary:
        raise ValueError(f"top_k is {top_k}; it must be a whole number above 0 and below the vocabulary, {vocabulary}")
    best = logprobs.topk(top_k, dim=-1)
    return torch.full_like(logprobs, -math.inf).scatter(-1, best.indices, best.values)


def _check_min_p(min_p: float, min_tokens_to_keep: int) -> None:
    if not 0 <= min_p <= 1:
        raise ValueError(f"min_p is {min_p}; it must lie in 0 to 1")
    if not isinstance(min_tokens_to_keep, int) or min_tokens_to_keep < 1:
        raise ValueError(f"min_tokens_to_keep is {min_tokens_to_keep}; it must be a whole number of 1 or more")


def _check_xtc(probability: float, threshold: float) -> None:
    if not 0 <= threshold <= 0.5:
        raise ValueError(f"xtc_threshold is {threshold}; it must lie in 0 to 0.5")
    if not 0 <= probability <= 1:
        raise ValueError(f"xtc_probability is {probability}; it must lie in 0 to 1")


def make_logits_processors(
    logit_bias: Mapping[int, float] | None = None,
    repetition_penalty: float | None = None,
    repetition_context_size: int | None = 20,
    presence_penalty: float | None = None,
    presence_context_size: int | None = 20,
    frequency_penalty: float | None = None,
    frequency_context_size: int | None = 20,
) -> list[LogitsProcessor]:
    """The processors that are switched on: logit bias, repetition, presence and frequency penalty, in this order.

    A penalty looks at the last `context_size` tokens, all of them when it is None or 0.
    """
    processors: list[LogitsProcessor] = []
    if logit_bias:
        processors.append(make_logit_bias(logit_bias))
    for make, penalty, context_size in (
        (make_repetition_penalty, repetition_penalty, repetition_context_size),
        (make_presence_penalty, presence_penalty, presence_context_size),
        (make_frequency_penalty, frequency_penalty, frequency_context_size),
    ):
        if penalty is not None and penalty != 0:
            processors.append(make(penalty, context_size))
    return processors


def make_logit_bias(logit_bias: Mapping[int, float]) -> LogitsProcessor:
    """Adds a constant to the logits of some tokens."""
    ids = torch.tensor([int(token) for token in logit_bias])
    added = torch.tensor([float(bias) for bias in logit_bias.values()])

    def process(_: Tensor | Sequence[int], logits: Tensor) -> Tensor:
        return logits.index_add(-1, ids.to(logits.device), _rows(added.to(logits), logits))

    return process


def make_repetition_penalty(penalty: float, context_size: int | None = 20) -> LogitsProcessor:
    """Divides a positive logit of a token seen, multiplies a negative one (Keskar et al. 2019, arXiv 1909.05858)."""
    if penalty < 0:
        raise ValueError(f"repetition_penalty is {penalty}; it must be 0 (off) or more, 1 changes nothing")

    def process(tokens: Tensor | Sequence[int], logits: Tensor) -> Tensor:
        seen = torch.unique(_last(tokens, context_size, logits))
        chosen = logits[..., seen]
        return logits.index_copy(-1, seen, torch.where(chosen < 0, chosen * penalty, chosen / penalty))

    return process


def make_presence_penalty(penalty: float, context_size: int | None = 20) -> LogitsProcessor:
    """Subtracts the penalty once from the logit of every token seen."""

    def process(tokens: Tensor | Sequence[int], logits: Tensor) -> Tensor:
        seen = torch.unique(_last(tokens, context_size, logits))
        return logits.index_copy(-1, seen, logits[..., seen] - penalty)

    return process


def make_frequency_penalty(penalty: float, context_size: int | None = 20) -> LogitsProcessor:
    """Subtracts the penalty from the logit of a token as often as it was seen."""

    def process(tokens: Tensor | Sequence[int], logits: Tensor) -> Tensor:
        seen = _last(tokens, context_size, logits)
        subtracted = torch.full((len(seen),), -penalty, dtype=logits.dtype, device=logits.device)
        return logits.index_add(-1, seen, _rows(subtracted, logits))

    return process


def _last(tokens: Tensor | Sequence[int], context_size: int | None, logits: Tensor) -> Tensor:
    """The last `context_size` tokens as indices where the logits are."""
    ids = torch.as_tensor(tokens, dtype=torch.long, device=logits.device).flatten()
    return ids[-context_size:] if context_size else ids


def _rows(values: Tensor, logits: Tensor) -> Tensor:
    """Values [n] once for each row of logits [..., V]."""
    return values.expand(*logits.shape[:-1], len(values))
