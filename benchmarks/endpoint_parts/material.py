"""Turns to end or to wait in: people's recordings and synthetic voices, half to choose constants on, half to report on.

No speaker and no text is in both halves. A text's phrases are spoken one by one, each but the last with a comma, so
that the voice stays up where it would; people's recordings are cut at their own phrase boundaries. Needs flite,
espeak-ng, sox and MERLINE_ASSETS; a Piper voice in the folder that MERLINE_REAL names is used if it is there.
"""

from __future__ import annotations

import json
import os
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpora.speech import ASSETS, read, synthesise
from benchmarks.endpoint_parts.recorded import LJ, last_seconds, split
from core.messages import Language, Samples

PIPER = "piper-en_US-joe-medium"
VOICES = {
    "chosen on": ("flite:awb", "espeak-ng:en-us@150", "flite:slt", "espeak-ng:en-gb-x-rp+f3@160"),
    "reported on": ("piper", "flite:rms", "espeak-ng:en-gb-scotland+m3@155", "flite:kal16"),
}
PEOPLE = {
    "chosen on": ("lj", "librivox-austen"),
    "reported on": ("jfk", "sb-spk1", "sb-spk2", "cheetah-en", "azure1"),
}
AUSTEN = (("0870",), ("0880", "0890"))
"""files that make a sentence together"""
FRENCH_PEOPLE = ("cheetah-fr", "uberi")
EACH_TEXT_BY = 2
"""voices of four"""
FADES = 0.01
"""of a synthetic phrase's loudest sample: what is softer at its ends is cut off"""
LOUDNESS = 0.3

TEXTS = {
    "chosen on": (
        "What is the capital of Sweden?",
        "How far is it, from here to the station?",
        "Set a timer for twelve minutes.",
        "Set a timer for an hour, and a half.",
        "Wake me up tomorrow, at half past six.",
        "Add butter, eggs, and flour to my shopping list.",
        "Remind me to, call the dentist on Monday.",
        "Why do leaves turn red in autumn?",
        "If it rains tomorrow, what should I do, with the children?",
        "What is fifteen, times seven?",
        "Could you tell me, who wrote Hamlet?",
        "I would like to know, how a steam engine works.",
        "When I was a boy we lived by the sea, and every summer, my uncle came to visit us.",
        "The train was late again this morning, so I missed my first meeting.",
        "Play something quiet.",
        "Tell me a joke.",
        "My sister has three cats, a dog, and an old horse.",
        "Take a note, the plumber comes on Thursday.",
        "Is there, any milk left in the fridge?",
        "What's the weather like in, London?",
        "Not today, thank you.",
        "Because the road was closed, we had to walk, for about an hour.",
        "Which is heavier, a kilo of iron, or a kilo of feathers?",
        "Please turn the volume down a little.",
    ),
    "reported on": (
        "What is the largest planet?",
        "Who painted the Mona Lisa, and when?",
        "Start a timer for twenty, five minutes.",
        "Cancel the alarm.",
        "How many days are there, in February?",
        "Put bread, cheese, and apples on my list.",
        "Remind me in ten minutes, to take the cake out of the oven.",
        "Do you know, whether penguins can fly?",
        "Before you answer, tell me what time it is, in Tokyo.",
        "What is three hundred, divided by eight?",
        "Explain to me, why the sky is blue.",
        "How long does it take, to boil an egg?",
        "We walked along the river until it got dark, then we took the bus home, because my feet hurt.",
        "The old bridge was built by the Romans, and people still use it every day.",
        "Good morning.",
        "Read my notes.",
        "I bought two pens, a notebook, and some paper.",
        "Write down, that the key is under the mat.",
        "Can you recommend, a good book about history?",
        "What should I cook with, potatoes and leeks?",
        "No, I meant the other one.",
        "Although it was late, nobody wanted to go home, so we stayed and talked.",
        "Is it better to walk, or to take the train?",
        "Turn it up, please.",
    ),
}
FRENCH = (
    "Quelle heure est-il ?",
    "Quelle est la capitale de la Suède ?",
    "Mets un minuteur, de dix minutes.",
    "Ajoute du lait, des oeufs, et du pain à ma liste.",
    "Si demain il pleut, que faut-il faire ?",
    "Rappelle-moi, d'appeler le médecin.",
    "Quand j'étais petit, nous habitions près de la mer, et tous les étés mon oncle venait nous voir.",
    "Pourquoi le ciel est-il bleu ?",
)
FRENCH_VOICES = ("espeak-ng:fr@150", "espeak-ng:fr+f3@150")


