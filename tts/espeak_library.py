"""The espeak-ng library of the `espeakng-loader` package, bound by ctypes.

espeak-ng keeps its state in globals of the process: this module holds the one binding and the one lock, so that any
number of engines on any threads may share it. It stays loaded until the process ends.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.messages import Samples
from core.utils.errors import InferenceError, MissingDependencyError, ModelLoadError

logger = logging.getLogger(__name__)

# Constants of espeak-ng's public header, speak_lib.h, version 1.52.
_SYNCHRONOUS_OUTPUT = 2
_DO_NOT_EXIT = 0x8000
_BY_CHARACTER = 1
_UTF8_PLAIN = 1
_IPA = 2
_RATE, _PITCH = 1, 3
_WORD_EVENT = 1
_END_OF_EVENTS = 0

RATE_WPM_RANGE = (80, 450)
"""What espeak-ng accepts as its rate parameter."""


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """How a text is to be spoken."""

    name: str
    rate_wpm: int
    pitch: int
    """0..99"""


@dataclass(frozen=True, slots=True)
class InstalledVoice:
    """A voice of the installed data and every name it answers to."""

    identifier: str
    """its file, e.g. "roa/fr": the one name that selects it and no other"""
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """Where a word of the text begins in the sound."""

    sample: int
    position: int
    """of its first character in the text, from 0"""


@dataclass(frozen=True, slots=True)
class SpokenClip:
    """The sound of one short text."""

    samples: Samples
    words: tuple[SpokenWord, ...]


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class EspeakLibrary:
    """The loaded library. Get it with `shared_library()`; every method is safe from any thread."""

    def __init__(self, library_file: Path, data_folder: Path) -> None:
        self._lock = threading.Lock()
        self._voice = ""
        self._blocks: list[Samples] = []
        self._words: list[SpokenWord] = []
        self._stopped: Callable[[], bool] = lambda: False
        try:
            self._library = ctypes.CDLL(str(library_file))
        except OSError as error:
            raise ModelLoadError(
                f"espeak-ng: {library_file} does not load ({error}); "
                "reinstall it with `pip install --force-reinstall espeakng-loader`"
            ) from error
        self._declare()
        self.sample_rate_hz = self._initialise(data_folder)
        self._variants_folder = data_folder / "voices" / "!v"
        self._callback = _SynthCallback(self._receive)  # kept: the library holds only its address
        self._library.espeak_SetSynthCallback(self._callback)

    def voices(self) -> tuple[InstalledVoice, ...]:
        """The voices of the installed data, each with its languages ("fr", "fr-fr"), file ("roa/fr") and name."""
        found = []
        with self._lock:
            voices = self._library.espeak_ListVoices(None)
            index = 0
            while voices[index]:
                found.append(_describe(voices[index].contents))
                index += 1
        return tuple(found)

    def variants(self) -> tuple[str, ...]:
        """What may follow a voice's name after "+", e.g. "f3" or "whisper"."""
        if not self._variants_folder.is_dir():
            return ()
        return tuple(sorted(file.name for file in self._variants_folder.iterdir()))

    def speak(self, text: str, voice: VoiceChoice, stopped: Callable[[], bool] = lambda: False) -> SpokenClip:
        """Speak a short text, blocking until its sound is complete.

        `stopped` is asked every 60 ms of sound; once true the rest is left out. Raises InferenceError.
        """
        if threading.current_thread() is not threading.main_thread():
            return self._speak(text, voice, stopped)
        # Ctrl-C is raised on the main thread, and within the library's callback ctypes would swallow it.
        given_up = threading.Event()
        with ThreadPoolExecutor(1, "espeak-ng") as beside:
            work = beside.submit(self._speak, text, voice, lambda: given_up.is_set() or stopped())
            try:
                return work.result()
            finally:
                given_up.set()

    def phonemes(self, text: str, voice: VoiceChoice) -> str:
        """What the text sounds like, in IPA with stress and length marks. Raises InferenceError."""
        encoded = ctypes.create_string_buffer(text.replace("\0", " ").encode("utf-8", "replace"))
        place = ctypes.c_void_p(ctypes.addressof(encoded))
        clauses = []
        with self._lock:
            self._select(voice)
            while place.value:  # the library moves it behind each clause, and at the end to nothing
                clauses.append(self._library.espeak_TextToPhonemes(ctypes.byref(place), _UTF8_PLAIN, _IPA) or b"")
        return b" ".join(clauses).decode("utf-8", "replace")

    def _speak(self, text: str, voice: VoiceChoice, stopped: Callable[[], bool]) -> SpokenClip:
        encoded = text.replace("\0", " ").encode("utf-8", "replace") + b"\0"
        with self._lock:
            self._select(voice)
            self._blocks, self._words, self._stopped = [], [], stopped
            try:
                status = self._library.espeak_Synth(encoded, len(encoded), 0, _BY_CHARACTER, 0, _UTF8_PLAIN, None, None)
                blocks, words = self._blocks, tuple(self._words)
            finally:
                self._blocks, self._words, self._stopped = [], [], lambda: False
        if status != 0:
            raise InferenceError(f"espeak-ng: speaking {text[:60]!r} failed with code {status}; say it differently")
        samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
        return SpokenClip(samples, words)

    def _declare(self) -> None:
        library, c_int, c_text = self._library, ctypes.c_int, ctypes.c_char_p
        library.espeak_Initialize.argtypes = (c_int, c_int, c_text, c_int)
        library.espeak_SetVoiceByName.argtypes = (c_text,)
        library.espeak_SetParameter.argtypes = (c_int, c_int, c_int)
        library.espeak_ListVoices.argtypes = (ctypes.c_void_p,)
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        library.espeak_TextToPhonemes.argtypes = (ctypes.POINTER(ctypes.c_void_p), c_int, c_int)
        library.espeak_TextToPhonemes.restype = c_text
        library.espeak_Synth.argtypes = (
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        )

    def _initialise(self, data_folder: Path) -> int:
        # espeak-ng silently looks elsewhere, for data of another version, when the folder is not what it expects.
        if not (data_folder / "phontab").is_file():
            raise ModelLoadError(
                f"espeak-ng: {data_folder} holds no voice data; "
                "reinstall it with `pip install --force-reinstall espeakng-loader`"
            )
        rate_hz = self._library.espeak_Initialize(_SYNCHRONOUS_OUTPUT, 0, os.fsencode(data_folder), _DO_NOT_EXIT)
        if rate_hz <= 0:
            raise ModelLoadError(
                f"espeak-ng: its voice data in {data_folder} cannot be used (code {rate_hz}); "
                "reinstall espeakng-loader, or move the environment to a shorter path"
            )
        return int(rate_hz)

    def _select(self, voice: VoiceChoice) -> None:
        if voice.name != self._voice:
            status = self._library.espeak_SetVoiceByName(voice.name.encode())
            if status != 0:
                self._voice = ""
                raise InferenceError(f"espeak-ng: has no voice {voice.name!r} (code {status}); set another")
            self._voice = voice.name
        low, high = RATE_WPM_RANGE
        self._library.espeak_SetParameter(_RATE, min(max(voice.rate_wpm, low), high), 0)
        self._library.espeak_SetParameter(_PITCH, voice.pitch, 0)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            # as_array would make a ctypes type for each new count, and ctypes keeps them
            block = np.frombuffer(ctypes.string_at(samples, 2 * count), np.int16).astype(np.float32)
            block /= 32768.0
            self._blocks.append(block)
        index = 0
        while events[index].type != _END_OF_EVENTS:
            event = events[index]
            if event.type == _WORD_EVENT:
                self._words.append(SpokenWord(event.sample, event.text_position - 1))
            index += 1
        return int(self._stopped())


