"""The ways to a smaller model that need training data: channels removed step by step, and training under rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from core.optimization.toolbox.distillation import DistillationConfig, Distiller
from core.optimization.toolbox.pruning import StepwiseConfig, prune_stepwise
from core.optimization.toolbox.quality import judge, outputs_of
from core.optimization.toolbox.quantization import working_copy
from core.optimization.toolbox.quantization_config import QuantizationType
from core.optimization.toolbox.registry import Subject
from core.optimization.toolbox.strategies import TRAINING_EPOCHS, Strategy, Workbench, quantized
from core.optimization.toolbox.structured_pruning import StructuredPruner
from core.utils.errors import OptimizationError

STEP, MOST = 0.2, 0.6
"""shares of the channels: each step is a training"""


@dataclass(frozen=True, slots=True)
class TrainedWays:
    """Of one subject. `most_loss`: of accuracy on its test data, at which pruning stops, 0..1."""

    subject: Subject
    most_loss: float
    progress: Callable[[str], None]

    def strategies(self) -> list[Strategy]:
        """Pruning, the same in static int8, and quantisation-aware training. Pruning is done once."""
        done: list[nn.Module] = []

        def pruned(subject: Subject, bench: Workbench) -> nn.Module:
            if not done:
                done.append(self.prune())
            return done[0]

        def pruned_static(subject: Subject, bench: Workbench) -> nn.Module:
            return quantized(QuantizationType.STATIC, replace(subject, model=pruned(subject, bench)), bench)

        return [
            Strategy("pruned", pruned, on_card=True, trains=True),
            Strategy("pruned+static", pruned_static, trains=True),
            Strategy("qat", partial(quantized, QuantizationType.QAT), trains=True),
        ]

    def prune(self) -> nn.Module:
        """The model with the most channels removed at which accuracy holds, trained on by what the original says.

        Raises OptimizationError where the first step costs too much, or nothing can go.
        """
        subject = self.subject
        original = working_copy(subject.model)
        exact = outputs_of(original, subject.test)

        def accuracy(model: nn.Module) -> float:
            found = judge(outputs_of(model, subject.test), exact, subject.test).accuracy
            self.progress(f"accuracy {found:.4g}")
            return found

        def remove(model: nn.Module, ratio: float) -> nn.Module:
            self.progress(f"removing {ratio:.0%} of the channels, and training")
            return StructuredPruner().prune(model, ratio, subject.test[0].inputs).model

        def train(model: nn.Module) -> nn.Module:
            config = DistillationConfig(epochs=TRAINING_EPOCHS)
            return Distiller(config).distil(original, model, list(subject.training)).model.eval()

        config = StepwiseConfig(step=STEP, most=MOST, most_loss=self.most_loss)
        model, steps = prune_stepwise(original, accuracy, config, remove, train)
        if not any(step.kept for step in steps):
            raise OptimizationError(
                f"without {STEP:.0%} of its channels its accuracy is {steps[0].accuracy:.4g}: less than is allowed"
            )
        return model
