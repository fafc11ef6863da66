"""What the listener keeps of the utterance under way."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.messages import SAMPLE_RATE_HZ, Samples


@dataclass(slots=True)
class SpeechUnderWay:
    """The utterance under way."""

    turn: int
    revision: int
    at: float
    voiced_until: float
    far_end: bool
    pieces: list[Samples] = field(default_factory=list)
    """all sound of the utterance as sent so far"""
    held: list[Samples] = field(default_factory=list)
    """the silence since the provisional utterance, sent only if the user goes on"""
    provisional: bool = False
    dropped: bool = False
    """it is not to be answered"""
    ended: float | None = None
    """0..1 that the turn was over at the provisional utterance, by its sound"""

    @property
    def seconds(self) -> float:
        """Of sound, as sent so far."""
        return sum(map(len, self.pieces)) / SAMPLE_RATE_HZ
