"""How often a voice over a reply opens a turn where nothing of the reply comes back, over headphones, in noise too.

`python3 -m benchmarks.echo_parts.headphones`; needs espeak-ng, flite and ../shared/assets (MERLINE_ASSETS). Speaker,
microphone, canceller, detector and interruptions are the real ones on a virtual clock (tests.integration.virtual_room);
each voice has words by script, so this says nothing of a recogniser. A third of the users have the assistant's own
engine, the hardest to tell from an echo of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial

import numpy as np

from benchmarks.echo_parts.published import ASSETS, LONG, PEOPLE, REPLIES, ROOMS, USER_S, person, said
from benchmarks.figures import Figure
from core.messages import Samples
from core.utils.config import TtsConfig
from tests.integration.room import EchoSettings
from tests.integration.virtual_room import VirtualRoom
from tests.integration.voices import Engine, spoken
from tts.espeak import EspeakEngine

NOISES_DBFS = (-65.0, -55.0, -45.0)
CONVERSATIONS, BARGE_INS = 12, 8
WORDS = (
    "stop",
    "wait a minute please",
    "what can you do",
    "what did you just say",
    "no I meant the other one",
    "tell me the time in Paris",
    "add milk to my shopping list",
    "set a timer for ten minutes",
)
VOICES: tuple[tuple[str, Engine], ...] = (
    ("en-gb", "espeak-ng"),
    ("en-us", "espeak-ng"),
    ("en+f3", "espeak-ng"),
    ("slt", "flite"),
    ("rms", "flite"),
    ("awb", "flite"),
)
LATEST_S = 3.5


def run() -> list[Figure]:
    """One figure for each loudness of the room."""
    voice = EspeakEngine(TtsConfig())
    voice.load()
    try:
        return [in_noise(cache(partial(said, voice)), noise_dbfs) for noise_dbfs in NOISES_DBFS]
    finally:
        voice.close()


def in_noise(say: Callable[[str], Samples], noise_dbfs: float) -> Figure:
    """Conversations in which somebody speaks over every long answer."""
    heard = tries = 0
    for seed in range(CONVERSATIONS):
        rng = np.random.default_rng(seed)
        room = enter(seed, noise_dbfs)
        for text in REPLIES[:4]:
            room.reply(say(text))
            room.run_until_silent()
            room.run(0.8)
        for _ in range(BARGE_INS):
            name, samples = user(rng)
            after_s = float(rng.uniform(0.3, LATEST_S))
            tries += 1
            if interrupt(room, say(LONG), samples, after_s):
                heard += 1
            else:
                at = f"{noise_dbfs:g} dBFS, conversation {seed}, after {after_s:.2f} s"
                print(f"lost: {name!r}, {at}, {room.front_end.echo.layer}", file=sys.stderr, flush=True)
        room.close()
    of = f"noise at {noise_dbfs:g} dBFS, {tries} times"
    return Figure(f"the user's voice over a reply by headphones noticed, {of}", heard / tries, "share", "higher", 0.95)


def enter(seed: int, noise_dbfs: float) -> VirtualRoom:
    """A room of which only the noise is heard."""
    noise = ASSETS / "noise" / f"noise{1 + seed % 5}.wav"
    echo = EchoSettings(ASSETS / "rir" / f"{ROOMS[seed % len(ROOMS)]}.wav", noise=noise, noise_dbfs=noise_dbfs)
    room = VirtualRoom(echo)
    room.headphones = True
    room.run(0.5)
    return room


def user(rng: np.random.Generator) -> tuple[str, Samples]:
    """Somebody's words, and the sound of them at 48 kHz [n]."""
    if rng.random() < 1 / 3:
        name = str(rng.choice(PEOPLE))
        return name, person(name)
    words = str(rng.choice(WORDS))
    voice, engine = VOICES[int(rng.integers(len(VOICES)))]
    return f"{voice}: {words}", spoken(words, voice, engine)


def interrupt(room: VirtualRoom, reply: Samples, samples: Samples, after_s: float) -> bool:
    """Whether what somebody says into the reply became a turn."""
    room.reply(reply)
    room.run(after_s)
    before = len(room.noticed)
    room.speak(samples, "words")
    room.run(USER_S + 0.8)
    turns = [one for one in room.noticed[before:] if one.kind == "turn"]
    room.end_reply()
    room.run(0.6)
    return bool(turns)


if __name__ == "__main__":
    for figure in run():
        print(figure.line(), flush=True)
