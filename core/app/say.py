"""`say`: speaks a text aloud, or writes it to a WAV file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from core.app.language import first_language
from core.app.speaking import SpeakingParts, make_engine, plan_speaking
from core.messages import Language, Sentence, Speech
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
    language = arguments.language or first_language(config)
    plan_speaking(config)
    engine = make_engine(config, SpeakingParts(language, tell=lambda reason: print(reason, file=sys.stderr)))
    synthesizer = Synthesizer(config.tts, voice, engine)
    synthesizer.load()
    speech = (piece for sentence in _sentences(text, language) for piece in synthesizer.process(sentence))
    try:
        if arguments.out is None:
            _play(config, voice, speech)
        else:
            from audio.wav import write_wav_pieces

            write_wav_pieces(arguments.out, (piece.samples for piece in speech), synthesizer.sample_rate_hz)
            print(arguments.out)
    finally:
        synthesizer.close()
    return 0


def _sentences(text: str, language: Language) -> list[Sentence]:
    """Each finds its own voice."""
    from llm.sentences import SentenceSplitter

    splitter = SentenceSplitter(min_clause=len(text))
    units = [*splitter.push(text), *splitter.flush()]
    return [
        Sentence(1, 0, index, unit, last=index + 1 == len(units), language=language) for index, unit in enumerate(units)
    ]


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
