"""What Whisper heard, frozen, under faster-whisper's field names. No engine is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its place in the sound, in seconds."""

    start: float
    end: float
    word: str
    """with the space before it"""
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech; the figures are those of the 30 s window that it was decoded in."""

    id: int
    """from 1"""
    seek: int
    """the window's first frame, in 10 ms"""
    start: float
    """s"""
    end: float
    """s"""
    text: str
    tokens: tuple[int, ...]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: tuple[Word, ...] | None
    """None unless asked for"""
    temperature: float | None


@dataclass(frozen=True, slots=True)
class TranscriptionInfo:
    """What is known before the first segment."""

    language: str
    language_probability: float
    """1 where the caller named the language"""
    duration: float
    """s"""
    all_language_probs: tuple[tuple[str, float], ...] | None
    """likeliest first; None where the caller named the language"""


class DetectedLanguage(NamedTuple):
    """The likeliest language of at most 30 s; unpacks as faster-whisper's answer does."""

    language: str
    probability: float
    all_language_probs: tuple[tuple[str, float], ...]
    """likeliest first"""


@dataclass(frozen=True, slots=True)
class Piece:
    """A word, or a punctuation mark, and the tokens it came as."""

    text: str
    """with the space before it, if any"""
    tokens: tuple[int, ...]
    start_s: float | None = None
    """from the window's start; None unless asked for"""
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """One greedy pass over one window."""

    text: str
    tokens: tuple[int, ...]
    """with those that were given as the beginning"""
    avg_logprob: float
    """of what was said beyond the given beginning"""
    no_speech_prob: float
    language: str
    language_probability: float
    pieces: tuple[Piece, ...] = ()
    """`tokens`, word by word"""
    detected: tuple[tuple[str, float], ...] = ()
    """languages, likeliest first; empty where the caller named the language"""
    sentence_end: float | None = None
    """0..1 that a sentence ends behind the last word; None unless asked for, or where no word was said"""


@dataclass(frozen=True, slots=True)
class ShortTranscript:
    """What `transcribe_short` heard, and what it took."""

    text: str
    tokens: tuple[int, ...]
    language: str
    language_probability: float
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    window_s: float
    """what the encoder was given in the pass that counts"""
    fallbacks: int = 0
    """0, or 1 where the guard asked for the full window"""
    fallback_reason: str = ""
    """why, in plain words"""
    suspicion: str = ""
    """what the guard still holds against this text; empty when nothing"""
    ended: bool = True
    """whether the text ended by itself and not for being too long"""
    pieces: tuple[Piece, ...] = ()
    """the text, word by word"""
    detected: tuple[tuple[str, float], ...] = ()
    """languages, likeliest first; empty where the caller named the language"""
    sentence_end: float | None = None
    """0..1 that a sentence ends behind the last word; None unless asked for, or where no word was said"""
