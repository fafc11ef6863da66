"""One Whisper over two engines: `WhisperModel` has faster-whisper's interface and runs on it or on openai-whisper.

On the same weights in float32 both say the same. `transcribe_short` is the quick way for one utterance. It downloads
nothing.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, Unpack

from numpy.typing import NDArray

from core.utils.errors import GpuBusyError, GpuUnfitError, ModelError
from core.utils.whisper.audio import SAMPLE_RATE_HZ, Samples, check_samples, load_recording
from core.utils.whisper.backend import Backend, BackendLoader, LoadRequest, StreamOptions, WindowRequest
from core.utils.whisper.choice import Choice, choose, known_loaders
from core.utils.whisper.guard import GuardLimits
from core.utils.whisper.languages import LanguageRule
from core.utils.whisper.options import MoreOptions, TranscribeOptions
from core.utils.whisper.results import DetectedLanguage, Piece, Segment, ShortTranscript, TranscriptionInfo, Word
from core.utils.whisper.short_context import (
    MAX_TOKENS,
    ShortContext,
    token_limit,
    transcribe_window,
    window_frames,
)
from core.utils.whisper.torch_steps import TorchSteps
from core.utils.whisper.unserved import DETECT, MODEL, TRANSCRIBE, refuse_unserved

__all__ = [
    "DetectedLanguage",
    "GuardLimits",
    "LanguageRule",
    "Piece",
    "Segment",
    "ShortContext",
    "ShortTranscript",
    "StreamOptions",
    "TranscriptionInfo",
    "WhisperModel",
    "Word",
]

logger = logging.getLogger(__name__)

CardError = (GpuBusyError, GpuUnfitError)
"""what the CPU is the way out of"""
_CPU_TYPE = "int8"
"""as planned for a CPU; a backend without it takes float32"""
LONGEST_SHORT_S = 30.0
Audio = NDArray[Any] | str | PathLike[str]
_T = TypeVar("_T")
_OPTIONS = frozenset(MoreOptions.__annotations__)
_MODEL_ARGUMENTS = ("model_size_or_path", "device", "compute_type", "cpu_threads", "backend", "loaders", "optimizer")


class WhisperModel:
    """Whisper. `.backend` says which engine runs it and `.backend_reason` why; both work as said in `.device`.

    `model_size_or_path`: a size whose files are on this computer, a CTranslate2 folder, or an openai-whisper .pt file.
    `device`: auto, cpu, cuda, mps. `compute_type`: default, float32, float16, bfloat16, int8. `backend`: auto,
    faster-whisper, openai-whisper. A GPU without room for the model, when loading or later, is left for the CPU, with
    a warning; so is one whose libraries a backend does not find, where no other backend can use it. `optimizer`
    prepares what runs on torch; `loaders` is for tests. faster-whisper's other arguments are taken with values that
    change nothing. Raises MissingDependencyError, ModelLoadError, GpuUnavailableError, ConfigError, ValueError.
    """

    def __init__(
        self,
        model_size_or_path: str | PathLike[str],
        device: str = "auto",
        compute_type: str = "default",
        cpu_threads: int = 0,
        backend: str = "auto",
        loaders: Sequence[BackendLoader] | None = None,
        optimizer: TorchSteps | None = None,
        **others: Any,
    ) -> None:
        refuse_unserved(others, MODEL, _MODEL_ARGUMENTS)
        self._request = LoadRequest(str(model_size_or_path), device, compute_type, cpu_threads, optimizer)
        self._loaders = known_loaders() if loaders is None else tuple(loaders)
        self._wish = backend
        self._choice: Choice = choose(self._loaders, backend, self._request.model, device)
        self._backend = self._load()
        logger.info("Whisper %s on %s, %s: %s", self._request.model, self.device, self.backend, self.backend_reason)

    @property
    def backend(self) -> str:
        """faster-whisper or openai-whisper."""
        return self._backend.name

    @property
    def backend_reason(self) -> str:
        """Why that one, in plain words."""
        return self._choice.reason

    @property
    def device(self) -> str:
        """cpu, cuda or mps: where it runs now."""
        return self._backend.device

    @property
    def compute_type(self) -> str:
        """What it computes in."""
        return self._backend.compute_type

    @property
    def supported_languages(self) -> list[str]:
        """Whisper's codes; only en for an English model."""
        return list(self._backend.languages)

    def transcribe(
        self, audio: Audio, language: str | None = None, **options: Unpack[MoreOptions]
    ) -> tuple[Iterator[Segment], TranscriptionInfo]:
        """Segments, decoded as they are asked for, and what is known before.

        `audio`: [n] float32 in -1..1 or int16 at 16 kHz, or a recording's path. `options`: see TranscribeOptions;
        faster-whisper's others are taken with values that change nothing. Raises AudioFileError for a recording,
        ValueError for an array or an option, TypeError for the name of no option, InferenceError.
        """
        refuse_unserved({name: value for name, value in options.items() if name not in _OPTIONS}, TRANSCRIBE, _OPTIONS)
        samples = _samples(audio)
        served: Any = {name: value for name, value in options.items() if name in _OPTIONS}
        wanted = TranscribeOptions(self._known(language), **served)
        segments, info = self._with_room(lambda backend: backend.transcribe(samples, wanted))
        return self._segments(segments, samples, replace(wanted, language=info.language)), info

    def detect_language(self, audio: Audio, **others: Any) -> DetectedLanguage:
        """The likeliest language of the first 30 s. Errors, and `others`, as of `transcribe`."""
        refuse_unserved(others, DETECT, ("audio",))
        samples = _samples(audio)
        return self._with_room(lambda backend: backend.detect_language(samples))

    def transcribe_short(
        self,
        audio: Audio,
        language: str | None = None,
        max_new_tokens: int | None = None,
        context: ShortContext | None = None,
        stream: StreamOptions | None = None,
    ) -> ShortTranscript:
        """One utterance of at most 30 s at temperature 0: see core.utils.whisper.short_context.

        `max_new_tokens`: by the sound's length unless given, 1 to 224. `context`: how much the encoder hears beside
        the utterance, and what the guard takes for spoilt. `stream`: for a sound that grows. Errors as of `transcribe`.
        """
        context, stream = context or ShortContext(), stream or StreamOptions()
        samples = _samples(audio)
        if len(samples) > LONGEST_SHORT_S * SAMPLE_RATE_HZ:
            seconds = len(samples) / SAMPLE_RATE_HZ
            raise ValueError(
                f"the utterance lasts {seconds:.1f} s: at most {LONGEST_SHORT_S:.0f} s, else use transcribe()"
            )
        limit = token_limit(len(samples)) if max_new_tokens is None else max_new_tokens
        if not 1 <= limit <= MAX_TOKENS:
            raise ValueError(f"max_new_tokens={limit}: from 1 to {MAX_TOKENS}")
        if len(stream.prefix) >= MAX_TOKENS:
            raise ValueError(f"a prefix of {len(stream.prefix)} tokens: at most {MAX_TOKENS - 1}")
        limit = min(limit, MAX_TOKENS - len(stream.prefix))
        request = WindowRequest(
            window_frames(len(samples), context),
            limit,
            self._known(language),
            stream=stream,
            silence_behind=context.silence_behind,
        )
        return self._with_room(lambda backend: transcribe_window(backend, samples, request, context))

    def likelihoods(self, audio: Audio, language: str, texts: Sequence[str]) -> tuple[float, ...]:
        """The log-probability of each text as what is said, 30 s at most, in a language. Errors as of `transcribe`."""
        samples = _samples(audio)
        request = WindowRequest(window_frames(len(samples), ShortContext()), 1, self._known(language))
        return self._with_room(lambda backend: backend.likelihoods(samples, request, texts))

    def _load(self) -> Backend:
        """On the device that is asked for, else by the other backend there, else on the CPU."""
        try:
            return self._choice.loader.load(self._choice.path, self._request)
        except GpuBusyError as error:
            if self._request.device == "cpu":
                raise
            return self._load_on_cpu(error)
        except GpuUnfitError as error:
            return self._load_elsewhere(error)

    def _load_elsewhere(self, error: GpuUnfitError) -> Backend:
        """By another backend, if one was not asked for by name and has the model in its format; else on the CPU."""
        others = [loader for loader in self._loaders if loader.name != self._choice.loader.name]
        if self._wish == "auto" and others:
            try:
                choice = choose(others, "auto", self._request.model, self._request.device)
                backend = choice.loader.load(choice.path, self._request)
            except (ModelError, *CardError) as another:
                logger.debug("no other backend on this GPU: %s", another)
            else:
                logger.warning("%s; %s runs Whisper on the GPU instead", error, choice.loader.name)
                self._choice = replace(choice, reason=str(error))
                return backend
        return self._load_on_cpu(error)

    def _load_on_cpu(self, error: GpuBusyError | GpuUnfitError) -> Backend:
        logger.warning("%s; Whisper runs on the CPU from now on", error)
        self._request = replace(self._request, device="cpu", compute_type=_CPU_TYPE)
        return self._choice.loader.load(self._choice.path, self._request)

    def _with_room(self, work: Callable[[Backend], _T]) -> _T:
        try:
            return work(self._backend)
        except CardError as error:
            if self._backend.device == "cpu":
                raise
            self._backend = self._load_on_cpu(error)
        return work(self._backend)

    def _segments(self, segments: Iterator[Segment], samples: Samples, options: TranscribeOptions) -> Iterator[Segment]:
        """The segments; begun anew on the CPU when the GPU has no room for the first."""
        given = 0
        try:
            for segment in segments:
                given += 1
                yield segment
            return
        except CardError as error:
            if self._backend.device == "cpu":
                raise
            self._backend = self._load_on_cpu(error)
        again, _ = self._backend.transcribe(samples, options)
        for segment in again:
            if segment.id > given:
                yield segment

    def _known(self, language: str | None) -> str | None:
        if language is None or language in self._backend.languages:
            return language
        near = difflib.get_close_matches(language, self._backend.languages, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "give its two-letter code, or None to detect it"
        raise ValueError(f"language={language!r}: this model knows no such language; {hint}")


def _samples(audio: Audio) -> Samples:
    return load_recording(Path(audio)) if isinstance(audio, str | PathLike) else check_samples(audio)
