"""Decides over time when somebody speaks: hysteresis, minimum speech, pre-roll, maximum length.

Takes 16 kHz sound of any piece length with its capture time and says what happened as events; whether a pause ends
the utterance is stt.endpointing's business, so speech lasts until `end()` is called or the maximum is reached.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.config import VadConfig
from core.utils.vad_compat import VadEngine, rms

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Onset:
    """Something like a voice began `at` (seconds, of its first sample)."""

    at: float


@dataclass(frozen=True, slots=True)
class Rejected:
    """The onset ended, `at`, before it was long enough to be speech."""

    at: float


@dataclass(frozen=True, slots=True)
class Started:
    """It is speech. `samples` holds the pre-roll and all sound since the onset."""

    at: float
    """seconds of the first voiced sample"""
    heard_at: float
    """seconds just after the last of `samples`"""
    samples: Samples
    voiced_until: float
    far_end: bool
    """the assistant was audible meanwhile"""


@dataclass(frozen=True, slots=True)
class Continued:
    """The next chunk since speech started, voiced or not."""

    heard_at: float
    samples: Samples
    voiced: bool
    voiced_until: float
    """seconds just after the last voiced sample so far"""
    far_end: bool


@dataclass(frozen=True, slots=True)
class Overlong:
    """Speech reached its maximum length and is over."""

    at: float
    voiced_until: float


VadEvent = Onset | Rejected | Started | Continued | Overlong


_FAINT = 0.025
"""32 dB below the loudest chunk of the utterance: the detector's own decay after a word, not the word"""
_BLOCK_SAMPLES = 160


class _State(Enum):
    QUIET = "quiet"
    ONSET = "onset"
    SPEECH = "speech"
    EXHAUSTED = "exhausted"
    """after Overlong: a new onset needs a silent chunk first"""


@dataclass(frozen=True, slots=True)
class _Chunk:
    samples: Samples
    start: float
    end: float
    far_end: bool


