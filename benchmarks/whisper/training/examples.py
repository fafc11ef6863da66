"""One training example: disturbed speech as Whisper's log-mel window, and the tokens that are to be said about it.

The mel window is what both backends compute: normalised over the utterance, then zeros up to the window's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.whisper.training.disturb import Generator, Rooms, at_speed
from benchmarks.whisper.training.shards import Utterance
from benchmarks.whisper.training.vocabulary import Vocabulary
from benchmarks.whisper.training.voices import RATE_HZ
from core.messages import Samples

HOP_SAMPLES = 160
FULL_FRAMES = 3000
LEAST_FRAMES = 120
_TIMESTAMPS = 0.25
CONNECTED = 0.35
CUT = 0.15
NO_SPEECH = 0.06
_LONGER = 0.08
LONGEST_CONNECTED_S = 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said."""

    text: str
    phonemes: str
    """empty where unknown"""
    language: str
    """empty for sounds that are no speech"""


@dataclass(frozen=True, slots=True)
class Speech:
    """What is heard and what was said."""

    samples: Samples
    text: str
    phonemes: str
    """empty where unknown"""
    language: str
    """empty for sounds that are no speech"""


@dataclass(frozen=True, slots=True)
class Example:
    """A window and its targets."""

    mel: NDArray[np.float32]
    """[80, frames of sound]"""
    frames: int
    """of the window: the sound's and zeros"""
    tokens: tuple[int, ...]
    """rows of the vocabulary, as the decoder reads them"""
    targets: tuple[int, ...]
    """what follows each token; IGNORED where it is not to be learnt"""
    phonemes: tuple[int, ...]


class Examples:
    """Makes examples at random from utterances. `full` is the share of windows of 30 s."""

    def __init__(self, utterances: Sequence[Utterance], vocabulary: Vocabulary, full: float) -> None:
        self._utterances = utterances
        self._vocabulary = vocabulary
        self._full = full
        self._rooms = Rooms(np.random.default_rng(0))
        voices: dict[tuple[str, str], list[int]] = {}
        for index, one in enumerate(utterances):
            voices.setdefault((one.voice, one.language), []).append(index)
        self._same_voice = voices

    def draw(self, rng: Generator, hardness: float = 1.0) -> Example:
        """One example. `hardness`, 0 to 1: how often noise and rooms are in it."""
        silent = rng.random() < NO_SPEECH
        speech = Speech(self._rooms.no_speech(rng), "", "", "") if silent else self._speech(rng, hardness)
        return self._example(speech, rng)

    def _speech(self, rng: Generator, hardness: float) -> Speech:
        one = self._utterances[int(rng.integers(len(self._utterances)))]
        kind = rng.random()
        if kind < CONNECTED:
            speech = self._connected(one, rng)
        elif kind < CONNECTED + CUT and len(one.word_starts) > 2 and min(one.word_starts) >= 0:
            speech = _cut(one, rng)
        else:
            speech = Speech(_floats(one), one.text, one.phonemes, one.language)
        samples = at_speed(speech.samples, rng.uniform(0.86, 1.18)) if rng.random() < 0.8 else speech.samples
        before, after = (int(rng.uniform(0.0, longest) * RATE_HZ) for longest in (0.4, 0.5))
        samples = np.pad(samples, (before, after))
        if rng.random() < 0.4 * hardness:
            samples = self._rooms.in_room(samples, rng)
        if rng.random() < 0.55 * hardness:
            samples = self._rooms.with_noise(samples, rng)
        return Speech(self._rooms.at_level(samples, rng), speech.text, speech.phonemes, speech.language)

    def _connected(self, first: Utterance, rng: Generator) -> Speech:
        others = self._same_voice[first.voice, first.language]
        parts, chosen = [_floats(first)], [first]
        length = first.samples.size
        for _ in range(int(rng.integers(1, 4))):
            following = self._utterances[others[rng.integers(len(others))]]
            gap = int(rng.uniform(0.05, 0.6) * RATE_HZ)
            length += gap + following.samples.size
            if length > LONGEST_CONNECTED_S * RATE_HZ:
                break
            parts += [np.zeros(gap, np.float32), _floats(following)]
            chosen.append(following)
        return Speech(
            np.concatenate(parts),
            " ".join(one.text for one in chosen),
            "".join(one.phonemes for one in chosen),
            first.language,
        )

    def _example(self, speech: Speech, rng: Generator) -> Example:
        mel = log_mel(speech.samples)
        content = mel.shape[1]
        frames = window_frames(content, self._full, rng)
        heard = Heard(speech.text, speech.phonemes, speech.language)
        rows = targets(self._vocabulary, heard, speech.samples.size / RATE_HZ, rng)
        return Example(_masked(mel, rng), frames, *rows, self._vocabulary.phonemes(speech.phonemes))


def window_frames(content: int, full: float, rng: Generator) -> int:
    """Length of the window around `content` frames of sound; `full` is the share of windows of 30 s."""
    frames = max(content + int(rng.integers(20, 151)), int(rng.integers(LEAST_FRAMES, 240)))
    chance = rng.random()
    if chance < full:
        frames = FULL_FRAMES
    elif chance < full + _LONGER:
        frames = max(frames, int(rng.integers(LEAST_FRAMES, 1200)))
    return min(frames + frames % 2, FULL_FRAMES)


def targets(
    vocabulary: Vocabulary, heard: Heard, seconds: float, rng: Generator
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens and targets of a sound of so many seconds, in some with its timestamps."""
    if not heard.language:
        return vocabulary.no_speech("en" if rng.random() < 0.5 else "fr")
    return vocabulary.speech(heard.text, heard.language, seconds if rng.random() < _TIMESTAMPS else None)


def log_mel(samples: Samples) -> NDArray[np.float32]:
    """[80, n] of n hops of 10 ms, as both backends give it to the encoder."""
    from whisper.audio import log_mel_spectrogram

    content = min(samples.size // HOP_SAMPLES, FULL_FRAMES)
    found: NDArray[np.float32] = log_mel_spectrogram(samples, 80, padding=HOP_SAMPLES)[:, :content].numpy()
    return found


def _floats(one: Utterance) -> Samples:
    return one.samples.astype(np.float32) / np.float32(32768.0)


def _cut(one: Utterance, rng: Generator) -> Speech:
    """Some words of a sentence, as streaming hears them; how they sound alone is not known."""
    words = one.text.split()
    begin = int(rng.integers(1, len(words))) if rng.random() < 0.3 else 0
    end = int(rng.integers(begin + 1, len(words) + 1))
    first = one.word_starts[begin]
    last = one.word_starts[end] if end < len(words) else one.samples.size
    samples = _floats(one)[first : max(last, first + HOP_SAMPLES)]
    return Speech(samples, " ".join(words[begin:end]), "", one.language)


def _masked(mel: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """A microphone's frequency response and, at times, a band or a moment that is missing (Park et al. 2019)."""
    mel = mel + np.interp(np.arange(80), np.linspace(0, 79, 5), rng.normal(0.0, 0.08, 5))[:, None].astype(np.float32)
    if rng.random() < 0.15:
        height, low = int(rng.integers(2, 12)), int(rng.integers(0, 68))
        mel[low : low + height] = mel.mean()
    if rng.random() < 0.15 and mel.shape[1] > 100:
        width, begin = int(rng.integers(2, 10)), int(rng.integers(0, mel.shape[1] - 10))
        mel[:, begin : begin + width] = mel.mean()
    return mel.astype(np.float32)
