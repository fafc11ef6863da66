"""`optimize analyze | plan | validate`: what this machine is, what was decided for it, and whether that works here."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys

from core.app.planning import apply_plan, make_plan, plan_for
from core.optimization.analyzer import SystemAnalyzer
from core.optimization.catalogue import ALL_ENGINES
from core.optimization.plan import Plan, StagePlan
from core.optimization.profile import MachineProfile
from core.utils.config import Config
from core.utils.errors import MissingDependencyError
from core.utils.gpu import Gpu

GB = 10**9
MB = 10**6


def analyze(arguments: argparse.Namespace, config: Config) -> int:
    """Say what the machine is; its speed is measured the first time, which takes some seconds."""
    profile = SystemAnalyzer().analyze()
    if profile.speed is None or profile.speed.disturbed:
        again = "" if profile.speed is None else " again, since it was busy the last time"
        print(f"measuring how fast this machine is{again}, a few seconds ...", file=sys.stderr, flush=True)
        profile = SystemAnalyzer().analyze(measure=True)
    print(json.dumps(profile.as_json(), indent=2) if arguments.json else "\n".join(_describe(profile)))
    return 0


def plan(arguments: argparse.Namespace, config: Config) -> int:
    """Say what is decided for this machine, or the one of a profile, and why."""
    from core.optimization.profile_file import load_profile

    profile = load_profile(arguments.profile) if arguments.profile else SystemAnalyzer().analyze()
    decided = plan_for(config, profile, ALL_ENGINES if arguments.all_engines else None)
    print(json.dumps(decided.as_json(), indent=2) if arguments.json else "\n".join(_summary(decided)))
    return 0


def validate(arguments: argparse.Namespace, config: Config) -> int:
    """The eight founding checks, compiling among them unless it is switched off; 0 when all that apply pass."""
    from core.optimization.torch_optimizer import TorchOptimizer
    from core.optimization.validation import run_validation

    if importlib.util.find_spec("torch") is None:
        raise MissingDependencyError(
            "optimize validate: torch is not installed, and the checks try it out; "
            "install the larger packages and check: MERLINE_EXTRAS=full python3 main.py optimize validate"
        )
    decided = make_plan(config)
    apply_plan(config, decided)
    settings = config.optimization.model_copy(update={"compile": config.optimization.compile is not False})
    found = run_validation(TorchOptimizer(settings, decided))
    if arguments.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        for check in found.checks:
            print(f"{check.outcome:8} {check.name:18} {check.reason}  ({check.milliseconds:.1f} ms)")
        print(found.line)
    return 0 if found.success else 1


def _describe(profile: MachineProfile) -> list[str]:
    cpu, memory = profile.cpu, profile.memory
    sets = ", ".join(sorted(cpu.instruction_sets)) or "none of those that matter"
    limit = f", limited to {memory.limit_bytes / GB:.1f} GB" if memory.limit_bytes is not None else ""
    lines = [
        f"system     {profile.system}, {cpu.architecture}",
        f"processor  {cpu.model}",
        f"           {cpu.physical_cores} cores ({cpu.logical_cores} logical), {cpu.usable_cores:g} of them usable",
        f"           instruction sets: {sets}",
        f"memory     {memory.total_bytes / GB:.1f} GB, {memory.available_bytes / GB:.1f} GB free{limit}",
        f"disk       {profile.disk.free_bytes / GB:.1f} of {profile.disk.total_bytes / GB:.1f} GB free at "
        f"{profile.disk.path}",
    ]
    lines += [_card(gpu) for gpu in profile.gpus] or ["graphics   no NVIDIA card"]
    if profile.mps:
        lines.append("graphics   Apple's GPU can be used (MPS)")
    if profile.speed is not None:
        speed = profile.speed
        int8 = f", int8 {speed.gemm_int8_gops:.0f} Gop/s" if speed.gemm_int8_gops is not None else ""
        lines.append(
            f"speed      memory {speed.bandwidth_gb_s:.1f} GB/s, products in float32 "
            f"{speed.gemm_fp32_gflops:.0f} Gflop/s{int8}"
        )
        if speed.disturbed:
            lines.append(
                f"           at least: other programs took {speed.others:.0%} of the processor meanwhile and the runs "
                f"differed by {speed.spread:.0%}; `optimize analyze` measures again on a quiet machine"
            )
    return lines


def _card(gpu: Gpu) -> str:
    capability = f", capability {gpu.capability[0]}.{gpu.capability[1]}" if gpu.capability else ""
    users = f", used by {', '.join(f'{p.name} ({p.pid})' for p in gpu.processes)}" if gpu.processes else ""
    return (
        f"graphics   {gpu.index}: {gpu.name} at {gpu.pci_bus}, {gpu.free_bytes / GB:.1f} of {gpu.total_bytes / GB:.1f} "
        f"GB free{capability}{users}"
    )


def _summary(decided: Plan) -> list[str]:
    card = f" ({decided.gpu.name})" if decided.gpu else ""
    return [
        f"device {decided.device}{card}, computing in {decided.compute_type}, {_threads(decided.threads)}, "
        f"batch {decided.batch_size}",
        *(_stage(name, stage) for name, stage in (("stt", decided.stt), ("llm", decided.llm), ("tts", decided.tts))),
        "",
        decided.explain(),
    ]


def _stage(name: str, stage: StagePlan) -> str:
    model = f" {stage.model}" if stage.model else ""
    return (
        f"  {name}  {stage.engine}{model} on {stage.device} in {stage.compute_type}, {_threads(stage.threads)}, "
        f"{stage.memory_bytes / MB:.0f} MB"
    )


def _threads(number: int) -> str:
    return "1 thread" if number == 1 else f"{number} threads"
