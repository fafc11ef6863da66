"""Units that come whole are trimmed, joined without clicks, and marked word by word."""

from __future__ import annotations

import numpy as np
import pytest

from tts.clauses import Unit
from tts.loudness import TARGET_DBFS, gain_for, voiced_dbfs
from tts.whole_units import speak_units, word_marks

RATE = 1000


def tone(text: str) -> np.ndarray:
    """A tenth of a second a character, with silence around it."""
    sound = np.full(100 * len(text), 0.5, np.float32)
    return np.concatenate((np.zeros(300, np.float32), sound, np.zeros(400, np.float32)))


def test_marks_grow_with_the_letters_and_end_at_the_end() -> None:
    marks = word_marks(Unit("one two three. ", 10), 1500)
    assert [(mark.sample, mark.characters) for mark in marks] == [(300, 13), (700, 17), (1500, 25)]


def test_a_text_is_said_unit_by_unit_and_only_the_last_piece_is_last() -> None:
    asked: list[str] = []

    def say(text: str) -> np.ndarray:
        asked.append(text)
        return tone(text.strip())

    pieces = list(speak_units("One. Two three.", say, RATE, 1.0, lambda: False))
    assert asked == ["One.", " Two three."]
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    samples = np.concatenate([piece.samples for piece in pieces])
    assert len(samples) == pytest.approx(100 * len("One.Two three.") + 180 + 20, abs=40)
    start, reached = 0, []
    for piece in pieces:
        reached += [(start + mark.sample, mark.characters) for mark in piece.marks]
        start += len(piece.samples)
    assert [characters for _, characters in reached] == [4, 8, 15]
    assert [at for at, _ in reached] == sorted(at for at, _ in reached)


def test_gain_never_passes_the_peak_and_edges_are_silent() -> None:
    pieces = list(speak_units("Hi.", tone, RATE, 5.0, lambda: False))
    samples = np.concatenate([piece.samples for piece in pieces])
    assert np.abs(samples).max() < 0.9
    assert samples[0] == samples[-1] == 0


@pytest.mark.parametrize("own", [0.4, 2.5])
def test_a_word_eight_decibels_off_its_voice_is_as_loud_as_every_sentence(own: float) -> None:
    usual = 2 * 10 ** (TARGET_DBFS / 20)
    pieces = speak_units("Hi.", lambda text: tone(text) * np.float32(usual * own), RATE, 1.0, lambda: False)
    samples = np.concatenate([piece.samples for piece in pieces])
    assert voiced_dbfs(samples, RATE) == pytest.approx(TARGET_DBFS, abs=0.3)


def test_nothing_to_say_and_a_stop() -> None:
    (piece,) = speak_units("", tone, RATE, 1.0, lambda: False)
    assert (len(piece.samples), piece.marks[0].characters, piece.last) == (0, 0, True)
    assert list(speak_units("One. Two.", tone, RATE, 1.0, lambda: True)) == []
    (blank,) = speak_units("  ", tone, RATE, 1.0, lambda: False)
    assert (blank.marks[-1].characters, blank.last) == (2, True)


@pytest.mark.parametrize(("level", "edge", "kept"), [(0.5, 0.004, False), (0.02, 0.0015, True)])
def test_silence_is_what_is_silent_once_the_sound_is_as_loud_as_it_will_be(
    level: float, edge: float, kept: bool
) -> None:
    voice, quiet = (np.sin(np.arange(count) / 3, dtype=np.float32) for count in (RATE, RATE // 5))
    sound = np.concatenate((quiet * np.float32(edge), voice * np.float32(level), quiet * np.float32(edge)))
    said = np.concatenate(
        [piece.samples for piece in speak_units("Hello.", lambda _: sound, RATE, gain_for(sound, RATE), lambda: False)]
    )
    wanted = len(sound) if kept else len(voice)
    assert len(said) / RATE == pytest.approx(wanted / RATE, abs=0.05)
