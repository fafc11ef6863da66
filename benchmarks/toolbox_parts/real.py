"""The toolbox on a real language model: SmolLM2-135M-Instruct, whose weights went through 4 bits once.

    python3 -m benchmarks.toolbox_parts.real PART      # each part ends within 100 s of a quiet machine of two cores

The model lies in build/real (tools/real_models.py), or in the folder that MERLINE_REAL names. Calibrated on the
sentences of core/app/calibration_text.py; judged by the perplexity of the transcripts in ../shared/assets, in rows of
96 tokens (384 in all: losses of a few hundredths are chance). Training and pruning learn from the sentences too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks.toolbox_parts.real_model import (
    CALIBRATION,
    FOLDER,
    ROW,
    model,
    perplexity,
    sentences,
    test_rows,
)
from benchmarks.toolbox_parts.real_training import distil, distilled, early_stop, qat
from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.measuring import size_bytes, typical_ms
from core.optimization.toolbox.quantization import ModelQuantizer
from core.optimization.toolbox.quantization_config import QuantizationConfig
from core.optimization.toolbox.registry import Subject

SKIPPED = (0, 4, 8, 30)
"""how many of the costliest layers stay in float"""
GRAPH = Path("build/toolbox/SmolLM2-135M-Instruct.onnx")
"""that the part `onnx` leaves to those that quantise it"""
EDGE_LAYERS = 8
"""of 30: export and int8 of all of them take 90 s before anything is measured"""
HARDLY = 0.01
"""of 1 / perplexity that may be lost, of the model's own"""


def quantise(*kinds: str) -> Iterator[str]:
    """Each type: size, a token and a row of text, perplexity."""
    original = model()
    exact, before = perplexity(original), size_bytes(original)
    yield f"float32: {before / 1e6:.0f} MB, perplexity {exact:.2f}"
    row, token = test_rows()[0][None, :-1], test_rows()[0][None, :1]
    for kind in kinds:
        small = ModelQuantizer(QuantizationConfig(kind)).quantize(original, sentences())  # type: ignore[arg-type]
        ways = {(name, what): partial(one, x) for name, one in (("old", original), ("new", small))
                for what, x in (("row", row), ("token", token))}  # fmt: skip
        took = typical_ms({f"{name} {what}": call for (name, what), call in ways.items()}, 10)
        yield (
            f"{kind}: -{1 - size_bytes(small) / before:.1%}, {ROW} tokens {took['old row'] / took['new row']:.2f}x "
            f"({took['old row']:.0f} ms), one {took['old token'] / took['new token']:.2f}x, "
            f"perplexity {perplexity(small) / exact:.3f} of float32's"
        )


def sensitivity(kind: str) -> Iterator[str]:
    """What each layer costs alone, and what the type is worth with the costliest left in float."""
    from core.optimization.toolbox.sensitivity import layer_costs

    original = model()
    exact, began_s = perplexity(original), time.monotonic()
    costs = layer_costs(original, QuantizationConfig(kind), sentences()[:1])  # type: ignore[arg-type]
    yield f"{kind}: {len(costs)} layers tried alone in {time.monotonic() - began_s:.0f} s on {CALIBRATION} tokens"
    yield from (f"  {one.layer.removeprefix('network.model.')}: off by {one.error:.2%}" for one in costs[:8])
    for count in SKIPPED:
        skip = frozenset(one.layer for one in costs[:count])
        config = QuantizationConfig(kind, skip=skip)  # type: ignore[arg-type]
        small = ModelQuantizer(config).quantize(original, sentences())
        yield (
            f"  {count} left in float: perplexity {perplexity(small) / exact:.3f}, {size_bytes(small) / 1e6:.0f} MB, "
            f"the others together {sum(one.error**2 for one in costs[count:]) ** 0.5:.1%}"
        )


