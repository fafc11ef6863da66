"""Normalisation never raises, loses nothing, and knows which written part each spoken part stands for."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.messages import Language
from tts.normalise.speakable import normalise

LANGUAGES = st.sampled_from(["en", "fr"])
ANY_TEXT = st.text(st.characters(codec=None), max_size=200)
FIGURES = st.text("0123456789.,:/-–−+$€% °CkmhAMPpe'\u202f½²#n(", max_size=60)


@settings(deadline=None)  # eight thousand digits on a busy machine
@given(ANY_TEXT | FIGURES, LANGUAGES)
@example("\ud800", "en")
@example("9" * 5000, "fr")
@example("9" * 5000 + "/" + "9" * 5000 + "th", "en")
@example("9" * 50 + "e 1/" + "9" * 50, "fr")
def test_spans_cover_both_texts(text: str, language: Language) -> None:
    spoken = normalise(text, language)
    written_end = spoken_end = 0
    for span in spoken.spans:
        assert (span.start, span.spoken_start) == (written_end, spoken_end)
        written_end, spoken_end = span.end, span.spoken_end
        if span.kept:
            assert text[span.start : span.end] == spoken.text[span.spoken_start : span.spoken_end]
    assert (written_end, spoken_end) == (len(text), len(spoken.text))


@settings(deadline=None)
@given(ANY_TEXT | FIGURES, LANGUAGES)
def test_only_punctuation_and_marks_are_left_unsaid(text: str, language: Language) -> None:
    spoken = normalise(text, language)
    for span in spoken.spans:
        if spoken.text[span.spoken_start : span.spoken_end].strip():
            continue
        for character in text[span.start : span.end]:
            assert unicodedata.category(character) in {
                *("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Zs", "Zl", "Zp"),
                *("Cc", "Cf", "Mn", "Me", "Sk"),
            }, character


@settings(deadline=None)
@given(ANY_TEXT | FIGURES, LANGUAGES)
def test_written_length_only_grows(text: str, language: Language) -> None:
    spoken = normalise(text, language)
    lengths = [spoken.written_length(count) for count in range(len(spoken.text) + 1)]
    assert lengths == sorted(lengths)
    assert lengths[-1] == len(text)


@pytest.mark.parametrize(
    ("heard", "written"),
    [
        ("It", "It"),
        ("It is", "It is"),
        ("It is twelve", "It is "),
        ("It is twelve point five kilometers", "It is 12.5 km"),
        ("It is twelve point five kilometers away", "It is 12.5 km away"),
    ],
)
def test_a_figure_counts_when_it_has_been_said_whole(heard: str, written: str) -> None:
    spoken = normalise("It is 12.5 km away.", "en")
    assert spoken.text.startswith(heard)
    assert spoken.written[: spoken.written_length(len(heard))] == written
