"""Whether words were really said: what the voice detector heard, and how sure Whisper was, against what is claimed.

Pure but for VoiceTrack, which listens along. A reason in plain words is the answer; empty means they were said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.messages import Samples
from core.utils.vad_compat import CHUNK_S, VadEngine
from stt.local_agreement import is_word
from stt.phantoms import Phantom, phantom_of

VOICE = 0.5
"""a chunk's probability from which it counts as voice"""
LEAST_VOICE_S = 0.15
"""Silero hears 0.13 s of voice in 33 s of street noise, and 0.2 to 0.8 s in nearly every "no", "oui" or "thank you"
of flite and espeak-ng: tests/stt/test_phantoms.py measures both."""
MAX_NO_SPEECH, MIN_LOGPROB = 0.6, -1.0
"""together they mean silence (Radford et al. 2022, 4.5)"""
GARBLED_LOGPROB = -1.6
"""below it no word is worth an answer"""
SURE_NO_SPEECH, SURE_LOGPROB, SURE_VOICE_S = 0.4, -0.7, 0.2
"""what a phrase that Whisper says to silence must show to be believed"""
WORD_VOICE_S = 0.3, 1.0
"""A voice of such a length is one word, and then Whisper's usual doubts suffice for a lone word of those: real base is
less sure than that of half of the "yes", "okay" and "no" that it hears right, with 0.3 to 0.6 s of voice each; recorded
noises have at most 0.13 s in 10 s, and laughter 4.8 s in 5."""
LEAST_WORD_S = 0.15
"""of voice in a word that is said again and again; a loop of Whisper's has no time for its words"""
CHARACTERS_PER_S, CHARACTERS_MORE = 30.0, 15
"""Nobody speaks faster; pauses and soft ends of words are no voice."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One window's words and what speaks for them."""

    text: str
    voiced_s: float
    no_speech_prob: float
    avg_logprob: float
    looping: bool
    """the text is the same over and over, or never ended"""
    repeating: bool = False
    """a phrase follows upon itself more often than people usually say it"""
    over_reply: bool = False
    """it is what people say alone, and was said over a reply: to end that for nothing is better than to miss a "no" """


def rejection(evidence: Evidence) -> str:
    """Why the words are taken for no speech; empty where they are believed."""
    phantom = phantom_of(evidence.text)
    if phantom is Phantom.CREDIT:
        return f"{evidence.text!r} is what Whisper says to silence"
    if not is_word(evidence.text):
        return "no word"
    if evidence.looping or (evidence.repeating and not _is_said_again(evidence)):
        return "a loop"
    if evidence.voiced_s < LEAST_VOICE_S:
        return f"a voice for {evidence.voiced_s:.2f} s only"
    if evidence.no_speech_prob > MAX_NO_SPEECH and evidence.avg_logprob < MIN_LOGPROB:
        return f"no speech by {evidence.no_speech_prob:.2f}, log-probability {evidence.avg_logprob:.2f}"
    if evidence.avg_logprob < GARBLED_LOGPROB:
        return f"log-probability {evidence.avg_logprob:.2f}"
    if len(evidence.text) > CHARACTERS_PER_S * evidence.voiced_s + CHARACTERS_MORE:
        return f"{len(evidence.text)} characters in {evidence.voiced_s:.2f} s of voice"
    if phantom is Phantom.COURTESY and not evidence.over_reply and not _is_sure(evidence):
        return f"{evidence.text!r} is what Whisper says to silence, and little speaks for a voice"
    return ""


def _is_sure(evidence: Evidence) -> bool:
    if _is_a_lone_word(evidence):
        return True
    enough = max(SURE_VOICE_S, len(evidence.text) / CHARACTERS_PER_S - 0.1)
    return _has_no_doubt(evidence) and evidence.voiced_s >= enough


def _is_a_lone_word(evidence: Evidence) -> bool:
    """Whether there is as much voice as one word takes, and no more doubt than about any other."""
    doubted = evidence.no_speech_prob > MAX_NO_SPEECH or evidence.avg_logprob < MIN_LOGPROB
    least, most = WORD_VOICE_S
    return len(evidence.text.split()) == 1 and not doubted and least <= evidence.voiced_s <= most


def _is_said_again(evidence: Evidence) -> bool:
    """Whether there is voice enough for each word of "no no no no no"."""
    return _has_no_doubt(evidence) and evidence.voiced_s >= LEAST_WORD_S * len(evidence.text.split())


def _has_no_doubt(evidence: Evidence) -> bool:
    return evidence.no_speech_prob <= SURE_NO_SPEECH and evidence.avg_logprob >= SURE_LOGPROB


class VoiceTrack:
    """Where in one utterance a voice detector hears a voice; each sample is heard once."""

    def __init__(self, engine: VadEngine) -> None:
        self._engine = engine
        engine.reset()
        self._rest: Samples = np.zeros(0, np.float32)
        self._voiced: list[bool] = []

    def hear(self, samples: Samples) -> None:
        """The next [n] samples at 16 kHz."""
        size = self._engine.chunk_samples
        sound = np.concatenate((self._rest, samples))
        whole = len(sound) // size * size
        for begin in range(0, whole, size):
            self._voiced.append(self._engine.probability(sound[begin : begin + size]) >= VOICE)
        self._rest = sound[whole:]

    def voiced_s(self, begin: int, end: int | None = None) -> float:
        """Seconds of voice between two samples of the utterance."""
        size = self._engine.chunk_samples
        last = len(self._voiced) if end is None else -(-end // size)
        return sum(self._voiced[begin // size : last]) * CHUNK_S
