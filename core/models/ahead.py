"""Steps that a card computes while the program goes on: each is launched before the one before it was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.models.kv_cache import KVCache


@dataclass(frozen=True, slots=True)
class Registers:
    """Where a graph of one step finds its input and leaves what it computed, on the card."""

    token: Tensor
    """int64 [1, 1]; afterwards the likeliest next one"""
    position: Tensor
    """int64 [1]; afterwards the next"""
    logits: Tensor
    """float32 [1, vocab]"""
    logprobs: Tensor
    """float32 [1, vocab]"""
    told: Tensor
    """float64 [2]: the likeliest token and its log-probability"""


class Pending:
    """What a step will have found. `graph` is the core.models.cuda_graph.GraphedDecoder that holds `token`, if any."""

    def __init__(self, token: Tensor, told: Tensor, logprobs: Tensor, graph: Any = None) -> None:
        self.logprobs = logprobs
        """[vocab]"""
        self._token = token
        self._graph = graph
        self._serial = 0 if graph is None else graph.serial
        self._event: torch.cuda.Event | None = None
        if told.is_cuda:
            # Copied now: behind the step that follows it would wait for that one too.
            self._told = torch.empty(2, dtype=torch.float64, pin_memory=True)
            self._told.copy_(told, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()
        else:
            self._told = told.clone()

    def read(self) -> tuple[int, float]:
        """The token and its log-probability, NaN where the model computed no numbers. Waits for the step."""
        if self._event is not None:
            self._event.synchronize()
        token, logprob = self._told.tolist()
        return int(token), logprob

    def lies_in(self, graph: Any) -> bool:
        """Whether the token is where this graph's next step looks for it."""
        return graph is not None and graph is self._graph and graph.serial == self._serial

    def token(self) -> Tensor:
        """int64 [1], on the card where it still is there."""
        if self._graph is None or self.lies_in(self._graph):
            return self._token
        return torch.tensor([self.read()[0]])


def launch(model: Any, cache: Sequence[Any], before: int | Pending, sampler: Any) -> Pending:
    """Begin the step after a token, or after a step whose token is not read yet. `sampler` None: the likeliest."""
    graph: Any = getattr(model, "fused", None)
    if hasattr(graph, "step") and all(type(one) is KVCache for one in cache) and graph.prepare(cache, 1):
        here = isinstance(before, Pending) and before.lies_in(graph)
        logprobs, token, told = graph.step(None if here else _token_of(before), cache)
        if sampler is None:
            return Pending(token, told, logprobs[0], graph)
    else:
        logits = model(_token_of(before).unsqueeze(0), cache=cache, logits="last")[:, -1]
        logprobs = torch.log_softmax(logits, dim=-1)
    # A sampler that meets NaN would end the process's use of the card; `told` has it all the same.
    safe = torch.nan_to_num(logprobs, nan=0.0, neginf=-torch.inf)
    token = (logprobs.argmax(-1) if sampler is None else sampler(safe)).to(logprobs.device).view(1)
    told = torch.stack((token[0].double(), logprobs.gather(1, token.unsqueeze(0))[0, 0].double()))
    return Pending(token, told, logprobs[0])


def _token_of(before: int | Pending) -> Tensor:
    return before.token() if isinstance(before, Pending) else torch.tensor([before])
