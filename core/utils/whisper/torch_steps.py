"""The steps that an engine over torch asks of whoever owns the machine: device, compile, warm up, infer in the context.

core.optimization's TorchOptimizer offers them, and the stage hands it in; `PlainTorch` does for Whisper used by itself.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol


class TorchSteps(Protocol):
    """What is asked of core.optimization.torch_optimizer.TorchOptimizer."""

    def initialize(self) -> Any:
        """The torch.device to use."""
        ...

    def compile_model(self, model: Any, model_name: str, warmup_input: Any = None, /) -> Any:
        """The model, behind torch.compile where that pays."""
        ...

    def warmup_model(self, model: Any, warmup_input: Any, /) -> float:
        """Run it before anybody waits; seconds."""
        ...

    def get_inference_context(self) -> AbstractContextManager[Any]:
        """Within it is computed."""
        ...


class PlainTorch:
    """The best device that torch sees, nothing compiled, and so many threads; 0 leaves them alone."""

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads

    def initialize(self) -> Any:
        """The device."""
        import torch

        if self._threads > 0:
            torch.set_num_threads(self._threads)
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)

    def compile_model(self, model: Any, model_name: str, warmup_input: Any = None, /) -> Any:
        """The model as it is."""
        return model

    def warmup_model(self, model: Any, warmup_input: Any, /) -> float:
        """Not run: the first call is the first."""
        return 0.0

    def get_inference_context(self) -> AbstractContextManager[Any]:
        """No gradients."""
        import torch

        return torch.inference_mode()
