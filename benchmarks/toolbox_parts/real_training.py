"""Training at a real language model's size: distilling it, killed and stopped early, and QAT beside static."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.toolbox_parts.real_model import model, perplexity, sentences
from core.optimization.toolbox.distillation import DistillationConfig, Distiller
from core.optimization.toolbox.quantization import ModelQuantizer
from core.optimization.toolbox.quantization_config import QatConfig, QuantizationConfig

QAT_STEPS, QAT_RATE = 16, 1e-5


def qat() -> Iterator[str]:
    """Static with every layer in int8, and trained on under the rounding, on the sentences; judged by transcripts."""
    original, data = model(), sentences()
    exact = perplexity(original)
    static = ModelQuantizer(QuantizationConfig("static")).quantize(original, data)  # type: ignore[arg-type]
    yield f"static: perplexity {perplexity(static) / exact:.3f}"
    del static
    config = QuantizationConfig("qat", qat=QatConfig(QAT_STEPS, QAT_RATE))  # type: ignore[arg-type]
    trained = ModelQuantizer(config).quantize(original, data)
    yield f"qat, {QAT_STEPS} steps at {QAT_RATE:g}: perplexity {perplexity(trained) / exact:.3f}"


EARLY = {"temperature": 2.0, "epochs": 12, "learning_rate": 1e-3, "patience": 2}


def early_stop() -> Iterator[str]:
    """A student of the model's first layers, taught until validation has not become better for `patience` epochs."""
    torch.manual_seed(0)
    lines: list[str] = []

    def progress(step: Any) -> None:
        if step.validation_loss is not None:
            lines.append(f"epoch {step.epoch}: loss {step.loss:.3f}, validation {step.validation_loss:.3f}")

    data = sentences()
    done = Distiller(
        DistillationConfig(**EARLY), progress
    ).distil(  # type: ignore[arg-type]
        model(), model(STUDENT_LAYERS), data[:-3], data[-3:]
    )
    yield from lines
    yield f"ended early: {done.ended_early}, after {done.epochs} of {EARLY['epochs']} epochs; best {done.best_loss:.3f}"


LESSON = {"temperature": 2.0, "epochs": 1, "learning_rate": 1e-4, "checkpoint_steps": 2, "gradient_checkpointing": True}
STUDENT_LAYERS, STEPS_BEFORE_THE_KILL = 4, 2


def distilled(folder: Path | None, told: Callable[[str], None]) -> str:
    """A student of the model's first layers, taught; sums of its weights."""
    from core.optimization.toolbox.distillation import DistillationConfig, Distiller

    torch.manual_seed(0)
    config = DistillationConfig(**LESSON, checkpoint_folder=folder)  # type: ignore[arg-type]

    def progress(step: Any) -> None:
        told(f"epoch {step.epoch} step {step.step} of {step.steps}, loss {step.loss:.4f}")

    data = sentences()
    done = Distiller(config, progress).distil(model(), model(STUDENT_LAYERS), data[:4], data[-1:])
    digest = hashlib.sha256()
    for tensor in done.model.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    told(f"{done.steps} steps, resumed from {done.resumed_from_step}, validation {done.best_loss:.3f}")
    return digest.hexdigest()


def distil() -> Iterator[str]:
    """Killed in the middle, resumed, and compared with a training that was not."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "benchmarks.toolbox_parts.real", "student", name]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for number, line in enumerate(child.stdout, 1):
            if number == STEPS_BEFORE_THE_KILL:
                child.send_signal(signal.SIGKILL)
                yield f"killed after: {line.strip()}"
                break
        child.wait()
        child.stdout.close()
        resumed = distilled(Path(name), lines.append)
        yield f"gone on: {lines[-1]}"
    whole = distilled(None, lines.append)
    yield f"not interrupted: {lines[-1]}; the same weights to the bit: {resumed == whole}"