class VoiceActivityDetection:
    """A voice activity engine's ratings turned into events.

    While the assistant is audible (`far_end`) the threshold and the least lengths are those of `far_end_`.
    """

    def __init__(self, config: VadConfig, engine: VadEngine) -> None:
        self._config = config
        self._engine = engine
        self._chunk_s = engine.chunk_samples / SAMPLE_RATE_HZ
        self._pending: Samples = np.zeros(0, np.float32)
        self._kept: deque[_Chunk] = deque()
        self._state = _State.QUIET
        self._onset_told = False
        self._first_voiced = 0.0
        self._voiced_until = 0.0
        self._voiced_s = 0.0
        self._loudest = 0.0

    @property
    def speaking(self) -> bool:
        """Whether speech has started and not ended."""
        return self._state is _State.SPEECH

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, no onset that is still being weighed either."""
        return self._state in (_State.QUIET, _State.EXHAUSTED)

    def process(self, samples: Samples, captured_at: float, far_end: bool = False) -> Iterator[VadEvent]:
        """Take in [n] samples at 16 kHz, the first captured at `captured_at` seconds."""
        start = captured_at - len(self._pending) / SAMPLE_RATE_HZ
        self._pending = np.concatenate((self._pending, samples.astype(np.float32, copy=False)))
        size = self._engine.chunk_samples
        while len(self._pending) >= size:
            piece, self._pending = self._pending[:size].copy(), self._pending[size:]
            yield from self._take(_Chunk(piece, start, start + self._chunk_s, far_end))
            start += self._chunk_s

    def end(self) -> None:
        """The utterance is over; the next voice is a new onset (after Overlong: once a chunk was silent)."""
        if self._state is not _State.EXHAUSTED:
            self._state = _State.QUIET
        self._trim()

    def reset(self) -> None:
        """Forget everything, for instance after a gap in the input."""
        self._state = _State.QUIET
        self._kept.clear()
        self._pending = self._pending[:0]
        self._engine.reset()

    def _take(self, chunk: _Chunk) -> Iterator[VadEvent]:
        voiced = self._is_voiced(chunk)
        if self._state is _State.SPEECH:
            yield from self._continue(chunk, voiced)
            return
        self._kept.append(chunk)
        if self._state is _State.EXHAUSTED and not voiced:
            self._state = _State.QUIET
        elif self._state is _State.QUIET and voiced:
            self._state = _State.ONSET
            self._onset_told = False
            self._first_voiced = chunk.start
            self._voiced_s = self._loudest = 0.0
        if self._state is _State.ONSET:
            yield from self._weigh(chunk, voiced)
        if self._state in (_State.QUIET, _State.EXHAUSTED):
            self._trim()

    def _is_voiced(self, chunk: _Chunk) -> bool:
        config = self._config
        rating = self._engine.probability(chunk.samples)
        threshold = config.far_end_threshold if chunk.far_end else config.threshold
        if self._state in (_State.ONSET, _State.SPEECH):
            threshold -= config.threshold - config.release
        return rating >= threshold

    def _weigh(self, chunk: _Chunk, voiced: bool) -> Iterator[VadEvent]:
        config = self._config
        if voiced:
            self._voiced_s += self._chunk_s
            self._voiced_until = self._last_voiced(chunk) or chunk.end
        onset_ms = config.far_end_onset_ms if chunk.far_end else config.onset_ms
        if not self._onset_told and self._voiced_s * 1000 >= onset_ms:
            self._onset_told = True
            logger.debug("voice onset at %.3f", self._first_voiced)
            yield Onset(self._first_voiced)
        far_end = any(kept.far_end for kept in self._kept if kept.end > self._first_voiced)
        needed_ms = config.far_end_min_speech_ms if far_end else config.min_speech_ms
        if self._voiced_s * 1000 >= needed_ms:
            yield self._start(chunk, far_end)
        elif round((chunk.end - self._voiced_until) * 1000) > config.gap_ms:
            self._state = _State.QUIET
            logger.debug("onset rejected after %.0f ms of voice (needs %d)", self._voiced_s * 1000, needed_ms)
            if self._onset_told:
                yield Rejected(chunk.end)

    def _last_voiced(self, chunk: _Chunk) -> float | None:
        """When the chunk's last 10 ms that are not faint against the utterance end; None if all of it is faint.

        Engines go on rating high for some 0.1 s after a word; the endpoint pause counts from the word's own end.
        """
        self._loudest = max(self._loudest, rms(chunk.samples))
        for end in range(len(chunk.samples), 0, -_BLOCK_SAMPLES):
            if rms(chunk.samples[max(0, end - _BLOCK_SAMPLES) : end]) >= _FAINT * self._loudest:
                return chunk.start + end / SAMPLE_RATE_HZ
        return None

    def _start(self, chunk: _Chunk, far_end: bool) -> Started:
        self._state = _State.SPEECH
        samples = np.concatenate([kept.samples for kept in self._kept])
        self._kept.clear()
        logger.debug("speech since %.3f (far end %s)", self._first_voiced, far_end)
        return Started(self._first_voiced, chunk.end, samples, self._voiced_until, far_end)

    def _continue(self, chunk: _Chunk, voiced: bool) -> Iterator[VadEvent]:
        last_voiced = self._last_voiced(chunk) if voiced else None
        voiced = last_voiced is not None
        if last_voiced is not None:
            self._voiced_until = last_voiced
            self._kept.clear()
        else:
            self._kept.append(chunk)
            self._trim()
        yield Continued(chunk.end, chunk.samples, voiced, self._voiced_until, chunk.far_end)
        if self._state is _State.SPEECH and chunk.end - self._first_voiced >= self._config.max_speech_s:
            self._state = _State.EXHAUSTED
            logger.debug("speech cut at %.0f s", self._config.max_speech_s)
            yield Overlong(chunk.end, self._voiced_until)

    def _trim(self) -> None:
        """Keep only the pre-roll of a voice that might begin with the next chunk."""
        most = round(self._config.pre_roll_ms / 1000 / self._chunk_s)
        while len(self._kept) > most:
            self._kept.popleft()


def undamaged(samples: Samples) -> Samples:
    """[n] in -1..1: what a faulty driver makes of sound (NaN, infinity, values beyond) is silenced or clipped."""
    if len(samples) == 0 or np.abs(samples).max() <= 1.0:
        return samples
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
