"""MeloTTS as a speech engine: speakable text to sound, window by window, in as many languages as there are voices.

The first voice is loaded by `load`, another at the first sentence in its language. Imports no torch until then.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.messages import Mark
from core.optimization.memory import MemoryOptimizer
from core.optimization.resident import Resident, Tenant
from core.utils.errors import InferenceError, ModelError, ModelLoadError
from tts.clauses import Unit, split_units
from tts.engine import SpeechPiece, SpokenLanguage
from tts.melo.voice import MeloVoice, VoiceManner, VoiceMeasures
from tts.melo.voice_files import VoiceFiles, has_speaker
from tts.phrase_cache import PhraseCache, PhraseKey
from tts.shaping import silence
from tts.streaming_trim import trimmed_pieces

if TYPE_CHECKING:
    from core.optimization.torch_optimizer import TorchOptimizer

logger = logging.getLogger(__name__)

PAUSE_MS = 50
"""between two sentences, as the reference does it"""
TAIL_MS = 120
"""of a sentence's own quiet end that is left before the pause"""
LAST_TAIL_MS = 20
SPEED_RANGE = (0.25, 4.0)
SPEED_DIGITS = 3
"""slower and then faster again is the same speed, whose sound is kept"""


@dataclass(frozen=True, slots=True)
class MeloSettings:
    """Which voices, and how they are used."""

    voices: tuple[VoiceFiles, ...]
    """at most one a language; the first is loaded by `load`"""
    manner: VoiceManner = field(default_factory=VoiceManner)
    speed: float = 1.0
    cache_mb: int = 16
    """of short texts' sound, kept for when they are said again; 0: none"""


