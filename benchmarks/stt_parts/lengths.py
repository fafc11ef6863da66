"""How long the text of an utterance of 1 to 30 s takes once it has ended, and by what factor that is real time."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.figures import Figure
from benchmarks.stt_parts.engines import Engines, Way, buzz, measure, ratio, tokens_said

TARGET_S = 3.0
"""the length that the targets are for"""


@dataclass(frozen=True, slots=True)
class Length:
    """An utterance's, and how often it is measured."""

    seconds: float
    rounds: int

    @property
    def name(self) -> str:
        return f"{self.seconds:g} s"


LENGTHS = (Length(1.0, 4), Length(TARGET_S, 9), Length(10.0, 3), Length(30.0, 2))


def figures(size: str, engines: Engines, length: Length) -> list[Figure]:
    """Of both engines; raises RuntimeError where two ways gave unequal numbers of tokens."""
    sound, tokens = buzz(length.seconds), tokens_said(length.seconds)
    openai_short, openai_default = openai = engines.openai_ways(sound, tokens)
    measure(openai, length.rounds)
    short, default, tuned = faster = engines.faster_ways(sound, tokens)
    measure(faster, length.rounds)
    name = f"whisper {size}, {length.seconds:g} s"
    for way in (*faster, *openai):
        if way.tokens != tokens:
            raise RuntimeError(f"{name}: {way.name} gave {way.tokens} tokens and not {tokens}")
    targeted = length.seconds == TARGET_S
    pairs: tuple[tuple[Way, Way, float | None], ...] = (
        (short, default, 0.2),
        (short, tuned, 0.35),
        (openai_short, openai_default, 0.35),
    )
    return [
        *(Figure(f"{name}, {way.name}", way.ms, "ms", "lower") for way in (*faster, *openai)),
        *(
            Figure(f"{name}, {way.name}: real-time factor", way.ms / 1000 / length.seconds, "", "lower")
            for way in (short, openai_short)
        ),
        *(
            Figure(
                f"{name}, {mine.name} / {other.name}",
                ratio(mine, other),
                "",
                "lower",
                target if targeted else None,
                other.ms,
            )
            for mine, other, target in pairs
        ),
    ]
