"""A question as a recording: spoken by espeak-ng, the same on every machine, in a quiet room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.messages import Language, Sentence
from core.utils.config import Config
from core.utils.voice import VoiceSettings

if TYPE_CHECKING:
    from audio.wav import Recording

QUIET_ROOM = 3e-4
"""root mean square of the noise around it: no microphone hears digital silence"""


def spoken(config: Config, text: str, language: Language = "en") -> Recording:
    """With half a second of the room before it and a second after. Raises what loading the voice raises."""
    from audio.wav import Recording
    from tts.espeak import EspeakEngine
    from tts.synthesizer import Synthesizer

    synthesizer = Synthesizer(config.tts, VoiceSettings(), EspeakEngine(config.tts))
    synthesizer.load()
    try:
        sentence = Sentence(1, 0, 0, text, last=True, language=language)
        voice = np.concatenate([piece.samples for piece in synthesizer.process(sentence)])
        rate_hz = synthesizer.sample_rate_hz
    finally:
        synthesizer.close()
    room = np.random.default_rng(0).normal(0, QUIET_ROOM, rate_hz * 3 // 2 + len(voice)).astype(np.float32)
    room[rate_hz // 2 :][: len(voice)] += voice
    return Recording(room, rate_hz)
