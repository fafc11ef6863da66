"""What benchmarks of speech recognition listen to: test voices through flite and espeak-ng, and human recordings."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.messages import Samples

ROOT = Path(__file__).resolve().parents[2]
ASSETS = Path(os.environ.get("MERLINE_ASSETS", ROOT.parent / "shared" / "assets"))
LONGEST_S = 4.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance and what was said in it."""

    text: str
    samples: Samples
    is_command: bool


def said(own: Iterable[str], other: Iterable[str], voices: Iterable[str]) -> Iterator[Spoken]:
    """Commands and other sentences in each voice, with a little room before and after."""
    texts = [(text, True) for text in own] + [(text, False) for text in other]
    with tempfile.TemporaryDirectory() as folder:
        for voice in voices:
            for text, is_command in texts:
                yield Spoken(text, in_a_room(synthesise(voice, text, Path(folder) / "speech.wav")), is_command)


def synthesise(voice: str, text: str, path: Path) -> Samples:
    """Speech at 16 kHz from "flite:NAME", "espeak-ng:NAME" or "espeak-ng:NAME@WORDS_PER_MINUTE"."""
    program, _, name = voice.partition(":")
    name, _, rate = name.partition("@")
    arguments = (
        ["-voice", name, "-t", text, "-o", str(path)]
        if program == "flite"
        else ["-v", name, *(["-s", rate] if rate else []), "-w", str(path), text]
    )
    subprocess.run([program, *arguments], check=True, timeout=30)
    return read(path)


def recordings() -> Iterator[Spoken]:
    """The English human recordings, none of which is a command, cut to a command's length."""
    for entry in json.loads((ASSETS / "speech" / "manifest.json").read_text(encoding="utf-8")):
        if entry["lang"] == "en" and entry["set"] not in ("fsdd", "azure"):
            samples = read(ASSETS / "speech" / entry["file"])
            whole = len(samples) <= LONGEST_S * 16_000
            yield Spoken(entry["text"] if whole else "", in_a_room(samples[: int(LONGEST_S * 16_000)]), False)


def read(path: Path) -> Samples:
    """Any recording as mono at 16 kHz, through sox."""
    options = ["-t", "raw", "-r", "16000", "-c", "1", "-e", "float", "-b", "32", "-"]
    sound = subprocess.run(["sox", str(path), *options], capture_output=True, check=True, timeout=30)
    return np.frombuffer(sound.stdout, np.float32)


def in_a_room(samples: Samples) -> Samples:
    """With faint noise before and after, as pre-roll and endpoint pause give it."""
    room = np.random.default_rng(3)
    before, after = (room.normal(0, 3e-4, size).astype(np.float32) for size in (4800, 3200))
    return np.concatenate((before, samples, after))
