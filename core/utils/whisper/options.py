"""What a caller may ask of one transcription, checked once for both backends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

Task = Literal["transcribe", "translate"]
OPENING, CLOSING = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"
"""marks that belong to the word behind them, and to the one before"""
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """Names, meanings and defaults are faster-whisper's. Raises ValueError for a value that neither backend takes."""

    language: str | None = None
    """ISO 639-1 (Whisper's own codes); None to detect it"""
    task: Task = "transcribe"
    beam_size: int = 5
    temperature: float | Sequence[float] = TEMPERATURES
    """tried in turn while a window fails the thresholds below"""
    compression_ratio_threshold: float | None = 2.4
    log_prob_threshold: float | None = -1.0
    no_speech_threshold: float | None = 0.6
    condition_on_previous_text: bool = True
    initial_prompt: str | None = None
    without_timestamps: bool = False
    word_timestamps: bool = False
    best_of: int = 5
    """tries at a temperature above 0"""
    patience: float = 1.0
    """of beam search"""
    suppress_blank: bool = True
    suppress_tokens: Sequence[int] | None = (-1,)
    """never written; -1 stands for Whisper's own list"""
    max_initial_timestamp: float = 1.0
    """seconds"""
    prepend_punctuations: str = OPENING
    append_punctuations: str = CLOSING
    clip_timestamps: str | Sequence[float] = "0"
    """seconds at which parts that are to be heard begin and end, by turns"""
    hallucination_silence_threshold: float | None = None
    """seconds of silence around words that are thought made up; with `word_timestamps`"""

    def __post_init__(self) -> None:
        if self.task not in ("transcribe", "translate"):
            raise ValueError(f"task={self.task!r}: choose transcribe or translate")
        if self.beam_size < 1:
            raise ValueError(f"beam_size={self.beam_size}: must be at least 1 (1 is greedy)")
        if self.best_of < 1:
            raise ValueError(f"best_of={self.best_of}: must be at least 1")
        if self.patience <= 0:
            raise ValueError(f"patience={self.patience}: must be above 0")
        if not self.temperatures or not all(0.0 <= value <= 1.0 for value in self.temperatures):
            raise ValueError(f"temperature={self.temperature!r}: one or more numbers from 0 to 1")

    @property
    def temperatures(self) -> tuple[float, ...]:
        given = self.temperature
        return (float(given),) if isinstance(given, int | float) else tuple(given)

    @property
    def alike(self) -> dict[str, Any]:
        """What both engines take under the same name."""
        clips = self.clip_timestamps
        return {
            "task": self.task,
            "compression_ratio_threshold": self.compression_ratio_threshold,
            "no_speech_threshold": self.no_speech_threshold,
            "condition_on_previous_text": self.condition_on_previous_text,
            "initial_prompt": self.initial_prompt,
            "without_timestamps": self.without_timestamps,
            "word_timestamps": self.word_timestamps,
            "best_of": self.best_of,
            "suppress_blank": self.suppress_blank,
            "suppress_tokens": list(self.suppress_tokens or ()),
            "max_initial_timestamp": self.max_initial_timestamp,
            "prepend_punctuations": self.prepend_punctuations,
            "append_punctuations": self.append_punctuations,
            "clip_timestamps": clips if isinstance(clips, str) else [float(second) for second in clips],
            "hallucination_silence_threshold": self.hallucination_silence_threshold,
        }


class MoreOptions(TypedDict, total=False):
    """The fields of TranscribeOptions after `language`, as keyword arguments."""

    task: Task
    beam_size: int
    temperature: float | Sequence[float]
    compression_ratio_threshold: float | None
    log_prob_threshold: float | None
    no_speech_threshold: float | None
    condition_on_previous_text: bool
    initial_prompt: str | None
    without_timestamps: bool
    word_timestamps: bool
    best_of: int
    patience: float
    suppress_blank: bool
    suppress_tokens: Sequence[int] | None
    max_initial_timestamp: float
    prepend_punctuations: str
    append_punctuations: str
    clip_timestamps: str | Sequence[float]
    hallucination_silence_threshold: float | None
