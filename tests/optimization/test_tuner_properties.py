"""What holds for the plan of any machine and any configuration."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from machine_table import GB, card, profile

from core.optimization.catalogue import (
    ALL_ENGINES,
    CUDA_BYTES,
    EMBEDDED_ENGINES,
    SHELL_BYTES,
    TORCH_BYTES,
    TURN_MODEL_BYTES,
    WHISPER,
)
from core.optimization.plan import Plan
from core.optimization.profile import MachineProfile, Speed
from core.optimization.profile_file import parse_profile
from core.optimization.tuner import PerformanceTuner
from core.utils.config import Config

SETS = st.frozensets(st.sampled_from(["avx2", "avx512", "vnni", "amx", "neon"]))
RATE = st.floats(0.1, 1e5)
SPEEDS = st.none() | st.builds(Speed, RATE, RATE, st.none() | RATE)


@st.composite
def cards(draw: st.DrawFn):
    total = draw(st.floats(0.5, 200))
    capability = draw(st.none() | st.tuples(st.integers(5, 12), st.integers(0, 9)))
    name = draw(st.sampled_from(["GeForce RTX 3090", "H200", "GeForce GTX 1650"]))
    return card(name, total, draw(st.floats(0, total)), capability, draw(st.integers(1, 40)))


@st.composite
def machines(draw: st.DrawFn) -> MachineProfile:
    cores = draw(st.integers(1, 128))
    total = draw(st.floats(0.1, 1024))
    return profile(
        cores,
        draw(st.floats(0, total)),
        total,
        draw(SETS),
        logical=cores * draw(st.sampled_from([1, 2])),
        usable=draw(st.floats(0.05, cores)),
        fast=draw(st.none() | st.integers(1, cores)),
        gpus=tuple(draw(st.lists(cards(), max_size=3))),
        mps=draw(st.booleans()),
        speed=draw(SPEEDS),
    )


CONFIGS = st.builds(
    lambda compute, threads, batch, forbid: Config.model_validate(
        {
            "optimization": {"compute_type": compute, "threads": threads, "batch_size": batch},
            "gpu": {"forbid": forbid},
        }
    ),
    st.sampled_from(["auto", "float32", "float16", "int8"]),
    st.just(0) | st.integers(1, 64),
    st.just(0) | st.integers(1, 64),
    st.lists(st.sampled_from(["RTX 3090", "H200"]), max_size=2),
)
ENGINES = st.frozensets(st.sampled_from(sorted(ALL_ENGINES))).map(lambda some: some | EMBEDDED_ENGINES)


def stages_of(plan: Plan):
    return (plan.stt, plan.llm, plan.tts)


@settings(max_examples=300, deadline=None)
@given(machines(), CONFIGS, ENGINES)
def test_any_plan(machine: MachineProfile, config: Config, engines: frozenset[str]):
    plan = PerformanceTuner(config, engines).plan(machine)
    assert plan == PerformanceTuner(config, engines).plan(machine)

    stages = stages_of(plan)
    assert {stage.engine for stage in stages} <= engines
    assert min(plan.threads, plan.batch_size, *(stage.threads for stage in stages)) >= 1
    if not config.optimization.threads:
        assert plan.threads <= max(1, machine.cpu.usable_cores)
    assert plan.capture_threads + plan.stt.threads + 1 + plan.tts.threads <= max(4, plan.threads)
    assert plan.llm.threads <= plan.threads
    assert all(stage.threads == 1 for stage in stages if stage.engine in EMBEDDED_ENGINES or stage.device != "cpu")

    assert (plan.gpu is None) is (plan.device != "cuda")
    assert all(stage.device in ("cpu", plan.device) for stage in stages)
    if plan.gpu is not None:
        assert plan.gpu in machine.gpus
        assert not any(rule in plan.gpu.name for rule in config.gpu.forbid)
        on_card = sum(stage.memory_bytes for stage in stages if stage.device == "cuda")
        assert not on_card or on_card + CUDA_BYTES <= plan.gpu.free_bytes

    if not all(stage.engine in EMBEDDED_ENGINES for stage in stages):
        torch = TORCH_BYTES if {"mlx", "melo"} & {stage.engine for stage in stages} else 0
        in_memory = sum(stage.memory_bytes for stage in stages if stage.device != "cuda")
        turns = TURN_MODEL_BYTES if plan.stt.engine == "whisper" else 0
        assert SHELL_BYTES + torch + turns + in_memory <= machine.memory.available_bytes
    assert all(left.needs_bytes > 0 and left.why for left in plan.left_out)
    assert plan.explain().count("\n") == len(plan.reasons) + len(plan.left_out) - 1


@settings(max_examples=100, deadline=None)
@given(machines(), st.integers(1, 40))
def test_more_memory_never_gives_a_lesser_model(machine: MachineProfile, more_gb: int):
    """Where one stage alone can be bettered: with more of them, one's step may take another's room."""
    engines = EMBEDDED_ENGINES | {"whisper"}
    memory = machine.memory
    roomier = profile_with(machine, memory.available_bytes + more_gb * GB)
    forbidding = Config.model_validate({"optimization": {"device": "cpu"}})
    small, large = (PerformanceTuner(forbidding, engines).plan(one).stt.model for one in (machine, roomier))
    order = [None, *(size.name for size in WHISPER)]
    assert order.index(large) >= order.index(small)


def profile_with(machine: MachineProfile, available_bytes: int) -> MachineProfile:
    from dataclasses import replace

    memory = replace(machine.memory, available_bytes=available_bytes, total_bytes=available_bytes)
    return replace(machine, memory=memory)


@settings(max_examples=50, deadline=None)
@given(machines())
def test_any_profile_survives_json(machine: MachineProfile):
    import json

    assert parse_profile(json.loads(json.dumps(machine.as_json())), "a test") == machine
