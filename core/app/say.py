"""`say`: speaks a text aloud, or writes it to a WAV file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.app.language import first_language
from core.app.speaking import SpeakingParts, make_engine, plan_speaking
from core.messages import Language, Sentence, Speech
from core.utils.clock import SystemClock
from core.utils.config import Config
from core.utils.errors import ConfigError, InferenceError
from core.utils.voice import VoiceSettings

if TYPE_CHECKING:
    from tts.engine import SpeechEngine
    from tts.synthesizer import Synthesizer


def run(arguments: argparse.Namespace, config: Config, engine: SpeechEngine | None = None) -> int:
    """Speak `arguments.text`, with the engine that the configuration names unless one is given.

    A sentence that no engine can say is left out and named; the exit code is 1 then. Raises what the first one raised
    where none could be said.
    """
    text = " ".join(arguments.text).strip()
    if not text:
        raise ConfigError('say: there is nothing to say; give a text, e.g. say "good morning"')
    from tts.synthesizer import Synthesizer

    voice = VoiceSettings()
    language = arguments.language or first_language(config)
    if engine is None:
        plan_speaking(config)
        engine = make_engine(config, SpeakingParts(language, tell=lambda reason: print(reason, file=sys.stderr)))
    synthesizer = Synthesizer(config.tts, voice, engine)
    synthesizer.load()
    wanted = sentences(text, language)
    left_out: list[tuple[Sentence, InferenceError]] = []
    speech = spoken(synthesizer, wanted, left_out)
    try:
        if arguments.out is None:
            _play(config, voice, speech)
        else:
            from audio.wav import write_wav_pieces

            write_wav_pieces(arguments.out, (piece.samples for piece in speech), synthesizer.sample_rate_hz)
            print(arguments.out)
    finally:
        synthesizer.close()
    for sentence, error in left_out:
        print(f"left out: {sentence.text.strip()!r} ({error})", file=sys.stderr)
    return 1 if left_out else 0


def spoken(
    synthesizer: Synthesizer, sentences: Sequence[Sentence], left_out: list[tuple[Sentence, InferenceError]]
) -> Iterator[Speech]:
    """The sound of all that can be said; what cannot goes to `left_out`. Raises InferenceError where nothing can."""
    for sentence in sentences:
        try:
            yield from synthesizer.process(sentence)
        except InferenceError as error:
            left_out.append((sentence, error))
            if len(left_out) == len(sentences):
                raise left_out[0][1] from error
            if sentence.last:  # so that what was said before is heard to its end
                nothing = np.zeros(0, np.float32)
                rate_hz = synthesizer.sample_rate_hz
                yield Speech(
                    sentence.turn, sentence.revision, sentence.index, nothing, rate_hz, ends_sentence=True, last=True
                )


def sentences(text: str, language: Language) -> list[Sentence]:
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
