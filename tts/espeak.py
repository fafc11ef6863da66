"""espeak-ng as a speech engine: speakable text to 22.05 kHz sound in chunks, with a mark at every word.

The text is spoken a sentence at a time inside the generator, so a text of any length starts at once and closing the
generator stops the work. Text is never read as markup or phonemes.
"""

from __future__ import annotations

import difflib
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np

from core.messages import Language, Mark, Samples
from core.utils.config import TtsConfig
from core.utils.errors import ConfigError, InferenceError, ModelLoadError
from tts.clauses import CLAUSE_PAUSE_MS, Unit, pause_after_ms, split_units
from tts.engine import SpeechPiece, SpokenLanguage
from tts.espeak_library import EspeakLibrary, SpokenClip, VoiceChoice, shared_library
from tts.loudness import amplify, gain_for
from tts.shaping import cut_chunks, fade_edges, silence, trim_silence

logger = logging.getLogger(__name__)

LEVELLING = 2.0
"""at most, 6 dB: "Six." and "Dix." in French are 4.7 and 3.8 dB softer than sentences; an odd sound stays odd"""
CLOSING_SILENCE_MS = 20
"""after the last word, so that the mark of the whole text lies within the sound"""


class EspeakEngine:
    """Implements `tts.engine.SpeechEngine`. Any number of them may be used, each from one thread.

    They share the process's one library unless another is given.
    """

    name = "espeak"

    def __init__(self, config: TtsConfig, library: EspeakLibrary | None = None) -> None:
        self._config = config
        self._given = library
        self._library: EspeakLibrary | None = None
        self._voices: dict[SpokenLanguage, str] = {}
        self._closed = threading.Event()

    @property
    def sample_rate_hz(self) -> int:
        return self._loaded().sample_rate_hz

    @property
    def languages(self) -> tuple[SpokenLanguage, ...]:
        return tuple(self._voices)

    def pause_ms(self, text: str) -> int:
        """By its last punctuation mark; a moment after any."""
        return max(pause_after_ms(text), CLAUSE_PAUSE_MS)

    def load(self) -> None:
        """Load the library and find the configured voices.

        Raises MissingDependencyError, ModelLoadError, or ConfigError naming the voice that does not exist.
        """
        library = self._given or shared_library()
        self._voices = {}
        for language in get_args(Language):
            setting = f"voice_{language}"
            wanted: str = getattr(self._config, setting)
            voice = _find_voice(wanted, library, f"tts.{setting}")
            if voice is not None:
                self._voices[language] = voice
            elif wanted != TtsConfig.model_fields[setting].default:
                names = [name for installed in library.voices() for name in installed.names]
                raise ConfigError(f"tts.{setting}: espeak-ng has no voice {wanted!r}{_suggest(wanted, names, 'fr-fr')}")
        if not self._voices:
            raise ModelLoadError("espeak-ng: its data holds neither English nor French; reinstall espeakng-loader")
        self._library = library
        self._closed.clear()

    def synthesize(self, text: str, language: SpokenLanguage, rate_factor: float) -> Iterator[SpeechPiece]:
        """Sound of `text` at `rate_factor` times the configured speed; marks count its characters.

        Work done ahead of the consumer is one sentence. Raises InferenceError.
        """
        library = self._loaded()
        if language not in self._voices:
            raise InferenceError(f"espeak-ng: no voice for {language!r}; has {', '.join(self._voices)}")
        voice = VoiceChoice(
            self._voices[language], round(self._config.rate_wpm * self._config.speed * rate_factor), self._config.pitch
        )
        units = split_units(text)
        unit = next(units, None)
        if unit is None:
            yield SpeechPiece(np.zeros(0, np.float32), (Mark(0, 0),), last=True)
        while unit is not None:
            if self._closed.is_set():
                return
            clip = library.speak(unit.text, voice, self._closed.is_set)
            following = next(units, None)
            samples, marks = _shape(clip, unit, library.sample_rate_hz, last=following is None)
            for chunk in cut_chunks(samples, marks, library.sample_rate_hz):
                if len(chunk.samples) or following is None:
                    yield SpeechPiece(chunk.samples, chunk.marks, last=chunk.last and following is None)
            unit = following

    def close(self) -> None:
        """Stop what is being spoken, from any thread. `load` makes the engine usable again."""
        self._closed.set()

    def _loaded(self) -> EspeakLibrary:
        if self._library is None:
            raise InferenceError("espeak-ng: is not loaded; call load() first")
        return self._library


def _shape(clip: SpokenClip, unit: Unit, sample_rate_hz: int, last: bool) -> tuple[Samples, tuple[Mark, ...]]:
    """A unit's sound with its pause, and marks that only ever grow: at each word's start, what lies before it."""
    trimmed = trim_silence(clip.samples, sample_rate_hz)
    voiced = fade_edges(_levelled(trimmed.samples, sample_rate_hz), sample_rate_hz)
    pause_ms = CLOSING_SILENCE_MS if last else unit.pause_ms * bool(len(voiced))
    samples = np.concatenate((voiced, silence(pause_ms, sample_rate_hz)))
    marks: list[Mark] = []
    said, sample = unit.start, 0
    for word in clip.words:
        position = unit.start + len(unit.text[: word.position].rstrip())
        at = min(max(word.sample - trimmed.cut, sample), len(voiced))
        if word.position <= len(unit.text) and position > said:
            marks.append(Mark(at, position))
            said, sample = position, at
    end = unit.start + (len(unit.text) if last else len(unit.text.rstrip()))
    if end > said or last:
        marks.append(Mark(len(voiced), end))
    return samples, tuple(marks)


def _levelled(samples: Samples, sample_rate_hz: int) -> Samples:
    """As loud as every sentence: by its vowels alone one is up to 2 dB louder or softer than another."""
    return amplify(samples, float(np.clip(gain_for(samples, sample_rate_hz), 1 / LEVELLING, LEVELLING)))


def _find_voice(wanted: str, library: EspeakLibrary, setting: str) -> str | None:
    """What selects a voice given by language, file or name, with an optional variant ("fr+f3"); None if there is none.

    Raises ConfigError for an unknown variant, which espeak-ng itself would ignore.
    """
    name, plus, variant = wanted.strip().partition("+")
    variants = library.variants()
    if plus and variant not in variants:
        raise ConfigError(
            f"{setting}: espeak-ng has no variant {variant!r} of a voice{_suggest(variant, variants, 'fr-fr+f3')}"
        )
    # Several voices answer to "fr"; a main language comes first, then the plainest file: roa/fr before roa/fr-BE.
    voices = sorted(library.voices(), key=lambda voice: len(voice.identifier))
    main = [voice for voice in voices if voice.names[0].lower() == name.lower()]
    other = [voice for voice in voices if name.lower() in (known.lower() for known in voice.names)]
    found = next((voice.identifier for voice in main + other), None)
    return None if found is None else found + plus + variant


def _suggest(wanted: str, known: Sequence[str], example: str) -> str:
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    if close:
        return "; did you mean " + " or ".join(repr(name) for name in close) + "?"
    return f"; write for example {example!r}"
