"""Which language model suits a machine: what each would take and how fast it would write, and the one to have. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from core.optimization.catalogue import (
    EMBEDDED,
    EMBEDDED_ENGINES,
    QWEN,
    QWEN_2_5,
    CausalSize,
    qwen,
)
from core.optimization.devices import choose_device
from core.optimization.ladders import int8_pays, ladder
from core.optimization.pace import pace_of
from core.optimization.plan import StagePlan, WeightType
from core.optimization.profile import MachineProfile
from core.optimization.selection import memory_of
from core.optimization.shares import heavy_threads
from core.optimization.tuner import PerformanceTuner, room_of
from core.utils.config import Config

ENGINE = "mlx"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One size on one machine, beside the least of the other engines."""

    size: str
    weights: WeightType
    memory_bytes: int
    """while it works, without the libraries it shares with others"""
    needs_bytes: int
    """the whole assistant with it, where the model lies: in main memory or on the card"""
    room_bytes: int
    fits: bool
    tokens_per_s: float | None
    """None on a graphics card, whose speed nobody has measured"""
    first_clause_s: float | None
    """from a question's last word to the first clause of the reply, as far as the model takes it"""
    objection: str | None
    """why it would be too slow, as the end of a sentence"""


def predict(profile: MachineProfile, config: Config) -> tuple[Prediction, ...]:
    """Each size of the catalogue in the precision that would be planned for it, the least first.

    Raises ConfigError, GpuUnavailableError or GpuBusyError where a setting asks for what the machine has not.
    """
    config = _free(config)
    choice = choose_device(profile, config)
    steps = ladder("llm", frozenset({ENGINE}), choice, config, int8_pays(profile)).steps
    device, least = steps[0].device, steps[0].weights
    planned = {step.model: step.weights for step in reversed(steps)}
    room = room_of(profile, config, choice)
    pace = pace_of(profile, config.optimization.threads or heavy_threads(profile.cpu), config.llm.reply_s)
    predictions = []
    for size in (*QWEN_2_5, *QWEN):
        candidate = qwen(size, device, _weights(size, planned, least))
        needs = memory_of({"stt": EMBEDDED["pocketsphinx"], "llm": candidate, "tts": EMBEDDED["espeak"]})
        on_card = device == "cuda"
        needed, have = (needs.card_bytes, room.card_bytes) if on_card else (needs.memory_bytes, room.memory_bytes)
        fast = None if device != "cpu" else pace
        predictions.append(
            Prediction(
                size.name,
                candidate.weights,
                candidate.memory_bytes,
                needed,
                have,
                needed <= have or not profile.memory.total_bytes,
                fast.tokens_per_s(candidate) if fast else None,
                fast.first_clause_s(candidate) if fast else None,
                pace.objection(candidate),
            )
        )
    return tuple(sorted(predictions, key=lambda one: one.memory_bytes))


def choose_language_model(profile: MachineProfile, reply_s: float, config: Config | None = None) -> StagePlan | None:
    """What would answer on this machine if every model were here and a reply should begin so soon; None: the skills.

    Raises as `predict` does.
    """
    config = _free(config or Config())
    config = config.model_copy(update={"llm": config.llm.model_copy(update={"reply_s": reply_s})})
    chosen = PerformanceTuner(config, EMBEDDED_ENGINES | {ENGINE}).plan(profile).llm
    return chosen if chosen.engine == ENGINE else None


def _weights(size: CausalSize, planned: dict[str | None, WeightType], least: WeightType) -> WeightType:
    """As planned, the smallest precision of a size first; a size that is not planned with as the smallest one is."""
    return planned.get(size.name, least)


def _free(config: Config) -> Config:
    """The question is which model to have, whoever listens and answers today."""
    stages = {"stt": config.stt, "llm": config.llm, "tts": config.tts}
    free = {name: section.model_copy(update={"engine": "auto"}) for name, section in stages.items()}
    return config.model_copy(update=free)
