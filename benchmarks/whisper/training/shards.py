"""Training speech on disk: numbered files of utterances, each made from its number alone, and the held-out set.

A file appears only when complete, so a killed `make` goes on where it stopped, and training reads what is there.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.whisper.training.sentences import Line, Sentences
from benchmarks.whisper.training.voices import (
    HELD_OUT_VOICES,
    SEEN_VOICES,
    Clip,
    Voice,
    draw_manner,
    draw_voice,
    speak,
)
from core.messages import Language

_VOICES_PER_SHARD = 25
_LINES_PER_VOICE = 24
_ENGLISH_VOICES = 14
_SINGLE_WORDS = 0.1
_PREFIXES = 0.08
_HELD_OUT_LINES = 25
_DICTION: dict[Language, str] = {"en": "en-us", "fr": "fr-fr"}


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one voice said."""

    text: str
    language: Language
    voice: str
    phonemes: str
    """IPA without stress, length and pauses; empty in the held-out set"""
    samples: NDArray[np.int16]
    """at 16 kHz"""
    word_starts: tuple[int, ...]
    """sample where each word begins, -1 where unknown"""


def make_shard(folder: Path, number: int) -> Path:
    """Write training utterances `number`, unless they are there."""
    path = folder / f"shard-{number:04d}.npz"
    if not path.exists():
        rng = random.Random(number)
        sentences: dict[Language, Sentences] = {"en": Sentences("en"), "fr": Sentences("fr")}
        spoken = []
        for index in range(_VOICES_PER_SHARD):
            language: Language = "en" if index < _ENGLISH_VOICES else "fr"
            name = draw_voice(language, rng)
            lines = [_line(sentences[language], rng) for _ in range(_LINES_PER_VOICE)]
            for line, sounds in zip(lines, phonemes(lines, language), strict=True):
                voice = draw_manner(name, rng)
                spoken.append(_utterance(line, voice, sounds, speak(line.text, voice)))
        _write(path, [one for one in spoken if one.samples.size])
    return path


def make_held_out(folder: Path) -> Path:
    """Write the held-out sentences in held-out voices, and in three seen ones for comparison."""
    path = folder / "held-out.npz"
    if not path.exists():
        rng = random.Random(0)
        sentences: dict[Language, Sentences] = {"en": Sentences("en"), "fr": Sentences("fr")}
        spoken = []
        for name in (*HELD_OUT_VOICES, *SEEN_VOICES):
            voice = Voice(name)
            lines = [sentences[voice.language].draw(rng, held_out=True) for _ in range(_HELD_OUT_LINES)]
            spoken += [_utterance(line, voice, "", speak(line.text, voice)) for line in lines]
        _write(path, spoken)
    return path


def read_shard(path: Path) -> list[Utterance]:
    """The utterances of a file."""
    with np.load(path) as data:
        samples, offsets, starts = data["samples"], data["offsets"], data["word_starts"]
        columns = [data[name].tolist() for name in ("text", "language", "voice", "phonemes")]
    utterances, first = [], 0
    for index, (text, language, voice, sounds) in enumerate(zip(*columns, strict=True)):
        last = first + len(text.split())
        clip = samples[offsets[index] : offsets[index + 1]]
        utterances.append(Utterance(text, language, voice, sounds, clip, tuple(starts[first:last].tolist())))
        first = last
    return utterances


def phonemes(lines: Iterable[Line], language: Language) -> list[str]:
    """What each sentence sounds like, in IPA, by espeak-ng."""
    spelled = []
    for line in lines:
        command = ["espeak-ng", "-q", "--ipa", "-v", _DICTION[language], line.text]
        said = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout.decode()
        spelled.append(re.sub(r"\([a-z-]*\)|[^\w̃]|[ˈˌːˑ_\d]", "", said))
    return spelled


def _line(sentences: Sentences, rng: random.Random) -> Line:
    kind = rng.random()
    if kind < _SINGLE_WORDS:
        return sentences.word(rng)
    line = sentences.draw(rng)
    words = line.text.split()
    if kind < _SINGLE_WORDS + _PREFIXES and len(words) > 2:
        return Line(" ".join(words[: rng.randint(1, len(words) - 1)]), line.language)
    return line


def _utterance(line: Line, voice: Voice, sounds: str, clip: Clip) -> Utterance:
    samples = np.clip(clip.samples * 32767.0, -32768, 32767).astype(np.int16)
    return Utterance(line.text, line.language, voice.name, sounds, samples, clip.word_starts)


def _write(path: Path, utterances: list[Utterance]) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(
            file,
            samples=np.concatenate([one.samples for one in utterances]),
            offsets=np.cumsum([0, *(len(one.samples) for one in utterances)]),
            word_starts=np.array([start for one in utterances for start in one.word_starts], np.int64),
            text=np.array([one.text for one in utterances]),
            language=np.array([one.language for one in utterances]),
            voice=np.array([one.voice for one in utterances]),
            phonemes=np.array([one.phonemes for one in utterances]),
        )
    os.replace(part, path)
