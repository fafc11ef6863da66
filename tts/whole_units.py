"""For engines that give a unit's sound only whole: text to pieces of sound, unit by unit, with marks at words.

Where a word ends within a unit is reckoned from its letters, as such engines do not tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from core.messages import Mark, Samples
from tts.clauses import Unit, split_units
from tts.engine import SpeechPiece
from tts.loudness import amplify, gain_for, levelled
from tts.shaping import cut_chunks, fade_edges, silence, trim_silence
from tts.streaming_trim import QUIET

CLOSING_SILENCE_MS = 20
"""after the last word, so that the mark of the whole text lies within the sound"""
_WORD = re.compile(r"\S+")


def speak_units(
    text: str, say: Callable[[str], Samples], sample_rate_hz: int, gain: float, stopped: Callable[[], bool]
) -> Iterator[SpeechPiece]:
    """The sound of `text` by `say`, which is asked for one unit ahead of the consumer at most.

    `gain` is what the voice needs usually; each unit comes whole, so it is brought to one loudness by itself.
    """
    units = split_units(text)
    unit = next(units, None)
    if unit is None:
        yield SpeechPiece(np.zeros(0, np.float32), (Mark(0, 0),), last=True)
    while unit is not None:
        if stopped():
            return
        sound = say(unit.text) if unit.text.strip() else np.zeros(0, np.float32)
        following = next(units, None)
        louder = amplify(sound, levelled(gain_for(sound, sample_rate_hz), gain))
        voiced = fade_edges(trim_silence(louder, sample_rate_hz, QUIET).samples, sample_rate_hz)
        pause_ms = CLOSING_SILENCE_MS if following is None else unit.pause_ms * bool(len(voiced))
        samples = np.concatenate((voiced, silence(pause_ms, sample_rate_hz)))
        for chunk in cut_chunks(samples, word_marks(unit, len(voiced)), sample_rate_hz):
            if len(chunk.samples) or following is None:
                yield SpeechPiece(chunk.samples, chunk.marks, last=chunk.last and following is None)
        unit = following


def word_marks(unit: Unit, samples: int) -> tuple[Mark, ...]:
    """At the sample where each word should end, the characters of the whole text up to there; the last at the end."""
    ends = [match.end() for match in _WORD.finditer(unit.text)] or [0]
    ends[-1] = len(unit.text)
    return tuple(Mark(samples * end // max(1, len(unit.text)), unit.start + end) for end in ends)
