"""The part of `check` about core.optimization: the machine is read, a plan is made, and what bounds and keeps works."""

from __future__ import annotations

import importlib.util
import threading

from core.app.planning import apply_plan, make_plan
from core.optimization.analyzer import SystemAnalyzer
from core.optimization.cache import InferenceCache
from core.optimization.memory import MemoryOptimizer
from core.optimization.profile import MachineProfile
from core.optimization.torch_optimizer import get_performance_optimizer
from core.selfcheck import Check, Finding
from core.utils.config import Config

GB = 10**9
MB = 10**6


def optimization_checks(config: Config) -> list[Check]:
    """Analyser, tuner, optimiser, cache and memory optimiser, in the order they build on each other."""
    return [
        Check("analyser", _analyser),
        Check("tuner", lambda: _tuner(config)),
        Check("optimiser", lambda: _optimiser(config)),
        Check("cache", _cache),
        Check("memory optimiser", _memory),
    ]


def _analyser() -> Finding:
    profile = SystemAnalyzer().analyze()
    cpu, memory = profile.cpu, profile.memory
    text = f"{cpu.usable_cores:g} cores, {memory.available_bytes / GB:.1f} of {memory.total_bytes / GB:.1f} GB free"
    cards = [gpu.name for gpu in profile.gpus] + (["Apple's GPU"] if profile.mps else [])
    return Finding("pass", ", ".join([text, *cards, _speed(profile)]))


def _speed(profile: MachineProfile) -> str:
    """What the plan goes by: a guess, until it is measured."""
    if profile.speed is None:
        return "speed not measured yet: `talk` does it, or `python3 main.py optimize analyze`"
    more = " or more" if profile.speed.disturbed else ""
    return f"memory read at {profile.speed.bandwidth_gb_s:.0f} GB/s{more}"


def _tuner(config: Config) -> Finding:
    plan = make_plan(config)
    apply_plan(config, plan)
    text = f"{plan.device}, {plan.compute_type}, {plan.threads} threads: {plan.stt.engine}, {plan.llm.engine}, "
    left = f"; left out: {', '.join(left.what for left in plan.left_out)}" if plan.left_out else ""
    return Finding("pass", text + plan.tts.engine + left)


def _optimiser(config: Config) -> Finding:
    """The switches are right without torch; that torch obeys them is `optimize validate`'s to show."""
    optimizer = get_performance_optimizer()
    if optimizer.plan is None:
        return Finding("fail", "it was made without a plan", "run again with --log-level debug for the details")
    threads = optimizer.planned_threads
    if importlib.util.find_spec("torch") is None:
        return Finding("pass", f"{threads} threads planned; torch is not installed; the small engines need none")
    return Finding("pass", f"{threads} threads planned; `python3 main.py optimize validate` tries torch out")


def _cache() -> Finding:
    cache: InferenceCache[bytes] = InferenceCache()
    computed: list[int] = []

    def compute() -> bytes:
        computed.append(threading.get_ident())
        return b"merline"

    values = {cache.get_or_compute("check", compute) for _ in range(3)}
    if values != {b"merline"} or len(computed) != 1:
        return Finding("fail", f"computed {len(computed)} times, gave {values}", "restore core/optimization/cache.py")
    return Finding("pass", f"computed once, answered {cache.statistics().hits} times from memory")


def _memory() -> Finding:
    unloaded: list[str] = []
    memory = MemoryOptimizer()
    memory.register("check", "stt", 10 * MB, lambda: unloaded.append("check"))
    with memory.use("check"):
        kept = memory.pressure(0)
    gone = memory.pressure(0)
    if kept or gone != ("check",) or unloaded != ["check"]:
        return Finding("fail", f"unloaded {kept} in use and {gone} idle", "restore core/optimization/memory.py")
    return Finding("pass", "idle models are unloaded under pressure, those in use stay")
