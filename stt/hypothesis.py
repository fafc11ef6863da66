"""What a decoder made of an utterance: timed words and scores, and how well a command fits against free words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from core.messages import Samples

# fmt: off
PHONES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)
# fmt: on
OPEN_PREFIX = "_"
"""Begins the words of an open slot: `_AH` is the phone AH heard there."""
FRAME_S = 0.01
"""pocketsphinx's feature frame"""
FILLED_PAUSES = frozenset(
    {"a", "ah", "aha", "eh", "er", "ha", "hm", "hmm", "huh", "i'm", "mm", "oh", "ooh", "the"}
    | {"uh", "uhm", "um", "whoa", "wow", "ya"}
)
"""what noises and breaths are heard as, and what asks for nothing when nothing else is said"""


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word, or a phone of an open slot, and when it was spoken."""

    text: str
    start_s: float
    """from the start of the utterance"""
    end_s: float

    @property
    def is_open(self) -> bool:
        """A phone of an open slot."""
        return self.text.startswith(OPEN_PREFIX)


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """What a decoder made of an utterance."""

    words: tuple[Word, ...]
    """without silences and noises"""
    score: float
    """`hyp.score`, the path's likelihood relative to the best sound model of each frame, as ln(score) * 1024 / frames:
    nats per 10 ms frame, at most 0"""

    acoustic: Samples = field(default_factory=lambda: np.zeros(0, np.float32))
    """[frames] of the whole path, silences included: each segment's ln(`seg.ascore`) * 1024 / its frames, which is the
    sound's likelihood alone, without language model and penalties"""

    @property
    def text(self) -> str:
        """The words; what an open slot held is not among them."""
        return " ".join(word.text for word in self.words if not word.is_open)

    @property
    def mean_word_s(self) -> float:
        """Seconds a word; noise gives few and long ones. 0 without words."""
        return sum(word.end_s - word.start_s for word in self.words) / len(self.words) if self.words else 0.0

    def is_speech(self, word_max_ms: float) -> bool:
        """Whether the words are more than the shape that free words give to a noise, a cough or a breath."""
        short_enough = 0.0 < self.mean_word_s * 1000 <= word_max_ms
        return short_enough and not FILLED_PAUSES.issuperset(self.text.split())


def command_margin(command: Hypothesis, words: Hypothesis) -> float:
    """How much better, in nats per frame, the grammar's words fit the sound than unrestricted English does.

    The mean of the difference of the two paths' acoustic scores over the frames of the grammar's words: a likelihood
    ratio. Open slots and silence do not count. Near 0 for commands, clearly negative for other speech.
    """
    length = min(len(command.acoustic), len(words.acoustic))
    fixed = np.zeros(length, bool)
    for word in command.words:
        if not word.is_open:
            fixed[round(word.start_s / FRAME_S) : round(word.end_s / FRAME_S)] = True
    if not fixed.any():
        return -math.inf
    return float((command.acoustic[:length] - words.acoustic[:length])[fixed].mean())


def fill_open_slots(command: Hypothesis, words: Hypothesis | None) -> str:
    """The command's text, each open slot replaced by the n-gram words whose middle lies in it."""
    parts: list[str] = []
    slot: list[float] = []
    for word in (*command.words, None):
        if word is not None and word.is_open:
            slot = [slot[0] if slot else word.start_s, word.end_s]
            continue
        if slot and words is not None:
            parts += [w.text for w in words.words if slot[0] <= (w.start_s + w.end_s) / 2 < slot[1]]
        slot = []
        if word is not None:
            parts.append(word.text)
    return " ".join(parts)
