"""A Whisper backend without an engine: it says what it was given, and may have no room on its GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from core.utils.errors import GpuBusyError
from core.utils.whisper.backend import LoadRequest, WindowRequest
from core.utils.whisper.options import TranscribeOptions
from core.utils.whisper.results import Decoded, DetectedLanguage, Segment, TranscriptionInfo

HELLO = Decoded("Hello.", (1, 2, 3), -0.2, 0.01, "en", 1.0)


def segment(number: int) -> Segment:
    return Segment(number, 0, number, number + 1.0, f" part {number}", (number,), -0.2, 1.0, 0.0, None, 0.0)


class FakeBackend:
    """Gives `answers` in turn; `room` is how many more pieces of work its GPU holds."""

    def __init__(self, answers: Sequence[Decoded] = (HELLO,), device: str = "cpu", room: int = 1000) -> None:
        self.name = "fake"
        self.device = device
        self.compute_type = "float32"
        self.languages = ("en", "fr", "de")
        self.windows: list[WindowRequest] = []
        self.asked: list[TranscribeOptions] = []
        self._answers = iter(answers)
        self._room = room

    def transcribe(
        self, samples: np.ndarray, options: TranscribeOptions
    ) -> tuple[Iterator[Segment], TranscriptionInfo]:
        self.asked.append(options)
        return self._segments(), TranscriptionInfo(options.language or "fr", 1.0, len(samples) / 16_000, None)

    def detect_language(self, samples: np.ndarray) -> DetectedLanguage:
        self._take()
        return DetectedLanguage("fr", 0.9, (("fr", 0.9), ("en", 0.1)))

    def decode_window(self, samples: np.ndarray, request: WindowRequest) -> Decoded:
        self._take()
        self.windows.append(request)
        return next(self._answers)

    def _segments(self) -> Iterator[Segment]:
        for number in (1, 2, 3):
            self._take()
            yield segment(number)

    def _take(self) -> None:
        if self._room == 0:
            raise GpuBusyError("fake: CUDA out of memory")
        self._room -= 1


class FakeLoader:
    """Loads `backends` in turn and keeps the requests; one that is None has no room on the GPU."""

    def __init__(
        self, backends: Sequence[FakeBackend | None] = (), name: str = "fake", missing: str | None = None
    ) -> None:
        self.name = name
        self.requests: list[LoadRequest] = []
        self._missing = missing
        self._backends = iter(backends)

    def missing(self) -> str | None:
        return self._missing

    def find(self, model: str) -> Path | None:
        return Path(model) if model == "there" else None

    def names(self) -> tuple[str, ...]:
        return ("there", "tiny", "base", "small", "large-v3")

    def load(self, path: Path, request: LoadRequest) -> FakeBackend:
        self.requests.append(request)
        backend = next(self._backends)
        if backend is None:
            raise GpuBusyError(f"{path}: CUDA out of memory")
        return backend
