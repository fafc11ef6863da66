"""The three steps of every engine that runs a torch model; a test walks all engines and fails on one without them.

def load(self, optimizer):
    self._device = optimizer.initialize()                                           # 1. the device
    model = build().to(self._device).eval()
    self._model = optimizer.compile_model(model, "whisper encoder", example)        # 2. compile and warm up
    optimizer.warmup_model(self._model, example)

def infer(self, samples):
    with self._optimizer.get_inference_context(self._plan):                         # 3. infer inside the context
        return self._model(samples)
"""

from __future__ import annotations

from typing import Any, Protocol

from core.optimization.torch_optimizer import TorchOptimizer


class TorchEngine(Protocol):
    """An engine with a torch model in it."""

    def load(self, optimizer: TorchOptimizer) -> None:
        """Take the device, build the model there, compile it and warm it up. Raises ModelLoadError."""
        ...

    def infer(self, *inputs: Any) -> Any:
        """One call inside `optimizer.get_inference_context()`. Raises InferenceError."""
        ...
