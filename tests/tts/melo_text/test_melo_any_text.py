"""No text whatever breaks a front end: it gives a whole sentence or says by an InferenceError why not."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from melo_texts import (
    english_front_end,
    french_front_end,
    needs_assets,
    needs_english,
    needs_french,
    needs_spanish,
    spanish_front_end,
)

from core.utils.errors import InferenceError
from tts.melo.text.phonemes import MAX_TOKENS, FrontEnd
from tts.melo.text.symbols import to_ids

pytestmark = [needs_english, needs_french, needs_spanish, needs_assets]

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
LIKELY = st.text("abzéñœßİ 0123456789.,:;'’-–…!?¿¡$€£%°#@/\\()[]{}<>\"&+=_~^|`ªº½²\n\t😀日م", max_size=60)
ODD = [
    "https://merline.org/a_b?c=d#e-1",
    "def f(x): return x**2  # naïve",
    "GPT-4o, LLaMA 3.1 & NVIDIA's RTX 4090 @ $1,599.99",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "Привет, мир! こんにちは 你好 안녕 مرحبا",
    "[UNK] [CLS] ##ing # ##",
    "Le chat says hola.",
    "3e2r1º 1er 2.ª IVe XXI",
]


@pytest.fixture(scope="module", params=["en", "fr", "es"])
def spoken(request: pytest.FixtureRequest) -> tuple[FrontEnd, str]:
    makers = {"en": english_front_end, "fr": french_front_end, "es": spanish_front_end}
    return makers[request.param](), request.param


@settings(max_examples=150, deadline=None)
@given(ANY_TEXT | LIKELY)
@example("9" * 5000)
@example("1.111" * 800)
@example("a" * 5000)
@example("\ud800")
@example("$" * 3000)
@example("1:1" * 2000)
def test_any_text(spoken: tuple[FrontEnd, str], text: str) -> None:
    front_end, language = spoken
    try:
        phonemes = front_end.process(text)
    except InferenceError:
        return
    check_whole(front_end, language, phonemes.normalized, text)


@pytest.mark.parametrize("text", ODD)
def test_odd_texts(spoken: tuple[FrontEnd, str], text: str) -> None:
    front_end, language = spoken
    check_whole(front_end, language, front_end.normalise(text), text)


def check_whole(front_end: FrontEnd, language: str, normalized: str, text: str) -> None:
    phonemes = front_end.process(text)
    assert phonemes.phones[0] == phonemes.phones[-1] == "_"
    assert len(phonemes.phones) == len(phonemes.tones) == sum(phonemes.word2ph)
    assert len(phonemes.word2ph) == len(phonemes.tokens) + 2 <= MAX_TOKENS + 2
    assert "" not in phonemes.phones
    assert " " not in phonemes.phones
    assert set(phonemes.tones) <= ({0, 1, 2, 3} if language == "en" else {0})
    symbols = ["_", "UNK", *sorted(set(phonemes.phones) - {"_", "UNK"})]
    numbers = to_ids(phonemes, symbols, language, add_blank=True)
    assert len(numbers.ids) == len(numbers.tones) == len(numbers.languages) == sum(numbers.word2ph)
    assert normalized or not text.strip()


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b", "\x00\x1f\ufeff"])
def test_nothing_to_say(spoken: tuple[FrontEnd, str], text: str) -> None:
    with pytest.raises(InferenceError, match="nothing"):
        spoken[0].process(text)


@pytest.mark.parametrize("piece", ["word ", "a", "7", "1 ", "$", "’", "1,1.1:1 ", "日", "😀", "-", "Mr. "])
def test_a_hundred_kilobytes_are_refused_at_once(spoken: tuple[FrontEnd, str], piece: str) -> None:
    begin = time.monotonic()
    with pytest.raises(InferenceError, match="too long"):
        spoken[0].process(piece * (100_000 // len(piece)))
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("piece", ["word ", "a", "7", "1 ", "$", "’", "1,1.1:1 ", "111 ", "1.111.", "Mr. "])
def test_the_longest_text_that_is_looked_at_takes_little_time(spoken: tuple[FrontEnd, str], piece: str) -> None:
    begin = time.monotonic()
    with pytest.raises(InferenceError):
        spoken[0].process(piece * (20_000 // len(piece)))
    assert time.monotonic() - begin < 30
