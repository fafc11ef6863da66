"""Training speech on disk: numbered files of utterances, each made from its number alone, and the held-out set.

A file appears only when complete, so a killed `make` goes on where it stopped, and training reads what is there.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

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
    espeak_name,
    speak,
)
from core.messages import Language
from tts.espeak_library import VoiceChoice, shared_library

_VOICES_PER_SHARD = 25
_LINES_PER_VOICE = 24
_ENGLISH_VOICES = 14
_SINGLE_WORDS = 0.1
_PREFIXES = 0.08
_HELD_OUT_LINES = 25
_DICTION: dict[Language, str] = {"en": "en-us", "fr": "fr-fr"}


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance of a file without its sound."""

    text: str
    language: Language
    voice: str
    phonemes: str
    start: int
    """first sample of it among the file's"""
    size: int
    """in samples"""
    word_starts: tuple[int, ...]


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


def make_speech(folder: Path, numbers: range, processes: int = 1, minutes: float = 1e9) -> None:
    """Write the held-out set and, in `processes`, the training files `numbers`; none is begun after `minutes`.

    Raises RuntimeError where a process fails; it has written why.
    """
    for language in ("en", "fr"):
        _sentences(language)  # read once, before the processes part
    context = multiprocessing.get_context("fork")
    following = context.Value("q", numbers.start)
    ends = time.monotonic() + 60.0 * minutes
    given = (folder, numbers.stop, following, ends)
    workers: list[Any] = [context.Process(target=_make_shards, args=given) for _ in range(processes)]
    workers.append(context.Process(target=make_held_out, args=(folder,)))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        failed = sum(bool(worker.exitcode) for worker in workers)
        raise RuntimeError(f"speech: {failed} of {len(workers)} processes failed; each wrote why, and make goes on")


def _make_shards(folder: Path, stop: int, following: Any, ends: float) -> None:
    while time.monotonic() < ends:
        with following.get_lock():
            number = following.value
            following.value += 1
        if number >= stop:
            break
        make_shard(folder, number)


def shard_path(folder: Path, number: int) -> Path:
    """Where training file `number` is."""
    return folder / f"shard-{number:04d}.npz"


def make_shard(folder: Path, number: int) -> Path:
    """Write training utterances `number`, unless they are there."""
    path = shard_path(folder, number)
    if not path.exists():
        rng = random.Random(number)
        spoken = []
        for index in range(_VOICES_PER_SHARD):
            language: Language = "en" if index < _ENGLISH_VOICES else "fr"
            name = draw_voice(language, rng)
            lines = [_line(_sentences(language), rng) for _ in range(_LINES_PER_VOICE)]
            for line, sounds in zip(lines, phonemes(lines, language), strict=True):
                voice = draw_manner(name, rng)
                spoken.append(_utterance(line, voice, sounds, speak(line.text, voice)))
        write(path, [one for one in spoken if one.samples.size])
    return path


def make_held_out(folder: Path) -> Path:
    """Write the held-out sentences in held-out voices, and in three seen ones for comparison."""
    path = folder / "held-out.npz"
    if not path.exists():
        rng = random.Random(0)
        spoken = []
        for name in (*HELD_OUT_VOICES, *SEEN_VOICES):
            voice = Voice(name)
            lines = [_sentences(voice.language).draw(rng, held_out=True) for _ in range(_HELD_OUT_LINES)]
            spoken += [_utterance(line, voice, "", speak(line.text, voice)) for line in lines]
        write(path, spoken)
    return path


def read_shard(path: Path) -> list[Utterance]:
    """The utterances of a file."""
    samples = read_samples(path)
    return [
        Utterance(
            one.text, one.language, one.voice, one.phonemes, samples[one.start : one.start + one.size], one.word_starts
        )
        for one in read_index(path)
    ]


def read_samples(path: Path) -> NDArray[np.int16]:
    """All sound of a file, at 16 kHz."""
    with np.load(path) as data:
        samples: NDArray[np.int16] = data["samples"]
    return samples


def read_index(path: Path) -> list[Spoken]:
    """What was said in a file, and where."""
    with np.load(path) as data:
        offsets, starts = data["offsets"].tolist(), data["word_starts"].tolist()
        columns = [data[name].tolist() for name in ("text", "language", "voice", "phonemes")]
    found, first = [], 0
    for index, (text, language, voice, sounds) in enumerate(zip(*columns, strict=True)):
        last = first + len(text.split())
        begin, end = offsets[index : index + 2]
        found.append(Spoken(text, language, voice, sounds, begin, end - begin, tuple(starts[first:last])))
        first = last
    return found


def phonemes(lines: Iterable[Line], language: Language) -> list[str]:
    """What each sentence sounds like, in IPA, by espeak-ng."""
    voice = VoiceChoice(espeak_name(_DICTION[language]), 165, 50)
    spelled = (shared_library().phonemes(line.text, voice) for line in lines)
    return [re.sub(r"\([a-z-]*\)|[^\w̃]|[ˈˌːˑ_\d]", "", one) for one in spelled]


@cache
def _sentences(language: Language) -> Sentences:
    return Sentences(language)


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


def write(path: Path, utterances: list[Utterance]) -> None:
    """A file of utterances, there only when complete."""
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
