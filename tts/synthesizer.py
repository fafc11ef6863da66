"""The stage that speaks: sentences in, chunks of sound out, with marks that tell how much of the sentence was said.

Every sentence gives at least one `Speech`; closing the generator stops the work. It does not play, queue or cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.messages import Mark, Samples, Sentence, Speech
from core.utils.config import TtsConfig
from core.utils.engine_exchange import EngineExchange
from core.utils.errors import InferenceError
from core.utils.voice import VoiceSettings
from tts.chime import make_chime
from tts.engine import SpeechEngine, SpeechPiece, SpokenLanguage
from tts.espeak import EspeakEngine
from tts.languages import LanguageChoice
from tts.normalise.speakable import normalise
from tts.normalise.spoken import SpokenText, SpokenTextBuilder
from tts.shaping import cut_chunks, silence

CHIME_GAP_MS = 60
WARM_UP: dict[SpokenLanguage, str] = {"en": "ready", "fr": "prêt"}


class Synthesizer:
    """Implements `core.stage.Stage` for `Sentence`. The engine is espeak-ng unless another is given.

    `offer` brings a better one while it speaks: it takes over between two turns.
    """

    def __init__(self, config: TtsConfig, voice: VoiceSettings, engine: SpeechEngine | None = None) -> None:
        self._engines: EngineExchange[SpeechEngine] = EngineExchange(
            engine or EspeakEngine(config), "speaks", lambda one: one.name
        )
        self._voice = voice
        self._choice = LanguageChoice(config.language)
        self._chimes: dict[int, Samples] = {}
        """by their rate"""

    @property
    def engine_name(self) -> str:
        """Who speaks, for people and for `ask --json`."""
        return self._engines.present.name

    @property
    def sample_rate_hz(self) -> int:
        """Rate of every chunk; known after `load`."""
        return self._engines.present.sample_rate_hz

    def load(self) -> None:
        """Load the engine and speak one word into the void. Raises ModelError or ConfigError."""
        engine = self._engines.present
        engine.load()
        self._chime()
        language = engine.languages[0]
        for _ in engine.synthesize(WARM_UP.get(language, ""), language, 1.0):
            continue

    def offer(self, engine: SpeechEngine) -> bool:
        """Take over to `engine`, loaded and warm, before the next turn; from any thread.

        Its closing is this one's duty from now on. False, and it is left alone, once all is closed.
        """
        return self._engines.offer(engine)

    def close_retired(self) -> bool:
        """Close what has been replaced, on the calling thread; whether what was offered has been taken since."""
        return self._engines.close_retired()

    def process(self, message: Sentence) -> Iterator[Speech]:
        """The sentence's sound, after the chime if it asks for one. Raises InferenceError."""
        self._engines.begin(message.turn)
        more = False
        try:
            if message.chime:
                for chunk in cut_chunks(self._chime(), (), self.sample_rate_hz):
                    yield self._speech(message, chunk.samples)
            yield from self._sentence(message)
            more = not message.last
        finally:
            if not more:  # said to its end, lost, or cut off by the next turn
                self._engines.end(message.turn)

    def close(self) -> None:
        """Stop the engines."""
        self._engines.close()

    def _sentence(self, message: Sentence) -> Iterator[Speech]:
        engine = self._engines.present
        language = self._choice.of(message, engine.languages)
        spoken = _spoken(message.text, language)
        if not spoken.text.strip():
            yield self._speech(message, np.zeros(0, np.float32), (Mark(0, len(message.text)),), ends_sentence=True)
            return
        said = 0
        for piece in self._pieces(engine, spoken.text, language):
            samples = piece.samples
            if piece.last and not message.last:
                samples = np.concatenate((samples, silence(engine.pause_ms(spoken.text), self.sample_rate_hz)))
            marks = _written_marks(piece.marks, spoken, said)
            said = marks[-1].characters if marks else said
            yield self._speech(message, samples, marks, ends_sentence=piece.last)

    def _chime(self) -> Samples:
        rate_hz = self.sample_rate_hz
        if rate_hz not in self._chimes:
            self._chimes[rate_hz] = np.concatenate((make_chime(rate_hz), silence(CHIME_GAP_MS, rate_hz)))
        return self._chimes[rate_hz]

    def _pieces(self, engine: SpeechEngine, text: str, language: SpokenLanguage) -> Iterator[SpeechPiece]:
        try:
            yield from engine.synthesize(text, language, self._voice.current.rate)
        except (OSError, RuntimeError, ValueError, ArithmeticError) as error:
            raise InferenceError(f"speaking {text[:60]!r} failed: {error}; this turn is lost") from error

    def _speech(
        self, message: Sentence, samples: Samples, marks: tuple[Mark, ...] = (), ends_sentence: bool = False
    ) -> Speech:
        return Speech(
            message.turn,
            message.revision,
            message.index,
            samples,
            self.sample_rate_hz,
            marks,
            ends_sentence=ends_sentence,
            last=ends_sentence and message.last,
        )


def _spoken(text: str, language: SpokenLanguage) -> SpokenText:
    """In words; of a language that has no rules here, as it is: its voices' front ends have their own."""
    if language in ("en", "fr"):
        return normalise(text, language)
    builder = SpokenTextBuilder(text)
    builder.keep(0, len(text))
    return builder.build()


def _written_marks(marks: tuple[Mark, ...], spoken: SpokenText, said: int) -> tuple[Mark, ...]:
    """Marks counted in the written text; those that add nothing to `said` are left out."""
    written = []
    for mark in marks:
        characters = spoken.written_length(mark.characters)
        if characters < len(spoken.written):
            characters = len(spoken.written[:characters].rstrip())
        if characters > said:
            written.append(Mark(mark.sample, characters))
            said = characters
    return tuple(written)
