"""Whether a pause ends the utterance: a pure function of the pause's length and of what was understood so far.

All durations are of audio time, so a file read faster than real time ends at the same samples as live speech.
"""

from __future__ import annotations

from enum import Enum

from core.utils.config import EndpointConfig


class Endpoint(Enum):
    """What a pause means."""

    NONE = "none"
    PROVISIONAL = "provisional"
    """prepare the answer, but the user may go on"""
    FINAL = "final"


class Endpointing:
    """Provisional after `provisional_ms`; final after `complete_ms` of a whole command, else `incomplete_ms`."""

    def __init__(self, config: EndpointConfig) -> None:
        self._config = config

    def decide(self, silence_s: float, complete: bool) -> Endpoint:
        """`silence_s` since the last voiced sample; `complete`: the words so far form a whole command."""
        silence_ms = round(silence_s * 1000, 3)
        if silence_ms >= (self._config.complete_ms if complete else self._config.incomplete_ms):
            return Endpoint.FINAL
        if silence_ms >= self._config.provisional_ms:
            return Endpoint.PROVISIONAL
        return Endpoint.NONE
