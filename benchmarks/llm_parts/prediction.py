"""Tokens a second as `models list` predicts them from the machine's speed, and as they are written, at two sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.figures import Figure
from benchmarks.llm_parts.engines import THREADS, Ours, take_turns
from benchmarks.llm_parts.qwen import SHAPES, prompt_tokens, qwen_folder

PRECISIONS = ("int4", "int8")
PROMPT, COUNT, ROUNDS = 32, 20, 4


def figures() -> Iterator[Figure]:
    """Of each size and precision, predicted over written. The machine is measured before and after."""
    from core.optimization.analyzer import SystemAnalyzer
    from core.optimization.catalogue import QWEN_2_5, qwen
    from core.optimization.host import this_host
    from core.optimization.machine_speed import measure_speed
    from core.optimization.pace import pace_of

    wanted = {f"{size} {kind}": (size, kind) for size in SHAPES for kind in PRECISIONS}
    engines = []
    for name, (size, kind) in wanted.items():
        engines.append(Ours(qwen_folder(size=size), kind))
        engines[-1].name = name
    profile, prompt = SystemAnalyzer().analyze(), prompt_tokens(PROMPT)
    before = measure_speed(profile, this_host())
    seconds = take_turns(engines, ROUNDS, lambda engine: engine.decode(prompt, COUNT).seconds)
    speed = before.better(measure_speed(profile, this_host()))
    yield Figure("memory bandwidth, as the plan knows it", speed.bandwidth_gb_s, "GB/s", "higher")
    yield Figure("of the processor, others had meanwhile", 100 * speed.others, "%", "lower")
    pace = pace_of(replace(profile, speed=speed), THREADS)
    dimensions = {size.name: size for size in QWEN_2_5}
    for name, (size, kind) in wanted.items():
        written = 1 / seconds[name]
        predicted = pace.tokens_per_s(qwen(dimensions[size], "cpu", kind))
        yield Figure(f"decode Qwen2.5-{name}", written, "tokens/s", "higher")
        yield Figure(f"predicted for Qwen2.5-{name} / written", predicted / written, "x", "lower", None, written)
