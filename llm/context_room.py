"""How many tokens of context main memory has room for: keys and values grow with every token, and are bounded here.

On a graphics card nothing is reckoned: its allocator says when it is full, and the turn falls back (core.models).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from core.optimization.host import this_host
from core.optimization.host_memory import read_memory
from core.utils.errors import InferenceError, ModelTooLargeError

logger = logging.getLogger(__name__)

LEAST_TOKENS = 1024
"""of a context: instructions, tools, a question and a reply"""
KEPT_BYTES = 64 * 10**6
"""left free whatever the context needs: what a turn computes in, and others' growth meanwhile"""


def available_bytes() -> int:
    """Of main memory, for this process; 0 where the system does not tell."""
    return read_memory(this_host()).available_bytes


class ContextRoom:
    """The bounds of one model's context on this machine."""

    def __init__(self, model: Any, free_bytes: Callable[[], int] = available_bytes) -> None:
        self._token_bytes = int(getattr(getattr(model, "config", None), "kv_bytes_per_token", 0))
        self._free_bytes = free_bytes

    def context_tokens(self, wanted: int, name: str) -> int:
        """`wanted`, or what there is memory for. Raises ModelTooLargeError where that is too little to talk with."""
        room = self._room()
        if room is None or room >= wanted:
            return wanted
        if room < min(LEAST_TOKENS, wanted):
            needed = min(LEAST_TOKENS, wanted) * self._token_bytes / 1e6
            raise ModelTooLargeError(
                f"{name}: its weights fit, but {needed:.0f} MB more are needed for a short conversation; close other "
                "programs, or take a smaller model"
            )
        logger.warning("%s: memory has room for %d tokens of context, not %d as configured", name, room, wanted)
        return room

    def reply_tokens(self, new: int, wanted: int) -> int:
        """How many tokens of a reply there is memory for, after `new` ones of its prompt; at most `wanted`.

        Raises InferenceError where there is none for the prompt itself.
        """
        room = self._room()
        if room is None or room >= new + wanted:
            return wanted
        if room <= new:
            raise InferenceError(
                f"there is no memory left for a context of {new} more tokens ({new * self._token_bytes / 1e6:.0f} MB); "
                "close other programs or lower llm.context_tokens; this turn is lost"
            )
        logger.warning("memory is short: the reply ends after %d tokens at the latest", room - new)
        return room - new

    def _room(self) -> int | None:
        """Tokens that can be added now; None where nothing is known."""
        free = self._free_bytes() if self._token_bytes else 0
        return max(free - KEPT_BYTES, 0) // self._token_bytes if free else None
