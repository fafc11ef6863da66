"""Chooses one candidate for each stage: all fit into memory together and none keeps a user waiting. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.optimization.catalogue import (
    CUDA_BYTES,
    GB,
    LANGUAGE_LIBRARY_BYTES,
    SHELL_BYTES,
    TORCH_BYTES,
    TURN_MODEL_BYTES,
    Candidate,
    Stage,
)
from core.optimization.ladders import Ladder
from core.optimization.pace import Pace
from core.optimization.plan import LeftOut

UPGRADE_ORDER: tuple[Stage, ...] = ("stt", "llm", "tts")
"""what is misheard cannot be answered; what is answered well is worth hearing in a plain voice"""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that may be used: of main memory, and of the card if there is one."""

    memory_bytes: int
    card_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """A candidate for each stage, and the next better ones that this machine cannot have."""

    chosen: Mapping[Stage, Candidate]
    left_out: tuple[LeftOut, ...]


def memory_of(chosen: Mapping[Stage, Candidate]) -> Room:
    """What the whole assistant takes with these; libraries that several use count once."""
    candidates = chosen.values()
    on_card = sum(candidate.memory_bytes for candidate in candidates if candidate.device == "cuda")
    in_memory = sum(candidate.memory_bytes for candidate in candidates if candidate.device != "cuda")
    torch = TORCH_BYTES if any(candidate.torch for candidate in candidates) else 0
    language = LANGUAGE_LIBRARY_BYTES if any(candidate.engine == "mlx" for candidate in candidates) else 0
    turns = TURN_MODEL_BYTES if any(candidate.engine == "whisper" for candidate in candidates) else 0
    return Room(SHELL_BYTES + in_memory + torch + language + turns, on_card + CUDA_BYTES if on_card else 0)


def select(ladders: Mapping[Stage, Ladder], room: Room, pace: Pace) -> Selection:
    """Begins with the least of each stage, which is taken even where it does not fit, and betters one stage after the
    other by a step, until no step fits. So no stage starves for another's sake."""
    chosen = {stage: ladders[stage].steps[0] for stage in UPGRADE_ORDER}
    at = dict.fromkeys(UPGRADE_ORDER, 0)
    bettered = True
    while bettered:
        bettered = False
        for stage in UPGRADE_ORDER:
            for position in range(at[stage] + 1, len(ladders[stage].steps)):
                step = ladders[stage].steps[position]
                if pace.objection(step) is None and _fits({**chosen, stage: step}, room):
                    chosen[stage], at[stage], bettered = step, position, True
                    break
    left_out = (
        left
        for stage in UPGRADE_ORDER
        if (left := _left_out(ladders[stage], at[stage], chosen, room, pace)) is not None
    )
    return Selection(chosen, tuple(left_out))


def _fits(chosen: Mapping[Stage, Candidate], room: Room) -> bool:
    needed = memory_of(chosen)
    return needed.memory_bytes <= room.memory_bytes and needed.card_bytes <= room.card_bytes


def _left_out(
    ladder: Ladder, position: int, chosen: Mapping[Stage, Candidate], room: Room, pace: Pace
) -> LeftOut | None:
    """The next better candidate. One that is not installed is named only if this machine could not hold it anyway."""
    better = ladder.steps[position + 1 :]
    unable = [step for step in ladder.absent if not _fits({**chosen, ladder.stage: step}, room)]
    for step in (*better[:1], *unable[:1]):
        changed = {**chosen, ladder.stage: step}
        needed, taken = memory_of(changed), memory_of(chosen)
        more = needed.memory_bytes - taken.memory_bytes + needed.card_bytes - taken.card_bytes
        why = _shortage(changed, room, step) or pace.objection(step)
        if why is not None:
            return LeftOut(ladder.stage, step.label, max(step.memory_bytes, more), why)
    return None


def _shortage(changed: Mapping[Stage, Candidate], room: Room, step: Candidate) -> str | None:
    needed = memory_of(changed)
    if needed.card_bytes > room.card_bytes:
        where, wanted, have = "the card's memory", needed.card_bytes, room.card_bytes
    elif needed.memory_bytes > room.memory_bytes:
        where, wanted, have = "memory", needed.memory_bytes, room.memory_bytes
    else:
        return None
    return f"the assistant with it would take {wanted / GB:.2f} GB of {where}, and {have / GB:.2f} GB can be had"
