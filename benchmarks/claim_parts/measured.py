"""The measurements behind the claims that a CPU can answer: strategies beside the original, memory, the KV cache."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.claim_parts.founding import ON_PROCESSOR
from benchmarks.shapes import SHAPES, Shape
from core.optimization import TorchOptimizer
from core.optimization.profiler import InferenceProfiler
from core.optimization.toolbox.batches import Batch
from core.optimization.toolbox.comparison import compare_strategies
from core.optimization.toolbox.measuring import size_bytes, typical_ms, working_bytes
from core.optimization.toolbox.quantization import ModelQuantizer
from core.optimization.toolbox.quantization_config import QuantizationConfig, QuantizationType
from core.optimization.toolbox.registry import Subject
from core.utils.config import OptimizationConfig

ROOT = Path(__file__).resolve().parents[2]
ITERATIONS = 8
STEP_ROUNDS, BURST = 8, 5
STRATEGIES = ("dynamic", "static", "fp16", "onnx")
NETWORKS = SHAPES[:2]
CONTEXT, NEW = 256, 8
"""tokens of the prompt, and tokens written after it"""
SEED = 20
GIVING_BACK = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "0"}
"""for glibc, which else keeps freed tensors as chance has it: the same step then took 296 to 415 MB, and now 167"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One number."""

    key: str
    value: float
    network: str
    cost: str = ""


Part = Callable[[], Iterable[Measured]]
Clock = Callable[[], float]


def parts(clock: Clock) -> dict[str, dict[str, Part]]:
    """Name for `--only` -> what is measured by itself, so that a run can be broken off and taken up, by its name."""
    found: dict[str, dict[str, Part]] = {}
    for name, shape in zip(ON_PROCESSOR, NETWORKS, strict=False):
        found[name] = {f"{shape.name}: {one}": partial(strategies, shape, one, clock) for one in STRATEGIES}
        found[name][f"{shape.name}: memory"] = partial(memory, shape)
    found["checkpointing"] = {"checkpointing": checkpointing}
    found["kv-cache"] = {"KV cache on and off": partial(kv_cache, clock)}
    found["steps"] = {"the three steps on the CPU": partial(steps, clock)}
    return found


def strategies(shape: Shape, strategy: str, clock: Clock) -> Iterator[Measured]:
    """Size, speed and error of one strategy for one network; random weights, so errors are of rounding alone."""
    torch.manual_seed(SEED)
    batches = tuple(Batch(shape.make_input()) for _ in range(3))
    subject = Subject(shape.make().eval(), batches, batches, batches)
    (row,) = compare_strategies(subject, shape.name, (strategy,), ITERATIONS, clock=clock).rows
    if row.size_mb is None or row.cpu_speedup is None or row.size_reduction_percent is None:
        print(f"{shape.name}: {row.strategy} left out: {row.why}", file=sys.stderr)
        return
    cost = f"outputs off by {100 * (row.error or 0.0):.2g} %"
    yield Measured(f"{row.strategy} size", row.size_reduction_percent, shape.name, cost)
    yield Measured(f"{row.strategy} speed", row.cpu_speedup, shape.name, cost)


def memory(shape: Shape) -> Iterator[Measured]:
    """Weights and what a call works in, in bfloat16 beside float32."""
    torch.manual_seed(SEED)
    model, batch = shape.make().eval(), Batch(shape.make_input())
    half = ModelQuantizer(QuantizationConfig(QuantizationType.BF16)).quantize(model)
    whole, halved = (size_bytes(one) + working_bytes(one, batch) for one in (model, half))
    yield Measured("bf16 memory", 100 * (1 - halved / whole), shape.name, "weights and one call, in bfloat16")


def checkpointing() -> Iterator[Measured]:
    """A training step with and without checkpoints."""
    try:
        plain, less = (training_peak(way) for way in ("plain", "checkpointed"))
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        print(f"checkpointing left out: {error}", file=sys.stderr)  # the other claims have their answers all the same
        return
    yield Measured(
        "checkpointing memory", 100 * (1 - less / plain), f"{SHAPES[1].name}, batch of 8, one step", "same gradients"
    )


def training_peak(way: str) -> float:
    """Bytes that one training step took at most, in a process of its own that gives back at once what it frees."""
    command = [sys.executable, "-m", "benchmarks.claim_parts.training_step", way]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=180, env=os.environ | GIVING_BACK
    )
    return float(done.stdout.split()[-1])


def kv_cache(clock: Clock) -> Iterator[Measured]:
    """Greedy writing with the cache on, and with it off: every token computes the whole text anew. The same tokens."""
    from benchmarks.llm_parts.qwen import qwen_folder
    from core.models.kv_cache import KVCache
    from core.models.loading import LoadOptions, load_model

    model: Any = load_model(qwen_folder(layers=3), LoadOptions(fused=False))[0]
    prompt = torch.randint(1000, (1, CONTEXT), generator=torch.Generator().manual_seed(SEED))

    def on() -> list[int]:
        cache = [KVCache() for _ in model.layers]
        written, step = [], prompt
        for _ in range(NEW):
            step = model(step, cache, logits="last")[:, -1].argmax(-1, keepdim=True)
            written.append(int(step))
        return written

    def off() -> list[int]:
        text, written = prompt, []
        for _ in range(NEW):
            step = model(text, logits="last")[:, -1].argmax(-1, keepdim=True)
            text = torch.cat((text, step), -1)
            written.append(int(step))
        return written

    with torch.inference_mode():
        same = on() == off()
        took = typical_ms({"on": on, "off": off}, 2, clock)
    told = "the same tokens" if same else "other tokens: rounding"
    where = f"Qwen2.5-0.5B's shape, 3 layers, {NEW} tokens after {CONTEXT}"
    yield Measured("kv cache", took["off"] / took["on"], where, told)


def steps(clock: Clock) -> Iterator[Measured]:
    """TorchOptimizer's device, compiling and inference context against torch as it comes; and the context alone."""
    shape = SHAPES[0]
    torch.manual_seed(SEED)
    model, inputs = shape.make().eval(), shape.make_input()
    optimizer = TorchOptimizer(OptimizationConfig(device="cpu"))
    context, profiler = optimizer.get_inference_context(), InferenceProfiler(clock=clock)

    def inside(one: Any) -> Any:
        with context:
            return one(*inputs)

    ways: dict[str, Callable[[], Any]] = {"plain": partial(model, *inputs), "context": partial(inside, model)}
    compiled = optimizer.compile_model(model, shape.name, inputs)
    if compiled.compiled:
        ways["compiled"] = partial(inside, compiled)
    else:
        print(f"{shape.name}: compiling left out: {compiled.fallback_reason}", file=sys.stderr)
    for _ in range(STEP_ROUNDS):
        for name, call in ways.items():
            call()
            for _ in range(BURST):
                with profiler.span(name):
                    call()
    took = {name: statistics.p50_s for name in ways if (statistics := profiler.statistics_of(name)) is not None}
    for name, told in (("context", "the inference context alone"), ("compiled", "compiled, inside the context")):
        if name in took:
            where = f"{shape.name}, {torch.get_num_threads()} threads and not 16 cores, {told}"
            yield Measured("cpu switches", took["plain"] / took[name], where)
