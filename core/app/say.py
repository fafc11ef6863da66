"""`say`: speaks a text aloud, or writes it to a WAV file."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import numpy as np

from core.app.language import first_language
from core.messages import Sentence, Speech
from core.utils.clock import SystemClock
from core.utils.config import Config
from core.utils.errors import ConfigError
from core.utils.voice import VoiceSettings


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Speak `arguments.text`."""
    text = " ".join(arguments.text).strip()
    if not text:
        raise ConfigError('say: there is nothing to say; give a text, e.g. say "good morning"')
    from tts.synthesizer import Synthesizer

    voice = VoiceSettings()
    synthesizer = Synthesizer(config.tts, voice)
    synthesizer.load()
    language = arguments.language or first_language(config)
    speech = synthesizer.process(Sentence(1, 0, 0, text, last=True, language=language))
    try:
        if arguments.out is None:
            _play(config, voice, speech)
        else:
            from audio.wav import write_wav

            pieces = [piece.samples for piece in speech]
            write_wav(arguments.out, np.concatenate(pieces), synthesizer.sample_rate_hz)
            print(arguments.out)
    finally:
        synthesizer.close()
    return 0


def _play(config: Config, voice: VoiceSettings, speech: Iterable[Speech]) -> None:
    """Through the same player as the conversation's."""
    from audio.player import Player
    from audio.system import SpeakerAlone

    alone = SpeakerAlone(config.audio, SystemClock(), lambda event: None, voice)
    try:
        alone.open()
        player = Player(alone.speaker, SystemClock())
        for piece in speech:
            for _ in player.process(piece):
                continue
    finally:
        alone.close()
