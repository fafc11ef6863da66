"""For each stage the engines and sizes it could use, from the least to the best, on one device. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from core.optimization.catalogue import (
    ASKED_FOR,
    EMBEDDED,
    ENGINES,
    QWEN,
    QWEN_2_5,
    WHISPER,
    Candidate,
    CausalSize,
    Engine,
    Stage,
    melo,
    qwen,
    whisper,
)
from core.optimization.devices import DeviceChoice
from core.optimization.plan import ComputeType, Device, WeightType
from core.optimization.profile import MachineProfile
from core.utils.config import Config
from core.utils.errors import ConfigError
from core.utils.model_catalogue import CATALOGUE

LANGUAGE_ENGINE = "mlx"
INT8_INSTRUCTIONS = frozenset({"avx2", "avx512", "vnni", "amx", "neon"})


@dataclass(frozen=True, slots=True)
class Ladder:
    """One stage's candidates."""

    stage: Stage
    steps: tuple[Candidate, ...]
    """those to choose from, the least first; never empty"""
    absent: tuple[Candidate, ...]
    """the least of each better engine that is not installed"""


def int8_pays(profile: MachineProfile) -> bool:
    """By a calm measurement; without one, wherever the processor has instructions that a kernel is written for."""
    speed = profile.speed
    if speed is not None and speed.gemm_int8_gops is not None and not speed.disturbed:
        return speed.gemm_int8_gops > speed.gemm_fp32_gflops
    return bool(INT8_INSTRUCTIONS & profile.cpu.instruction_sets)


def ladder(
    stage: Stage,
    engines: frozenset[str],
    choice: DeviceChoice,
    config: Config,
    pays: bool,
    named: CausalSize | None = None,
) -> Ladder:
    """A language model that the configuration names is planned with as such, and not weighed against the skills.

    It is as large as `named` says; where nobody knows that, it may be any size of the catalogue's.

    Raises ConfigError where the configuration names an engine that is not among `engines`.
    """
    of = partial(_candidates, choice=choice, config=config, pays=pays, named=named)
    of_stage = [engine for engine in ENGINES if engine.stage == stage]
    wish: str = getattr(config, stage).engine
    if stage == "llm" and wish == "auto" and config.llm.model is not None and LANGUAGE_ENGINE in engines:
        wish = LANGUAGE_ENGINE
    if wish in ASKED_FOR:
        return Ladder(stage, (ASKED_FOR[wish],), ())
    if wish != "auto":
        if wish not in engines:
            have = ", ".join(engine.name for engine in of_stage if engine.name in engines)
            raise ConfigError(f"{stage}.engine: {wish!r} is not installed here; set auto, or one of: {have}")
        wanted = next(engine for engine in of_stage if engine.name == wish)
        return Ladder(stage, of(wanted), ())
    steps = [step for engine in of_stage if engine.name in engines for step in of(engine)]
    absent = [of(engine)[0] for engine in of_stage if engine.name not in engines]
    return Ladder(stage, tuple(steps), tuple(absent))


def _candidates(
    engine: Engine, choice: DeviceChoice, config: Config, pays: bool, named: CausalSize | None
) -> tuple[Candidate, ...]:
    if engine.embedded:
        return (EMBEDDED[engine.name],)
    device = choice.device if choice.device in engine.devices else "cpu"
    wish = config.optimization.compute_type
    forced: WeightType | None = None if wish == "auto" else wish
    if engine.name == "whisper":
        weights: WeightType = forced or _whisper_weights(device, choice, pays)
        return tuple(whisper(size, device, weights) for size in WHISPER)
    if engine.name == LANGUAGE_ENGINE:
        sizes = (named,) if named else QWEN
        return tuple(qwen(size, device, kind) for size, kind in _qwen_steps(sizes, device, choice, forced, pays))
    # MeloTTS is convolutions: int8 helps matrix products alone, so it keeps the type it computes in.
    weights = forced or _finer_half(device, choice)
    return (melo(device, weights if weights in ("float32", "float16", "bfloat16") else "float32"),)


def _whisper_weights(device: Device, choice: DeviceChoice, pays: bool) -> WeightType:
    if device == "cpu":
        return "int8" if pays else "float32"
    return _finer_half(device, choice)


def _finer_half(device: Device, choice: DeviceChoice) -> ComputeType:
    """Of a card's two half types float16 for what is heard and said: it rounds eight times finer than bfloat16.

    Whisper was published in it, and a voice's numbers stay far from its largest; a language model's may not.
    """
    return "float16" if device == "cuda" and choice.compute_type == "bfloat16" else choice.compute_type


def named_size(config: Config) -> CausalSize | None:
    """Of the language model that is named; None where none is, and where the catalogue does not have it."""
    named = config.llm.model
    sizes = [one.size for one in CATALOGUE if one.engine == LANGUAGE_ENGINE and named in (one.name, one.repository)]
    return next((size for size in (*QWEN_2_5, *QWEN) if size.name in sizes), None)


def _qwen_steps(
    sizes: tuple[CausalSize, ...], device: Device, choice: DeviceChoice, forced: WeightType | None, pays: bool
) -> list[tuple[CausalSize, WeightType]]:
    """On a CPU each size in 4 bits, which is the faster and smaller one, then in 8, which is the truer one."""
    if forced is not None:
        return [(size, forced) for size in sizes]
    if device == "cpu" and not pays:
        return [(size, "float32") for size in sizes]
    if device == "cpu":
        kinds: tuple[WeightType, ...] = ("int4", "int8")
        return [(size, kind) for size in sizes for kind in kinds]
    half = choice.compute_type
    return [*((size, half) for size in sizes[:-1]), (sizes[-1], "int8"), (sizes[-1], half)]