def _describe(voice: _Voice) -> InstalledVoice:
    # `languages` is a run of (priority byte, zero-ended name), closed by a zero priority.
    names = []
    address = voice.languages
    while address and ctypes.string_at(address, 1) != b"\0":
        language = ctypes.string_at(address + 1)
        names.append(language.decode("utf-8", "replace"))
        address += len(language) + 2
    identifier, name = ((text or b"").decode("utf-8", "replace") for text in (voice.identifier, voice.name))
    return InstalledVoice(identifier, tuple(dict.fromkeys((*names, identifier.replace(os.sep, "/"), name))))


_shared: EspeakLibrary | None = None
_shared_lock = threading.Lock()


def shared_library() -> EspeakLibrary:
    """The process's one library, loaded on the first call. Raises MissingDependencyError or ModelLoadError."""
    global _shared
    with _shared_lock:
        if _shared is None:
            try:
                import espeakng_loader
            except ImportError as error:
                raise MissingDependencyError(
                    "espeak-ng: the package espeakng-loader is not installed; run `pip install espeakng-loader`"
                ) from error
            try:
                data_folder = Path(espeakng_loader.get_data_path())
            except RuntimeError as error:
                raise ModelLoadError(
                    f"espeak-ng: {error}; reinstall it with `pip install --force-reinstall espeakng-loader`"
                ) from error
            _shared = EspeakLibrary(Path(espeakng_loader.get_library_path()), data_folder)
        return _shared