def recalibrated() -> Iterator[str]:
    """Static without its feed-forward outputs: ranges of other text, and mended."""
    from core.optimization.toolbox.sensitivity import recalibrate

    original = model()
    exact = perplexity(original)
    down = frozenset(name for name, _ in original.named_modules() if name.endswith("down_proj"))
    for how in ("mse", "minmax", "percentile"):
        config = QuantizationConfig("static", calibration=how, skip=down)  # type: ignore[arg-type]
        small = ModelQuantizer(config).quantize(original, sentences())
        yield f"static, {how}, {len(down)} down_proj in float: perplexity {perplexity(small) / exact:.3f}"
    noise = [torch.randint(49152, (1, CALIBRATION), generator=torch.Generator().manual_seed(7))]
    wrong = ModelQuantizer(QuantizationConfig("static", skip=down)).quantize(original, noise)  # type: ignore[arg-type]
    yield f"calibrated on {CALIBRATION} random tokens: perplexity {perplexity(wrong) / exact:.3f}"
    yield f"the same recalibrated on sentences: {perplexity(recalibrate(wrong, sentences())) / exact:.3f}"


def prune() -> Iterator[str]:
    """Zeros by steps until more than HARDLY of 1 / perplexity is lost; then the file."""
    from core.optimization.toolbox.pruned_files import save_pruned
    from core.optimization.toolbox.pruning import StepwiseConfig, prune_stepwise

    original = model()
    exact = perplexity(original)
    config = StepwiseConfig(step=0.05, most=0.5, most_loss=HARDLY / exact)
    kept, steps = prune_stepwise(original, lambda one: 1 / perplexity(one), config)
    for step in steps:
        yield f"{step.ratio:.2f} zeros: perplexity {1 / step.accuracy / exact:.3f}{'' if step.kept else ': too much'}"
    with tempfile.TemporaryDirectory() as name:
        written = save_pruned(kept, Path(name) / "pruned.safetensors")
    yield f"the last kept: {size_bytes(kept) / 1e6:.0f} MB in memory, a file of {written / 1e6:.0f}"


def structured() -> Iterator[str]:
    """Channels and heads removed, without training on."""
    from core.optimization.toolbox.structured_pruning import StructuredPruner

    original = model()
    exact, before = perplexity(original), size_bytes(original)
    example, row = torch.cat(sentences()), test_rows()[0][None, :-1]
    for ratio in (0.05, 0.1, 0.2, 0.34):
        done = StructuredPruner(multiple_of=8).prune(original, ratio, example)
        took = typical_ms({"old": partial(original, row), "new": partial(done.model, row)}, 10)
        gone = {(len(one.layers), one.before, one.after) for one in done.removals}
        told = ", ".join(
            f"{'channels' if layers == 3 else 'heads'} {old} -> {new}" for layers, old, new in sorted(gone)
        )
        yield (
            f"{ratio}: {told}; -{1 - done.after_bytes / before:.1%}, {took['old'] / took['new']:.2f}x, "
            f"perplexity {perplexity(done.model) / exact:.2f} of the whole model's"
        )


def auto(platform: str, wanted: dict[str, float], layers: int | None = None) -> Iterator[str]:
    """What a deployment takes of the model, or of its first layers, by agreement with that on the transcripts."""
    from core.optimization.toolbox.deployment import deploy
    from core.utils.errors import ThresholdsNotMetError

    rows = [Batch(row[None, :-1]) for row in test_rows()[: 1 if layers is None else 2]]
    subject = Subject(model(layers), tuple(rows), tuple(Batch(one) for one in sentences()), ())
    began_s = time.monotonic()

    def progress(line: str) -> None:
        print(f"    {time.monotonic() - began_s:5.1f} s  {line}", file=sys.stderr, flush=True)

    try:
        found = deploy(subject, platform, wanted, progress)
    except ThresholdsNotMetError as error:
        yield f"{platform} {wanted}: {error}"
        return
    for one in found.tried:
        missing = "; ".join(f"{name} {told}" for name, told in one.missing.items()) or one.why or "would do"
        if one.metrics is not None:
            metrics = one.metrics
            missing = (
                f"{metrics.model_size:.0f} MB, {metrics.inference_time:.0f} ms, {metrics.memory_usage:.0f} MB at work, "
                f"accuracy {metrics.accuracy:.3f}: {missing}"
            )
        yield f"  {one.strategy}: {missing}"
    yield f"{platform} {wanted}: {found.strategy}"


