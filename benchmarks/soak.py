"""Half an hour of talk on the virtual sound card: what the real program holds at its end against after its warm-up.

Needs PulseAudio, PortAudio and flite. `bench soak --minutes N` takes another time; the first fifth is the warm-up, in
which every kind of turn has been asked and the larger models have followed. A word over a reply is among them: it is
what has the third decoder loaded, of 7 MB, which then stays.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from core.utils.errors import AudioDeviceError
from tests.integration.program import Program
from tests.integration.sound_card import SoundCard, missing_parts, spoken

MINUTES = 30.0
WARM_UP = 0.2
VOICE = "awb"
REPLY_S = 20.0
PAUSE_S = 2.0
TALK = (
    ("what time is it", r"\d{1,2}:\d\d"),
    ("what is three times four", r"\b12\b"),
    ("what day is it today", "day"),
    ("set a timer for twenty minutes", "20 minutes"),
    ("cancel the timer", "timer"),
    ("what can you do", "timer"),
)
WHICH, ALL = "Which one", "all of them"
"""a timer that was misheard is left, and each round would leave one more"""
OVER = {"what can you do": "okay"}
"""said over the reply to it, which goes on"""
OVER_S = 1.0
"""after the reply's beginning: sooner it would be more of the question"""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the process holds at one moment."""

    at_s: float
    resident_mb: float
    threads: int
    files: int
    cpu_s: float


def run(minutes: float = MINUTES) -> list[Figure]:
    """Growth from the warm-up to the end, as medians over a tenth of the time at each side."""
    missing = missing_parts()
    if missing:
        raise AudioDeviceError(f"bench soak needs a virtual sound card; missing: {', '.join(missing)}")
    card = SoundCard()
    card.start()
    try:
        seen, turns, wrong = _converse(card, 60.0 * minutes)
    finally:
        card.stop()
    return _figures(seen, turns, wrong, 60.0 * minutes)


def _converse(card: SoundCard, seconds: float) -> tuple[list[Holdings], int, list[str]]:
    seen: list[Holdings] = []
    wrong: list[str] = []
    turns = 0
    with tempfile.TemporaryDirectory() as home, Program(Path(home), ["talk", "--offline"], card.variables) as program:
        program.wait_for(r"^\[listening", 60)
        process = psutil.Process(program.process.pid)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            question, meant = TALK[turns % len(TALK)]
            turns += 1
            reply = _ask(card, program, question)
            if reply.startswith(WHICH):
                card.wait_for_silence(REPLY_S, quiet_s=PAUSE_S)
                reply = _ask(card, program, ALL)
            if not re.search(meant, reply):
                wrong.append(f"{question!r} was answered {reply!r}")
            seen.append(_look(process, time.monotonic() - began))
            try:
                card.wait_for_silence(REPLY_S, quiet_s=PAUSE_S)
            except TimeoutError as error:
                wrong.append(f"after {question!r} {error}")
        program.interrupt()
    return seen, turns, wrong


def _ask(card: SoundCard, program: Program, question: str) -> str:
    program.skip()
    said = card.say(spoken(question, VOICE, "flite"))
    try:
        began = card.wait_for_sound(REPLY_S, since=said.ends)
        if question in OVER:
            card.wait_until(began + OVER_S)
            card.say(spoken(OVER[question], VOICE, "flite"))
        return program.wait_for(r"^merline: (.*)", REPLY_S).group(1)
    except (TimeoutError, AssertionError):
        return ""


def _look(process: psutil.Process, at_s: float) -> Holdings:
    with process.oneshot():
        times = process.cpu_times()
        return Holdings(
            at_s,
            process.memory_info().rss / 1e6,
            process.num_threads(),
            process.num_fds() if hasattr(process, "num_fds") else process.num_handles(),
            times.user + times.system,
        )


def _figures(seen: list[Holdings], turns: int, wrong: list[str], seconds: float) -> list[Figure]:
    for text in wrong:
        print(text, file=sys.stderr)
    warm = [one for one in seen if WARM_UP * seconds <= one.at_s < (WARM_UP + 0.1) * seconds]
    last = [one for one in seen if one.at_s >= 0.9 * seconds]
    if not warm or not last:
        raise AudioDeviceError(f"bench soak: {seconds:.0f} s are too short to tell warm-up from end; take 5 minutes")

    def grown(name: str) -> tuple[float, float]:
        before, after = (statistics.median(getattr(one, name) for one in part) for part in (warm, last))
        return before, after

    memory, threads, files = grown("resident_mb"), grown("threads"), grown("files")
    used = (last[-1].cpu_s - warm[0].cpu_s) / (last[-1].at_s - warm[0].at_s)
    of = f"{seconds / 60:.0f} minutes, {turns} turns"
    return [
        Figure(f"resident memory after the warm-up, {of}", memory[0], "MB", "lower"),
        Figure("its growth to the end", 100 * (memory[1] / memory[0] - 1), "%", "lower", target=1.0),
        Figure("threads that came", threads[1] - threads[0], "", "lower", target=0.0),
        Figure("files that stayed open", files[1] - files[0], "", "lower", target=0.0),
        Figure("turns answered wrongly or not", len(wrong) / turns, "share", "lower"),
        Figure("processor while talking, of one core", 100 * used, "%", "lower"),
    ]
