"""How long a person waits for an answer: the real program on the virtual sound card, asked thirty questions aloud.

From the last voiced sample of the question to the first voiced sample of the answer, both on the card's clock. Needs
PulseAudio, PortAudio and flite. The wordings are ones the recogniser understands in this voice, which was among those
its decoding was tuned with: the figure is about waiting, not about accuracy.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure
from core.utils.config import AudioConfig
from core.utils.errors import AudioDeviceError
from tests.integration.program import Program
from tests.integration.room import EchoSettings
from tests.integration.sound_card import RATE_HZ, SoundCard, loop_latencies, missing_parts, spoken

QUESTIONS = (
    "what time is it",
    "what is three times four",
    "what day is it today",
    "set a timer for twenty minutes",
    "cancel the timer",
)
TURNS = 30
VOICE = "awb"
VOICED = 1e-2
TARGET_S = 0.45
BARGE_INS = 5
LOUD_BARGE_INS = 12
NOTICED_S = 1.0
"""a reply of six seconds that is silent so soon was interrupted"""
BARGE_IN_S = 0.15
"""what a barge-in may take beyond the device's buffer and the card's own loop"""
OUTPUT_LATENCY_S = AudioConfig().output_latency_ms / 1000
STAGES = ("endpoint", "stt", "first_token", "first_audio")


def run(turns: int = TURNS) -> list[Figure]:
    """Median and 95th percentile of the wait, and the share of each stage."""
    missing = missing_parts()
    if missing:
        raise AudioDeviceError(f"bench voice needs a virtual sound card; missing: {', '.join(missing)}")
    card = SoundCard()
    card.start()
    try:
        loop_s = float(statistics.median(loop_latencies(card, 10)))
        waits, stages, silences = _converse(card, turns)
        loud = _over_loudspeakers(card)
        late = card.room.late_blocks
    finally:
        card.stop()
    if late:
        print(f"the virtual sound card was late by {late} blocks of 10 ms: the machine is busy", file=sys.stderr)
    total = sum(stages.values())
    return [
        Figure(f"voice to voice, median of {turns} turns", statistics.median(waits), "s", "lower", target=TARGET_S),
        Figure("voice to voice, 95th percentile", sorted(waits)[round(0.95 * (len(waits) - 1))], "s", "lower"),
        Figure(
            "barge-in, first audible sample of the voice to silence, median of 5",
            statistics.median(silences),
            "s",
            "lower",
            target=round(BARGE_IN_S + OUTPUT_LATENCY_S + loop_s, 3),
        ),
        *_loudspeaker_figures(loud, loop_s),
        *(
            Figure(f"share of {name} in what the program measures", stages[name] / total, "", "lower")
            for name in STAGES
        ),
    ]


def _converse(card: SoundCard, turns: int) -> tuple[list[float], dict[str, float], list[float]]:
    waits: list[float] = []
    silences: list[float] = []
    stages = dict.fromkeys(STAGES, 0.0)
    with tempfile.TemporaryDirectory() as home, Program(Path(home), ["talk", "--offline"], card.variables) as program:
        program.wait_for(r"^\[listening", 60)
        for turn in range(turns):
            card.wait_for_silence(10, quiet_s=0.7)
            said = card.say(spoken(QUESTIONS[turn % len(QUESTIONS)], VOICE, "flite"))
            waits.append(card.wait_for_sound(15, since=said.ends, level=VOICED) - said.ends)
            line = program.wait_for(r"turn \d+: (.*) ms$", 30).group(1)
            for name, value in re.findall(r"(\w+) (\d+)", line):
                if name in stages:
                    stages[name] += float(value)
        for _ in range(BARGE_INS):
            silences.append(_barge_in(card))
        program.interrupt()
    return waits, stages, silences


def _barge_in(card: SoundCard, words: str = "stop", after_s: float = 1.5) -> float:
    """Seconds from the first audible sample of the user's voice to the last one of a long reply.

    The synthetic "hold on" begins with 46 ms of breath below that level, which no detector takes for a voice. On a
    busy machine the virtual card's microphone falls behind, by up to a second: that is no part of it.
    """
    card.wait_for_silence(15, quiet_s=1.0)
    said = card.say(spoken("what can you do", VOICE, "flite"))
    card.wait_for_sound(15, since=said.ends, level=VOICED)
    time.sleep(after_s)
    voice = spoken(words, VOICE, "flite")
    cut = card.say(voice)
    begins = cut.starts + card.room.behind_s + float(np.argmax(np.abs(voice) >= VOICED)) / RATE_HZ
    return card.wait_for_silence(15, quiet_s=0.5, level=VOICED) - begins


def _over_loudspeakers(card: SoundCard) -> list[float]:
    """The same in a room that the speaker fills, at -10 dB; nothing without the recordings of rooms."""
    assets = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[2] / "shared" / "assets"))
    if not assets.exists():
        print(f"no barge-in over loudspeakers: {assets} is not there (set MERLINE_ASSETS)", file=sys.stderr)
        return []
    room = EchoSettings(assets / "rir/rir1.wav", -10.0, noise=assets / "noise/noise2.wav")
    with (
        tempfile.TemporaryDirectory() as home,
        Program(Path(home), ["talk", "--offline"], card.variables) as program,
        card.echo(room),
    ):
        program.wait_for(r"^\[listening", 60)
        _barge_in(card, after_s=4.0)  # the canceller learns the room by the first reply
        silences: list[float] = []
        for turn in range(LOUD_BARGE_INS):
            try:
                silences.append(_barge_in(card, "hold on for a moment", 0.6 + 0.25 * turn))
            except TimeoutError:
                print("a question that was not answered in the echoing room, left out", file=sys.stderr)
        program.interrupt()
    return silences


def _loudspeaker_figures(silences: list[float], loop_s: float) -> list[Figure]:
    if not silences:
        return []
    target = round(BARGE_IN_S + OUTPUT_LATENCY_S + loop_s, 3)
    noticed = [silence for silence in silences if silence < NOTICED_S]
    of = f"{len(silences)} times over loudspeakers, the echo at -10 dB"
    figures = [Figure(f"barge-in noticed, {of}", len(noticed) / len(silences), "share", "higher", target=0.9)]
    if noticed:
        figures.append(Figure("to silence then, median", statistics.median(noticed), "s", "lower", target=target))
    return figures
