"""The short path: the encoder hears the utterance and a margin instead of 30 s; one greedy pass, then the guard.

Without timestamps and without previous text. A suspicious text is decoded once more, in the full window.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, replace

from core.utils.whisper.audio import SAMPLE_RATE_HZ, Samples
from core.utils.whisper.backend import Backend, WindowRequest
from core.utils.whisper.guard import GuardLimits, compression_ratio, suspicion
from core.utils.whisper.results import ShortTranscript
from core.utils.whisper.silence import FULL_FRAMES

logger = logging.getLogger(__name__)

FRAMES_PER_SECOND = 100
MAX_TOKENS = 224
"""half of the decoder's context: more than Whisper ever gives for one window"""
_TOKENS_PER_SECOND = 10.0
_TOKENS_MORE = 16


@dataclass(frozen=True, slots=True)
class ShortContext:
    """How short. `margin_s` of silence is encoded with the utterance, and what was encoded once stands behind it."""

    margin_s: float = 1.0
    min_window_s: float = 2.0
    limits: GuardLimits | None = field(default_factory=GuardLimits)
    """None trusts every text"""
    silence_behind: bool = True
    """False leaves the window as short for the decoder as for the encoder"""


def window_frames(samples: int, context: ShortContext) -> int:
    """Frames of 10 ms, even, at most 3000, for so many samples at 16 kHz."""
    seconds = max(samples / SAMPLE_RATE_HZ + context.margin_s, context.min_window_s)
    return min(2 * math.ceil(seconds * FRAMES_PER_SECOND / 2), FULL_FRAMES)


def token_limit(samples: int) -> int:
    """More tokens than anybody says in so many samples: ten a second, and sixteen for a slow start's sake."""
    return min(math.ceil(samples / SAMPLE_RATE_HZ * _TOKENS_PER_SECOND) + _TOKENS_MORE, MAX_TOKENS)


def transcribe_window(
    backend: Backend, samples: Samples, request: WindowRequest, context: ShortContext
) -> ShortTranscript:
    """Decode [n] samples, at most 30 s, once, and once more in the full window if the guard asks for it."""
    result = _decode(backend, samples, request, context)
    reason = result.suspicion
    if not reason or request.frames >= FULL_FRAMES or not request.stream.may_fall_back:
        return result
    logger.info("%s: %s in %.1f s; decoding the full window", backend.name, reason, result.window_s)
    # the short window tells languages better: half a minute of silence speaks for English
    full = replace(request, frames=FULL_FRAMES, language=request.language or result.language)
    again = _decode(backend, samples, full, context, reason)
    return replace(again, language_probability=result.language_probability, detected=result.detected)


def _decode(
    backend: Backend, samples: Samples, request: WindowRequest, context: ShortContext, reason: str = ""
) -> ShortTranscript:
    decoded = backend.decode_window(samples, request)
    limits, most = context.limits, request.max_new_tokens + len(request.stream.prefix)
    return ShortTranscript(
        text=decoded.text,
        tokens=decoded.tokens,
        language=decoded.language,
        language_probability=decoded.language_probability,
        avg_logprob=decoded.avg_logprob,
        no_speech_prob=decoded.no_speech_prob,
        compression_ratio=compression_ratio(decoded.text),
        window_s=request.frames / FRAMES_PER_SECOND,
        fallbacks=1 if reason else 0,
        fallback_reason=reason,
        suspicion="" if limits is None else suspicion(decoded, limits, most),
        ended=len(decoded.tokens) < most,
        pieces=decoded.pieces,
        detected=decoded.detected,
        sentence_end=decoded.sentence_end,
    )
