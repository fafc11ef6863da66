"""Word error rates on the held-out speech, by voice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.whisper.training.examples import log_mel
from benchmarks.whisper.training.network import Network
from benchmarks.whisper.training.shards import Utterance
from benchmarks.whisper.training.vocabulary import Vocabulary
from core.messages import Samples

_MARGIN_FRAMES = 100
_LEAST_FRAMES = 200
_MOST_TOKENS = 40


@dataclass(frozen=True, slots=True)
class VoiceScore:
    """How one voice is understood."""

    voice: str
    words: int
    errors: int

    @property
    def wer(self) -> float:
        """Errors for each word."""
        return self.errors / max(1, self.words)


def score(utterances: Iterable[Utterance], hear: Callable[[Samples, str], str]) -> list[VoiceScore]:
    """Of a recogniser, which is given sound and language: one figure for each voice."""
    found: dict[str, list[int]] = {}
    for one in utterances:
        text = hear(one.samples.astype(np.float32) / np.float32(32768.0), one.language)
        counts = found.setdefault(one.voice, [0, 0])
        counts[0] += len(one.text.split())
        counts[1] += word_errors(one.text.split(), text.split())
    return [VoiceScore(voice, words, errors) for voice, (words, errors) in found.items()]


def total(scores: Sequence[VoiceScore], voices: Sequence[str]) -> float:
    """The error rate over some voices."""
    counted = [one for one in scores if one.voice in voices]
    return sum(one.errors for one in counted) / max(1, sum(one.words for one in counted))


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words replaced, missing and invented (Levenshtein 1966)."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(said, 1):
        before, row[0] = row[0], index
        for place, other in enumerate(heard, 1):
            change = before + (word != other)
            before = row[place]
            row[place] = min(change, row[place] + 1, row[place - 1] + 1)
    return row[-1]


class Listener:
    """The network in training as a recogniser: greedy, in a short window."""

    def __init__(self, network: Network, vocabulary: Vocabulary) -> None:
        self._network = network
        self._vocabulary = vocabulary

    def __call__(self, samples: Samples, language: str) -> str:
        mel = log_mel(samples)
        frames = max(mel.shape[1] + _MARGIN_FRAMES, _LEAST_FRAMES)
        padded = torch.nn.functional.pad(torch.from_numpy(mel), (0, frames + frames % 2 - mel.shape[1]))[None]
        device = self._network.log_count.device
        prompt = list(self._vocabulary.speech("", language, None)[0][:4])
        end = self._vocabulary.speech("", language, None)[1][-1]
        rows = list(prompt)
        with torch.inference_mode():
            encoded = self._network.encode(padded.to(device))
            while len(rows) < _MOST_TOKENS:
                row = int(self._network.logits(torch.tensor([rows], device=device), encoded)[0, -1].argmax())
                if row == end:
                    break
                rows.append(row)
        return self._vocabulary.text(rows[len(prompt) :])
