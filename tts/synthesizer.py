"""The stage that speaks: sentences in, chunks of sound out, with marks that tell how much of the sentence was said.

Every sentence gives at least one `Speech`; closing the generator stops the work. It does not play, queue or cache.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from core.messages import Language, Mark, Samples, Sentence, Speech
from core.utils.config import TtsConfig
from core.utils.errors import InferenceError
from core.utils.voice import VoiceSettings
from tts.chime import make_chime
from tts.clauses import CLAUSE_PAUSE_MS, pause_after_ms
from tts.engine import SpeechEngine, SpeechPiece
from tts.espeak import EspeakEngine
from tts.normalise.speakable import normalise
from tts.normalise.spoken import SpokenText
from tts.shaping import cut_chunks, silence

logger = logging.getLogger(__name__)

CHIME_GAP_MS = 60
WARM_UP: dict[Language, str] = {"en": "ready", "fr": "prêt"}


class Synthesizer:
    """Implements `core.stage.Stage` for `Sentence`. The engine is the configured one unless another is given."""

    def __init__(self, config: TtsConfig, voice: VoiceSettings, engine: SpeechEngine | None = None) -> None:
        self._engine: SpeechEngine = engine or EspeakEngine(config)
        self._voice = voice
        self._chime: Samples = np.zeros(0, np.float32)
        self._missing: set[Language] = set()

    @property
    def engine_name(self) -> str:
        """Who speaks, for people and for `ask --json`."""
        return self._engine.name

    @property
    def sample_rate_hz(self) -> int:
        """Rate of every chunk; known after `load`."""
        return self._engine.sample_rate_hz

    def load(self) -> None:
        """Load the engine and speak one word into the void. Raises ModelError or ConfigError."""
        self._engine.load()
        self._chime = np.concatenate((make_chime(self.sample_rate_hz), silence(CHIME_GAP_MS, self.sample_rate_hz)))
        for language in self._engine.languages:
            for _ in self._engine.synthesize(WARM_UP[language], language, 1.0):
                continue

    def process(self, message: Sentence) -> Iterator[Speech]:
        """The sentence's sound, after the chime if it asks for one. Raises InferenceError."""
        if message.chime:
            for chunk in cut_chunks(self._chime, (), self.sample_rate_hz):
                yield self._speech(message, chunk.samples)
        language = self._language(message.language)
        spoken = normalise(message.text, language)
        if not spoken.text.strip():
            yield self._speech(message, np.zeros(0, np.float32), (Mark(0, len(message.text)),), ends_sentence=True)
            return
        said = 0
        for piece in self._pieces(spoken.text, language):
            samples = piece.samples
            if piece.last and not message.last:
                pause_ms = max(pause_after_ms(spoken.text), CLAUSE_PAUSE_MS)
                samples = np.concatenate((samples, silence(pause_ms, self.sample_rate_hz)))
            marks = _written_marks(piece.marks, spoken, said)
            said = marks[-1].characters if marks else said
            yield self._speech(message, samples, marks, ends_sentence=piece.last)

    def close(self) -> None:
        """Stop the engine."""
        self._engine.close()

    def _pieces(self, text: str, language: Language) -> Iterator[SpeechPiece]:
        try:
            yield from self._engine.synthesize(text, language, self._voice.current.rate)
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

    def _language(self, wanted: Language) -> Language:
        languages = self._engine.languages
        if wanted in languages:
            return wanted
        if wanted not in self._missing:
            self._missing.add(wanted)
            logger.warning("no voice for %r is installed; speaking with the %r voice instead", wanted, languages[0])
        return languages[0]


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
