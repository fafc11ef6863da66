"""Decides, from a machine's profile and the configuration, what every stage runs on and with. Pure: no I/O, no clock.

The same profile and configuration always give the same plan. It loads nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.optimization.catalogue import (
    ALL_ENGINES,
    EMBEDDED,
    EMBEDDED_ENGINES,
    ENGINES,
    GB,
    MB,
    PERPLEXITY,
    QWEN,
    STAGES,
    Candidate,
    CausalSize,
    Stage,
    qwen,
)
from core.optimization.devices import DeviceChoice, choose_device
from core.optimization.ladders import int8_pays, ladder, named_size
from core.optimization.pace import Pace, pace_of
from core.optimization.plan import Plan, StagePlan
from core.optimization.profile import Cpu, MachineProfile
from core.optimization.selection import Room, Selection, memory_of, select
from core.optimization.shares import Shares, batch_size, heavy_threads, share_threads
from core.utils.config import Config
from core.utils.errors import ConfigError

RESERVE_SHARE = 0.1
LARGEST_RESERVE_BYTES = 1 * GB


class PerformanceTuner:
    """Plans for a machine. `engines` names those that are built and installed; each stage needs one of them.

    `named` is the size of the model that llm.model names, where it is none of the catalogue's.
    """

    def __init__(
        self, config: Config, engines: frozenset[str] = EMBEDDED_ENGINES, named: CausalSize | None = None
    ) -> None:
        unknown = engines - ALL_ENGINES
        if unknown:
            raise ValueError(f"engines: unknown {sorted(unknown)}; known are {sorted(ALL_ENGINES)}")
        bare = [stage for stage in STAGES if not any(e.stage == stage and e.name in engines for e in ENGINES)]
        if bare:
            raise ValueError(f"engines: none for {', '.join(bare)} among {sorted(engines)}")
        self._config = config
        self._engines = engines
        self._named = named_size(config) or named

    def plan(self, profile: MachineProfile) -> Plan:
        """The plan for this machine.

        Raises ConfigError, GpuUnavailableError or GpuBusyError where a setting asks for what the machine has not.
        """
        config = self._config
        choice = choose_device(profile, config)
        threads, thread_reason = _threads(profile.cpu, config)
        pace = pace_of(profile, threads, config.llm.reply_s)
        pays = int8_pays(profile)
        ladders = {stage: ladder(stage, self._engines, choice, config, pays, self._named) for stage in STAGES}
        available = _available(profile, config)
        room = room_of(profile, config, choice)
        selection = select(ladders, room, pace)
        _check_limit(config, selection, self._named)
        shares = share_threads(threads, {stage: selection.chosen[stage].scales for stage in STAGES})
        batch, batch_reason = _batch(choice, available, threads, config)
        return Plan(
            device=choice.device,
            compute_type=choice.compute_type,
            threads=threads,
            batch_size=batch,
            stt=_stage_plan(selection.chosen["stt"], shares.stt),
            llm=_stage_plan(selection.chosen["llm"], shares.llm),
            tts=_stage_plan(selection.chosen["tts"], shares.tts),
            gpu=choice.gpu,
            compiles=choice.device == "cuda",  # on a CPU it gains 3 to 7 % (bench optimizer) and takes seconds a model
            left_out=tuple(left for left in selection.left_out if not _model_named(config, left.stage)),
            reasons=(
                *choice.reasons,
                thread_reason,
                _share_reason(shares, threads),
                batch_reason,
                _memory_reason(profile, config, available, room),
                *_engine_reasons(profile, selection, config, pace, self._named),
                *(_shortage(profile, selection, room) or _together(profile, selection)),
                *_idle_device(choice, selection),
            ),
            capture_threads=shares.capture,
            reserve_bytes=available - room.memory_bytes,
            spare_bytes=max(0, room.memory_bytes - memory_of(selection.chosen).memory_bytes),
            gpu_min_bytes=round(config.gpu.min_memory_gb * GB) if choice.gpu else 0,
        )


def _model_named(config: Config, stage: str) -> bool:
    """Whether the user named this stage's model, which is then not weighed against the catalogue's larger ones."""
    return getattr(getattr(config, stage), "model", None) is not None


def room_of(profile: MachineProfile, config: Config, choice: DeviceChoice) -> Room:
    """What the whole assistant may take here and now, after the reserve for the rest of the system."""
    available = _available(profile, config)
    return Room(available - _reserve(available), _card_room(choice))


def _threads(cpu: Cpu, config: Config) -> tuple[int, str]:
    asked = config.optimization.threads
    if asked:
        warning = f" That is more than the {cpu.logical_cores} this processor has." if asked > cpu.logical_cores else ""
        return asked, f"{_computing(asked)}, as optimization.threads asks.{warning}"
    threads = heavy_threads(cpu)
    if cpu.usable_cores < 1:
        return threads, f"One thread computes: this process may use {cpu.usable_cores:g} of a core."
    if cpu.performance_cores and threads == cpu.performance_cores < cpu.usable_cores:
        return threads, f"{_computing(threads)}, one for each fast core; slow cores would hold them up."
    if threads < cpu.physical_cores:
        allowed = f"{cpu.usable_cores:g} of {_count(cpu.physical_cores, 'core')}"
        return threads, f"{_computing(threads)}: this process may use {allowed}."
    return (
        threads,
        f"{_computing(threads)}, one for each physical core; a second on a core gains nothing.",
    )


def _share_reason(shares: Shares, threads: int) -> str:
    dealt = (
        f"{shares.capture} for listening, {shares.stt} for understanding, "
        f"{shares.llm} for the answer, {shares.tts} for speech"
    )
    if shares.capture + shares.stt + 1 + shares.tts > threads:
        return f"Working at once, the stages take turns on {_count(threads, 'core')}, with {dealt}."
    if shares.llm > 1:
        return f"Working at once, the stages share the cores: {dealt}, which takes those that are idle."
    if shares.capture + shares.stt + shares.llm + shares.tts < threads:
        return f"Working at once, the stages need few cores: {dealt}; more gain nothing on a card or in small engines."
    return f"Working at once, the stages share the cores: {dealt}."


def _batch(choice: DeviceChoice, available: int, threads: int, config: Config) -> tuple[int, str]:
    asked = config.optimization.batch_size
    if asked:
        return asked, f"Up to {asked} pieces of work are done at a time, as optimization.batch_size asks."
    free = choice.gpu.free_bytes if choice.gpu else available
    size = batch_size(choice.device, free, threads)
    return size, f"Up to {_count(size, 'piece')} of work at a time, by the {free / GB:.1f} GB that can be had."


def _available(profile: MachineProfile, config: Config) -> int:
    limit = config.optimization.memory_limit_mb * MB
    return min(profile.memory.available_bytes, limit) if limit else profile.memory.available_bytes


def _reserve(available: int) -> int:
    return min(round(RESERVE_SHARE * available), LARGEST_RESERVE_BYTES)


def _card_room(choice: DeviceChoice) -> int:
    return choice.gpu.free_bytes - _reserve(choice.gpu.free_bytes) if choice.gpu else 0


def _check_limit(config: Config, selection: Selection, named: CausalSize | None) -> None:
    chosen = dict(selection.chosen)
    if _model_named(config, "llm") and named is None:
        chosen["llm"] = EMBEDDED["skills"]  # nobody knows what the named one takes before it is loaded
    limit, needed = config.optimization.memory_limit_mb * MB, memory_of(chosen).memory_bytes
    if limit and needed > limit:
        raise ConfigError(
            f"optimization.memory_limit_mb: {config.optimization.memory_limit_mb} is less than the smallest engines "
            f"take; set {needed // MB + 1} or more, or 0 for no limit"
        )


def _memory_reason(profile: MachineProfile, config: Config, available: int, room: Room) -> str:
    if not profile.memory.total_bytes:
        return "How much memory there is cannot be read on this system, so the smallest engines are taken."
    of = f"{profile.memory.total_bytes / GB:.1f} GB"
    kept = f"{(available - room.memory_bytes) / GB:.2f} GB of that stays free for the rest of the system"
    if available < profile.memory.available_bytes:
        return f"{available / GB:.2f} GB of memory may be used, as optimization.memory_limit_mb asks; {kept}."
    if profile.memory.limit_bytes is not None:
        return f"{available / GB:.2f} GB of memory is free of the {of} that this process may use; {kept}."
    return f"{available / GB:.2f} GB of memory is free of {of}; {kept}."


def _engine_reasons(
    profile: MachineProfile, selection: Selection, config: Config, pace: Pace, named: CausalSize | None
) -> list[str]:
    roles: Mapping[Stage, str] = {"stt": "understands speech", "llm": "answers", "tts": "speaks"}
    reasons = []
    for stage in STAGES:
        candidate = selection.chosen[stage]
        verb = "answer" if candidate.engine == "skills" else roles[stage]
        asked = f", as {stage}.engine asks" if getattr(config, stage).engine != "auto" else ""
        slow = pace.objection(candidate)
        reasons.append(f"{candidate.label} {verb}{asked}{f'; {slow}' if slow else ''}.")
        if stage == "llm":
            reasons += _precision_reason(candidate, config, pace, named)
        if candidate.engine == "melo" and candidate.device == "cpu":
            reasons.append(_voice_reason(config))
    if not pace.measured and any(c.engine not in EMBEDDED_ENGINES for c in selection.chosen.values()):
        again = profile.speed is not None
        how = "was measured while other programs were at work" if again else "was guessed"
        it = "measures it again" if again else "measures it"
        reasons.append(f"How fast this machine is {how}: `python3 main.py optimize analyze` {it}.")
    return reasons


def _precision_reason(chosen: Candidate, config: Config, pace: Pace, named: CausalSize | None) -> list[str]:
    """Why a language model on a CPU has the bits it has, where they were chosen and not asked for."""
    known = (named,) if named else QWEN
    sizes = [size for size in known if size.name == chosen.model and chosen.engine == "mlx"]
    asked = config.optimization.compute_type != "auto"
    if not sizes or asked or chosen.device != "cpu" or chosen.weights not in PERPLEXITY:
        return []
    true, quick = PERPLEXITY["int8"], PERPLEXITY["int4"]
    if chosen.weights == "int8":
        return [
            f"It has 8 bits and not 4, which would be faster: its perplexity is {true:.2f} of the full model's and not "
            f"{quick:.2f}, and a reply still begins within llm.reply_s ({config.llm.reply_s:g} s)."
        ]
    objection = pace.objection(qwen(sizes[0], "cpu", "int8")) or "there is not enough memory for it"
    return [
        f"It has 4 bits and not 8, although its perplexity is {quick:.2f} of the full model's and not {true:.2f}: "
        f"in 8 bits {objection}."
    ]


def _voice_reason(config: Config) -> str:
    if config.tts.precision == "int8":
        return "BERT computes in int8, its decoder in bfloat16 or int8 where the processor can, as tts.precision asks."
    return "It keeps the numbers that it was trained in: tts.precision: int8 is quicker, with a little other melody."


def _shortage(profile: MachineProfile, selection: Selection, room: Room) -> list[str]:
    needed = memory_of(selection.chosen)
    if needed.card_bytes > room.card_bytes:
        return [
            f"Even the smallest of these take {needed.card_bytes / GB:.2f} GB of the card, more than is free: "
            "close programs that use it, or set optimization.device: cpu."
        ]
    if profile.memory.total_bytes and needed.memory_bytes > room.memory_bytes:
        return [
            f"Even the smallest of these take {needed.memory_bytes / GB:.2f} GB together, more than is free: "
            "close other programs, or expect the system to swap."
        ]
    return []


def _together(profile: MachineProfile, selection: Selection) -> list[str]:
    """What the system's own tools will show of it; no stage's share holds what several use."""
    if not profile.memory.total_bytes:
        return []
    taken = memory_of(selection.chosen).memory_bytes
    return [f"The assistant takes about {taken / GB:.2f} GB of memory with these, libraries included."]


def _idle_device(choice: DeviceChoice, selection: Selection) -> list[str]:
    if choice.device == "cpu" or any(c.device == choice.device for c in selection.chosen.values()):
        return []
    return ["The engines chosen compute on the CPU all the same: none of them can use the graphics processor."]


def _stage_plan(candidate: Candidate, threads: int) -> StagePlan:
    return StagePlan(
        candidate.engine, candidate.model, candidate.device, candidate.weights, threads, candidate.memory_bytes
    )


def _computing(threads: int) -> str:
    return "1 thread computes" if threads == 1 else f"{threads} threads compute"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
