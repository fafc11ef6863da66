"""What a Whisper backend offers, and what it is asked with. No engine is imported here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.utils.whisper.audio import Samples
from core.utils.whisper.languages import LanguageRule
from core.utils.whisper.options import Task, TranscribeOptions
from core.utils.whisper.results import Decoded, DetectedLanguage, Segment, TranscriptionInfo
from core.utils.whisper.torch_steps import TorchSteps


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """A model and where to run it."""

    model: str
    """a size or a path, as the caller gave it"""
    device: str = "auto"
    """auto, cpu, cuda, mps"""
    compute_type: str = "default"
    """default, float32, float16, bfloat16, int8; what a backend cannot do it replaces by the next larger and says so"""
    threads: int = 0
    """on a CPU; 0 leaves it to the backend"""
    optimizer: TorchSteps | None = None
    """who decides device, compiling and warm-up where a backend runs on torch; None: the backend itself"""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What one asks in addition who decodes a sound again and again while it grows."""

    prefix: tuple[int, ...] = ()
    """tokens that the text begins with: they are heard as said, and only what follows is generated"""
    rule: LanguageRule | None = None
    """between which languages to choose where none is named; None: all"""
    timed: bool = False
    """whether the pieces need their times, for one more pass of the decoder"""
    may_fall_back: bool = True
    """whether a suspicious text is worth the full window"""
    judged: bool = False
    """whether to say how likely the sentence ends behind the last word"""
    draft: tuple[int, ...] = ()
    """tokens that probably follow the prefix: an engine may check them all in one step. The text is as without them"""


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """One greedy pass over one window, at temperature 0, without timestamps."""

    frames: int
    """of 10 ms that the encoder is given: even, 2 to 3000; longer sound is cut, shorter is padded"""
    max_new_tokens: int
    """after the prefix"""
    language: str | None = None
    task: Task = "transcribe"
    stream: StreamOptions = StreamOptions()
    silence_behind: bool = True
    """whether the decoder finds silence behind a short window, up to thirty seconds (silence.py)"""


class Backend(Protocol):
    """A loaded model. Samples are float32 mono [n] at 16 kHz in -1..1, already checked.

    Errors: InferenceError; GpuBusyError where a GPU's memory did not suffice.
    """

    name: str
    device: str
    compute_type: str
    languages: tuple[str, ...]

    def transcribe(
        self, samples: Samples, options: TranscribeOptions
    ) -> tuple[Iterator[Segment], TranscriptionInfo]: ...

    def detect_language(self, samples: Samples) -> DetectedLanguage: ...

    def decode_window(self, samples: Samples, request: WindowRequest) -> Decoded: ...

    def likelihoods(self, samples: Samples, request: WindowRequest, texts: Sequence[str]) -> tuple[float, ...]:
        """The log-probability of each text as what is said in the window, in the request's language."""
        ...


class BackendLoader(Protocol):
    """Makes a backend of one kind."""

    name: str

    def missing(self) -> str | None:
        """Which package is not installed; None when the backend can be had."""
        ...

    def find(self, model: str) -> Path | None:
        """The files of a model that is on this machine in this backend's format. Never asks the network."""
        ...

    def names(self) -> tuple[str, ...]:
        """The sizes that this backend knows."""
        ...

    def load(self, path: Path, request: LoadRequest) -> Backend:
        """Raises ModelLoadError, GpuUnavailableError, GpuBusyError, ConfigError."""
        ...