class MeloEngine:
    """Implements `tts.engine.SpeechEngine`."""

    name = "melo"

    def __init__(
        self,
        settings: MeloSettings,
        memory: MemoryOptimizer | None = None,
        optimizer: TorchOptimizer | None = None,
    ) -> None:
        if not settings.voices:
            raise ValueError("MeloSettings: there is no engine without a voice")
        self._settings = settings
        self._memory = memory or MemoryOptimizer()
        self._optimizer = optimizer
        self._folders = {files.language: files.folder for files in settings.voices}
        self._voices = {files.language: self._resident(files) for files in settings.voices}
        self._ready: set[SpokenLanguage] = set()
        self._measures: dict[SpokenLanguage, VoiceMeasures] = {}
        self._failures: dict[SpokenLanguage, str] = {}
        self._rate_hz = 0
        self._cache = PhraseCache(settings.cache_mb)
        self._closed = threading.Event()

    @property
    def sample_rate_hz(self) -> int:
        if not self._rate_hz:
            raise InferenceError("MeloTTS is not loaded; call load() first")
        return self._rate_hz

    @property
    def languages(self) -> tuple[SpokenLanguage, ...]:
        return tuple(language for language in self._voices if language not in self._failures)

    def pause_ms(self, text: str) -> int:
        """The reference's, whatever the text ends in: the voice's own quiet comes before it."""
        return PAUSE_MS

    def load(self) -> None:
        """Load the first voice. Raises ModelLoadError, MissingDependencyError."""
        self._closed.clear()
        self._failures.clear()
        self._make_ready(next(iter(self._voices)))

    def synthesize(self, text: str, language: SpokenLanguage, rate_factor: float) -> Iterator[SpeechPiece]:
        """Sound of `text` at `rate_factor` times the configured speed; marks count its characters.

        Work done ahead of the consumer is one window. Raises InferenceError.
        """
        speed = round(float(np.clip(self._settings.speed * rate_factor, *SPEED_RANGE)), SPEED_DIGITS)
        units = split_units(text)
        unit = next(units, None)
        if unit is None:
            yield SpeechPiece(np.zeros(0, np.float32), (Mark(0, 0),), last=True)
            return
        self._ensure(language)
        while unit is not None:
            following = next(units, None)
            yield from self._unit(unit, language, speed, following is None)
            if self._closed.is_set():
                return
            unit = following

    def close(self) -> None:
        """Stop work under way, from any thread, and give the voices back."""
        self._closed.set()
        for language in self._ready:
            self._voices[language].close()
        self._ready = set()

    def _unit(self, unit: Unit, language: SpokenLanguage, speed: float, last: bool) -> Iterator[SpeechPiece]:
        """A sentence, or a part of a long one, with the pause that follows if it is heard and another does."""
        sounded = False
        for piece in self._sound(unit.text, language, speed, last):
            if self._closed.is_set():
                return
            sounded = sounded or len(piece.samples) > 0
            samples, marks = piece.samples, tuple(Mark(m.sample, unit.start + m.characters) for m in piece.marks)
            if piece.last and not last and sounded:
                samples = np.concatenate((samples, silence(PAUSE_MS, self.sample_rate_hz)))
            yield SpeechPiece(samples, marks, last=piece.last and last)

    def _sound(self, text: str, language: SpokenLanguage, speed: float, last: bool) -> Iterator[SpeechPiece]:
        """Of one unit: kept, or made and then kept."""
        if not any(map(str.isalnum, text)):
            yield SpeechPiece(np.zeros(0, np.float32), (Mark(0, len(text)),), last=True)
            return
        manner = self._settings.manner
        key = PhraseKey(self._folders[language], manner.speaker, manner.precision, text, speed, last)
        kept = self._cache.get(key)
        if kept is not None:
            yield from kept
            return
        with self._voices[language].use() as voice:
            made = []
            spoken = voice.speak(text, speed)
            tail_ms = LAST_TAIL_MS if last else TAIL_MS
            for piece in trimmed_pieces(spoken.windows, spoken.marks, self.sample_rate_hz, tail_ms):
                made.append(piece)
                yield piece
            self._cache.put(key, tuple(made))

    def _ensure(self, language: SpokenLanguage) -> None:
        """Have it loaded once. Raises InferenceError, with the same words at every further try."""
        if language not in self._voices:
            raise InferenceError(f"MeloTTS: no voice for {language!r}; has {', '.join(self._voices)}")
        if language in self._failures:
            raise InferenceError(self._failures[language])
        if language not in self._ready:
            try:
                self._make_ready(language)
            except ModelError as error:
                self._failures[language] = str(error)
                raise InferenceError(str(error)) from error

    def _make_ready(self, language: SpokenLanguage) -> None:
        self._voices[language].load()
        self._ready.add(language)

    def _resident(self, files: VoiceFiles) -> Resident[MeloVoice]:
        plan = self._settings.manner.plan
        tenant = Tenant(
            f"MeloTTS ({files.language})", "tts", self._memory, on_card=plan is not None and plan.device == "cuda"
        )
        return Resident(tenant, partial(self._load_voice, files))

    def _load_voice(self, files: VoiceFiles) -> MeloVoice:
        from core.optimization.torch_optimizer import get_performance_optimizer

        voice = MeloVoice(files, _manner(self._settings, files), self._measures.get(files.language))
        voice.load(self._optimizer or get_performance_optimizer())
        self._measures[files.language] = voice.measures
        rate_hz = voice.sample_rate_hz
        if self._rate_hz not in (0, rate_hz):
            raise ModelLoadError(
                f"{files.folder}: speaks at {rate_hz} Hz, the other voices at {self._rate_hz}: not together"
            )
        self._rate_hz = rate_hz
        logger.info("MeloTTS speaks %s with %s, gain %.2f", files.language, files.folder.name, voice.gain)
        return voice


def _manner(settings: MeloSettings, files: VoiceFiles) -> VoiceManner:
    """A speaker is asked of the voices that have it, and of all where none has, so that its lack is named."""
    wanted = settings.manner.speaker
    if wanted is None or has_speaker(files, wanted):
        return settings.manner
    elsewhere = any(has_speaker(other, wanted) for other in settings.voices)
    return replace(settings.manner, speaker=None) if elsewhere else settings.manner
