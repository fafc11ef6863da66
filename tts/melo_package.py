"""The `melo` package of MeloTTS as a speech engine, for who has it installed: whole units, nothing streamed.

The package fetches its models by itself when a language is first spoken, so it is used only where tts.engine asks for
it; tts.melo speaks the same voices without it. It is not compiled: the package calls its network's own `infer`, where
torch.compile would reach nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Protocol, cast, get_args

import numpy as np

from core.messages import Samples
from core.optimization.torch_engine import StageSteps
from core.utils.config import TtsConfig
from core.utils.errors import ConfigError, InferenceError, MissingDependencyError, ModelLoadError
from tts.clauses import pause_after_ms
from tts.engine import SpeechPiece, SpokenLanguage
from tts.loudness import gain_for
from tts.whole_units import speak_units

logger = logging.getLogger(__name__)

_CODES: dict[SpokenLanguage, str] = {"en": "EN", "fr": "FR", "es": "ES", "zh": "ZH", "ja": "JP", "ko": "KR"}
_FAILURES = (OSError, RuntimeError, ValueError, LookupError, TypeError, AssertionError)


class MeloTts(Protocol):
    """What is used of melo.api.TTS."""

    hps: Any

    def tts_to_file(self, text: str, speaker_id: int, output_path: None = None, **options: Any) -> Any:
        """Without a path, the sound as an array."""
        ...


class MeloPackageEngine:
    """Implements `tts.engine.SpeechEngine`; on the device and in the context that `steps` gives."""

    name = "melotts"

    def __init__(self, config: TtsConfig, steps: StageSteps | None = None) -> None:
        self._config = config
        self._steps = steps or StageSteps(None)
        self._voices: dict[SpokenLanguage, tuple[MeloTts, int, float]] = {}
        self._rate_hz = 0
        self._closed = threading.Event()

    @property
    def sample_rate_hz(self) -> int:
        if not self._rate_hz:
            raise InferenceError("the melo package is not loaded; call load() first")
        return self._rate_hz

    @property
    def languages(self) -> tuple[SpokenLanguage, ...]:
        """All of the package's, or the configured one; a voice is loaded at its first text."""
        wish = self._config.language
        return get_args(SpokenLanguage) if wish == "auto" else (wish,)

    def pause_ms(self, text: str) -> int:
        """By the text's last punctuation mark: a voice's own silence is cut off."""
        return pause_after_ms(text)

    def load(self) -> None:
        """Load the first language. Raises MissingDependencyError, ModelLoadError, ConfigError for a wrong speaker."""
        self._closed.clear()
        voice, *_ = self._voice(self.languages[0])
        self._rate_hz = int(voice.hps.data.sampling_rate)

    def synthesize(self, text: str, language: SpokenLanguage, rate_factor: float) -> Iterator[SpeechPiece]:
        """Sound of `text` at `rate_factor` times the configured speed. Raises InferenceError, ModelLoadError."""
        if self._closed.is_set():
            return iter(())
        voice, speaker, gain = self._voice(language)
        speed = self._config.speed * rate_factor
        return speak_units(
            text, lambda unit: self._say(voice, speaker, unit, speed), self.sample_rate_hz, gain, self._closed.is_set
        )

    def close(self) -> None:
        """Stop after the unit under way, from any thread, and give the voices back."""
        self._closed.set()
        self._voices = {}

    def _voice(self, language: SpokenLanguage) -> tuple[MeloTts, int, float]:
        if language not in self._voices:
            package = _import_package()
            voice = _open_voice(package, _CODES[language], str(self._steps.initialize()))
            speaker = _speaker(dict(voice.hps.data.spk2id), self._config.speaker, language)
            sounds: list[Samples] = []
            self._steps.warmup_model(lambda text: sounds.append(_say(voice, speaker, text, 1.0)), "1 2 3 4 5.")
            self._voices[language] = voice, speaker, gain_for(sounds[-1], int(voice.hps.data.sampling_rate))
        return self._voices[language]

    def _say(self, voice: MeloTts, speaker: int, text: str, speed: float) -> Samples:
        with self._steps.get_inference_context():
            return _say(voice, speaker, text, speed)


def _say(voice: MeloTts, speaker: int, text: str, speed: float) -> Samples:
    try:
        sound = voice.tts_to_file(text, speaker, None, speed=speed, quiet=True)
    except _FAILURES as error:
        raise InferenceError(f"the melo package cannot say {text[:40]!r}: {error}") from error
    samples: Samples = np.asarray(sound, np.float32).reshape(-1)
    if not np.isfinite(samples).all():
        raise InferenceError(f"the melo package gave samples that are no numbers for {text[:40]!r}")
    return samples


def _speaker(known: dict[str, int], wanted: str | None, language: SpokenLanguage) -> int:
    if wanted is None or (wanted not in known and language != "en"):
        return next(iter(known.values()))
    if wanted not in known:
        raise ConfigError(f"tts.speaker: the melo package has no {wanted!r}; it has {', '.join(sorted(known))}")
    return known[wanted]


def _import_package() -> Any:
    try:
        return import_module("melo.api")
    except ImportError as error:
        raise MissingDependencyError(
            "tts.engine: melotts needs the package melo (MeloTTS) installed by hand; "
            "`tts.engine: melo` speaks the same voices without it"
        ) from error


def _open_voice(package: Any, code: str, device: str) -> MeloTts:
    try:
        return cast(MeloTts, package.TTS(language=code, device=device))
    except _FAILURES as error:
        raise ModelLoadError(f"the melo package cannot load its voice {code}: {error}") from error
