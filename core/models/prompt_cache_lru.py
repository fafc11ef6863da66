"""Prompt caches of several conversations, found by the longest beginning that a new prompt shares with one of them.

What is handed out is a copy: the stored caches stay as they were put in. The oldest of the most numerous kind goes
first when there are too many entries or bytes. For a handful of conversations; not safe from several threads at once.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from core.models.prompt_cache import can_trim_prompt_cache, trim_prompt_cache

KINDS = ("assistant", "user", "system")
"""what a cached text ends with, in the order in which they are given up"""
NO_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True)
class _Entry:
    model: Hashable
    tokens: tuple[int, ...]
    cache: list[Any]
    kind: str
    nbytes: int


class LRUPromptCache:
    """At most `max_size` caches and `max_bytes`. `model` is any key: caches of one model are no use to another."""

    def __init__(self, max_size: int = 10, max_bytes: int = NO_LIMIT) -> None:
        self.max_size = max_size
        self.max_bytes = max_bytes
        self._entries: list[_Entry] = []
        """oldest first"""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        """Memory of all caches."""
        return sum(entry.nbytes for entry in self._entries)

    def fetch_nearest_cache(self, model: Hashable, tokens: Sequence[int]) -> tuple[list[Any] | None, list[int]]:
        """A cache for a beginning of `tokens`, and the tokens that it lacks; None and all of them where none helps.

        A longer text's cache is cut back where that is possible; at least one token is then left to compute.
        """
        wanted = tuple(tokens)
        mine = [entry for entry in self._entries if entry.model == model]
        for entry in mine:
            if entry.tokens == wanted:
                return copy.deepcopy(entry.cache), []
        shared = {id(entry): _shared(entry.tokens, wanted) for entry in mine}
        shorter = max(
            (entry for entry in mine if entry.tokens and shared[id(entry)] == len(entry.tokens)),
            key=lambda entry: len(entry.tokens),
            default=None,
        )
        prefix = len(shorter.tokens) if shorter is not None else 0
        longer = [entry for entry in mine if shared[id(entry)] > prefix and can_trim_prompt_cache(entry.cache)]
        if longer:
            best = max(longer, key=lambda entry: (shared[id(entry)], -len(entry.tokens)))
            kept = min(len(wanted) - 1, shared[id(best)])
            cache = copy.deepcopy(best.cache)
            trim_prompt_cache(cache, len(best.tokens) - kept)
            return cache, list(wanted[kept:])
        if shorter is not None:
            return copy.deepcopy(shorter.cache), list(wanted[prefix:])
        return None, list(wanted)

    def insert_cache(
        self, model: Hashable, tokens: Sequence[int], prompt_cache: list[Any], *, cache_type: str = "assistant"
    ) -> None:
        """Keep a cache, in place of one of the same tokens and, where it can be cut back, of those it begins with."""
        if cache_type not in KINDS:
            raise ValueError(f"insert_cache: cache_type {cache_type!r} is none of {', '.join(KINDS)}")
        key = tuple(tokens)
        trims = can_trim_prompt_cache(prompt_cache)
        self._entries = [
            entry
            for entry in self._entries
            if entry.model != model
            or (entry.tokens != key and not (trims and _shared(entry.tokens, key) == len(entry.tokens)))
        ]
        size = sum(one.nbytes for one in prompt_cache)
        self._entries.append(_Entry(model, key, prompt_cache, cache_type, size))
        self.trim_to(n_sequences=self.max_size, n_bytes=self.max_bytes)

    def trim_to(self, *, n_sequences: int | None = None, n_bytes: int | None = None) -> None:
        """Give up caches until there are no more than that many, and bytes."""
        most = NO_LIMIT if n_sequences is None else max(0, n_sequences)
        most_bytes = NO_LIMIT if n_bytes is None else max(0, n_bytes)
        while len(self._entries) > most or self.nbytes > most_bytes:
            self._entries.remove(self._first_to_go())

    def stats_by_type(self) -> dict[str, dict[str, int]]:
        """Caches and bytes by what their text ends with."""
        return {
            kind: {
                "n_sequences": sum(entry.kind == kind for entry in self._entries),
                "n_bytes": sum(entry.nbytes for entry in self._entries if entry.kind == kind),
            }
            for kind in KINDS
        }

    def _first_to_go(self) -> _Entry:
        """The oldest of the first kind that has no fewer than the kind after it."""
        queues = [[entry for entry in self._entries if entry.kind == kind] for kind in KINDS]
        for queue, after in pairwise(queues):
            if queue and len(queue) >= len(after):
                return queue[0]
        return queues[-1][0]


def _shared(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """How many tokens both begin with."""
    count = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        count += 1
    return count