@dataclass(frozen=True, slots=True)
class Said:
    """One turn."""

    speaker: str
    phrases: tuple[Samples, ...]
    """[n] each, at 16 kHz; at least one"""
    language: Language = "en"
    person: bool = True


def material(half: str) -> list[Said]:
    """The English turns of one half, people's first."""
    return [*_people(PEOPLE[half]), *_synthetic(TEXTS[half], VOICES[half], "en")]


def french() -> list[Said]:
    """Three recordings without a pause, and synthetic turns; none of it was chosen on."""
    recorded = [
        Said(entry["speaker"], tuple(split(read(ASSETS / "speech" / entry["file"]))), "fr")
        for entry in _manifest()
        if entry["lang"] == "fr" and entry["speaker"] in FRENCH_PEOPLE
    ]
    return [*recorded, *_synthetic(FRENCH, FRENCH_VOICES, "fr")]


def _people(speakers: tuple[str, ...]) -> Iterator[Said]:
    folder = ASSETS / "speech"
    if "lj" in speakers:
        for group in LJ:
            files = (folder / "ljspeech" / f"LJ001-{number}.flac" for number in group)
            yield Said("lj", tuple(last_seconds([part for file in files for part in split(read(file))])))
    if "librivox-austen" in speakers:
        for names in AUSTEN:
            files = (folder / "librivox" / f"sense_and_sensibility_01_austen_64kb-{name}.wav" for name in names)
            yield Said("librivox-austen", tuple(last_seconds([part for file in files for part in split(read(file))])))
    for entry in _manifest():
        if entry["lang"] == "en" and entry["speaker"] in speakers and entry["set"] not in ("ljspeech", "librivox"):
            yield Said(entry["speaker"], tuple(last_seconds(split(read(folder / entry["file"])))))


def _manifest() -> list[dict[str, str]]:
    entries: list[dict[str, str]] = json.loads((ASSETS / "speech" / "manifest.json").read_text(encoding="utf-8"))
    return entries


def _synthetic(texts: tuple[str, ...], voices: tuple[str, ...], language: Language) -> Iterator[Said]:
    """Each text by some of the voices in turn."""
    here = [voice for voice in voices if voice != "piper" or _piper_folder() is not None]
    number = count()
    with tempfile.TemporaryDirectory() as folder:
        for text in texts:
            for _ in range(min(EACH_TEXT_BY, len(here))):
                voice = here[next(number) % len(here)]
                phrases = tuple(_spoken(voice, part, Path(folder) / "phrase.wav") for part in phrases_of(text))
                yield Said(voice, phrases, language, person=False)


def phrases_of(text: str) -> list[str]:
    """Cut behind the commas, which stay."""
    *going_on, last = text.split(", ")
    return [*(f"{part}," for part in going_on), last]


def _spoken(voice: str, text: str, path: Path) -> Samples:
    """Without the silence around it."""
    if voice == "piper":
        with wave.open(str(path), "wb") as file:
            _piper(str(_piper_folder())).synthesize_wav(text, file)
        sound = read(path)
    else:
        sound = synthesise(voice, text, path)
    loudest = float(np.abs(sound).max())
    audible = np.flatnonzero(np.abs(sound) > FADES * loudest)
    return np.asarray(sound[audible[0] : audible[-1] + 1] * (LOUDNESS / loudest), np.float32)


def _piper_folder() -> Path | None:
    folder = Path(os.environ.get("MERLINE_REAL", "build/real"), PIPER)
    return folder if folder.is_dir() else None


@cache
def _piper(folder: str) -> Any:
    from piper import PiperVoice

    return PiperVoice.load(next(Path(folder).glob("*.onnx")))