def export() -> Iterator[str]:
    """To GRAPH, verified, with a length that varies."""
    from core.optimization.toolbox.onnx_config import ONNXExportConfig
    from core.optimization.toolbox.onnx_export import ONNXExporter

    report = ONNXExporter(ONNXExportConfig(dynamic_axes={"input": {1: "length"}})).export(
        model(), sentences()[0], GRAPH
    )
    yield f"exported to {GRAPH}, {report.size_bytes / 1e6:.0f} MB, verified {report.verified}"


def int8(what: str) -> Iterator[str]:
    """GRAPH in QDQ int8, calibrated on sentences or on random tokens: the share of the float model's tokens."""
    from core.optimization.toolbox.onnx_model import OnnxModel
    from core.optimization.toolbox.onnx_quantize import quantize_onnx

    if not GRAPH.is_file():
        sys.exit(f"{GRAPH} is not there: python3 -m benchmarks.toolbox_parts.real onnx writes it")
    noise = [torch.randint(49152, (1, CALIBRATION), generator=torch.Generator().manual_seed(7))]
    data = {"sentences": sentences, "random tokens": lambda: noise}[what]()
    with tempfile.TemporaryDirectory() as name:
        done = quantize_onnx(GRAPH, Path(name) / "small.onnx", [{"input": one.numpy()} for one in data])
        sizes = f"{done.bytes_before / 1e6:.0f} -> {done.bytes_after / 1e6:.0f} MB"
        yield f"{what}: {sizes}; {done.warning or 'no warning'}"
        float32, small = OnnxModel(GRAPH), OnnxModel(done.path)
        same = [
            float((small(x).argmax(-1) == float32(x).argmax(-1)).float().mean())
            for x in (row[None, :-1] for row in test_rows())
        ]
        found = perplexity(small) / perplexity(float32)  # type: ignore[arg-type]
        yield f"{what}: {sum(same) / len(same):.0%} of the float model's tokens, perplexity {found:.2f} of its"


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "quantise": partial(quantise, "dynamic", "bf16", "fp16", "int8_weight", "int4_weight"),
    "quantise-static": partial(quantise, "static"),
    "dynamic": partial(sensitivity, "dynamic"),
    "static": partial(sensitivity, "static"),
    "int4": partial(sensitivity, "int4_weight"),
    "recalibrate": recalibrated,
    "prune": prune,
    "structured": structured,
    "qat": qat,
    "distil": distil,
    "early-stop": early_stop,
    "auto-edge": partial(auto, "edge", {"accuracy": 0.85, "model_size": 90.0}, EDGE_LAYERS),
    "auto-mobile": partial(auto, "mobile", {"accuracy": 0.99}),
    "onnx": export,
    "onnx-int8": partial(int8, "sentences"),
    "onnx-int8-random": partial(int8, "random tokens"),
}


def main() -> None:
    """A line as soon as it is known."""
    import transformers

    from core.optimization.torch_optimizer import TorchOptimizer

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*PARTS, "student"])
    parser.add_argument("folder", nargs="?", type=Path, help="of `student`, which `distil` runs and kills")
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if not FOLDER.is_dir():
        sys.exit(f"{FOLDER} is not there: python3 tools/real_models.py fetches it")
    TorchOptimizer().initialize()
    if arguments.part == "student":
        distilled(arguments.folder, partial(print, flush=True))
        return
    began_s = time.monotonic()
    for line in PARTS[arguments.part]():
        print(f"{time.monotonic() - began_s:5.1f} s  {line}", flush=True)


if __name__ == "__main__":
    main()
