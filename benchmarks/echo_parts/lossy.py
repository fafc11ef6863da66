"""Whether long replies over loudspeakers end themselves on a card that loses sound, or their remainders are answered.

`MERLINE_REAL=build/real python3 -m benchmarks.echo_parts.lossy [WHISPER ...]`; these are the rooms of
benchmarks.echo_parts.published. Every 2 to 5 s, in the middle of a word, 50 to 500 ms of what should be played or
captured are lost, or the echo comes by so much later or sooner.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from benchmarks.echo_parts.published import ROOMS, Rooms, each
from benchmarks.figures import Figure
from tests.integration.virtual_room import BLOCK_S, VirtualRoom

LEVELS_DB = (0.0, -10.0)
REPLIES_A_ROOM = 3
FIRST_S = 3.0
GAPS_S = (2.0, 5.0)
LOST_S = (0.05, 0.5)
LOSSES = ("played", "captured", "later", "sooner")
TEXT = (
    "The sky looks blue because the air scatters short waves of light more than long ones. Sunlight holds all the "
    "colours of the rainbow, and each of them travels as a wave of its own length. When it meets the gas in the "
    "atmosphere, the blue part is sent in every direction, while red goes straight through. In the evening the light "
    "has a longer way to travel, so most of the blue is gone before it reaches your eyes. That is why the sunset "
    "looks orange or red, and why mountains in the distance seem to have a blue veil. On the moon there is no air at "
    "all, and so the sky there is black even in the middle of the day. Astronauts who went there said that the stars "
    "were hard to see, since the ground was so bright."
)


def run(names: tuple[str, ...] = ()) -> Iterator[Figure]:
    """The figures of each Whisper that is here, or of those named ("tiny.en", "base")."""
    for rooms in each(names):
        for level_db in LEVELS_DB:
            yield from alone(rooms, level_db)


def alone(rooms: Rooms, level_db: float) -> Iterator[Figure]:
    """Nobody speaks but the assistant."""
    held = ended = answered = replies = 0
    for seed, name in enumerate(ROOMS, 1):
        rng = np.random.default_rng(seed)
        room = rooms.enter(name, level_db, seed)
        for _ in range(REPLIES_A_ROOM):
            before = len(room.noticed), len(room.answered)
            rooms.reply(room, TEXT)
            lose_now_and_then(room, rng)
            room.run(2.5)
            told, words = room.noticed[before[0] :], room.answered[before[1] :]
            replies += 1
            held += sum(one.kind == "held" for one in told)
            ended += any(one.kind == "turn" and one.replying for one in told)
            answered += len(words)
            if any(one.kind == "turn" for one in told):
                print(f"{rooms.name}, {name} at {level_db:g} dB: answered {words}", file=sys.stderr, flush=True)
        room.close()
    of = f"{rooms.name}, the echo at {level_db:g} dB, {replies} replies of 35 s on a card that loses sound"
    yield Figure(f"replies that ended themselves, {of}", ended, "", "lower", target=0)
    yield Figure(f"replies to itself, {of}", answered, "", "lower", target=0)
    yield Figure(f"moments for which it fell silent for itself, {of}", held, "", "lower")


def lose_now_and_then(room: VirtualRoom, rng: np.random.Generator, most_s: float = 60.0) -> None:
    """Until the reply is over."""
    ends, at = room.now + most_s, room.now + FIRST_S
    while room.replying and room.now < ends:
        room.run(BLOCK_S)
        if room.now < at:
            continue
        at += float(rng.uniform(*GAPS_S))
        lost_s = float(rng.uniform(*LOST_S))
        match LOSSES[int(rng.integers(len(LOSSES)))]:
            case "played":
                room.lose(played_s=lost_s)
            case "captured":
                room.lose(captured_s=lost_s)
            case "later":
                room.shift_echo(lost_s)
            case _:
                room.shift_echo(-lost_s)


if __name__ == "__main__":
    for figure in run(tuple(sys.argv[1:])):
        print(figure.line(), flush=True)
