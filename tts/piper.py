"""Piper voices as a speech engine, through the package piper-tts: speakable text to sound, a unit at a time.

A voice is two files, NAME.onnx and NAME.onnx.json, named by `tts.voice`; one a language. The package is loaded when the
engine is, brings its own espeak-ng, and fetches nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast, get_args

import numpy as np

from core.messages import Samples
from core.utils.config import TtsConfig
from core.utils.errors import ConfigError, InferenceError, MissingDependencyError, ModelLoadError
from tts.clauses import pause_after_ms
from tts.engine import SpeechPiece, SpokenLanguage
from tts.loudness import MEASURED, gain_for
from tts.whole_units import speak_units

EXTRA = "piper"
SUFFIX = ".onnx"


class PiperVoice(Protocol):
    """What is used of the package's class of this name."""

    config: Any

    def synthesize(self, text: str, syn_config: Any = None) -> Iterable[Any]:
        """A chunk a sentence, with `audio_float_array` and `sample_rate`."""
        ...


@dataclass(frozen=True, slots=True)
class _Loaded:
    voice: PiperVoice
    speaker: int | None
    gain: float


class PiperEngine:
    """Implements `tts.engine.SpeechEngine`. `open_voice` stands for the package's PiperVoice.load unless given."""

    name = "piper"

    def __init__(self, config: TtsConfig, open_voice: Callable[[Path], PiperVoice] | None = None) -> None:
        self._config = config
        self._open = open_voice or _open_voice
        self._voices: dict[SpokenLanguage, _Loaded] = {}
        self._rate_hz = 0
        self._closed = threading.Event()

    @property
    def sample_rate_hz(self) -> int:
        if not self._rate_hz:
            raise InferenceError("Piper is not loaded; call load() first")
        return self._rate_hz

    @property
    def languages(self) -> tuple[SpokenLanguage, ...]:
        return tuple(self._voices)

    def pause_ms(self, text: str) -> int:
        """By the text's last punctuation mark: a voice's own silence is cut off."""
        return pause_after_ms(text)

    def load(self) -> None:
        """Open all voices; the first one's rate is the engine's.

        Raises ConfigError without a voice, MissingDependencyError, or ModelLoadError for files that are no voice.
        """
        self._voices, self._rate_hz = {}, 0
        opened = [(path, self._open(path)) for path in voice_files(self._config.voice)]
        _check_speaker(self._config.speaker, [voice for _, voice in opened])
        for path, voice in opened:
            language = _language_of(voice, path)
            rate = int(voice.config.sample_rate)
            self._rate_hz = self._rate_hz or rate
            if rate != self._rate_hz:
                raise ModelLoadError(
                    f"{path}: {rate} Hz, where the first voice has {self._rate_hz}: take voices of one quality"
                )
            if language not in self._voices:
                speaker = _speakers(voice).get(self._config.speaker or "")
                sound = self._say(_Loaded(voice, speaker, 1.0), MEASURED[language], 1.0)
                self._voices[language] = _Loaded(voice, speaker, gain_for(sound, rate))
        self._closed.clear()

    def synthesize(self, text: str, language: SpokenLanguage, rate_factor: float) -> Iterator[SpeechPiece]:
        """Sound of `text` at `rate_factor` times the configured speed. Raises InferenceError."""
        if language not in self._voices:
            raise InferenceError(f"Piper: no voice for {language!r}; has {', '.join(self._voices) or 'none'}")
        loaded = self._voices[language]
        speed = self._config.speed * rate_factor
        return speak_units(
            text,
            lambda unit: self._say(loaded, unit, speed),
            self.sample_rate_hz,
            loaded.gain,
            self._closed.is_set,
        )

    def close(self) -> None:
        """Stop after the unit under way, from any thread, and give the voices back."""
        self._closed.set()
        self._voices = {}

    def _say(self, loaded: _Loaded, text: str, speed: float) -> Samples:
        settings = _settings(loaded.speaker, float(loaded.voice.config.length_scale) / speed)
        plain = text.replace("[[", " ").replace("]]", " ")  # which would be read as phonemes
        try:
            chunks = [chunk.audio_float_array for chunk in loaded.voice.synthesize(plain, syn_config=settings)]
        except _native_errors() as error:
            raise InferenceError(f"the Piper voice failed on {text[:40]!r}: {error}") from error
        samples: Samples = np.concatenate([np.zeros(0, np.float32), *chunks]).astype(np.float32)
        if not np.isfinite(samples).all():
            raise InferenceError(f"the Piper voice gave samples that are no numbers for {text[:40]!r}")
        return samples


