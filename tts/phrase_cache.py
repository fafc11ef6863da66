"""The sound of short texts, kept for when they are said again: confirmations, the numbers of a countdown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from core.optimization.cache import CacheConfig, InferenceCache
from tts.engine import SpeechPiece

LONGEST = 80
"""characters: what is longer hardly comes again"""
MB = 10**6
PIECE_BYTES = 200
"""of a piece besides its samples, about"""


@dataclass(frozen=True, slots=True)
class PhraseKey:
    """Everything that changes how a text sounds."""

    voice: Path
    speaker: str | None
    precision: str
    text: str
    speed: float
    last: bool
    """nothing follows, so that less of its quiet end is left"""


class PhraseCache:
    """At most `megabytes` of sound; 0 keeps nothing."""

    def __init__(self, megabytes: int) -> None:
        self._kept: InferenceCache[tuple[SpeechPiece, ...]] | None = None
        if megabytes:
            self._kept = InferenceCache(CacheConfig(max_entries=4096, max_bytes=megabytes * MB))

    def get(self, key: PhraseKey) -> tuple[SpeechPiece, ...] | None:
        """The whole sound of a text, or None."""
        return self._kept.get(key) if self._kept is not None and len(key.text) <= LONGEST else None

    def put(self, key: PhraseKey, pieces: tuple[SpeechPiece, ...]) -> None:
        """Keep it, unless the text is long."""
        if self._kept is not None and len(key.text) <= LONGEST:
            own = tuple(
                replace(piece, samples=piece.samples.copy()) for piece in pieces
            )  # not a part of a larger array
            self._kept.put(key, own, sum(piece.samples.nbytes + PIECE_BYTES for piece in own))

    @property
    def bytes(self) -> int:
        """What is held now."""
        return self._kept.statistics().bytes if self._kept is not None else 0

    @property
    def hits(self) -> int:
        """How often a text was found."""
        return self._kept.statistics().hits if self._kept is not None else 0
