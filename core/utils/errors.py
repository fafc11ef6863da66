"""Every error Merline raises on purpose, in one tree. A message says what, which value, and the cure.

MerlineError
    ConfigError                 exit 2
    DeviceError                 exit 3
        AudioDeviceError
        GpuUnavailableError
            GpuUnfitError       the GPU is there, an engine cannot work with it
        GpuBusyError
    ModelError
        MissingDependencyError  names the pip extra
        ModelLoadError
            ModelTooLargeError  names the size that fits
        InferenceError          loses one turn, never the program
            OverloadedError     more work waits for an engine than may
    OptimizationError
        QuantizationError
        ExportError
        TensorRTUnavailableError
        ThresholdsNotMetError   names the closest way and what it lacks
        MemoryLeakError         what leak_guard found
    StageCrashedError
    AudioFileError              a recording that cannot be used
    DataError                   the data folder or a file in it cannot be used
    AlreadyRunningError         a second assistant on the same data folder
"""

from __future__ import annotations


class MerlineError(Exception):
    """Base of all errors meant for the user's eyes. `exit_code` is what the program ends with."""

    exit_code = 1


class ConfigError(MerlineError):
    """A setting or a command-line value is wrong; names the dotted key, the value and the cure."""

    exit_code = 2


class DeviceError(MerlineError):
    """A piece of hardware is missing, busy or unfit."""

    exit_code = 3


class AudioDeviceError(DeviceError):
    """A microphone, a speaker or PortAudio itself cannot be used."""


class GpuUnavailableError(DeviceError):
    """The GPU that was asked for is not there."""


class GpuUnfitError(GpuUnavailableError):
    """The GPU is there and an engine cannot work with it: a library is missing, or it failed."""


class GpuBusyError(DeviceError):
    """The GPU is there and has no room."""


class ModelError(MerlineError):
    """A model or an engine cannot be had or used."""


class MissingDependencyError(ModelError):
    """A package is not installed; names the extra that brings it."""


class ModelLoadError(ModelError):
    """A model's files are absent, damaged or of an unknown layout."""


class ModelTooLargeError(ModelLoadError):
    """This machine's memory does not hold the model; names the largest one that it does hold."""


class InferenceError(ModelError):
    """An engine failed on one input: that turn is lost, the assistant goes on."""


class OverloadedError(InferenceError):
    """As much work waits for an engine as may: this piece is lost, a later one may be taken."""


class OptimizationError(MerlineError):
    """A model could not be transformed."""


class QuantizationError(OptimizationError):
    """A model could not be quantised."""


class ExportError(OptimizationError):
    """A model could not be exported."""


class TensorRTUnavailableError(OptimizationError):
    """TensorRT is not installed."""


class ThresholdsNotMetError(OptimizationError):
    """No way to optimise a model meets what was asked; `closest` names the one nearest, `missing` what it lacks."""

    def __init__(self, message: str, closest: str, missing: dict[str, str]) -> None:
        super().__init__(message)
        self.closest, self.missing = closest, missing


class MemoryLeakError(OptimizationError):
    """Memory kept growing while the same work was repeated."""


class StageCrashedError(MerlineError):
    """A stage of the pipeline failed beyond one turn; the original error is its cause."""


class AudioFileError(MerlineError):
    """A recording is missing, empty, damaged, too long or not audio."""


class DataError(MerlineError):
    """The data folder is read-only or full, or a file in it is damaged or from a newer version."""


class AlreadyRunningError(MerlineError):
    """Another Merline is talking with the same data folder."""
