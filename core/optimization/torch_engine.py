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

from collections.abc import Callable
from typing import Any

from core.optimization.compiled_model import OptimizedModelWrapper
from core.optimization.inference_context import InferenceContext
from core.optimization.plan import StagePlan
from core.optimization.torch_optimizer import TorchOptimizer, get_performance_optimizer


class StageSteps:
    """The steps as one stage takes them: with its share of the plan in the context. For engines below this package.

    The optimizer is asked for when it is needed first: an engine that runs without torch never does.
    """

    def __init__(
        self, stage: StagePlan | None, optimizer: Callable[[], TorchOptimizer] = get_performance_optimizer
    ) -> None:
        self._stage = stage
        self._optimizer = optimizer

    def initialize(self) -> Any:
        """As TorchOptimizer's."""
        return self._optimizer().initialize()

    def compile_model(self, model: Any, model_name: str, warmup_input: Any = None, /) -> Any:
        """As TorchOptimizer's where optimization.compile is true; else eager.

        Utterances and sentences differ in length, and each new one would be compiled in the middle of a turn.
        """
        optimizer = self._optimizer()
        if optimizer.settings.compile == "auto":
            return OptimizedModelWrapper(model, model_name, None, "each length of its input would be compiled anew")
        return optimizer.compile_model(model, model_name, warmup_input)

    def warmup_model(self, model: Any, warmup_input: Any, /) -> float:
        """As TorchOptimizer's."""
        return self._optimizer().warmup_model(model, warmup_input)

    def get_inference_context(self) -> InferenceContext:
        """With the stage's threads and precision."""
        return self._optimizer().get_inference_context(self._stage)
