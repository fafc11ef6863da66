"""Smart Turn: a small network that hears, from the sound alone, whether somebody has finished speaking.

The published ONNX model (pipecat-ai/smart-turn-v3, BSD 2-Clause), run by onnxruntime on one thread. Its input is
Whisper's log-mel spectrogram of the last 8 s, [1, 80, 800]; its output a probability.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.errors import InferenceError, MissingDependencyError, ModelLoadError
from core.utils.whisper.mel import FFT, HOP_SAMPLES, log_bands

logger = logging.getLogger(__name__)

NAME = "smart-turn"
WINDOW_S = 8
_BANDS = 80
_HIGHEST_HZ = 8000.0


class SmartTurn:
    """`probability(samples)` that the turn is over. Raises MissingDependencyError and ModelLoadError when made."""

    def __init__(self, folder: Path) -> None:
        try:
            import onnxruntime
            from onnxruntime.capi import onnxruntime_pybind11_state as native
        except ImportError:
            raise MissingDependencyError(
                "onnxruntime: is not installed, and Smart Turn needs it; .venv/bin/pip install 'onnxruntime>=1.20' "
                "(the extra `turn`), or set endpoint.model: off"
            ) from None
        files = sorted(folder.glob("*.onnx")) if folder.is_dir() else [folder]
        if not files:
            raise ModelLoadError(f"{folder}: holds no .onnx file; `models remove` and `models download` it")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._errors = tuple(
            kind for kind in vars(native).values() if isinstance(kind, type) and issubclass(kind, Exception)
        )
        try:
            session = onnxruntime.InferenceSession(str(files[-1]), options, providers=["CPUExecutionProvider"])
        except self._errors as error:
            raise ModelLoadError(f"{files[-1]}: is no ONNX model that can be run ({error})") from error
        inputs = [(entry.name, tuple(entry.shape[1:])) for entry in session.get_inputs()]
        if len(inputs) != 1 or inputs[0][1] != (_BANDS, WINDOW_S * 100):
            raise ModelLoadError(f"{files[-1]}: takes {inputs} and not Smart Turn's [1, {_BANDS}, {WINDOW_S * 100}]")
        self._session: Any = session
        self._input = inputs[0][0]

    def warm_up(self) -> None:
        """Judge silence once, so that the first pause is judged as fast as any. Raises InferenceError."""
        self.probability(np.zeros(SAMPLE_RATE_HZ, np.float32))

    def close(self) -> None:
        """Give the network back."""
        self._session = None

    def probability(self, samples: Samples) -> float:
        """0..1 that whoever spoke these [n] samples at 16 kHz has finished. Raises InferenceError."""
        try:
            rating = float(self._session.run(None, {self._input: log_mel(samples)[None]})[0].reshape(-1)[0])
        except self._errors as error:
            raise InferenceError(f"Smart Turn failed on {len(samples)} samples: {error}") from error
        if not 0.0 <= rating <= 1.0:
            raise InferenceError(f"Smart Turn answered {rating}, which is no probability")
        return rating


def log_mel(samples: Samples) -> NDArray[np.float32]:
    """[80, 800] of the last 8 s, silence before shorter sound; as Whisper's, on sound of mean 0 and variance 1."""
    size = WINDOW_S * SAMPLE_RATE_HZ
    sound = np.zeros(size, np.float64)
    taken = samples[-size:]
    sound[size - len(taken) :] = taken
    sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
    half = FFT // 2
    return log_bands(np.pad(sound, half, mode="reflect")[: size + 2 * half - HOP_SAMPLES], _filters())


@cache
def _filters() -> NDArray[np.float64]:
    """[80, 201] triangles on Slaney's mel scale (Auditory Toolbox, 1998), each of the same area."""
    corners = _hertz(np.linspace(0.0, float(_mel(_HIGHEST_HZ)), _BANDS + 2))
    bins = np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT // 2 + 1)
    low, peak, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles = np.maximum(0.0, np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak)))
    return np.asarray(triangles * 2.0 / (high - low))


def _mel(hertz: float) -> float:
    """Linear to 1 kHz, logarithmic above."""
    return hertz * 3 / 200 if hertz < 1000.0 else 15.0 + 27.0 * float(np.log(hertz / 1000.0) / np.log(6.4))


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mels < 15.0, mels * 200 / 3, 1000.0 * np.exp((mels - 15.0) * np.log(6.4) / 27.0))
