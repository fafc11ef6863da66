"""The real program on published weights, asked aloud on the virtual sound card: what it hears, answers, and how soon.

`MERLINE_REAL=build/real python3 -m benchmarks.voice_parts.real [WHISPER [LANGUAGE-MODEL [pausing]]]`, after
tools/real_models.py; faster-whisper-tiny.en and Qwen2.5-Coder-0.5B-Instruct unless named. `pausing` asks with pauses
and prints what was prepared for nothing ("work so far"). The voice that answers and
the one that asks are Piper's joe; French is asked by espeak-ng and answered in joe's English or espeak-ng's French.
A run takes 100 s once the numbers of the language model are packed (the first takes some minutes more). The weights of
the language models went through 4 bits once, and Qwen's is the Coder model: what they say is no better than that.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.endpoint_parts.turn_model import turn_model_folder
from benchmarks.voice_parts.models import kept_home
from core.messages import Samples
from tests.integration.program import ROOT, Program, variables
from tests.integration.sound_card import RATE_HZ, SoundCard, spoken

VOICE = "piper-en_US-joe-medium"
VOICED = 1e-2
LOUDNESS = 0.3
READY_S = 420.0
REPLY_S = 20.0
PARTS = ("speech", "endpoint", "stt", "prefill", "first_token", "first_clause", "first_audio")


@dataclass(frozen=True, slots=True)
class Said:
    """A question. With `then`, words after a pause of `pause_s`; `over`: it is asked while the reply sounds."""

    words: str
    then: str = ""
    pause_s: float = 0.5
    over: str = ""
    hold_s: float = 0.0
    """what is waited for behind the reply, such as a timer"""
    french: bool = False


ASKED = (
    Said("What is the capital of France?"),
    Said("And what is the capital of Italy?"),
    Said("Set a timer for an hour,", "and a half."),
    Said("Set a timer for eight seconds."),
    Said("Why is the sky blue in the evening?", hold_s=4.0),
    Said("Tell me a long story about a dragon.", over="Stop!"),
)
PAUSING = (
    Said("Why is the sky", "so blue in the evening?", over="Stop!"),
    Said("How far away,", "is the moon?", over="Stop!"),
    Said("What should I cook", "for dinner with my brother?", 0.7, over="Stop!"),
    Said("What is the capital of Italy?"),
    Said("I would like to know,", "how a steam engine works.", 0.7, over="Stop!"),
    Said("Add butter,", "and eggs to my shopping list."),
)
"""With `pausing` as third argument. A long reply is stopped: a small language model says much."""
IN_FRENCH = (Said("quelle est la capitale de la france", french=True),)


def main(
    whisper: str = "faster-whisper-tiny.en", language: str = "Qwen2.5-Coder-0.5B-Instruct", kind: str = ""
) -> None:
    """On a card of its own; prints each question's wait on the card's clock, its words, its reply and its waterfall."""
    real = Path(os.environ["MERLINE_REAL"]).resolve()
    home = kept_home(f"voice-real-{whisper}-{language}")
    turn = turn_model_folder() or "off"
    settings = (
        "stt.engine=whisper",
        f"stt.model={real / whisper}",
        "llm.engine=mlx",
        f"llm.model={real / language}",
        "llm.temperature=0.0",
        "tts.engine=piper",
        f"tts.voice={real / VOICE}",
        f"endpoint.model={turn}",
        "setup.full_packages=false",
        *(("language=en",) if whisper.endswith(".en") else ()),
    )
    options = [part for setting in settings for part in ("--set", setting)]
    card = SoundCard()
    card.start()
    try:
        with Program(home, ["talk", *options, "--offline", "--log-level", "debug"], card.variables) as program:
            program.wait_for(r"^\[listening", READY_S)
            time.sleep(2.0)
            asked = PAUSING if kind == "pausing" else ASKED + (() if whisper.endswith(".en") else IN_FRENCH)
            for wait in (_ask(card, program, said, home) for said in asked):
                print(wait, flush=True)
            print("\n".join(_told_of_speculation(program.lines)), flush=True)
            (home / "said.txt").write_text("\n".join(program.lines), encoding="utf-8")
            program.interrupt(30)
    finally:
        card.stop()
    print("\n".join(_waterfalls(home)))


def _ask(card: SoundCard, program: Program, said: Said, home: Path) -> str:
    """One question, and how long its answer took from the last voiced sample to the first."""
    card.wait_for_silence(REPLY_S, quiet_s=1.0)
    sound = _voice(said.words, said.french, home)
    if said.then:
        gap = np.zeros(round(said.pause_s * RATE_HZ), np.float32)
        sound = np.concatenate((sound, gap, _voice(said.then, said.french, home)))
    begins = len(program.lines)
    asked = card.say(sound)
    try:
        wait = card.wait_for_sound(REPLY_S, since=asked.ends, level=VOICED) - asked.ends
    except TimeoutError:
        return f"{said.words!r}: no answer within {REPLY_S:.0f} s"
    over = ""
    if said.over:
        time.sleep(1.5)
        cut = card.say(_voice(said.over, said.french, home))
        silent = card.wait_for_silence(REPLY_S, quiet_s=0.5, level=VOICED)
        over = f"; {said.over!r} over it, silent {silent - cut.starts:.2f} s after its first sample"
    time.sleep(said.hold_s)
    card.wait_for_silence(REPLY_S, quiet_s=1.2)
    lines = [line for line in program.lines[begins:] if re.match(r"(you|merline): ", line, re.IGNORECASE)]
    return f"{said.words} {said.then}: {wait:.2f} s{over}\n    " + "\n    ".join(lines)


def _told_of_speculation(lines: list[str]) -> Iterator[str]:
    """What the log says of revisions and of what was prepared."""
    for line in lines:
        if re.search(r"goes on|went on|ends after|taken back|prefill|cache|work so far", line):
            yield line


def _waterfalls(home: Path) -> Iterator[str]:
    """By the program's own record."""
    told = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "turns", "--last", "12", "--json"],
        env=variables(home),
        capture_output=True,
        text=True,
        check=True,
    )
    for record in json.loads(told.stdout)["turns"]:
        parts = record["waterfall_ms"]
        times = ", ".join(f"{name} {parts[name]:.0f}" for name in PARTS if parts.get(name) is not None)
        yield f"turn {record['turn']}: {record['transcript']!r} -> {record['reply'][:60]!r}: {times}"


def _voice(text: str, french: bool, home: Path) -> Samples:
    """At the card's rate, without the silence around it."""
    if french:
        return spoken(text, "fr")
    path = home / "asked.wav"
    with wave.open(str(path), "wb") as file:
        _piper().synthesize_wav(text, file)
    options = ["-t", "raw", "-r", str(RATE_HZ), "-c", "1", "-e", "float", "-b", "32", "-"]
    raw = subprocess.run(["sox", str(path), *options], capture_output=True, check=True, timeout=30).stdout
    sound = np.frombuffer(raw, np.float32)
    audible = np.flatnonzero(np.abs(sound) > VOICED)
    return np.asarray(sound[audible[0] : audible[-1] + 1] * (LOUDNESS / np.abs(sound).max()), np.float32)


@cache
def _piper() -> Any:
    from piper import PiperVoice

    return PiperVoice.load(next(Path(os.environ["MERLINE_REAL"], VOICE).glob("*.onnx")))


if __name__ == "__main__":
    main(*sys.argv[1:])
