"""Which language models suit a machine: what each would take and how fast it would write. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.optimization.catalogue import (
    EMBEDDED,
    QWEN,
    QWEN_2_5,
    Candidate,
    CausalSize,
    qwen,
)
from core.optimization.devices import choose_device
from core.optimization.ladders import int8_pays, ladder
from core.optimization.pace import Pace, pace_of
from core.optimization.plan import WeightType
from core.optimization.profile import MachineProfile
from core.optimization.selection import Room, memory_of
from core.optimization.shares import heavy_threads
from core.optimization.tuner import room_of
from core.utils.config import Config

ENGINE = "mlx"
KNOWN = (*QWEN_2_5, *QWEN)
"""the sizes of the catalogue"""


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


def predict(profile: MachineProfile, config: Config, sizes: Sequence[CausalSize] = KNOWN) -> tuple[Prediction, ...]:
    """Each of these sizes, the least first, in the precision that would be planned for it.

    That is the best one that fits and is fast enough, else the smallest.

    Raises ConfigError, GpuUnavailableError or GpuBusyError where a setting asks for what the machine has not.
    """
    config = _free(config)
    choice = choose_device(profile, config)
    steps = ladder("llm", frozenset({ENGINE}), choice, config, int8_pays(profile)).steps
    room = room_of(profile, config, choice)
    pace = pace_of(profile, config.optimization.threads or heavy_threads(profile.cpu), config.llm.reply_s)
    known = bool(profile.memory.total_bytes)
    predictions = []
    for size in sizes:
        kinds = [step.weights for step in steps if step.model == size.name] or list(dict.fromkeys(_of_least(steps)))
        ways = [_prediction(qwen(size, steps[0].device, kind), room, pace, known) for kind in kinds]
        good = [way for way in ways if way.fits and way.objection is None]
        predictions.append(good[-1] if good else ways[0])
    return tuple(sorted(predictions, key=lambda one: one.memory_bytes))


def _of_least(steps: Sequence[Candidate]) -> Iterator[WeightType]:
    """The precisions of the smallest size, for sizes that are not planned with."""
    return (step.weights for step in steps if step.model == steps[0].model)


def _prediction(candidate: Candidate, room: Room, pace: Pace, known: bool) -> Prediction:
    """`known`: whether the system tells how much memory it has."""
    assert candidate.model is not None
    needs = memory_of({"stt": EMBEDDED["pocketsphinx"], "llm": candidate, "tts": EMBEDDED["espeak"]})
    on_card = candidate.device == "cuda"
    needed, have = (needs.card_bytes, room.card_bytes) if on_card else (needs.memory_bytes, room.memory_bytes)
    fast = pace if candidate.device == "cpu" else None
    return Prediction(
        candidate.model,
        candidate.weights,
        candidate.memory_bytes,
        needed,
        have,
        needed <= have or not known,
        fast.tokens_per_s(candidate) if fast else None,
        fast.first_clause_s(candidate) if fast else None,
        pace.objection(candidate),
    )


def _free(config: Config) -> Config:
    """The question is which model to have, whoever listens and answers today."""
    free = {name: getattr(config, name).model_copy(update={"engine": "auto"}) for name in ("stt", "tts")}
    llm = config.llm.model_copy(update={"engine": "auto", "model": None})
    return config.model_copy(update={**free, "llm": llm})
