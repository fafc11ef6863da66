"""The sound since the last cut, and where it is cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.utils.whisper.results import Piece
from stt.speech_window import KEPT_S, SpeechWindow, choose_cut
from tests.stt.scripted_whisper import RATE, Speech, speak


def timed(speech: Speech, shift_s: float = 0.0) -> list[Piece]:
    """The script as an aligner gives it: a word lasts until the next one begins."""
    words = speech.words
    ends = [*(word.start_s for word in words[1:]), words[-1].end_s]
    return [
        Piece(f" {word.text}", (number,), word.start_s + shift_s, end + shift_s)
        for number, (word, end) in enumerate(zip(words, ends, strict=True))
    ]


@given(st.lists(st.one_of(st.integers(0, 50), st.floats(0.0, 1.0)), max_size=20))
def test_what_is_there_is_what_came_less_what_was_cut(steps: list[int | float]):
    window, everything, cut, number = SpeechWindow(), np.zeros(0, np.float32), 0, 0
    for step in steps:
        if isinstance(step, int):
            piece = np.arange(number, number + step, dtype=np.float32)
            number += step
            window.append(piece)
            everything = np.concatenate((everything, piece))
        else:
            take = int(step * (len(everything) - cut))
            window.cut(take)
            cut += take
        assert (window.length, window.begin) == (len(everything), cut)
        assert np.array_equal(window.samples(10.0), everything[cut:])
    assert np.array_equal(window.samples(5 / RATE), everything[cut : cut + 5])


@pytest.mark.parametrize("shift_s", [-0.15, 0.0, 0.15])
def test_the_deepest_pause_is_taken_even_where_times_are_a_little_off(shift_s: float):
    speech = speak("one two three ... four five six seven eight nine")
    cut = choose_cut(speech.samples, timed(speech, shift_s), 6, only_pauses=True)
    assert cut is not None
    assert cut.pieces == 3
    assert speech.words[2].end_s < cut.samples / RATE < speech.words[3].start_s


def test_a_pause_within_what_is_taken_for_one_word_is_no_place_to_cut():
    """A real Whisper began "differs" at the pause before it: cut there, it was heard twice."""
    speech = speak("one two three ... four five six seven eight nine")
    pieces = timed(speech)
    early = replace(pieces[3], start_s=speech.words[2].end_s - 0.1)
    assert choose_cut(speech.samples, [*pieces[:3], early, *pieces[4:]], 6, only_pauses=True) is None


def test_without_a_pause_it_is_the_end_of_the_last_word_that_may_go():
    speech = speak("one two three four five six seven eight nine", gap_s=0.0)
    pieces = timed(speech)
    assert choose_cut(speech.samples, pieces, 4, only_pauses=True) is None
    cut = choose_cut(speech.samples, pieces, 4, only_pauses=False)
    assert cut is not None
    assert cut.pieces == 4
    assert cut.samples / RATE == pytest.approx(speech.words[3].end_s, abs=0.16)


def test_a_word_is_not_parted_from_its_punctuation():
    speech = speak("one two three four five six seven eight")
    pieces = timed(speech)
    marked = [*pieces[:2], Piece(",", (9,), pieces[1].end_s, pieces[1].end_s), *pieces[2:]]
    cut = choose_cut(speech.samples, marked, 2, only_pauses=False)
    assert cut is not None
    assert cut.pieces == 1


def test_the_last_second_stays():
    speech = speak("one two three four five six")
    cut = choose_cut(speech.samples, timed(speech), 6, only_pauses=False)
    assert cut is not None
    assert 0 < cut.pieces < 6
    assert cut.samples <= len(speech.samples) - KEPT_S * RATE
    late = [Piece(piece.text, piece.tokens, 2.0, 2.1) for piece in timed(speech)]
    assert choose_cut(speech.samples, late, 6, only_pauses=False) is None


@pytest.mark.parametrize("length", [0, 100, 3 * RATE])
def test_no_words_no_cut(length: int):
    assert choose_cut(np.zeros(length, np.float32), [], 0, only_pauses=False) is None