def voice_files(wanted: str | tuple[str, ...] | None) -> list[Path]:
    """The models that `tts.voice` names: files, or folders with one in each. Raises ConfigError."""
    names = (wanted,) if isinstance(wanted, str) else wanted or ()
    if not names:
        raise ConfigError(f"tts.voice: name the {SUFFIX} file of a Piper voice, or a folder that holds one")
    paths = []
    for name in names:
        path = Path(name).expanduser()
        found = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path] if path.suffix == SUFFIX else []
        if len(found) != 1 or not found[0].is_file():
            raise ConfigError(f"tts.voice: {name!r} is no {SUFFIX} file, nor a folder with exactly one")
        paths.append(found[0])
    return paths


def _open_voice(path: Path) -> PiperVoice:
    try:
        piper = import_module("piper")
    except ImportError as error:
        raise MissingDependencyError(
            f"Piper voices need the package piper-tts; install the extra '{EXTRA}': "
            f"`MERLINE_EXTRAS={EXTRA} python3 main.py`"
        ) from error
    settings = path.with_name(f"{path.name}.json")
    damaged: tuple[type[Exception], ...] = (OSError, RuntimeError, ValueError, KeyError, TypeError, *_native_errors())
    try:
        return cast(PiperVoice, piper.PiperVoice.load(path, settings))
    except damaged as error:
        raise ModelLoadError(
            f"{path} with {settings.name} is no Piper voice ({error}); take both files from its publisher"
        ) from error


def _native_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises, which are no errors of Python's own kinds; none without it."""
    try:
        native = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    except ImportError:
        return ()
    return tuple(kind for kind in vars(native).values() if isinstance(kind, type) and issubclass(kind, Exception))


def _settings(speaker: int | None, length_scale: float) -> Any:
    """The package's options for one text; without the package, as a given voice may be, plain attributes.

    The package's own loudness, which brings every text to the same peak and so to other levels, is off.
    """
    try:
        return import_module("piper").SynthesisConfig(
            speaker_id=speaker, length_scale=length_scale, normalize_audio=False
        )
    except ImportError:
        from types import SimpleNamespace

        return SimpleNamespace(speaker_id=speaker, length_scale=length_scale)


def _language_of(voice: PiperVoice, path: Path) -> SpokenLanguage:
    code = str(voice.config.espeak_voice).lower()
    family = {"cmn": "zh", "yue": "zh"}.get(code[:3], code[:2])
    if family not in get_args(SpokenLanguage):
        raise ModelLoadError(f"{path}: its language, {code!r}, is none of {', '.join(get_args(SpokenLanguage))}")
    return cast(SpokenLanguage, family)


def _speakers(voice: PiperVoice) -> dict[str, int]:
    return dict(voice.config.speaker_id_map or {})


def _check_speaker(wanted: str | None, voices: list[PiperVoice]) -> None:
    """One of the voices has to have it; the others keep their own. Raises ModelLoadError naming those there are."""
    known = sorted({name for voice in voices for name in _speakers(voice)})
    if wanted is not None and wanted not in known:
        there = f"there are {', '.join(known)}" if known else "each of its voices has one alone; leave tts.speaker out"
        raise ModelLoadError(f"Piper: no speaker {wanted!r}; {there}")
